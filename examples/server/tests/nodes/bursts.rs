//! Requests that reach two processes at the same instant. `cargo xtask release` fires them a thousand times.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Instant;

use otpgate_servers::Kind;
use serde_json::Value;

use super::cluster::{Cluster, user, wrong};
use super::rounds;
use crate::driver::{Answer, LOGIN, Server, ask, connect, login, request};

const LOGINS: usize = 64;
const GUESSES: usize = 60;
/// The default: the third wrong guess ends a code.
const TRIES: usize = 3;
const BURNT: &str = "Too many failed attempts. Request a new code.";

/// No address limit: all of them come from this machine. Each burst is at a user of its own.
const CONFIG: &str = "[limits]\nper_ip = false\n";

pub(super) fn a26_of_64_logins_with_one_code_on_two_nodes_one_wins(kind: Kind) {
    let rounds = rounds("OTPGATE_LOGIN_BURSTS", 5);
    let cluster = Cluster::new(kind, rounds, CONFIG);
    let nodes = [cluster.node(), cluster.node()];
    let (begun, mut unavailable) = (Instant::now(), 0);
    let racers = Racers::new(LOGINS, &nodes);
    racers.run(|fire| {
        for round in 0..rounds {
            let email = user(round);
            nodes[round % 2].ask(&email).expect(200);
            let code = cluster.code(&email);
            let answers = fire(vec![login(&email, &code); LOGINS]);
            let all = statuses(&answers);
            assert_eq!(count(&all, 200), 1, "round {round}: {all:?}");
            unavailable += count(&all, 503);
            assert_eq!(count(&all, 200) + count(&all, 401) + count(&all, 503), LOGINS, "round {round}: {all:?}");
            // The session is there, on both; and the code is none any more.
            let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
            nodes.iter().for_each(|node| drop(node.me("auth-token", &winner.data("token")).expect(200)));
            nodes[(round + 1) % 2].log_in(&email, &code).expect(401);
        }
    });
    println!(
        "{}: {rounds} bursts of {LOGINS} logins in {:?}: one session each; {unavailable} answers were 503",
        kind.name(),
        begun.elapsed()
    );
}

pub(super) fn a01_of_60_guesses_on_two_nodes_three_are_compared(kind: Kind) {
    let rounds = rounds("OTPGATE_GUESS_BURSTS", 5);
    let cluster = Cluster::new(kind, rounds, CONFIG);
    let nodes = [cluster.node(), cluster.node()];
    let (begun, mut unavailable, mut hits) = (Instant::now(), 0, 0);
    let racers = Racers::new(GUESSES + 1, &nodes);
    racers.run(|fire| {
        for round in 0..rounds {
            let email = user(round);
            nodes[round % 2].ask(&email).expect(200);
            let code = cluster.code(&email);
            // The last racer has the right code, and holds it back until three were told that theirs is wrong. In every second
            // round it races like all others, from every place in turn: who leaves the barrier first is no chance.
            let late = round % 2 == 0;
            racers.last_after.store(if late { TRIES } else { 0 }, Ordering::SeqCst);
            let place = if late { GUESSES } else { round * 7 % (GUESSES + 1) };
            let mut guesses: Vec<_> = (0..GUESSES).map(|n| login(&email, &wrong(&code, n))).collect();
            guesses.insert(place, login(&email, &code));
            let answers = fire(guesses);
            let all = statuses(&answers);
            let hit = answers[place].status == 200;
            assert!(!late || !hit, "round {round}: the right code was compared after three wrong ones");
            assert_eq!(count(&all, 200), usize::from(hit), "round {round}: {all:?}");
            assert_eq!(count(&all, 200) + count(&all, 401) + count(&all, 503), GUESSES + 1, "round {round}: {all:?}");
            unavailable += count(&all, 503);
            hits += usize::from(hit);
            if !hit {
                // Two are told that they were wrong and the third that the code is burnt, as are all that were not compared.
                let told = answers.iter().filter(|a| a.status == 401 && a.body["message"] != BURNT).count();
                assert!(told < TRIES, "round {round}: {told} were told that their guess is wrong");
                nodes.iter().for_each(|node| assert_eq!(node.log_in(&email, &code).expect(401).body["message"], BURNT));
            }
        }
    });
    // Racing at once, the right one is among three of 61 by chance.
    let racing = rounds / 2;
    let most = racing / 20 + 5 * (1 + racing.isqrt() / 4);
    assert!(hits <= most, "{hits} of {racing} racing right codes were compared; at most {most} are chance");
    println!(
        "{}: {rounds} bursts of {GUESSES} guesses in {:?}: at most {TRIES} compared each; the right code among them hit {hits} \
         of {racing} times; {unavailable} answers were 503",
        kind.name(),
        begun.elapsed()
    );
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|s| **s == status).count()
}

/// Threads that stand ready, half of them at each node, with their connections open.
struct Racers {
    addresses: Vec<String>,
    bodies: Mutex<Vec<Value>>,
    answers: Mutex<Vec<Option<Answer>>>,
    ready: Barrier,
    go: Barrier,
    done: Barrier,
    /// How many answers of 401 the last one waits for.
    last_after: AtomicUsize,
    refused: AtomicUsize,
}

impl Racers {
    fn new(many: usize, nodes: &[Server; 2]) -> Self {
        let barrier = || Barrier::new(many + 1);
        Self {
            addresses: (0..many).map(|n| nodes[n % 2].address.clone()).collect(),
            bodies: Mutex::default(),
            answers: Mutex::default(),
            ready: barrier(),
            go: Barrier::new(many),
            done: barrier(),
            last_after: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        }
    }

    /// Lets `work` fire as often as it likes: each time every racer posts its body to the login, all at once.
    fn run(&self, work: impl FnOnce(&dyn Fn(Vec<Value>) -> Vec<Answer>)) {
        thread::scope(|scope| {
            for n in 0..self.addresses.len() {
                scope.spawn(move || while self.race(n) {});
            }
            // Racers that wait for a thread that has panicked would wait for ever.
            let end = End(self);
            work(&|bodies| {
                assert_eq!(bodies.len(), self.addresses.len());
                self.refused.store(0, Ordering::SeqCst);
                *self.answers.lock().unwrap() = bodies.iter().map(|_| None).collect();
                *self.bodies.lock().unwrap() = bodies;
                self.ready.wait();
                self.done.wait();
                let answers = std::mem::take(&mut *self.answers.lock().unwrap());
                answers.into_iter().map(Option::unwrap).collect()
            });
            drop(end);
        });
    }

    /// One request; `false` at the end.
    fn race(&self, n: usize) -> bool {
        self.ready.wait();
        let Some(body) = self.bodies.lock().unwrap().get(n).cloned() else { return false };
        let request = request("POST", LOGIN, &[], &body.to_string());
        let stream = connect(&self.addresses[n]);
        self.go.wait();
        while n + 1 == self.addresses.len()
            && self.refused.load(Ordering::SeqCst) < self.last_after.load(Ordering::SeqCst)
        {
            thread::yield_now();
        }
        let answer = stream.and_then(|stream| ask(stream, &request)).ok();
        if answer.as_ref().is_some_and(|answer| answer.status == 401) {
            self.refused.fetch_add(1, Ordering::SeqCst);
        }
        self.answers.lock().unwrap()[n] = answer;
        self.done.wait();
        true
    }
}

/// Sends the racers home, also when a test has failed.
struct End<'a>(&'a Racers);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.bodies.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
        self.0.ready.wait();
    }
}
