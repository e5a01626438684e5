//! The store's server is killed under load and started again.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use otpgate_servers::{Kind, Server as Database};
use serde_json::json;

use super::cluster::{Cluster, Tokens, post, user, with_token, wrong};
use super::limits::BOUND;
use super::{End, rounds};
use crate::driver::{Answer, LOGIN, Server, login};

const CLIENTS: usize = 8;
/// A user has at most 20 sessions: those that stay are fewer.
const STAY: usize = 12;
const BACK: Duration = Duration::from_secs(5);

pub(super) fn i11_a_store_that_is_killed_under_load_grants_nothing_and_is_back_soon(kind: Kind) {
    let kills = rounds("OTPGATE_STORE_KILLS", 1);
    let mut database = Database::start(kind).unwrap();
    let limits = "[limits]\nper_ip = false\nsends = false\nguesses = false\n";
    let cluster = Cluster::at(&database.url(), CLIENTS + 1, limits);
    let nodes = [cluster.node(), cluster.node()];
    let witness = cluster.log_in(&nodes[0], &user(CLIENTS));
    let journal = Journal::default();
    thread::scope(|scope| {
        let end = End(&journal.ends);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let client = Client { n, cluster: &cluster, nodes: &nodes, journal: &journal };
                scope.spawn(move || client.run())
            })
            .collect();
        for kill in 0..kills {
            journal.reach(&journal.logouts, 24);
            database.kill();
            journal.reach(&journal.unavailable, CLIENTS);
            for node in &nodes {
                // Whoever remembers a session stops to trust that soon.
                until(BACK, || node.me("auth-token", &witness.access).status == 503);
            }
            nodes[kill % 2].ask(&user(CLIENTS)).expect(503);
            nodes[(kill + 1) % 2].refresh(&witness.refresh).expect(503);
            let restarted = Instant::now();
            database.restart().unwrap();
            let (took, accepts) = (restarted.elapsed(), Instant::now());
            let back = nodes.each_ref().map(|node| {
                until(BACK, || {
                    let status = node.me("auth-token", &witness.access).status;
                    assert!([200, 503].contains(&status), "{status}");
                    status == 200
                });
                accepts.elapsed()
            });
            println!(
                "{}, kill {kill}: its server was back after {took:?}, and the two nodes served {back:?} after that",
                kind.name()
            );
            journal.reach(&journal.logouts, 24);
        }
        drop(end);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    let (ended, alive) = (journal.ended.lock().unwrap(), journal.alive.lock().unwrap());
    let unavailable = journal.unavailable.load(Ordering::SeqCst);
    assert!(!ended.is_empty() && !alive.is_empty());
    for (n, node) in nodes.iter().enumerate() {
        for tokens in ended.iter() {
            // The last ones were ended on the other node just now.
            until(BOUND, || node.me("auth-token", &tokens.access).status == 401);
            node.refresh(&tokens.refresh).expect(401);
        }
        for tokens in alive.iter() {
            assert_eq!(node.me("auth-token", &tokens.access).status, 200, "node {n}: an acknowledged session is lost");
        }
    }
    println!(
        "{}: {} acknowledged logouts held, {} acknowledged sessions live, {unavailable} answers were 503",
        kind.name(),
        ended.len(),
        alive.len()
    );
}

#[track_caller]
fn until(bound: Duration, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < bound, "not within {bound:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What was acknowledged, and how much.
#[derive(Default)]
struct Journal {
    ends: AtomicBool,
    ended: Mutex<Vec<Tokens>>,
    alive: Mutex<Vec<Tokens>>,
    logouts: AtomicUsize,
    unavailable: AtomicUsize,
}

impl Journal {
    /// Waits for so many more.
    fn reach(&self, count: &AtomicUsize, more: usize) {
        let (begun, was) = (Instant::now(), count.load(Ordering::SeqCst));
        while count.load(Ordering::SeqCst) < was + more {
            let waits = begun.elapsed() < Duration::from_secs(60);
            assert!(waits && !self.ends.load(Ordering::SeqCst), "{count:?} after {was}");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

struct Client<'a> {
    n: usize,
    cluster: &'a Cluster,
    nodes: &'a [Server; 2],
    journal: &'a Journal,
}

impl Client<'_> {
    /// Logs in and out until the end; what fails in between is begun anew.
    fn run(&self) {
        let _end = End(&self.journal.ends);
        let mut stayed = 0;
        for turn in 0.. {
            if self.journal.ends.load(Ordering::SeqCst) {
                break;
            }
            let stays = turn % 3 == 2 && stayed < STAY;
            if self.turn(turn, stays).is_some() && stays {
                stayed += 1;
            }
        }
    }

    /// `None` where the store was away.
    fn turn(&self, turn: usize, stays: bool) -> Option<()> {
        let (email, journal) = (user(self.n), self.journal);
        let (here, there) = (&self.nodes[turn % 2].address, &self.nodes[(turn + 1) % 2].address);
        let guess = |at: &str, code: &str| post(at, LOGIN, &login(&email, code));
        self.cluster.drop_mail(&email);
        self.told(post(here, "/identity/user/otp/email", &json!({ "email": email })), 200)?;
        let code = self.cluster.code(&email);
        self.told(guess(here, &wrong(&code, turn)), 401)?;
        let tokens = Tokens::of(&self.told(guess(there, &code), 200)?);
        // Used once, and on no node again.
        self.told(guess(here, &code), 401)?;
        if stays {
            journal.alive.lock().unwrap().push(tokens);
            return Some(());
        }
        self.told(with_token(here, "GET", "/me", &tokens.access), 200)?;
        self.told(with_token(there, "POST", "/identity/user/logout", &tokens.access), 200)?;
        journal.ended.lock().unwrap().push(tokens.clone());
        journal.logouts.fetch_add(1, Ordering::SeqCst);
        self.told(with_token(there, "GET", "/me", &tokens.access), 401).map(drop)
    }

    /// The answer with this status, or `None` for 503; there is nothing else.
    fn told(&self, answer: Option<Answer>, status: u16) -> Option<Answer> {
        // A node whose store is away still answers.
        let answer = answer.unwrap();
        if answer.status == 503 {
            self.journal.unavailable.fetch_add(1, Ordering::SeqCst);
            return None;
        }
        Some(answer.expect(status))
    }
}
