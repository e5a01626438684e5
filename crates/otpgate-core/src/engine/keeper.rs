//! Load, decide, swap, and on conflict again: every change of a record goes through here.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use async_lock::Mutex;

use super::Inner;
use crate::entropy::Dice;
use crate::flow::{Decision, Tell};
use crate::record::Recorded;
use crate::{Expect, Key, Owner, Record, Refusal, Revision, StoreError, Swapped, Timestamp};

/// A store or directory that takes longer has failed.
pub(super) const STORE_DEADLINE: Duration = Duration::from_secs(2);

/// How long an operation waits for its turn at a key.
pub(super) const TURN_DEADLINE: Duration = Duration::from_secs(10);

/// Lost swaps in a row after which an operation gives up.
const MOST_ATTEMPTS: u32 = 16;

/// One flight at a time per key and process: racers of this process queue here and not at the store.
pub(super) struct Flights(Box<[Mutex<()>]>);

impl Default for Flights {
    fn default() -> Self {
        Self((0..512).map(|_| Mutex::new(())).collect())
    }
}

impl Flights {
    /// Keys are keyed hashes: nobody outside can aim two of them at one lane.
    pub(super) fn lane(&self, key: &Key) -> &Mutex<()> {
        &self.0[usize::from(u16::from_be_bytes([key.0[0], key.0[1]])) % self.0.len()]
    }
}

/// A record as it was loaded: from where, what it says, and what a swap has to expect.
pub(super) struct Loaded<R> {
    pub(super) key: Key,
    pub(super) record: Option<R>,
    pub(super) expect: Expect,
}

