use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use otpgate_core::{Expect, Key, Owner, Record, Store, StoreError, Swapped, Timestamp};

use super::StoreOp;

/// Notes every call, and how many calls had to be waited for one after another, over a store that does the work.
///
/// Each call lets other tasks run once before it is passed on, so that calls that are made together are seen together.
///
/// ```
/// use otpgate_core::{Key, Store as _};
/// use otpgate_testkit::{HistoryStore, store::ReferenceStore};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = HistoryStore::over(ReferenceStore::default());
/// let (a, b) = (Key([1; 32]), Key([2; 32]));
/// let _ = tokio::join!(store.load(&a), store.load(&b));
/// let _ = store.load(&a).await;
/// assert_eq!((store.calls().len(), store.waits()), (3, 2));
/// # });
/// ```
pub struct HistoryStore<S>(Arc<History<S>>);

/// A call that was answered or is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub op: StoreOp,
    /// About what, where it is one key.
    pub key: Option<Key>,
    /// How many calls had to be waited for one after another, this one included.
    pub depth: usize,
}

struct History<S> {
    store: S,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    calls: Vec<Call>,
    answered: usize,
    /// Grows at each reset, so that a call from before it changes nothing.
    era: u64,
}

impl<S: Store> HistoryStore<S> {
    /// An empty history over `store`.
    #[must_use]
    pub fn over(store: S) -> Self {
        Self(Arc::new(History { store, notes: Mutex::default() }))
    }

    /// Forgets what was noted.
    pub fn reset(&self) {
        let mut notes = self.notes();
        *notes = Notes { era: notes.era + 1, ..Notes::default() };
    }

    /// All calls since the last reset, in the order in which they began.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.notes().calls.clone()
    }

    /// How many calls since the last reset had to be waited for one after another: the longest chain of calls of which each
    /// began after another had been answered.
    #[must_use]
    pub fn waits(&self) -> usize {
        self.notes().calls.iter().map(|call| call.depth).max().unwrap_or(0)
    }

    /// The store below.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.0.store
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn note<T>(&self, op: StoreOp, key: Option<&Key>, call: impl Future<Output = T> + Send) -> T {
        let (depth, era) = {
            let mut notes = self.notes();
            let depth = notes.answered + 1;
            notes.calls.push(Call { op, key: key.copied(), depth });
            (depth, notes.era)
        };
        tokio::task::yield_now().await;
        let answer = call.await;
        let mut notes = self.notes();
        if notes.era == era {
            notes.answered = notes.answered.max(depth);
        }
        answer
    }
}

#[async_trait]
impl<S: Store> Store for HistoryStore<S> {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.note(StoreOp::Load, Some(key), self.0.store.load(key)).await
    }

    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        self.note(StoreOp::Swap, Some(key), self.0.store.swap(key, expect, next)).await
    }

    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        self.note(StoreOp::Add, Some(key), self.0.store.add(key, delta, expires_at)).await
    }

    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        self.note(StoreOp::Owned, None, self.0.store.owned(owner, after, limit)).await
    }

    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.note(StoreOp::DropOwned, None, self.0.store.drop_owned(owner)).await
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.note(StoreOp::Sweep, None, self.0.store.sweep(before, limit)).await
    }
}

impl<S> Clone for HistoryStore<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for HistoryStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ReferenceStore;

    #[tokio::test]
    async fn calls_made_together_are_one_wait_and_a_chain_is_as_long_as_it_is() {
        let store = HistoryStore::over(ReferenceStore::default());
        let [a, b, c] = [1, 2, 3].map(|n| Key([n; 32]));
        let _ = tokio::join!(store.load(&a), store.load(&b), store.add(&c, 1, Timestamp::NEVER));
        assert_eq!(store.waits(), 1);
        let _ = tokio::join!(store.load(&a), async {
            let _ = store.load(&b).await;
            store.swap(&c, Expect::Absent, None).await
        });
        assert_eq!(store.waits(), 3);
        let last = store.calls().pop().unwrap();
        assert_eq!(last, Call { op: StoreOp::Swap, key: Some(c), depth: 3 });
        store.reset();
        assert_eq!((store.waits(), store.calls().len()), (0, 0));
    }
}
