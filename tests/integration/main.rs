//! What the scenarios cannot say: real sockets, ways of mounting, logs, rotation.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod cancel;
mod capture;
mod crash;
#[path = "../drive/mod.rs"]
mod drive;
mod flood;
mod hangup;
mod housekeeping;
mod kit;
mod logs;
mod methods;
mod misses;
mod mounting;
mod nodes;
mod rotation;
mod verdicts;
mod waits;