impl Inner {
    /// Waits for `work` at most for `span`.
    pub(super) async fn within<T>(&self, span: Duration, work: impl Future<Output = T>) -> Option<T> {
        let (mut work, mut timer) = (std::pin::pin!(work), None);
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            // What does not wait needs no timer.
            let timer = timer.get_or_insert_with(|| self.runtime.sleep(span));
            timer.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// An answer of the store or the directory, in time or not at all.
    pub(super) async fn in_time<T, E>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, Refusal>
    where
        E: std::error::Error,
    {
        if self.closing.is_over() {
            return Err(Refusal::Unavailable);
        }
        match self.within(STORE_DEADLINE, call).await {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => {
                let cause = error.source().map(ToString::to_string);
                tracing::error!(target: "otpgate", %error, cause, "a backend failed; the operation is refused");
                Err(Refusal::Unavailable)
            }
            None => {
                tracing::error!(target: "otpgate", "a backend did not answer in time; the operation is refused");
                Err(Refusal::Unavailable)
            }
        }
    }

    /// The record at `key`; an expired one is as good as none, and a swap still has to name it.
    pub(super) async fn load<R: Recorded>(&self, key: &Key) -> Result<Loaded<R>, Refusal> {
        let (found, key) = (self.in_time(self.store.load(key)).await?, *key);
        let Some(found) = found else {
            return Ok(Loaded { key, record: None, expect: Expect::Absent });
        };
        let expect = Expect::Revision(found.revision);
        if found.expires_at <= self.clock.now() {
            return Ok(Loaded { key, record: None, expect });
        }
        let record = R::decode(&found.value).map_err(|error| {
            tracing::error!(target: "otpgate", %error, ?key, "a stored record is corrupt; the operation is refused");
            Refusal::Unavailable
        })?;
        Ok(Loaded { key, record: Some(record), expect })
    }

    /// Decides over the record at `key` until the decision stands. No outcome comes back before the write that it says has
    /// committed, and before the other nodes can know of what it takes back. If they cannot be told, the write stands and the
    /// answer is that there is none: whoever tries again tells them then.
    pub(super) async fn decide<R: Recorded + Clone, T>(
        &self,
        key: &Key,
        rule: impl FnMut(Option<R>, Timestamp, &Dice) -> Decision<R, T>,
    ) -> Result<T, Refusal> {
        self.decide_over(key, None, rule).await
    }

    /// As [`Inner::decide`], over what this operation has loaded together with other records. A decision over a record that has
    /// changed since loses its swap and is made again; where somebody else is at the key, that is not even tried.
    pub(super) async fn decide_over<R: Recorded + Clone, T>(
        &self,
        key: &Key,
        seen: Option<Loaded<R>>,
        rule: impl FnMut(Option<R>, Timestamp, &Dice) -> Decision<R, T>,
    ) -> Result<T, Refusal> {
        let (outcome, owner) = self.settle(key, seen, rule).await?;
        if let Some(owner) = owner {
            self.revocations.ended_here(&owner);
            let [high, low, ..] = self.dice()?.first_16();
            self.in_time(self.revocations.tell(&owner, u16::from_be_bytes([high, low]))).await?;
            self.revocations.hint();
        }
        Ok(outcome)
    }

    /// The outcome of a decision that stands, and of whose sessions nodes may not believe any more what they have seen.
    async fn settle<R: Recorded + Clone, T>(
        &self,
        key: &Key,
        mut seen: Option<Loaded<R>>,
        mut rule: impl FnMut(Option<R>, Timestamp, &Dice) -> Decision<R, T>,
    ) -> Result<(T, Option<Owner>), Refusal> {
        let lane = self.flights.lane(key);
        let _lane = match lane.try_lock() {
            Some(free) => free,
            None => {
                seen = None;
                self.within(TURN_DEADLINE, lane.lock()).await.ok_or(Refusal::Unavailable)?
            }
        };
        for attempt in 0..MOST_ATTEMPTS {
            let loaded = match seen.take() {
                Some(seen) => seen,
                None => self.load::<R>(key).await?,
            };
            let dice = self.dice()?;
            let (now, before) = (self.clock.now(), R::TAKES_BACK.and_then(|_| loaded.record.clone()));
            let decision = rule(loaded.record, now, &dice);
            let owner = whose(before.as_ref(), decision.write.as_ref(), decision.tell, now);
            let Some(next) = decision.write else { return Ok((decision.outcome, owner)) };
            let revision = Revision(dice.second_16());
            let next = Record {
                revision,
                expires_at: next.expires_at(),
                owner: next.owner(),
                value: next.encode().map_err(|_| Refusal::Defect)?,
            };
            match self.within(STORE_DEADLINE, self.store.swap(key, loaded.expect, Some(&next))).await {
                Some(Ok(Swapped::Yes)) => return Ok((decision.outcome, owner)),
                Some(Ok(Swapped::No)) => self.back_off(attempt).await?,
                failed => {
                    // Written or not: what may have ended is not believed here.
                    owner.iter().for_each(|owner| self.revocations.ended_here(owner));
                    self.look_for(key, revision, failed.and_then(Result::err)).await?;
                    return Ok((decision.outcome, owner));
                }
            }
        }
        tracing::warn!(target: "otpgate", ?key, "too many lost swaps in a row; the operation is refused");
        Err(Refusal::Unavailable)
    }

    /// After a swap whose outcome is unknown: our own revision at `key` says that it took place.
    pub(super) async fn look_for(
        &self,
        key: &Key,
        revision: Revision,
        error: Option<StoreError>,
    ) -> Result<(), Refusal> {
        let error = error.as_ref().map(ToString::to_string);
        tracing::error!(target: "otpgate", ?key, error, "a swap ended without an answer");
        let found = self.in_time(self.store.load(key)).await?;
        if found.is_some_and(|r| r.revision == revision) { Ok(()) } else { Err(Refusal::Unavailable) }
    }

    /// A short random pause, longer with every lost swap, so that racers on other nodes fall apart.
    async fn back_off(&self, attempt: u32) -> Result<(), Refusal> {
        let most = 1u64 << attempt.min(6);
        let drawn = u64::from(self.dice()?.first_16()[0]) * most / 256;
        self.runtime.sleep(Duration::from_millis(drawn)).await;
        Ok(())
    }

    pub(super) fn dice(&self) -> Result<Dice, Refusal> {
        Dice::roll(&*self.entropy).map_err(|error| {
            tracing::error!(target: "otpgate", %error, "no random bytes; the operation is refused");
            Refusal::Unavailable
        })
    }
}

/// Of whose sessions a decision takes something back.
fn whose<R: Recorded>(before: Option<&R>, after: Option<&R>, tell: Tell, now: Timestamp) -> Option<Owner> {
    match tell {
        Tell::Of(owner) => Some(owner),
        Tell::Already => None,
        Tell::AsSeen => {
            let (takes_back, before, after) = (R::TAKES_BACK?, before?, after?);
            takes_back(before, after, now).then(|| before.owner().or(after.owner()))?
        }
    }
}
