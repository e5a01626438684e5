//! Which test proves which numbered statement: STATEMENTS.md is made of the names of the tests, and this test keeps it so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::{env, fs};

use crate::house::House;

const FILE: &str = "STATEMENTS.md";
const LAST: u32 = 157;

/// The numbers that a test's name starts with: `w058_w059_sign_in_..` proves two.
fn numbers(name: &str) -> Vec<u32> {
    let ids = name.split('_').take_while(|part| {
        let mut letters = part.chars();
        letters.next().is_some_and(|c| "waiqfrs".contains(c)) && part.len() > 1 && letters.all(|c| c.is_ascii_digit())
    });
    ids.filter_map(|id| id.strip_prefix('w')).filter_map(|n| n.parse().ok()).collect()
}

/// The names behind `fn` in a source.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.split("fn ")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
}

fn table() -> String {
    let mut proofs: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for source in House::read().files.iter().filter(|f| f.path.ends_with(".rs") && !f.path.ends_with("statements.rs")) {
        for name in functions(&source.text) {
            for number in numbers(name) {
                proofs.entry(number).or_default().push(format!("`{name}` ({})", source.path));
            }
        }
    }
    let missing: Vec<u32> = (1..=LAST).filter(|n| !proofs.contains_key(n)).collect();
    assert!(missing.is_empty(), "no test is named after {missing:?}");
    let mut table = String::from(
        "# Statements\n\nThe numbered statements of the three interfaces, and the tests that are named after them. Tests in\n\
         `crates/otpgate-testkit/src/wire` run through axum and actix-web on every store of the matrix. This page is made by\n\
         `UPDATE_STATEMENTS=1 cargo test -p otpgate-matrix --test floors statements`.\n\n| statement | proven by |\n|---|---|\n",
    );
    for (number, mut names) in proofs {
        names.sort();
        names.dedup();
        writeln!(table, "| W{number:03} | {} |", names.join("<br>")).unwrap();
    }
    table
}

#[test]
fn every_statement_has_a_test_and_the_page_says_which() {
    let path = House::read().root.join(FILE);
    let table = table();
    if env::var_os("UPDATE_STATEMENTS").is_some() {
        fs::write(&path, &table).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), table, "{FILE} is out of date");
}

#[test]
fn a_name_gives_its_numbers_and_no_others() {
    assert_eq!(numbers("w058_w059_sign_in_answers"), [58, 59]);
    assert_eq!(numbers("r39_q58_w001_shared"), [1]);
    assert_eq!(numbers("what_is_w001"), Vec::<u32>::new());
}
