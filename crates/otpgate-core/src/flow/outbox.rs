//! When a message is tried, by whom, and how often: one rule for what is kept in the store and for what is not.

use std::time::Duration;

use crate::Timestamp;
use crate::record::OutboxRecord;

/// How long one try may take.
pub(crate) const TRY: Duration = Duration::from_secs(30);

/// How long a message is its taker's: a try, and what the clocks of two nodes may differ by.
pub(crate) const LEASE: Duration = Duration::from_secs(90);

/// Pauses between tries, in seconds.
const PAUSES: [u64; 5] = [1, 5, 15, 60, 120];

/// How long to wait after this many failed tries, counted from 1; nothing when another would come too late or too often.
pub(crate) fn pause(failed: u8, now: Timestamp, until: Timestamp) -> Option<Duration> {
    let pause = PAUSES.get(usize::from(failed).checked_sub(1)?).copied().map(Duration::from_secs)?;
    (now.plus(pause) < until).then_some(pause)
}

/// The message as its taker's, if it may be tried now. Whoever swaps this in has it.
pub(crate) fn take(record: &OutboxRecord, now: Timestamp) -> Option<OutboxRecord> {
    let due = record.due_at <= now && now < record.until;
    due.then(|| OutboxRecord { due_at: now.plus(LEASE), ..record.clone() })
}

/// The message after another failed try: anybody's from the end of the pause.
pub(crate) fn put_back(record: &OutboxRecord, pause: Duration, now: Timestamp) -> OutboxRecord {
    OutboxRecord { due_at: now.plus(pause), failed: record.failed.saturating_add(1), ..record.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn record(due_at: Timestamp) -> OutboxRecord {
        OutboxRecord { until: t(300), due_at, ..OutboxRecord::showing() }
    }

    #[test]
    fn tries_lie_further_and_further_apart_and_end_with_the_code() {
        let pauses = |until| (0..8).map(|failed| pause(failed, t(0), until).map(|p| p.as_secs())).collect::<Vec<_>>();
        assert_eq!(pauses(t(300)), [None, Some(1), Some(5), Some(15), Some(60), Some(120), None, None]);
        assert_eq!(pauses(t(15)), [None, Some(1), Some(5), None, None, None, None, None]);
    }

    #[test]
    fn f11_a_message_is_its_taker_s_for_the_lease_and_anybody_s_afterwards() {
        let kept = record(t(10));
        assert!(take(&kept, Timestamp::from_millis(9_999)).is_none());
        let taken = take(&kept, t(10)).unwrap();
        assert_eq!(taken.due_at, t(100));
        assert!(take(&taken, t(99)).is_none());
        assert!(take(&taken, t(100)).is_some());
        assert!(LEASE > TRY * 2, "a try that ends late ends within the lease");
        // The code has ended: nobody tries any more.
        assert!(take(&kept, t(299)).is_some());
        assert!(take(&kept, t(300)).is_none());
    }

    #[test]
    fn a_failed_try_is_counted_and_frees_the_message_after_the_pause() {
        let back = put_back(&record(t(90)), Duration::from_secs(5), t(20));
        assert_eq!((back.due_at, back.failed), (t(25), 7));
        assert_eq!(put_back(&OutboxRecord { failed: u8::MAX, ..back }, Duration::ZERO, t(0)).failed, u8::MAX);
    }
}
