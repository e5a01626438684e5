//! The rules: pure functions from (prior record, input, policy, time, dice) to a write and an outcome.
//!
//! Nothing here is asynchronous, reads a clock, rolls dice or knows how records are kept.

pub(crate) mod accounts;
pub(crate) mod code;
pub(crate) mod device;
#[expect(
    clippy::module_inception,
    reason = "a flow is the notion of profile `engine`; this module is the rules of all"
)]
pub(crate) mod flow;
pub(crate) mod lock;
pub(crate) mod password;
pub(crate) mod proof;
pub(crate) mod refresh;
pub(crate) mod reset;
pub(crate) mod revoke;
pub(crate) mod send;
pub(crate) mod session;
pub(crate) mod throttle;
pub(crate) mod verify;

/// What a decision says: what to write, if anything, and what came out. The outcome holds only once the write has.
#[derive(Debug)]
pub(crate) struct Decision<R, T> {
    pub(crate) write: Option<R>,
    pub(crate) outcome: T,
}

impl<R, T> Decision<R, T> {
    /// An outcome that leaves the record as it is.
    pub(crate) fn keep(outcome: T) -> Self {
        Self { write: None, outcome }
    }

    /// An outcome that takes effect with this record.
    pub(crate) fn write(record: R, outcome: T) -> Self {
        Self { write: Some(record), outcome }
    }
}

#[cfg(test)]
mod tests;
