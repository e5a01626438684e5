//! Which test proves which numbered statement: STATEMENTS.md is made of the names of the tests, and this test keeps it so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::{env, fs};

use crate::house::House;

const FILE: &str = "STATEMENTS.md";

/// The numbered lists, each from 1: the statements of the interfaces, the attacks, and what has to hold whatever happens.
const LISTS: [List; 3] = [
    List { letter: 'w', last: 157, digits: 3, title: "The statements of the three interfaces", documented: &[] },
    List {
        letter: 'a',
        last: 116,
        digits: 2,
        title: "The attacks",
        documented: &[
            // No server can tell one who reads a code aloud from one who types it. A test would prove that it is not stopped.
            (37, "a code that its owner reads out to the attacker: SECURITY.md, *What remains*"),
        ],
    },
    List { letter: 'i', last: 18, digits: 1, title: "What holds whatever happens", documented: &[] },
];

struct List {
    letter: char,
    last: u32,
    digits: usize,
    title: &'static str,
    /// What no test can prove, and where it is said instead.
    documented: &'static [(u32, &'static str)],
}

/// The numbers of one list that a test's name starts with: `w058_a30_w059_sign_in_..` proves two of `w`.
fn numbers(name: &str, list: char) -> Vec<u32> {
    let ids = name.split('_').take_while(|part| {
        let mut letters = part.chars();
        letters.next().is_some_and(|c| "waiqfrs".contains(c)) && part.len() > 1 && letters.all(|c| c.is_ascii_digit())
    });
    ids.filter_map(|id| id.strip_prefix(list)).filter_map(|n| n.parse().ok()).collect()
}

/// The names behind `fn` in a source.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.split("fn ")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
}

impl List {
    /// Each number with the names that start with it; or which are missing, unknown, or documented and proven all the same.
    fn proofs(&self, house: &House) -> Result<BTreeMap<u32, Vec<String>>, String> {
        let mut proofs: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for source in house.files.iter().filter(|f| f.path.ends_with(".rs") && !f.path.ends_with("statements.rs")) {
            for name in functions(&source.text) {
                for number in numbers(name, self.letter) {
                    proofs.entry(number).or_default().push(format!("`{name}` ({})", source.path));
                }
            }
        }
        let is_documented = |number: u32| self.documented.iter().any(|(documented, _)| *documented == number);
        let missing: Vec<u32> = (1..=self.last).filter(|n| proofs.contains_key(n) == is_documented(*n)).collect();
        let unknown: Vec<&u32> = proofs.keys().filter(|n| !(1..=self.last).contains(*n)).collect();
        if !missing.is_empty() || !unknown.is_empty() {
            let letter = self.letter;
            return Err(format!(
                "of `{letter}`, neither a test nor a reason, or both: {missing:?}; not in the list: {unknown:?}"
            ));
        }
        Ok(proofs)
    }

    fn table(&self, house: &House) -> String {
        let proofs = self.proofs(house).unwrap_or_else(|wrong| panic!("{wrong}"));
        let mut rows: BTreeMap<u32, String> = BTreeMap::new();
        for (number, mut names) in proofs {
            names.sort();
            names.dedup();
            rows.insert(number, names.join("<br>"));
        }
        for (number, reason) in self.documented {
            rows.insert(*number, format!("no test can: {reason}"));
        }
        let mut table = format!("\n## {}\n\n| | proven by |\n|---|---|\n", self.title);
        for (number, row) in rows {
            let letter = self.letter.to_ascii_uppercase();
            writeln!(table, "| {letter}{number:0width$} | {row} |", width = self.digits).unwrap();
        }
        table
    }
}

fn page() -> String {
    let house = House::read();
    let mut page = String::from(
        "# Statements\n\nThe numbered statements, attacks and invariants that this project sets itself, and the tests that are named after\n\
         them. Tests in `crates/otpgate-testkit/src/wire` run through axum and actix-web on every store of the matrix. This page is\n\
         made by `UPDATE_STATEMENTS=1 cargo test -p otpgate-matrix --test floors statements`; what no test can prove is listed, with\n\
         the reason, in `tests/floors/statements.rs`.\n",
    );
    LISTS.iter().for_each(|list| page.push_str(&list.table(&house)));
    page
}

#[test]
fn every_statement_has_a_test_and_the_page_says_which() {
    let path = House::read().root.join(FILE);
    let page = page();
    if env::var_os("UPDATE_STATEMENTS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap_or_default() == page, "{FILE} is out of date");
}

#[test]
fn a_name_gives_its_numbers_and_no_others() {
    assert_eq!(numbers("w058_w059_sign_in_answers", 'w'), [58, 59]);
    assert_eq!(numbers("r39_q58_w001_shared", 'w'), [1]);
    assert_eq!(numbers("a24_a26_i1_w040_one_session", 'a'), [24, 26]);
    assert_eq!(numbers("a24_a26_i1_w040_one_session", 'i'), [1]);
    assert_eq!(numbers("what_is_w001", 'w'), Vec::<u32>::new());
    assert_eq!(numbers("i_am_no_i1", 'i'), Vec::<u32>::new());
}

#[test]
fn a_number_without_a_test_or_a_reason_is_missed_and_so_is_one_with_both() {
    let list = |documented| List { letter: 'a', last: 3, digits: 2, title: "t", documented };
    let found = |text: &str, documented| {
        let proofs = list(documented).proofs(&crate::rules::planted_file("tests/x.rs", text));
        proofs.map(|proofs| proofs.into_keys().collect::<Vec<_>>())
    };
    assert_eq!(found("fn a01_x() {} fn a02_i3_y() {}", &[(3, "z")]).unwrap(), [1, 2]);
    for (text, documented) in [
        ("fn a01_x() {} fn i3_a02_y() {}", &[][..]),
        ("fn a01_a02_a03_x() {}", &[(3, "z")]),
        ("fn a01_a02_a03_a04_x() {}", &[]),
        ("// a03\nfn a01_a02_x() {} fn not_a03() {}", &[]),
    ] {
        found(text, documented).unwrap_err();
    }
}
