//! The key ring changes node by node while clients go on.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use otpgate_servers::Kind;
use serde_json::json;

use super::End;
use super::cluster::{Cluster, Tokens, post, user, with_token};
use crate::driver::{Answer, LOGIN, SECRET, Server, login};

const NEW: &str = "the next secret: 9876543210zyxwvutsrqpon";
const CLIENTS: usize = 6;

type Ring = &'static [(&'static str, &'static str)];

/// What README.md says to do.
const STEPS: [(&str, Ring); 3] = [
    ("accept the new one", &[("OTPGATE_SECRET", SECRET), ("OTPGATE_SECRET_ACCEPT", NEW)]),
    (
        "make it current",
        &[("OTPGATE_SECRET", NEW), ("OTPGATE_SECRET_ANCHOR", SECRET), ("OTPGATE_SECRET_ACCEPT", SECRET)],
    ),
    ("drop the old one", &[("OTPGATE_SECRET", NEW), ("OTPGATE_SECRET_ANCHOR", SECRET)]),
];

pub(super) fn i7_keys_rotate_node_by_node_without_a_refused_token(kind: Kind) {
    let cluster = Cluster::new(kind, CLIENTS + 1, "[limits]\nper_ip = false\nsends = false\n");
    let mut nodes: Vec<Server> = (0..3).map(|_| cluster.node()).collect();
    let balancer = Balancer::over(&nodes);
    let shared = Shared::default();
    let old = cluster.log_in(&nodes[0], &user(CLIENTS));
    thread::scope(|scope| {
        let end = End(&shared.ends);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let (cluster, balancer, shared) = (&cluster, &balancer, &shared);
                scope.spawn(move || Client { n, cluster, balancer, shared }.run())
            })
            .collect();
        shared.all_renewed();
        for (step, ring) in STEPS {
            for (n, node) in nodes.iter_mut().enumerate() {
                balancer.set(n, None);
                let new = cluster.node_with(ring);
                balancer.set(n, Some(new.address.clone()));
                assert_eq!(std::mem::replace(node, new).stop("TERM").code(), Some(0), "{step}");
            }
            // Whoever came in before the last node changed holds what the ring before has made: the next step is for later.
            shared.all_renewed();
        }
        drop(end);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    println!(
        "{}: {} requests while the keys changed on three nodes, {} of them renewals and {} logins; {} were sent again because \
         their node was just gone",
        kind.name(),
        shared.requests.load(Ordering::SeqCst),
        shared.renewals.iter().map(|count| count.load(Ordering::SeqCst)).sum::<usize>(),
        shared.logins.load(Ordering::SeqCst),
        balancer.again.load(Ordering::SeqCst),
    );
    // It was a rotation: what only the old key has signed is worth nothing now.
    nodes.iter().for_each(|node| drop(node.me("auth-token", &old.access).expect(401)));
}

#[derive(Default)]
struct Shared {
    ends: AtomicBool,
    renewals: [AtomicUsize; CLIENTS],
    requests: AtomicUsize,
    logins: AtomicUsize,
}

impl Shared {
    /// Waits until every client has renewed its tokens in a request that began after this call.
    fn all_renewed(&self) {
        let (begun, counts) = (Instant::now(), self.renewals.each_ref().map(|count| count.load(Ordering::SeqCst)));
        // The one that is under way may have begun before.
        while self.renewals.iter().zip(counts).any(|(now, was)| now.load(Ordering::SeqCst) < was + 2) {
            assert!(
                begun.elapsed() < Duration::from_secs(30) && !self.ends.load(Ordering::SeqCst),
                "a client stands still"
            );
            thread::sleep(Duration::from_millis(2));
        }
    }
}

struct Client<'a> {
    n: usize,
    cluster: &'a Cluster,
    balancer: &'a Balancer,
    shared: &'a Shared,
}

impl Client<'_> {
    /// Uses its session, renews it, and now and then logs in anew, until the end. Nothing of it is ever refused.
    fn run(self) {
        let _end = End(&self.shared.ends);
        let mut tokens = self.log_in();
        for n in 1.. {
            if self.shared.ends.load(Ordering::SeqCst) && n > 1 {
                break;
            }
            self.send(|address| with_token(address, "GET", "/me", &tokens.access));
            let body = json!({ "refreshToken": tokens.refresh });
            tokens = Tokens::of(&self.send(|address| post(address, "/identity/user/refresh-token", &body)));
            self.shared.renewals[self.n].fetch_add(1, Ordering::SeqCst);
            if n % 4 == 0 {
                tokens = self.log_in();
            }
        }
    }

    fn log_in(&self) -> Tokens {
        let email = user(self.n);
        self.send(|address| post(address, "/identity/user/otp/email", &json!({ "email": email })));
        let code = self.cluster.code(&email);
        let tokens = Tokens::of(&self.send(|address| post(address, LOGIN, &login(&email, &code))));
        self.shared.logins.fetch_add(1, Ordering::SeqCst);
        tokens
    }

    fn send(&self, request: impl Fn(&str) -> Option<Answer>) -> Answer {
        self.shared.requests.fetch_add(1, Ordering::SeqCst);
        self.balancer.send(request).expect(200)
    }
}

/// Sends each request to the next node that takes it.
struct Balancer {
    addresses: Mutex<Vec<Option<String>>>,
    turn: AtomicUsize,
    again: AtomicUsize,
}

impl Balancer {
    fn over(nodes: &[Server]) -> Self {
        let addresses = nodes.iter().map(|node| Some(node.address.clone())).collect();
        Self { addresses: Mutex::new(addresses), turn: AtomicUsize::new(0), again: AtomicUsize::new(0) }
    }

    fn set(&self, n: usize, address: Option<String>) {
        self.addresses.lock().unwrap()[n] = address;
    }

    fn send(&self, request: impl Fn(&str) -> Option<Answer>) -> Answer {
        for _ in 0..20 {
            let there: Vec<String> = self.addresses.lock().unwrap().iter().flatten().cloned().collect();
            let turn = self.turn.fetch_add(1, Ordering::SeqCst);
            if let Some(answer) = request(&there[turn % there.len()]) {
                return answer;
            }
            self.again.fetch_add(1, Ordering::SeqCst);
        }
        panic!("no node answers");
    }
}
