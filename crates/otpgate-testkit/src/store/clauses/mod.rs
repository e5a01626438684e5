//! One function for each clause of the store contract.

mod bytes;
mod counters;
mod keeping;
mod owners;
mod swaps;
mod unknown;

use std::future::Future;
use std::pin::Pin;

use super::{Kit, Violation};

pub use bytes::clause_9_bytes_come_back;
pub use counters::clause_7_add_is_atomic;
pub use keeping::{clause_5_nothing_vanishes_early, clause_6_the_store_reads_no_clock};
pub use owners::clause_8_owners_and_sweeps_are_exact;
pub use swaps::{
    clause_1_swap_is_atomic_per_key, clause_2_later_loads_see_what_was_written, clause_3_absent_means_no_record,
    clause_4_removed_stays_removed,
};
pub use unknown::clause_10_an_error_leaves_old_or_new;

/// What checking a clause gives.
pub type ClauseFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Violation>> + Send + 'a>>;

/// One clause of the contract, to run all of them in a loop.
#[derive(Clone, Copy, Debug)]
pub struct Clause {
    number: u8,
    name: &'static str,
    check: for<'a> fn(&'a Kit) -> ClauseFuture<'a>,
}

macro_rules! clauses {
    ($($number:literal $name:ident),* $(,)?) => {
        impl Clause {
            /// The contract.
            pub const ALL: [Self; 10] = [$(Self {
                number: $number,
                name: stringify!($name),
                check: |kit| Box::pin($name(kit)),
            }),*];
        }
    };
}
clauses! {
    1 clause_1_swap_is_atomic_per_key,
    2 clause_2_later_loads_see_what_was_written,
    3 clause_3_absent_means_no_record,
    4 clause_4_removed_stays_removed,
    5 clause_5_nothing_vanishes_early,
    6 clause_6_the_store_reads_no_clock,
    7 clause_7_add_is_atomic,
    8 clause_8_owners_and_sweeps_are_exact,
    9 clause_9_bytes_come_back,
    10 clause_10_an_error_leaves_old_or_new,
}

impl Clause {
    /// Its number in the contract, from 1.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The name of its function.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Checks it.
    ///
    /// # Errors
    /// What the store did against it.
    pub fn check<'a>(&self, kit: &'a Kit) -> ClauseFuture<'a> {
        (self.check)(kit)
    }
}
