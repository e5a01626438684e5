use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use otpgate_core::{Clock, Timestamp};

/// A clock that stands still until it is told otherwise. Clones show the same time.
///
/// ```
/// use std::time::Duration;
/// use otpgate_core::{Clock as _, Timestamp};
/// use otpgate_testkit::SetClock;
///
/// let clock = SetClock::at(Timestamp::from_millis(1_000));
/// clock.advance(Duration::from_secs(2));
/// assert_eq!(clock.now().millis(), 3_000);
/// ```
#[derive(Clone, Debug)]
pub struct SetClock(Arc<AtomicI64>);

impl SetClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.millis())))
    }

    /// Sets it, backwards too.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.millis(), Ordering::SeqCst);
    }

    /// Moves it forward by `span` and returns what it shows then.
    #[expect(clippy::must_use_candidate, reason = "moving the clock is what it is called for")]
    pub fn advance(&self, span: Duration) -> Timestamp {
        let later = |now| Some(Timestamp::from_millis(now).plus(span).millis());
        // The closure never declines, so both arms hold the time before.
        let (Ok(before) | Err(before)) = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, later);
        Timestamp::from_millis(before).plus(span)
    }
}

impl Default for SetClock {
    /// A clock that shows 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_millis(1_767_225_600_000))
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_show_the_same_time_and_it_can_go_back() {
        let (clock, start) = (SetClock::default(), SetClock::default().now());
        let other = clock.clone();
        assert_eq!(clock.advance(Duration::from_millis(5)), start.plus(Duration::from_millis(5)));
        assert_eq!(other.now(), start.plus(Duration::from_millis(5)));
        other.set(Timestamp::from_millis(-1));
        assert_eq!(clock.now().millis(), -1);
    }
}
