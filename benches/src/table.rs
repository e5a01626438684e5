//! The tables, in Markdown, as BENCHMARKS.md has them.

use crate::rounds::Measured;

/// What was measured, and what came of it.
#[derive(Default)]
pub struct Table {
    cases: Vec<String>,
    goals: Vec<Goal>,
}

/// A number beside its goal; smaller is better.
pub struct Goal {
    id: &'static str,
    what: &'static str,
    ours: String,
    beside: String,
    got: f64,
    goal: f64,
}

impl Goal {
    /// Nanoseconds of ours over those of a peer.
    pub fn ratio(id: &'static str, what: &'static str, ours: f64, peer: f64, goal: f64) -> Self {
        Self { id, what, ours: format!("{ours:.0} ns"), beside: format!("{peer:.0} ns"), got: ours / peer, goal }
    }

    /// Nanoseconds of ours.
    pub fn nanos(id: &'static str, what: &'static str, ours: f64, goal: f64) -> Self {
        Self { id, what, ours: format!("{ours:.0} ns"), beside: String::new(), got: ours, goal }
    }
}

impl Table {
    /// Every case of a run, and what it costs over `base`.
    pub fn cases(&mut self, title: &str, measured: &Measured, base: &str) {
        self.cases
            .push(format!("\n{title}\n\n| case | ns a request | quartiles | over {base} |\n|---|---:|---:|---:|"));
        for name in measured.names() {
            let (of, over) = (measured.of(name), measured.over(name, base));
            let (low, median, high) = (of.low, of.median, of.high);
            self.cases.push(format!("| {name} | {median:.0} | {low:.0} to {high:.0} | {:.0} |", over.median));
        }
    }

    /// How often the store was asked in a run, by all its cases together.
    pub fn asked(&mut self, asked: usize) {
        self.cases.push(format!("\nThe store was asked {asked} times in the run that follows."));
    }

    pub fn goal(&mut self, goal: Goal) {
        self.goals.push(goal);
    }

    pub fn print(&self) {
        self.cases.iter().for_each(|line| println!("{line}"));
        println!("\n| | what | ours | beside | comes to | goal | |\n|---|---|---:|---:|---:|---:|---|");
        for Goal { id, what, ours, beside, got, goal } in &self.goals {
            let verdict = if got <= goal { "met" } else { "**missed**" };
            let shown = |n: f64| if beside.is_empty() { format!("{n:.0} ns") } else { format!("{n:.3}") };
            println!("| {id} | {what} | {ours} | {beside} | {} | {} | {verdict} |", shown(*got), shown(*goal));
        }
    }
}
