//! The store contract as tests: one function for each clause, the macro that runs them, and stores that break one each.
//!
//! The clauses are plain functions, so that they can be read, and run one by one:
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use otpgate_testkit::store::{Kit, ReferenceStore, clause_3_absent_means_no_record};
//!
//! let kit = Kit::new(ReferenceStore::default());
//! clause_3_absent_means_no_record(&kit).await?;
//! # Ok::<(), otpgate_testkit::Violation>(()) }).unwrap();
//! ```

mod broken;
mod clauses;
mod fault;
mod kit;
mod macros;
mod race;
mod reference;
#[doc(hidden)]
pub mod run;
mod violation;

pub use broken::BrokenStore;
pub use clauses::{
    Clause, ClauseFuture, clause_1_swap_is_atomic_per_key, clause_2_later_loads_see_what_was_written,
    clause_3_absent_means_no_record, clause_4_removed_stays_removed, clause_5_nothing_vanishes_early,
    clause_6_the_store_reads_no_clock, clause_7_add_is_atomic, clause_8_owners_and_sweeps_are_exact,
    clause_9_bytes_come_back, clause_10_an_error_leaves_old_or_new,
};
pub use fault::Fault;
pub use kit::Kit;
pub use race::RACERS;
pub use reference::ReferenceStore;
pub use violation::Violation;
