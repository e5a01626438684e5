//! Proves that a [`Store`](otpgate_core::Store) keeps its contract, and stands in for what a test should not have: mail
//! servers, real time, real chance.
//!
//! One line in a test file runs every clause of the contract against a store:
//!
//! ```ignore
//! otpgate_testkit::store_conformance!(async { MyStore::connect().await });
//! ```

pub mod doubles;
pub mod store;
pub mod wire;

pub use doubles::{
    CaptureMailer, Captured, FailingEntropy, Failure, FixedEntropy, FlakyStore, HistoryStore, MemoryBus, SetClock,
    StoreOp,
};
pub use store::{Kit, Violation};

#[doc(hidden)]
pub mod __private {
    pub use crate::store::run::{Flavor, Pointer, run, run_through};
}
