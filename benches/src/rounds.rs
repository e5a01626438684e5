//! Cases measured side by side: every round runs each of them for a moment, in an order that moves on, and what is compared are
//! differences within a round. A machine that is busy with something else slows all cases of a round, and the median forgets it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::peers::{self, Backend};

/// How long a few requests took.
pub type Batch<'a> = Pin<Box<dyn Future<Output = Duration> + 'a>>;
/// The status and the body of an answer.
pub type Asked<'a> = Pin<Box<dyn Future<Output = (u16, String)> + 'a>>;

/// An app that can be asked.
pub trait Subject {
    /// Times `calls` requests that are made beforehand; every answer must be 200.
    fn batch(&mut self, calls: usize) -> Batch<'_>;
    /// One request with this credential in the case's header, and the whole answer.
    fn ask<'a>(&'a mut self, method: &'a str, path: &'a str, credential: Option<&'a str>) -> Asked<'a>;
}

/// An app with a name, and the back end that `jsonwebtoken` is to use in it.
pub struct Case {
    pub name: String,
    pub backend: Backend,
    pub subject: Box<dyn Subject>,
}

impl Case {
    pub fn new(name: impl Into<String>, subject: impl Subject + 'static) -> Self {
        Self { name: name.into(), backend: Backend::AwsLc, subject: Box::new(subject) }
    }

    pub fn with(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Asks once and compares, so that nothing is timed that skips its checks.
    ///
    /// # Panics
    /// When the answer is another one.
    pub async fn expect(&mut self, credential: Option<&str>, status: u16, body: Option<&str>) {
        peers::choose(self.backend);
        let (got, text) = self.subject.ask("GET", "/me", credential).await;
        assert_eq!(got, status, "{}: {text}", self.name);
        if let Some(body) = body {
            assert_eq!(text, body, "{}", self.name);
        }
    }
}

/// Nanoseconds of one request, by case and round.
pub struct Measured {
    names: Vec<String>,
    rounds: Vec<Vec<f64>>,
}

/// Runs `rounds` rounds of `calls` requests a case; a tenth more before them warms everything up.
pub async fn run(cases: &mut [Case], rounds: usize, calls: usize) -> Measured {
    let count = cases.len();
    let mut measured = vec![Vec::with_capacity(rounds); count];
    let warm = rounds.div_ceil(10);
    for round in 0..warm + rounds {
        for i in 0..count {
            let at = if round % 2 == 0 { (i + round) % count } else { (count - 1 - i + round) % count };
            let case = &mut cases[at];
            peers::choose(case.backend);
            let took = case.subject.batch(calls).await;
            if round >= warm {
                measured[at].push(took.as_nanos() as f64 / calls as f64);
            }
            // The polls for revocations run here; without them nothing that was seen would be believed after a second.
            tokio::task::yield_now().await;
        }
    }
    Measured { names: cases.iter().map(|case| case.name.clone()).collect(), rounds: measured }
}

/// The middle of many values, and the quarters beside it.
#[derive(Clone, Copy, Debug)]
pub struct Middle {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Middle {
    /// # Panics
    /// Without values.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

impl Measured {
    /// One request of a case.
    pub fn of(&self, name: &str) -> Middle {
        Middle::of(self.rounds[self.at(name)].clone())
    }

    /// One request of a case over one of another, round by round.
    pub fn over(&self, name: &str, base: &str) -> Middle {
        let pairs = self.rounds[self.at(name)].iter().zip(&self.rounds[self.at(base)]);
        Middle::of(pairs.map(|(case, base)| case - base).collect())
    }

    /// The cases in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    fn at(&self, name: &str) -> usize {
        self.names.iter().position(|n| n == name).unwrap_or_else(|| panic!("no case `{name}`"))
    }
}
