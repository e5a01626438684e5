//! The in-memory store of otpgate, for one process: all is gone when the process ends, and nothing is before.
//!
//! It never evicts. A store that forgets a counter to make room lets an attacker make room for guesses; this one answers
//! [`StoreErrorKind::Full`] when a limit is reached, and the request is refused.

mod budget;
mod shard;

use std::collections::BTreeSet;
use std::fmt;
use std::future::poll_fn;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use otpgate_core::{Expect, Key, Owner, Record, Store, StoreError, StoreErrorKind, Swapped, Timestamp};

use budget::{Budget, Budgets};
use shard::Shard;

/// Keeps records in this process's memory. Clones share them.
///
/// ```
/// use otpgate_memory::MemoryStore;
///
/// let store = MemoryStore::builder().max_records(100_000).build();
/// # let _ = store;
/// ```
///
/// # Security
/// Nothing survives a restart: sessions end, and so do locks and counters. Behind more than one process each would count
/// guesses for itself; use a shared store there.
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

/// Sorted by owner, then by key: an owner's records are a range.
type OwnerIndex = BTreeSet<(Owner, Key)>;

struct Inner {
    shards: Box<[Mutex<Shard>]>,
    /// By owner; locked after a shard, never before one.
    owners: Box<[Mutex<OwnerIndex>]>,
    budgets: Budgets,
    /// The shard that the next sweep begins with.
    sweep_at: AtomicUsize,
}

/// So many that a sweep holds each lock for microseconds, with a million records too.
const SHARDS: usize = 1024;
/// How many keys are taken from the owner index at a time.
const PAGE: usize = 256;
/// How many shards a sweep looks through before it lets other tasks run.
const STRIDE: usize = 16;

