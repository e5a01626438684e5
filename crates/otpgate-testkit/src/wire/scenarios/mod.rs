//! The scenarios, by topic. A function that no list names does not compile: it is dead code.

mod accounts;
mod availability;
mod concealment;
mod cookies;
mod crashes;
mod crosscutting;
mod device_passwords;
mod devices;
mod engine;
mod faults;
mod guessing;
mod hosts;
mod identifiers;
mod isolation;
mod language;
mod limits;
mod login;
mod logout;
mod nodes;
mod outbox;
mod ownership;
mod platform;
mod races;
mod refresh;
mod requests;
mod sending;
mod session;
mod spraying;
mod tokens;

use super::run::Scenario;

/// The list of a file: `fn list() -> Vec<Scenario>` of the functions that are named, the racing ones behind `racing:`.
macro_rules! list {
    ($($name:ident),* $(,)? $(; racing: $($racer:ident),* $(,)?)?) => {
        pub(super) fn list() -> Vec<$crate::wire::run::Scenario> {
            vec![
                $($crate::wire::run::Scenario {
                    name: stringify!($name),
                    racing: false,
                    run: |w| Box::pin($name(w)),
                },)*
                $($($crate::wire::run::Scenario {
                    name: stringify!($racer),
                    racing: true,
                    run: |w| Box::pin($racer(w)),
                },)*)?
            ]
        }
    };
}
use list;

/// All scenarios.
#[must_use]
pub fn scenarios() -> Vec<Scenario> {
    [
        availability::list(),
        sending::list(),
        language::list(),
        login::list(),
        refresh::list(),
        logout::list(),
        session::list(),
        limits::list(),
        requests::list(),
        identifiers::list(),
        guessing::list(),
        tokens::list(),
        faults::list(),
        crosscutting::list(),
        races::list(),
        platform::list(),
        engine::list(),
        cookies::list(),
        concealment::list(),
        devices::list(),
        device_passwords::list(),
        spraying::list(),
        accounts::list(),
        ownership::list(),
        hosts::list(),
        nodes::list(),
        outbox::list(),
        crashes::list(),
        isolation::list(),
    ]
    .concat()
}
