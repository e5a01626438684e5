//! What is counted, ended or acknowledged on one node holds on every other.

use std::thread;
use std::time::{Duration, Instant};

use otpgate_servers::Kind;

use super::cluster::{Cluster, user, wrong};
use super::rounds;
use crate::driver::Server;

/// How long a node may still take a session that was ended on another.
pub(super) const BOUND: Duration = Duration::from_secs(1);

pub(super) fn q23_codes_are_counted_over_all_nodes(kind: Kind) {
    let cluster = Cluster::new(kind, 2, "[limits]\nper_ip = false\n");
    let nodes = [cluster.node(), cluster.node()];
    // Three a minute, wherever they are asked for.
    for n in 0..3 {
        nodes[n % 2].ask(&user(0)).expect(200);
    }
    nodes.iter().for_each(|node| drop(node.ask(&user(0)).expect(429)));
    let codes: Vec<_> = (0..3).map(|_| cluster.code(&user(0))).collect();
    assert_eq!(cluster.unread(), 0, "no more were sent than answered");
    // Two of them died with the next one.
    let good = codes.iter().filter(|code| nodes[1].log_in(&user(0), code).status == 200).count();
    assert_eq!(good, 1, "one code lives per address, whichever node sent it");
    nodes[1].ask(&user(1)).expect(200);
}

pub(super) fn a23_guesses_are_counted_over_all_nodes(kind: Kind) {
    let cluster = Cluster::new(kind, 2, "[limits]\nper_ip = false\nsends = false\n");
    let nodes = [cluster.node(), cluster.node(), cluster.node()];
    // Three on a code, wherever they are made, and ten an hour over all codes.
    for (email, guesses, then) in [(user(0), 9, 200), (user(1), 10, 401)] {
        let fresh = |n: usize| {
            nodes[n % 3].ask(&email).expect(200);
            cluster.code(&email)
        };
        let mut code = fresh(0);
        for n in 0..guesses {
            nodes[(n + n / 3) % 3].log_in(&email, &wrong(&code, n)).expect(401);
            if n % 3 == 2 {
                nodes[n % 3].log_in(&email, &code).expect(401);
                code = fresh(n);
            }
        }
        nodes[2].log_in(&email, &code).expect(then);
    }
}

/// Whoever remembers sessions is told by the bus, where there is one, and else asks twice a second; whoever remembers none has
/// nothing to be told.
pub(super) fn a78_a_logout_on_one_node_holds_on_the_others_within_a_second(kind: Kind) {
    let rounds = rounds("OTPGATE_LOGOUTS", 5);
    for (what, config, options, bound) in [
        ("as it comes", "", &[][..], BOUND),
        ("without a bus", "", &["--bus", "none"], BOUND),
        ("without a cache", "[cache]\noff = true\n", &[], Duration::ZERO),
    ] {
        let config = format!("[limits]\nper_ip = false\n{config}");
        let cluster = Cluster::new(kind, rounds, &config).with(options);
        let nodes = [cluster.node(), cluster.node(), cluster.node()];
        let mut taken: Vec<_> = (0..rounds).map(|round| logged_out(&cluster, &nodes, round)).collect();
        taken.sort();
        let (median, longest) = (taken[rounds / 2], taken[rounds - 1]);
        println!(
            "{}, {what}: of {rounds} logouts the other nodes took the last request {longest:?} after the answer, the median \
             {median:?}",
            kind.name()
        );
        assert!(longest <= bound, "{what}: {longest:?}");
    }
}

/// How long after the answer to the logout another node took the session for the last time.
fn logged_out(cluster: &Cluster, nodes: &[Server; 3], round: usize) -> Duration {
    let tokens = cluster.log_in(&nodes[round % 3], &user(round));
    // All have seen it, so that whoever remembers remembers it.
    nodes.iter().for_each(|node| drop(node.me("auth-token", &tokens.access).expect(200)));
    let [here, others @ ..] = [0, 1, 2].map(|n| &nodes[(round + n) % 3]);
    here.log_out(&tokens.access).expect(200);
    let acknowledged = Instant::now();
    here.me("auth-token", &tokens.access).expect(401);
    // Each is asked all the time: one after the other would give the second one time.
    let taken = thread::scope(|scope| {
        let asked = others.map(|other| scope.spawn(|| last_taken(other, &tokens.access, acknowledged)));
        asked.map(|asked| asked.join().unwrap())
    });
    others.iter().for_each(|other| drop(other.refresh(&tokens.refresh).expect(401)));
    taken.into_iter().max().unwrap()
}

/// When the last request began that was still taken, reckoned from the logout: zero if there was none.
fn last_taken(node: &Server, token: &str, since: Instant) -> Duration {
    let mut last = Duration::ZERO;
    let mut refused = 0;
    while refused < 3 {
        let begun = since.elapsed();
        match node.me("auth-token", token).status {
            200 => {
                assert_eq!(refused, 0, "a session that was refused is back");
                assert!(begun <= BOUND, "taken {begun:?} after the logout");
                last = begun;
            }
            401 => refused += 1,
            status => panic!("{status}"),
        }
    }
    last
}

pub(super) fn i8_a_killed_node_loses_nothing_that_was_acknowledged(kind: Kind) {
    let cluster = Cluster::new(kind, 3, "[limits]\nper_ip = false\n");
    let [first, second, third] = [cluster.node(), cluster.node(), cluster.node()];
    // A code that the first has sent, beside one that has met two wrong guesses there.
    first.ask(&user(0)).expect(200);
    first.ask(&user(1)).expect(200);
    let (code, guessed) = (cluster.code(&user(0)), cluster.code(&user(1)));
    (0..2).for_each(|n| drop(first.log_in(&user(1), &wrong(&guessed, n)).expect(401)));
    drop(first); // SIGKILL
    let session = second.log_in(&user(0), &code).expect(200);
    let (token, refresh) = (session.data("token"), session.data("refreshToken"));
    second.log_in(&user(1), &wrong(&guessed, 2)).expect(401);
    third.log_in(&user(1), &guessed).expect(401);
    third.me("auth-token", &token).expect(200);
    let kept = cluster.log_in(&second, &user(2));
    second.log_out(&token).expect(200);
    let acknowledged = Instant::now();
    drop(second); // SIGKILL, with the answer just read
    let after = cluster.node();
    after.me("auth-token", &token).expect(401);
    last_taken(&third, &token, acknowledged);
    for node in [&third, &after] {
        node.refresh(&refresh).expect(401);
        node.log_in(&user(0), &code).expect(401);
        node.me("auth-token", &kept.access).expect(200);
    }
    after.refresh(&kept.refresh).expect(200);
}
