//! Points in time as whole milliseconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time: whole milliseconds since the Unix epoch, UTC, without leap seconds.
///
/// Arithmetic saturates, so no clock value can panic or wrap.
///
/// ```
/// use std::time::Duration;
/// use otpgate_core::Timestamp;
///
/// let t = Timestamp::from_millis(1_000);
/// assert_eq!(t.plus(Duration::from_secs(2)).millis(), 3_000);
/// assert_eq!(Timestamp::NEVER.plus(Duration::from_secs(1)), Timestamp::NEVER);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Later than every other time: a record with this expiry never expires.
    pub const NEVER: Self = Self(i64::MAX);

    /// The time `millis` milliseconds after the Unix epoch (before it, when negative).
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: the unit of JWT claims (RFC 7519, NumericDate).
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// This time moved later by `span`; [`Timestamp::NEVER`] stays itself.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis_of(span)))
    }

    /// This time moved earlier by `span`; [`Timestamp::NEVER`] stays itself.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        if self == Self::NEVER { self } else { Self(self.0.saturating_sub(millis_of(span))) }
    }

    /// How long after `earlier` this is; zero when it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis_of(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a111_no_span_wraps_or_panics() {
        for t in [i64::MIN, -1, 0, 1, 2_147_483_648_000, i64::MAX - 1, i64::MAX] {
            for span in [Duration::ZERO, Duration::from_millis(1), Duration::MAX] {
                let t = Timestamp::from_millis(t);
                assert!(t.plus(span) >= t);
                assert!(t.minus(span) <= t);
                let _ = t.since(Timestamp::from_millis(i64::MIN));
            }
        }
        assert_eq!(Timestamp::from_millis(-1).seconds(), -1);
        assert_eq!(Timestamp::NEVER.minus(Duration::from_secs(1)), Timestamp::NEVER);
    }
}
