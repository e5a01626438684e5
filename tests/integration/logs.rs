//! A log at TRACE of every scenario holds no code and no token, in no spelling (W046, I14, A102).

use std::any::Any;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use otpgate_core::Store;
use otpgate_core::runtime::BoxFuture;
use otpgate_testkit::wire::{Stores, scenarios};

use crate::capture::Log;
use crate::drive::{Memory, OnServer, Sqlite, drivers};

/// The same stores, for a few rounds of each scenario: one round logs what all log.
struct FewRounds(Arc<dyn Stores>);

impl Stores for FewRounds {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn open(&self) -> BoxFuture<(Arc<dyn Store>, Arc<dyn Any + Send + Sync>)> {
        self.0.open()
    }

    fn rounds(&self, rounds: usize) -> usize {
        rounds.min(3)
    }
}

/// The spellings that a secret may have.
fn spellings(secret: &str) -> Vec<String> {
    let hex = secret.bytes().fold(String::new(), |mut hex, b| {
        let _ = write!(hex, "{b:02x}");
        hex
    });
    let percent = secret.bytes().fold(String::new(), |mut out, b| {
        let _ = write!(out, "%{b:02X}");
        out
    });
    let list = format!("{:?}", secret.as_bytes());
    let list = list.trim_matches(['[', ']']);
    let mut spelled =
        vec![secret.to_owned(), hex.to_uppercase(), hex, percent.to_lowercase(), percent, list.to_owned()];
    // Base 64 of the secret alone, and within something longer: then the letters at its ends differ.
    spelled.extend([STANDARD_NO_PAD.encode(secret), URL_SAFE_NO_PAD.encode(secret)]);
    if secret.len() > 16 {
        for lead in ["", "x", "xx"] {
            let encoded = STANDARD_NO_PAD.encode(format!("{lead}{secret}"));
            spelled.push(encoded[4..encoded.len() - 4].to_owned());
        }
        // The part that proves it, without the rest.
        spelled.extend(secret.rsplit('.').next().filter(|part| part.len() > 16).map(str::to_owned));
    }
    spelled
}

/// The lines of `text` that hold one of `secrets` in some spelling.
fn found<'a>(text: &'a str, secrets: &[String]) -> Vec<&'a str> {
    let spelled: Vec<String> = secrets.iter().flat_map(|s| spellings(s)).collect();
    let Ok(finder) = AhoCorasick::new(&spelled) else { panic!("no finder for {} spellings", spelled.len()) };
    let hits = finder.find_overlapping_iter(text.as_bytes()).filter(|hit| {
        let word = &spelled[hit.pattern().as_usize()];
        // Six digits are in many numbers; a code is a number of its own.
        word.len() > 16 || !word.bytes().all(|b| b.is_ascii_digit()) || stands_alone(text, hit.range())
    });
    let line = |at: usize| {
        let from = text[..at].rfind('\n').map_or(0, |n| n + 1);
        text[from..].lines().next().unwrap_or_default()
    };
    hits.map(|hit| line(hit.start())).collect()
}

/// Whether the digits at `at` are not within a longer word or the fraction of a number.
fn stands_alone(text: &str, at: Range<usize>) -> bool {
    let (before, after) = (text[..at.start].chars().next_back(), text[at.end..].chars().next());
    let beside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    !beside(before) && !beside(after) && before != Some('.')
}

fn no_log_on(store: impl Stores + 'static) {
    let log = Log::keep();
    let (mut secrets, mut bytes, mut audits) = (0, 0, 0);
    let is_memory = store.name() == Memory.name();
    let store: Arc<dyn Stores> = Arc::new(FewRounds(Arc::new(store)));
    for driver in drivers() {
        for scenario in scenarios() {
            // One framework is enough over the slower stores: what is logged below it is the same.
            if !is_memory && (driver.name() != "axum" || scenario.racing) {
                continue;
            }
            let said = scenario.run(&driver, &store).unwrap();
            let text = log.take();
            audits += text.matches("otpgate::audit").count();
            let hidden = said.secrets();
            let hits = found(&text, &hidden);
            assert!(hits.is_empty(), "{}: {hits:?}", scenario.name);
            let events = said.events().join("\n");
            let hits = found(&events, &hidden);
            assert!(hits.is_empty(), "{}: {hits:?}", scenario.name);
            secrets += hidden.len();
            bytes += text.len();
        }
    }
    assert!(
        secrets > 1_000 && bytes > 1_000_000 && audits > 1_000,
        "{secrets} secrets, {bytes} bytes, {audits} audit lines"
    );
}

#[test]
fn w046_a102_no_log_of_any_scenario_in_memory_holds_a_secret() {
    no_log_on(Memory);
}

#[test]
fn w046_a102_no_log_of_any_scenario_on_sqlite_holds_a_secret() {
    no_log_on(Sqlite);
}

#[test]
fn w046_a102_no_log_of_any_scenario_on_postgres_holds_a_secret() {
    no_log_on(OnServer::Postgres);
}

#[test]
fn w046_a102_no_log_of_any_scenario_on_mariadb_holds_a_secret() {
    no_log_on(OnServer::MariaDb);
}

#[test]
fn w046_a102_no_log_of_any_scenario_on_redis_holds_a_secret() {
    no_log_on(OnServer::Redis);
}

#[test]
fn a_planted_secret_is_found_in_every_spelling() {
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLTMyLWJ5dGVzLW9yLXNv";
    let code = "012345";
    for secret in [token, code] {
        let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
        let planted = [
            format!("code={secret} x"),
            format!("{{\"password\":\"{secret}\"}}"),
            format!("body {hex}"),
            format!("body {}", hex.to_uppercase()),
            format!("header {}", STANDARD.encode(secret)),
            format!("url ?x={}", secret.bytes().map(|b| format!("%{b:02X}")).collect::<String>()),
            format!("bytes {:?}", secret.as_bytes()),
        ];
        for text in planted {
            assert!(!found(&text, &[secret.to_owned()]).is_empty(), "{text}");
        }
    }
    for lead in ["", "a", "ab", "abc"] {
        let text = STANDARD.encode(format!("{lead}{token} and more"));
        assert!(!found(&text, &[token.to_owned()]).is_empty(), "{text}");
    }
    assert!(!found("mac c2lnbmF0dXJlLW9mLTMyLWJ5dGVzLW9yLXNv", &[token.to_owned()]).is_empty());
    assert!(found("elapsed 0.012345 at 1012345 and a012345", &[code.to_owned()]).is_empty());
}
