//! How nodes hear of what others have ended: counters in the store, read every half second.
//!
//! Whoever ends something writes it, adds to the counter of its owner's lane, then to the one over all lanes, and answers
//! after that. A node reads the one over all, and the lanes only when it has moved: a total that a node has seen was added
//! after the lanes that it stands for, so it reads them as they were then or later. Lanes that were added to meanwhile move the total again.

mod poll;
pub(super) mod view;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_channel::mpsc;
use futures_channel::oneshot;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream;

use crate::clock::HighWater;
use crate::secret::{Secrets, Space};
use crate::{Bus, Key, Owner, Runtime, Store, StoreError, Timestamp};

use view::{LANES, Mark, View};

/// The largest step that a revocation adds. Steps are drawn, so that a store which lost its last seconds does not come by
/// totals that nodes have seen already.
const STEPS: u64 = 1 << 16;

/// How many lanes are read side by side.
const READS: usize = 32;

/// The counters, what this node knows of them, and the task that reads them. One for each engine.
pub(super) struct Revocations {
    view: View,
    store: Arc<dyn Store>,
    runtime: Arc<dyn Runtime>,
    clock: Arc<HighWater>,
    bus: Option<Arc<dyn Bus>>,
    lanes: Box<[Key]>,
    all: Key,
    alone: bool,
    /// How many additions to the counter over all have begun, and the number of the last that is done.
    begun: AtomicU64,
    turn: async_lock::Mutex<u64>,
    task: Mutex<Task>,
}

/// The task that polls.
#[derive(Default)]
struct Task {
    /// Wakes it; gone with it.
    wake: Option<mpsc::Sender<()>>,
    /// Ends the one that listens to the bus, by being dropped.
    listening: Option<oneshot::Sender<()>>,
    closed: bool,
}

impl Revocations {
    pub(super) fn new(
        secrets: &Secrets,
        store: Arc<dyn Store>,
        runtime: Arc<dyn Runtime>,
        clock: Arc<HighWater>,
        bus: Option<Arc<dyn Bus>>,
        alone: bool,
    ) -> Self {
        // No end and no window: a node that read the one of the next hour would not see what is added to this one.
        let key = |lane: usize| secrets.key(Space::Revocations, &[&[lane as u8]]);
        let lanes = (0..LANES).map(key).collect();
        let (view, task) = (View::new(alone), Mutex::default());
        let (begun, turn) = (AtomicU64::new(0), async_lock::Mutex::new(0));
        Self { view, store, runtime, clock, bus, lanes, all: key(LANES), alone, begun, turn, task }
    }

    /// Taken before a load whose answer will be believed for a while.
    pub(super) fn mark(&self, owner: &Owner) -> Mark {
        self.view.mark(View::lane(owner))
    }

    /// Whether what was loaded after `mark` is still to be believed, when the clock shows `shown`.
    pub(super) fn stands(&self, mark: Mark, shown: Timestamp) -> bool {
        self.view.is_fresh(shown) && self.view.stands(mark)
    }

    /// Something of `owner` has ended by a write of this node, or may have: it is not believed here from now on.
    pub(super) fn ended_here(&self, owner: &Owner) {
        self.view.ended_here(View::lane(owner));
    }

    /// Tells the other nodes; `drawn` is chance.
    pub(super) async fn tell(&self, owner: &Owner, drawn: u16) -> Result<(), StoreError> {
        let (lane, step) = (View::lane(owner), 1 + u64::from(drawn) % STEPS);
        let add = |key| self.store.add(key, step as u32, Timestamp::NEVER);
        self.view.told_lane(lane, step, add(&self.lanes[usize::from(lane)]).await?);
        // The counter over all would be the one place that every revocation queues for at the store. So of those that wait here at
        // the same time one adds for all: an addition that begins after a lane was added to stands for that lane.
        let needed = self.begun.fetch_add(0, Ordering::AcqRel) + 1;
        let mut done = self.turn.lock().await;
        if *done < needed {
            let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
            self.view.told_all(step, add(&self.all).await?);
            *done = number;
        }
        Ok(())
    }

    /// Hints to the other nodes that there is something to see, without waiting.
    pub(super) fn hint(&self) {
        let Some(bus) = self.bus.clone() else { return };
        let deadline = self.runtime.sleep(Duration::from_secs(2));
        self.runtime.spawn(Box::pin(async move {
            match select(std::pin::pin!(bus.publish()), deadline).await {
                Either::Left((Ok(()), _)) => {}
                Either::Left((Err(error), _)) => {
                    tracing::warn!(target: "otpgate", %error, "a hint to the other nodes was not sent; their next poll sees it");
                }
                Either::Right(_) => {
                    tracing::warn!(target: "otpgate", "a hint to the other nodes took too long; their next poll sees it");
                }
            }
        }));
    }

    /// Reads what has moved. Either all of it, or an error.
    async fn read(&self) -> Result<(), StoreError> {
        let (began, _) = self.clock.read();
        let total = self.store.add(&self.all, 0, Timestamp::NEVER).await?;
        if self.view.is_news(total) {
            let read = |(key, lane): (&Key, u8)| {
                let (store, key) = (Arc::clone(&self.store), *key);
                async move { (lane, store.add(&key, 0, Timestamp::NEVER).await) }
            };
            let mut lanes = stream::iter(self.lanes.iter().zip(0..).map(read)).buffer_unordered(READS);
            while let Some((lane, total)) = lanes.next().await {
                self.view.read_lane(lane, total?);
            }
        }
        self.view.polled(began, total);
        Ok(())
    }

    /// Ends the polling for good; nothing is believed any more.
    pub(super) fn close(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        *task = Task { closed: true, ..Task::default() };
        if !self.alone {
            self.view.distrust();
        }
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").field("alone", &self.alone).finish_non_exhaustive()
    }
}
