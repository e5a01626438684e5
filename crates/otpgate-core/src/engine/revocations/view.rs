//! What a node has seen of the revocation counters, and what it may go on believing by it. No I/O and no waiting.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::{Owner, Timestamp};

/// Counters of a deployment; whose revocations count where is a matter of the owner's digest.
pub(super) const LANES: usize = 64;

/// How long a node goes on believing after a poll *began*: what was told of before it began has been seen by then, so nothing
/// that another node ended is believed for longer than this. This is the bound B.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// No counter shows it: steps are small and totals begin at 0.
const NOT_SEEN: u64 = u64::MAX;

/// Which writing of a lane somebody saw before they loaded what they believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Mark {
    lane: u8,
    stamp: u64,
}

impl Mark {
    /// Taken by nobody: no stamp will have moved so often.
    pub(in crate::engine) const NONE: Self = Self { lane: 0, stamp: u64::MAX };
}

/// The counters as this node knows them.
///
/// A *stamp* moves whenever something of its lane may have ended: with a revocation of this node, after its write and before
/// its answer; with a total that this node has not seen before. Whoever loads what they will believe takes the stamp first,
/// and believes no longer than it stands: a load that ran beside a revocation holds an older stamp, or has seen its write.
pub(super) struct View {
    lanes: [Lane; LANES],
    /// The last total over all lanes of which every lane was read afterwards.
    seen: AtomicU64,
    /// What the clock showed when the last good poll began.
    polled: AtomicI64,
    alone: bool,
}

struct Lane {
    stamp: AtomicU64,
    seen: AtomicU64,
}

impl View {
    /// Of a node that polls, or of the one process that has the store to itself and need not.
    pub(super) fn new(alone: bool) -> Self {
        let lanes = std::array::from_fn(|_| Lane { stamp: AtomicU64::new(0), seen: AtomicU64::new(NOT_SEEN) });
        Self { lanes, seen: AtomicU64::new(NOT_SEEN), polled: AtomicI64::new(i64::MIN), alone }
    }

    pub(super) fn lane(owner: &Owner) -> u8 {
        owner.0[0] % LANES as u8
    }

    /// Taken before a load whose answer will be believed for a while.
    pub(super) fn mark(&self, lane: u8) -> Mark {
        Mark { lane, stamp: self.of(lane).stamp.load(Ordering::Acquire) }
    }

    /// Whether nothing of the lane can have ended since, as far as this node has seen.
    pub(super) fn stands(&self, mark: Mark) -> bool {
        self.of(mark.lane).stamp.load(Ordering::Acquire) == mark.stamp
    }

    /// Whether this node has seen enough of late to believe anything, when its clock shows `shown`. A clock that was set back
    /// behind the last poll says nothing.
    pub(super) fn is_fresh(&self, shown: Timestamp) -> bool {
        let polled = Timestamp::from_millis(self.polled.load(Ordering::Acquire));
        self.alone || (polled <= shown && shown < polled.plus(FRESH))
    }

    /// Something of this lane has just ended by a write of this node.
    pub(super) fn ended_here(&self, lane: u8) {
        self.of(lane).stamp.fetch_add(1, Ordering::AcqRel);
    }

    /// This node has added `step` to a lane, whose total was `total` then.
    pub(super) fn told_lane(&self, lane: u8, step: u64, total: u64) {
        if !Self::is_own(&self.of(lane).seen, step, total) {
            self.read_lane(lane, total);
        }
    }

    /// The same for the total over all lanes. Where others have added too, the next poll looks at every lane.
    pub(super) fn told_all(&self, step: u64, total: u64) {
        Self::is_own(&self.seen, step, total);
    }

