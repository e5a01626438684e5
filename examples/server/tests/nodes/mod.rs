//! Several processes on one store: two or three real servers, in both frameworks at once, on one PostgreSQL, MariaDB and Redis.

#![expect(clippy::print_stdout, reason = "what was measured is shown on request")]

mod bursts;
mod cluster;
mod limits;
mod outage;
mod rotation;

use std::sync::atomic::{AtomicBool, Ordering};

use otpgate_servers::Kind;

/// Runs each test on a server of each kind.
macro_rules! on_every_server {
    ($($module:ident :: $test:ident),* $(,)?) => {
        mod postgres {
            $(#[test] fn $test() { super::$module::$test(super::Kind::Postgres); })*
        }
        mod mariadb {
            $(#[test] fn $test() { super::$module::$test(super::Kind::MariaDb); })*
        }
        mod redis {
            $(#[test] fn $test() { super::$module::$test(super::Kind::Redis); })*
        }
    };
}

on_every_server! {
    bursts::a26_of_64_logins_with_one_code_on_two_nodes_one_wins,
    bursts::a01_of_60_guesses_on_two_nodes_three_are_compared,
    limits::q23_codes_are_counted_over_all_nodes,
    limits::a23_guesses_are_counted_over_all_nodes,
    limits::a78_a_logout_on_one_node_holds_on_the_others_within_a_second,
    limits::i8_a_killed_node_loses_nothing_that_was_acknowledged,
    rotation::i7_keys_rotate_node_by_node_without_a_refused_token,
    outage::i11_a_store_that_is_killed_under_load_grants_nothing_and_is_back_soon,
}

/// How often a burst is fired: a few times here, as often as this variable says before a release.
fn rounds(variable: &str, usual: usize) -> usize {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// Ends everybody, also when one has failed.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
