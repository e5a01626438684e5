//! The rules: pure functions from (prior record, input, policy, time, dice) to a write and an outcome.
//!
//! Nothing here is asynchronous, reads a clock, rolls dice or knows how records are kept.

pub(crate) mod accounts;
pub(crate) mod cause;
pub(crate) mod code;
pub(crate) mod device;
#[expect(
    clippy::module_inception,
    reason = "a flow is the notion of profile `engine`; this module is the rules of all"
)]
pub(crate) mod flow;
pub(crate) mod lease;
pub(crate) mod lock;
pub(crate) mod outbox;
pub(crate) mod password;
pub(crate) mod proof;
pub(crate) mod refresh;
pub(crate) mod reset;
pub(crate) mod revoke;
pub(crate) mod send;
pub(crate) mod session;
pub(crate) mod shared;
pub(crate) mod throttle;
pub(crate) mod verify;

use crate::Owner;

/// What a decision says: what to write, if anything, and what came out. The outcome holds only once the write has, and once
/// the other nodes can know what it takes back.
#[derive(Debug)]
pub(crate) struct Decision<R, T> {
    pub(crate) write: Option<R>,
    pub(crate) outcome: T,
    pub(crate) tell: Tell,
}

/// Which nodes are to be told, besides those that a look at the record before and after says ([`crate::record::Recorded`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    /// As that look says.
    AsSeen,
    /// That something of this owner is taken back, whatever a look says: a caller who tries again, since the first time ended
    /// before the nodes were told, must tell them though there is nothing left to take.
    Of(Owner),
    /// Nothing: what this takes back was told of by an earlier decision of the same operation.
    Already,
}

impl<R, T> Decision<R, T> {
    /// An outcome that leaves the record as it is.
    pub(crate) fn keep(outcome: T) -> Self {
        Self { write: None, outcome, tell: Tell::AsSeen }
    }

    /// An outcome that takes effect with this record.
    pub(crate) fn write(record: R, outcome: T) -> Self {
        Self { write: Some(record), outcome, tell: Tell::AsSeen }
    }

    /// The same, telling the nodes that something of `owner` is taken back.
    pub(crate) fn telling(self, owner: Owner) -> Self {
        Self { tell: Tell::Of(owner), ..self }
    }

    /// The same, telling nobody.
    fn silently(self) -> Self {
        Self { tell: Tell::Already, ..self }
    }

    /// The same with another outcome.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Decision<R, U> {
        Decision { write: self.write, outcome: change(self.outcome), tell: self.tell }
    }
}

#[cfg(test)]
mod tests;
