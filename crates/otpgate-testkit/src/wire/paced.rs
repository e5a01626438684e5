//! A runtime whose long timers follow the set clock, and which knows when nothing is under way any more.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use otpgate_core::engine::{POLL_DEADLINE, POLL_EVERY};
use otpgate_core::runtime::BoxFuture;
use otpgate_core::{Clock as _, Runtime, Timestamp};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::SetClock;

/// Timers of this length and more follow the set clock; shorter ones, pauses between lost swaps, the real one.
const SET: Duration = POLL_EVERY;

/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs tasks on tokio, counts them, and lets timers of half a second and more wait for a [`SetClock`]. Clones are one runtime.
#[derive(Clone)]
pub struct PacedRuntime(Arc<Paced>);

struct Paced {
    clock: SetClock,
    tasks: AtomicUsize,
    changed: Notify,
    naps: Mutex<Vec<(u64, Duration, Timestamp, Waker)>>,
    ids: AtomicU64,
    running: Mutex<Vec<AbortHandle>>,
}

impl PacedRuntime {
    /// A runtime that follows `clock`.
    #[must_use]
    pub fn following(clock: SetClock) -> Self {
        let (tasks, ids) = (AtomicUsize::new(0), AtomicU64::new(0));
        Self(Arc::new(Paced {
            clock,
            tasks,
            changed: Notify::new(),
            naps: Mutex::default(),
            ids,
            running: Mutex::default(),
        }))
    }

    /// Moves the clock and wakes the timers that are over then.
    pub fn advance(&self, span: Duration) {
        let now = self.0.clock.advance(span);
        let due: Vec<Waker> =
            self.0.naps().iter().filter(|(_, _, at, _)| *at <= now).map(|(.., waker)| waker.clone()).collect();
        due.into_iter().for_each(Waker::wake);
    }

    /// Drops every task where it stands, as the end of a process does.
    pub fn kill(&self) {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.drain(..).for_each(|task| task.abort());
    }

    /// Waits until no task is under way; polls of what other nodes have ended do not count.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn idle(&self) {
        self.until("a task does not end", || self.0.tasks.load(Ordering::SeqCst) == self.0.polls(true)).await;
    }

    /// Waits until every poll that is due has come to an end, and no other task is under way.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn polled(&self) {
        self.until("a poll does not end", || self.0.tasks.load(Ordering::SeqCst) == self.0.polls(false)).await;
    }

    /// Waits until there is no task at all.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn empty(&self) {
        self.until("a task is left", || self.0.tasks.load(Ordering::SeqCst) == 0).await;
    }

    /// Waits until a task waits for a timer of exactly `span` that is not over yet.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn sleeping(&self, span: Duration) {
        let paced = &self.0;
        let waits = || paced.naps().iter().any(|(_, s, due, _)| *s == span && *due > paced.clock.now());
        self.until("no task sleeps", waits).await;
    }

    async fn until(&self, what: &str, done: impl Fn() -> bool) {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let changed = self.0.changed.notified();
                tokio::pin!(changed);
                // Registered before looking: a change between the two is not missed.
                changed.as_mut().enable();
                if done() {
                    return;
                }
                changed.await;
            }
        });
        assert!(waited.await.is_ok(), "{what}");
    }
}

impl Paced {
    /// How many polls wait for their next turn, and for the store where `asking`.
    fn polls(&self, asking: bool) -> usize {
        let now = self.clock.now();
        let counts = |span, due| (span == POLL_EVERY && due > now) || (asking && span == POLL_DEADLINE);
        self.naps().iter().filter(|(_, span, due, _)| counts(*span, *due)).count()
    }

    fn naps(&self) -> MutexGuard<'_, Vec<(u64, Duration, Timestamp, Waker)>> {
        self.naps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a task for as long as it is there.
struct Counted(Arc<Paced>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.tasks.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

impl Runtime for PacedRuntime {
    fn spawn(&self, task: BoxFuture<()>) {
        self.0.tasks.fetch_add(1, Ordering::SeqCst);
        let counted = Counted(Arc::clone(&self.0));
        let task = tokio::spawn(async move {
            let _counted = counted;
            task.await;
        });
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|task| !task.is_finished());
        running.push(task.abort_handle());
    }

    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send + 'static>) {
        drop(tokio::task::spawn_blocking(job));
    }

    fn sleep(&self, span: Duration) -> BoxFuture<()> {
        if span < SET {
            return Box::pin(tokio::time::sleep(span));
        }
        let due = self.0.clock.now().plus(span);
        Box::pin(Nap { paced: Arc::clone(&self.0), span, due, id: None })
    }
}

impl fmt::Debug for PacedRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacedRuntime").field("tasks", &self.0.tasks).finish_non_exhaustive()
    }
}

/// A timer of the set clock; registered from its first poll until it is dropped.
struct Nap {
    paced: Arc<Paced>,
    span: Duration,
    due: Timestamp,
    id: Option<u64>,
}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let paced = Arc::clone(&self.paced);
        let mut naps = paced.naps();
        // Read under the lock: whoever moves the clock looks at the list afterwards.
        if paced.clock.now() >= self.due {
            return Poll::Ready(());
        }
        let id = *self.id.get_or_insert_with(|| paced.ids.fetch_add(1, Ordering::Relaxed));
        naps.retain(|(own, ..)| *own != id);
        naps.push((id, self.span, self.due, cx.waker().clone()));
        drop(naps);
        paced.changed.notify_waiters();
        Poll::Pending
    }
}

impl Drop for Nap {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.paced.naps().retain(|(own, ..)| *own != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_timers_follow_the_clock_and_idle_waits_for_tasks() {
        let clock = SetClock::default();
        let runtime = PacedRuntime::following(clock.clone());
        let nap = runtime.sleep(Duration::from_secs(3_600));
        runtime.spawn(Box::pin(nap));
        runtime.sleeping(Duration::from_secs(3_600)).await;
        runtime.advance(Duration::from_secs(3_599));
        tokio::task::yield_now().await;
        assert_eq!(runtime.0.tasks.load(Ordering::SeqCst), 1);
        runtime.advance(Duration::from_secs(1));
        runtime.idle().await;
    }
}
