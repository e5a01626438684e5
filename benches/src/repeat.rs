//! A measurement done several times over, each time by a process of its own, and its tables put one upon the other: every number
//! becomes the middle of its repetitions with the least and the greatest of them.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

/// Takes `--repeat N` out of the arguments.
///
/// # Errors
/// Where no number follows.
pub fn wanted(arguments: &mut Vec<String>) -> Result<Option<usize>> {
    let Some(at) = arguments.iter().position(|argument| argument == "--repeat") else { return Ok(None) };
    let times = arguments.get(at + 1).and_then(|n| n.parse().ok()).filter(|n| *n > 0);
    ensure!(times.is_some(), "--repeat N: so many times");
    arguments.drain(at..at + 2);
    Ok(times)
}

/// Runs this program with `arguments` so many times, and prints all its tables in one.
///
/// # Errors
/// When one of them fails.
pub fn repeat(times: usize, arguments: &[String]) -> Result<()> {
    let mut runs = Vec::with_capacity(times);
    for run in 1..=times {
        eprintln!("run {run} of {times}");
        let mut command = Command::new(std::env::current_exe()?);
        let done = command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        ensure!(done.status.success(), "run {run} of {times} ended with {}", done.status);
        runs.push(String::from_utf8(done.stdout)?);
    }
    print!("{}", merged(&runs)?);
    Ok(())
}

/// One text in the place of many that say the same but for the numbers in their tables.
fn merged(runs: &[String]) -> Result<String> {
    let runs: Vec<Vec<&str>> = runs.iter().map(|run| run.lines().collect()).collect();
    let (first, others) = runs.split_first().expect("at least one run");
    ensure!(others.iter().all(|run| run.len() == first.len()), "one run printed more lines than another");
    let mut text = String::new();
    for (at, line) in first.iter().enumerate() {
        let lines: Vec<&str> = runs.iter().map(|run| run[at]).collect();
        if line.starts_with('|') {
            let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split('|').map(str::trim).collect()).collect();
            ensure!(rows.iter().all(|row| row.len() == rows[0].len()), "one table is wider than another: {line}");
            let cell = |at: usize| together(&rows.iter().map(|row| row[at]).collect::<Vec<_>>());
            let cells: Vec<String> = (1..rows[0].len() - 1).map(cell).collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        } else {
            text.push_str(&together(&lines));
            text.push('\n');
        }
    }
    Ok(text)
}

/// One text in the place of several.
fn together(texts: &[&str]) -> String {
    let first = texts[0];
    if texts.iter().all(|text| *text == first) {
        return first.to_owned();
    }
    let met = texts.iter().filter(|text| **text == "met").count();
    if met > 0 && texts.iter().all(|text| ["met", "**missed**"].contains(text)) {
        return format!("met {met} of {}", texts.len());
    }
    let mut numbers: Vec<(f64, &str)> = texts.iter().filter_map(|text| Some((number(text)?, *text))).collect();
    if numbers.len() == texts.len() {
        numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
        let shown = |at: usize| numbers[at].1.split_once(' ').map_or(numbers[at].1, |(number, _)| number);
        let (low, high) = (shown(0), shown(numbers.len() - 1));
        return format!("{} ({low} to {high})", numbers[numbers.len() / 2].1);
    }
    texts.join(" / ")
}

/// The number in a cell that has one, with or without a unit.
fn number(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    number.parse().ok().filter(|_| !unit.contains(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_the_middle_with_its_ends_and_all_else_stays() {
        let run =
            |ns: &str, verdict: &str| format!("what\n\n| a | b | c |\n|---|---:|---|\n| x | {ns} | {verdict} |\n");
        let runs = [run("12 ns", "met"), run("9 ns", "met"), run("100 ns", "**missed**")];
        let want = "what\n\n| a | b | c |\n| --- | ---: | --- |\n| x | 12 ns (9 to 100) | met 2 of 3 |\n";
        assert_eq!(merged(&runs).unwrap(), want);
        assert_eq!(together(&["1 to 2", "1 to 3"]), "1 to 2 / 1 to 3");
        assert_eq!(together(&["0.50", "0.50"]), "0.50");
        assert!(merged(&["a\n".to_owned(), "a\nb\n".to_owned()]).is_err());
    }
}
