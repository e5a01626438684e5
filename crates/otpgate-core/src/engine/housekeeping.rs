//! Removing what has expired: in small steps, by one node at a time, behind every request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};

use super::{Engine, Inner};
use crate::flow::lease::{self, Lease};
use crate::secret::Space;
use crate::{Expect, Record, Refusal, Revision, Swapped};

/// How long the node rests that has found nothing more to do, or another at it.
const EVERY: Duration = Duration::from_secs(60);

/// How long it rests between two steps: what waits for the store, or for a core, goes first.
const PAUSE: Duration = Duration::from_millis(2);

/// The most that one step removes: so few that whoever shares the cores with it need not wait for it long.
const STEP: u32 = 25;

/// How many steps it takes before it looks at the lease again.
const STEPS: u32 = 40;

/// A step that takes longer has failed.
const STEP_DEADLINE: Duration = Duration::from_secs(10);

/// Clocks of machines that share a store differ: what has just expired here may live there.
const MARGIN: Duration = Duration::from_secs(300);

impl Engine {
    /// Removes at most `limit` of the records and counters that expired more than five minutes ago, and says how many.
    ///
    /// The engine does so by itself unless [`super::Parts::housekeeping`] is off: then the host calls this now and then,
    /// and again while the answer is `limit`. Any number of nodes may call it at once.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`]; some may have been removed.
    pub async fn sweep(&self, limit: u32) -> Result<u64, Refusal> {
        self.detached(move |inner| async move { inner.sweep(limit).await }).await
    }
}

/// The engine's own sweeper: begun by its first operation, ended by its shutdown or its last handle.
pub(super) struct Housekeeper {
    wanted: bool,
    begun: AtomicBool,
    /// Dropped to end it.
    stop: Mutex<Option<oneshot::Sender<()>>>,
}

impl Housekeeper {
    pub(super) fn new(wanted: bool) -> Self {
        Self { wanted, begun: AtomicBool::new(false), stop: Mutex::default() }
    }

    /// Ends it: a step that is under way is the last.
    pub(super) fn stop(&self) {
        drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// What a node knows of its lease.
#[derive(Default)]
struct Tenure {
    /// How it has written it last.
    own: Option<Revision>,
    /// The steps that are left before it looks again.
    steps: u32,
}

impl Inner {
    /// Begins to sweep, once.
    pub(super) fn begin_housekeeping(self: &Arc<Self>) {
        let house = &self.housekeeper;
        if !house.wanted || house.begun.load(Ordering::Relaxed) || house.begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let (stop, mut stopped) = oneshot::channel();
        *house.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
        // It keeps no engine alive that nobody uses any more.
        let (inner, runtime) = (Arc::downgrade(self), Arc::clone(&self.runtime));
        self.runtime.spawn(Box::pin(async move {
            let (mut tenure, mut rest) = (Tenure::default(), EVERY);
            while let Either::Left((_, unstopped)) = select(runtime.sleep(rest), stopped).await {
                stopped = unstopped;
                let Some(inner) = inner.upgrade() else { return };
                rest = inner.keep_house(&mut tenure).await;
            }
        }));
    }

    /// One step, if it is this node that sweeps; how long to rest before the next.
    async fn keep_house(&self, tenure: &mut Tenure) -> Duration {
        let steps = std::mem::take(&mut tenure.steps);
        // No permit is free while the node is busy, and none ever after a shutdown.
        let Some(_permit) = self.sections.try_acquire_arc() else { return EVERY };
        let steps = match steps {
            0 if matches!(self.hold_lease(&mut tenure.own).await, Ok(true)) => STEPS,
            0 => return EVERY,
            left => left,
        };
        match self.sweep(STEP).await {
            Ok(gone) if gone >= u64::from(STEP) => {
                tenure.steps = steps - 1;
                PAUSE
            }
            Ok(_) | Err(_) => EVERY,
        }
    }

    async fn sweep(&self, limit: u32) -> Result<u64, Refusal> {
        let before = self.clock.now().minus(MARGIN);
        match self.within(STEP_DEADLINE, self.store.sweep(before, limit)).await {
            Some(Ok(gone)) => Ok(gone),
            Some(Err(error)) => {
                tracing::warn!(target: "otpgate", %error, "the store could not be swept");
                Err(Refusal::Unavailable)
            }
            None => {
                tracing::warn!(target: "otpgate", "the store was not swept in time");
                Err(Refusal::Unavailable)
            }
        }
    }

    /// Whether this node holds the lease, taken or renewed if need be. Two that believe so at once do no harm: the lease
    /// spares work and guards nothing.
    async fn hold_lease(&self, own: &mut Option<Revision>) -> Result<bool, Refusal> {
        let (key, now) = (self.secrets.key(Space::Sweeper, &[]), self.clock.now());
        let found = self.in_time(self.store.load(&key)).await?;
        match lease::judge(found.as_ref(), *own, now) {
            Lease::Others => Ok(false),
            Lease::Own => Ok(true),
            Lease::Due => {
                let revision = Revision(self.dice()?.first_16());
                // Before the answer: it may be lost although the lease is ours.
                *own = Some(revision);
                let next = Record { revision, expires_at: now.plus(lease::SPAN), owner: None, value: Vec::new() };
                let expect = found.map_or(Expect::Absent, |found| Expect::Revision(found.revision));
                Ok(self.in_time(self.store.swap(&key, expect, Some(&next))).await? == Swapped::Yes)
            }
        }
    }
}
