//! Where the time comes from.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Timestamp;

/// The source of time; one for the whole deployment's engine.
///
/// # Contract
/// 1. `now` is the current time in UTC; nodes that share a store agree within a few seconds.
///
/// # Security
/// Codes, sessions and limits end by this clock. A clock that can be set by an attacker undoes them all.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A machine set before 1970 is a machine without a clock: time zero expires nothing early and opens nothing.
        let span = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(0).plus(span)
    }
}

impl<T: Clock + ?Sized> Clock for Arc<T> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

impl<T: Clock + ?Sized> Clock for Box<T> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// A clock that never steps back within this process (I18): an expired code stays expired when the machine's time is set back.
pub(crate) struct HighWater {
    clock: Arc<dyn Clock>,
    mark: AtomicI64,
}

impl HighWater {
    pub(crate) fn over(clock: Arc<dyn Clock>) -> Self {
        Self { clock, mark: AtomicI64::new(i64::MIN) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.read().1
    }

    /// What the clock shows, and the time that holds: the same, unless the clock was set back.
    pub(crate) fn read(&self) -> (Timestamp, Timestamp) {
        let shown = self.clock.now();
        // Most calls fall into a millisecond that was seen before, and write nothing that other cores would have to fetch.
        let mut mark = self.mark.load(Ordering::Acquire);
        if mark < shown.millis() {
            mark = self.mark.fetch_max(shown.millis(), Ordering::AcqRel).max(shown.millis());
        }
        (shown, Timestamp::from_millis(mark))
    }
}
