//! A row of the table, which is also what the picture is drawn from.

use anyhow::{Context as _, Result};

/// The stores, in the order of the table.
pub(super) const STORES: [&str; 3] = ["memory", "sqlite", "postgres"];

/// One store at one size. Nanoseconds are over the bare framework; microseconds are whole requests or flows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) store: String,
    pub(super) sessions: f64,
    /// A request of the bare framework, beside which the next was measured.
    pub(super) bare: f64,
    /// One token, seen before.
    pub(super) hot: f64,
    /// Any of all tokens, each seen before; none where they cannot all be seen while the first still counts.
    pub(super) random: Option<f64>,
    /// Any of all tokens, looked up and believed.
    pub(super) map: f64,
    /// A token that was not seen before, through the store.
    pub(super) first: f64,
    /// A whole flow.
    pub(super) flow: f64,
}

const FLAT: f64 = 1.2;
const TO_MAP: f64 = 1.5;

impl Row {
    pub(super) const HEAD: &str = "| store | sessions | bare axum, ns | one token, ns | any token, ns | the map alone, ns | any token to the map | first sight, µs | whole flow, µs |
|---|---:|---:|---:|---:|---:|---:|---:|---:|";

    pub(super) fn markdown(&self) -> String {
        let Self { store, sessions, bare, hot, random, map, first, flow } = self;
        let (any, to_map) =
            random.map_or_else(Default::default, |any| (format!("{any:.0}"), format!("{:.2}", any / map)));
        format!(
            "| {store} | {sessions} | {bare:.0} | {hot:.0} | {any} | {map:.0} | {to_map} | {first:.1} | {flow:.0} |"
        )
    }

    /// All rows in a text that has the table somewhere. Of a cell with several numbers the first counts.
    pub(super) fn all_in(text: &str) -> Result<Vec<Self>> {
        let head = Self::HEAD.lines().next().unwrap_or("");
        let lines = text.lines().skip_while(|line| *line != head).skip(2).take_while(|line| line.starts_with('|'));
        lines.map(Self::read).collect()
    }

    fn read(line: &str) -> Result<Self> {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let cell = |at: usize| cells.get(at).and_then(|cell| cell.split(' ').next());
        let number = |at: usize| cell(at).and_then(|n| n.parse::<f64>().ok());
        let row = || {
            let (store, sessions) = (cell(0)?.to_owned(), number(1)?);
            let (bare, hot, random, map) = (number(2)?, number(3)?, number(4), number(5)?);
            Some(Self { store, sessions, bare, hot, random, map, first: number(7)?, flow: number(8)? })
        };
        row().with_context(|| format!("no row: {line}"))
    }
}

/// What came of the goals on one store, a line each.
pub(super) fn goals(rows: &[Row], store: &str) -> Vec<String> {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.store == store).collect();
    let Some(least) = rows.first() else { return Vec::new() };
    let worst = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NAN, f64::max);
    // A machine has slow minutes, in which the bare framework is slow too.
    let flat = worst(&mut rows.iter().map(|row| row.hot / row.bare / (least.hot / least.bare)));
    let to_map = worst(&mut rows.iter().filter_map(|row| Some(row.random? / row.map)));
    let line = |what: &str, got: f64, goal: f64| {
        let verdict = if got <= goal { "met" } else { "**missed**" };
        format!("| S8 | {store}, {what} | {got:.2} | {goal} | {verdict} |")
    };
    vec![
        line(&format!("one token to bare axum, at most, to that at {}", least.sessions), flat, FLAT),
        line("any token to the map alone, at most", to_map, TO_MAP),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_it_was_printed() {
        let row = Row {
            store: "sqlite".to_owned(),
            sessions: 1e6,
            bare: 500.0,
            hot: 400.0,
            random: Some(900.0),
            map: 450.0,
            first: 120.5,
            flow: 2_000.0,
        };
        let none = Row { random: None, ..row.clone() };
        let text = format!("words\n\n{}\n{}\n{}\n\nwords\n", Row::HEAD, row.markdown(), none.markdown());
        assert_eq!(Row::all_in(&text).unwrap(), [row, none]);
        let several = "| memory | 1000 | 9 | 5 (4 to 6) | 7 (7 to 7) | 8 | 0.9 | 1.5 (1.0 to 2.0) | 70 |";
        assert_eq!(Row::read(several).unwrap().hot, 5.0);
        assert!(Row::read("| memory |").is_err());
    }
}
