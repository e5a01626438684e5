//! A store that counts how often it is asked, so that a table can say whether a request asked it at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use otpgate::{Expect, Key, Owner, Record, Store, StoreError, Swapped, Timestamp, async_trait};

/// Counts what is asked of a store.
#[derive(Clone)]
pub struct Counted<S> {
    store: S,
    loads: Arc<AtomicUsize>,
    swaps: Arc<AtomicUsize>,
    adds: Arc<AtomicUsize>,
}

/// How often each was asked.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub loads: usize,
    pub swaps: usize,
    pub adds: usize,
}

impl<S> Counted<S> {
    pub fn over(store: S) -> Self {
        Self { store, loads: Arc::default(), swaps: Arc::default(), adds: Arc::default() }
    }

    /// How often records were loaded or swapped since the last time. The polls for revocations are additions, and not among them.
    pub fn take(&self) -> usize {
        let Counts { loads, swaps, .. } = self.take_counts();
        loads + swaps
    }

    /// All of it, since the last time.
    pub fn take_counts(&self) -> Counts {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
        Counts { loads: take(&self.loads), swaps: take(&self.swaps), adds: take(&self.adds) }
    }

    fn count(&self, what: &AtomicUsize) -> &S {
        what.fetch_add(1, Ordering::Relaxed);
        &self.store
    }
}

#[async_trait]
impl<S: Store> Store for Counted<S> {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.count(&self.loads).load(key).await
    }
    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        self.count(&self.swaps).swap(key, expect, next).await
    }
    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        self.count(&self.adds).add(key, delta, expires_at).await
    }
    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        self.count(&self.loads).owned(owner, after, limit).await
    }
    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.store.drop_owned(owner).await
    }
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.store.sweep(before, limit).await
    }
}