    /// Whether a total differs from the last seen one by this node's own step alone; then there is no news in it.
    fn is_own(seen: &AtomicU64, step: u64, total: u64) -> bool {
        let before = total.wrapping_sub(step);
        seen.compare_exchange(before, total, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// A lane shows `total`. Any other total than before is news, a smaller one too: a store may have lost its last seconds.
    pub(super) fn read_lane(&self, lane: u8, total: u64) {
        if self.of(lane).seen.swap(total, Ordering::AcqRel) != total {
            self.ended_here(lane);
        }
    }

    /// Whether the lanes have to be read, now that the total over all is `total`.
    pub(super) fn is_news(&self, total: u64) -> bool {
        self.seen.load(Ordering::Acquire) != total
    }

    /// A poll that began when the clock showed `began` has read `total`, and then every lane if that was news.
    pub(super) fn polled(&self, began: Timestamp, total: u64) {
        self.seen.store(total, Ordering::Release);
        self.polled.store(began.millis(), Ordering::Release);
    }

    /// A poll has failed, or there will be none for now: nothing is believed until the next good one.
    pub(super) fn distrust(&self) {
        self.polled.store(i64::MIN, Ordering::Release);
    }

    fn of(&self, lane: u8) -> &Lane {
        &self.lanes[usize::from(lane) % LANES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// A view that has polled at 0 and found nothing.
    fn view() -> View {
        let view = View::new(false);
        assert!(!view.is_fresh(at(0)), "before the first poll nothing is believed");
        poll(&view, at(0), &[0; LANES]);
        view
    }

    fn poll(view: &View, began: Timestamp, totals: &[u64; LANES]) {
        let total = totals.iter().sum();
        if view.is_news(total) {
            totals.iter().zip(0..).for_each(|(total, lane)| view.read_lane(lane, *total));
        }
        view.polled(began, total);
    }

    #[test]
    fn q32_what_was_polled_is_believed_for_one_second_from_when_the_poll_began() {
        let view = view();
        for (shown, fresh) in [(0, true), (999, true), (1_000, false), (-1, false), (i64::MAX, false)] {
            assert_eq!(view.is_fresh(at(shown)), fresh, "{shown}");
        }
        view.distrust();
        assert!(!view.is_fresh(at(0)) && !view.is_fresh(at(i64::MIN + 1_001)));
        assert!(View::new(true).is_fresh(at(0)), "one process needs no poll");
    }

    #[test]
    fn i7_a_total_that_was_not_seen_before_is_news_whichever_way_it_went() {
        let view = view();
        for total in [1, 5, 0] {
            let (mark, other) = (view.mark(3), view.mark(4));
            let mut totals = [0; LANES];
            totals[3] = total;
            poll(&view, at(0), &totals);
            assert!(!view.stands(mark), "{total}");
            assert!(view.stands(other), "only its lane");
            let mark = view.mark(3);
            poll(&view, at(0), &totals);
            assert!(view.stands(mark), "and only once");
        }
    }

    #[test]
    fn i7_what_this_node_tells_holds_here_at_once_and_is_no_news_to_it_later() {
        let view = view();
        let mark = view.mark(3);
        view.ended_here(3);
        assert!(!view.stands(mark), "before any counter");
        view.told_lane(3, 7, 7);
        view.told_all(7, 7);
        let mark = view.mark(3);
        let mut totals = [0; LANES];
        totals[3] = 7;
        poll(&view, at(0), &totals);
        assert!(view.stands(mark));
        // Another node was faster: its step is in the total too.
        view.ended_here(3);
        let mark = view.mark(3);
        view.told_lane(3, 7, 19);
        assert!(!view.stands(mark));
        view.told_all(7, 19);
        assert!(view.is_news(19), "the lanes are looked at again");
    }

    #[test]
    fn i7_no_interleaving_of_a_load_with_a_revocation_lets_the_old_record_be_believed() {
        // Of another step each: a load marks, reads, and remembers; a revocation writes, moves the stamp, and answers.
        fn run(order: u32, here: bool) {
            let (view, mut ended, mut totals) = (view(), false, [0_u64; LANES]);
            let (mut mark, mut read_live, mut loads, mut ends) = (None, None, 0, 0);
            for step in 0..6 {
                if order >> step & 1 == 0 {
                    match loads {
                        0 => mark = Some(view.mark(0)),
                        1 => read_live = Some(!ended),
                        _ => {}
                    }
                    loads += 1;
                } else {
                    match ends {
                        0 => ended = true,
                        1 if here => view.ended_here(0),
                        1 => totals[0] += 1,
                        _ => {}
                    }
                    ends += 1;
                }
            }
            // On another node a poll that began after the answer comes before anything is believed.
            if !here {
                poll(&view, at(0), &totals);
            }
            assert!(!(view.stands(mark.unwrap()) && read_live.unwrap()), "{order:06b}, here: {here}");
        }
        let orders = (0..64_u32).filter(|order| order.count_ones() == 3);
        assert_eq!(orders.clone().count(), 20);
        orders.for_each(|order| [true, false].map(|here| run(order, here)).into_iter().for_each(drop));
    }
}
