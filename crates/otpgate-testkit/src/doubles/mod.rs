//! Stand-ins for what a test should not have: mail servers, real time, real chance, and stores that never fail.

mod bus;
mod clock;
mod entropy;
mod flaky;
mod history;
mod mail;

pub use bus::MemoryBus;
pub use clock::SetClock;
pub use entropy::{FailingEntropy, FixedEntropy};
pub use flaky::{Failure, FlakyStore, StoreOp};
pub use history::{Call, HistoryStore};
pub use mail::{CaptureMailer, Captured, Channel};