impl MemoryStore {
    /// A store with the default limits of [`MemoryStore::builder`].
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Begins a store with other limits.
    #[must_use]
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder::default()
    }

    fn shard_at(&self, i: usize) -> MutexGuard<'_, Shard> {
        // A panic elsewhere leaves whole records behind: nothing between two changes here can panic.
        self.0.shards[i].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keys are digests, so any of their bytes spread them evenly.
    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        self.shard_at(usize::from(u16::from_le_bytes([key.0[0], key.0[1]])) % SHARDS)
    }

    fn index(&self, owner: &Owner) -> MutexGuard<'_, OwnerIndex> {
        let i = usize::from(u16::from_le_bytes([owner.0[0], owner.0[1]])) % self.0.owners.len();
        self.0.owners[i].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next keys of `owner` after `after`. Only hints: the records may change as soon as the lock is open.
    fn page(&self, owner: &Owner, after: Option<&Key>, limit: usize) -> Vec<Key> {
        let start = after.map_or(Bound::Included((*owner, Key([0; 32]))), |key| Bound::Excluded((*owner, *key)));
        let index = self.index(owner);
        index.range((start, Bound::Unbounded)).take_while(|(o, _)| o == owner).take(limit).map(|(_, k)| *k).collect()
    }

    /// Takes a record that has just been removed out of the index and the budget; its shard is still locked.
    fn forget(&self, key: &Key, owner: Option<&Owner>) {
        if let Some(owner) = owner {
            self.index(owner).remove(&(*owner, *key));
        }
        self.0.budgets.of(owner).give_back();
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.shard(key).get(key))
    }

    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        if next.is_some_and(|record| record.value.len() > Record::MAX_VALUE) {
            return Err(StoreError::new(StoreErrorKind::Invalid));
        }
        let mut shard = self.shard(key);
        let before = match (shard.revision_and_owner(key), expect) {
            (None, Expect::Absent) => None,
            (Some((revision, owner)), Expect::Revision(expected)) if revision == expected => Some(owner),
            _ => return Ok(Swapped::No),
        };
        let Some(record) = next else {
            if let Some(owner) = before {
                shard.remove(key);
                self.forget(key, owner.as_ref());
            }
            return Ok(Swapped::Yes);
        };
        if before.is_none() {
            self.0.budgets.of(record.owner.as_ref()).take()?;
        }
        // The index first: whoever sees the record finds it listed.
        if let Some(owner) = &record.owner {
            self.index(owner).insert((*owner, *key));
        }
        shard.put(key, record);
        if let Some(former) = before.filter(|former| *former != record.owner) {
            // A record that changes hands was let in once; it is not refused now.
            self.0.budgets.of(record.owner.as_ref()).take_anyway();
            self.forget(key, former.as_ref());
        }
        Ok(Swapped::Yes)
    }

    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        self.shard(key).add(key, delta, expires_at, &self.0.budgets.counters)
    }

    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        let (mut found, mut after, limit) = (Vec::new(), after.copied(), limit as usize);
        while found.len() < limit {
            let page = self.page(owner, after.as_ref(), PAGE.min(limit - found.len()));
            let Some(last) = page.last() else { break };
            after = Some(*last);
            let records = page.into_iter().filter_map(|key| self.shard(&key).get(&key).map(|record| (key, record)));
            found.extend(records.filter(|(_, record)| record.owner.as_ref() == Some(owner)));
        }
        Ok(found)
    }

    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        let (mut gone, mut after) = (0, None);
        loop {
            let page = self.page(owner, after.as_ref(), PAGE);
            let Some(last) = page.last() else { return Ok(gone) };
            after = Some(*last);
            for key in &page {
                let mut shard = self.shard(key);
                if shard.revision_and_owner(key).is_some_and(|(_, whose)| whose.as_ref() == Some(owner)) {
                    shard.remove(key);
                    self.forget(key, Some(owner));
                    gone += 1;
                }
            }
        }
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let (start, limit) = (self.0.sweep_at.load(Ordering::Relaxed), limit as usize);
        let mut gone = 0;
        for step in 0..SHARDS {
            let i = (start + step) % SHARDS;
            {
                let mut shard = self.shard_at(i);
                let records = shard.take_expired(before, limit - gone);
                records.iter().for_each(|(key, owner)| self.forget(key, owner.as_ref()));
                gone += records.len();
                let counters = shard.take_expired_counters(before, limit - gone);
                (0..counters).for_each(|_| self.0.budgets.counters.give_back());
                gone += counters;
            }
            if gone >= limit {
                self.0.sweep_at.store(i, Ordering::Relaxed);
                break;
            }
            if step % STRIDE == STRIDE - 1 {
                let_others_run().await;
            }
        }
        Ok(gone as u64)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryStore").field(&self.0.budgets).finish()
    }
}

/// The limits of a [`MemoryStore`].
#[derive(Clone, Copy, Debug)]
pub struct MemoryStoreBuilder {
    records: u64,
    owned: u64,
    counters: u64,
}

impl Default for MemoryStoreBuilder {
    fn default() -> Self {
        Self { records: 1_000_000, owned: 4_000_000, counters: 1_000_000 }
    }
}

impl MemoryStoreBuilder {
    /// At most this many records without an owner (default 1 000 000): codes, failures and locks, which strangers can cause.
    #[must_use]
    pub fn max_records(self, max: u64) -> Self {
        Self { records: max, ..self }
    }

    /// At most this many records with an owner (default 4 000 000): accounts and sessions, which only log-ins cause.
    #[must_use]
    pub fn max_owned(self, max: u64) -> Self {
        Self { owned: max, ..self }
    }

    /// At most this many counters (default 1 000 000).
    #[must_use]
    pub fn max_counters(self, max: u64) -> Self {
        Self { counters: max, ..self }
    }

    /// An empty store with these limits.
    #[must_use]
    pub fn build(self) -> MemoryStore {
        MemoryStore(Arc::new(Inner {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            owners: (0..SHARDS).map(|_| Mutex::default()).collect(),
            budgets: Budgets {
                anonymous: Budget::of(self.records),
                owned: Budget::of(self.owned),
                counters: Budget::of(self.counters),
            },
            sweep_at: AtomicUsize::new(0),
        }))
    }
}

/// Goes to the back of the executor's queue once, whichever executor it is.
async fn let_others_run() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
