//! The in-memory store of otpgate, for one process: all is gone when the process ends, and nothing is before.
//!
//! It never evicts. A store that forgets a counter to make room lets an attacker make room for guesses; this one answers
//! [`StoreErrorKind::Full`] when a limit is reached, and the request is refused.

mod at;
mod budget;
mod owners;
mod shard;
mod slab;
mod values;

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use otpgate_core::{Expect, Key, Owner, Record, Store, StoreError, StoreErrorKind, Swapped, Timestamp};

use at::{At, SHARDS, shard_of};
use budget::{Budget, Budgets};
use owners::{Listed, Owners, prefix_of};
use shard::{STRETCH, Shard};

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

struct Inner {
    shards: Box<[Mutex<Shard>]>,
    /// By owner; locked after a shard, never before one.
    owners: Box<[Mutex<Owners>]>,
    budgets: Budgets,
    /// Where the next sweep begins.
    sweep_at: AtomicUsize,
}

/// How many records of an owner are looked up at a time.
const PAGE: usize = 256;
/// How often a sweep goes on before it lets other tasks run.
const STRIDE: usize = 64;

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

    fn owners_at(&self, i: usize) -> MutexGuard<'_, Owners> {
        self.0.owners[i].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, shard: &Shard, place: u32) -> Option<(Key, Record)> {
        let slot = shard.slot(place)?;
        let owner = slot.owner.and_then(|at| self.owners_at(at.shard()).owner(at.place()));
        let value = shard.value(slot, owner.as_ref())?;
        Some((slot.key, Record { revision: slot.revision, expires_at: slot.expires_at, owner, value }))
    }

    /// The record that is listed, if it is still there.
    fn read_listed(&self, listed: Listed) -> Option<(Key, Record)> {
        let read = self.read(&self.shard_at(listed.at.shard()), listed.at.place())?;
        (prefix_of(&read.0) == listed.prefix).then_some(read)
    }

    fn create(&self, shard: &mut Shard, i: usize, key: &Key, record: &Record) -> Option<()> {
        let place = shard.insert(key, record)?;
        let Some(owner) = &record.owner else { return Some(()) };
        let listed = At::new(i, place).and_then(|at| self.list(owner, Listed::new(key, at)));
        match listed {
            Some(owner) => shard.give(place, Some(owner)),
            None => drop(shard.remove(place)),
        }
        listed.map(drop)
    }

    /// Puts a record in the place of another. One that changes hands was let in once; it is not refused now.
    fn replace(&self, shard: &mut Shard, i: usize, place: u32, record: &Record) -> Option<()> {
        let slot = shard.slot(place)?;
        let (former, listed) = (slot.owner, Listed::new(&slot.key, At::new(i, place)?));
        let owner = match &record.owner {
            Some(owner) => Some(self.list(owner, listed)?),
            None => None,
        };
        let done = shard.replace(place, record);
        let (now, before) = if done.is_some() { (owner, former) } else { (former, owner) };
        shard.give(place, now);
        if now != before {
            if done.is_some() {
                self.0.budgets.of(now.is_some()).take_anyway();
                self.0.budgets.of(before.is_some()).give_back();
            }
            self.unlist(before, listed);
        }
        done
    }

    fn remove(&self, shard: &mut Shard, i: usize, place: u32) {
        let (Some(slot), Some(at)) = (shard.remove(place), At::new(i, place)) else { return };
        self.unlist(slot.owner, Listed::new(&slot.key, at));
        self.0.budgets.of(slot.owner.is_some()).give_back();
    }

    /// The next records that are listed as `owner`'s.
    fn page(&self, owner: &Owner, from: u32, limit: usize) -> Vec<Listed> {
        self.owners_at(shard_of(&owner.0)).page(owner, from, limit)
    }

    /// Lists a record whose shard is locked; says where its owner is.
    fn list(&self, owner: &Owner, record: Listed) -> Option<At> {
        let i = shard_of(&owner.0);
        let place = self.owners_at(i).list(owner, record)?;
        At::new(i, place)
    }

    fn unlist(&self, owner: Option<At>, record: Listed) {
        if let Some(at) = owner {
            self.owners_at(at.shard()).unlist(at.place(), record);
        }
    }

    /// Removes what expired before `before` from a stretch of a shard, at most `limit`; says how many.
    fn sweep_part(&self, i: usize, stretch: u32, before: Timestamp, limit: usize) -> usize {
        let (mut shard, mut gone) = (self.shard_at(i), 0);
        let (places, mut first_ends) = (shard.places_to_sweep(stretch, before), Timestamp::NEVER);
        let is_swept = !places.is_empty();
        for place in places {
            match shard.slot(place).map(|slot| slot.expires_at) {
                Some(ends) if ends < before && gone < limit => {
                    self.remove(&mut shard, i, place);
                    gone += 1;
                }
                Some(ends) => first_ends = ends.min(first_ends),
                None => {}
            }
        }
        if is_swept {
            shard.swept(stretch, first_ends);
        }
        let counters = if stretch == 0 { shard.take_expired_counters(before, limit - gone) } else { 0 };
        (0..counters).for_each(|_| self.0.budgets.counters.give_back());
        gone + counters
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
        let shard = self.shard_at(shard_of(&key.0));
        Ok(shard.find(key).and_then(|place| self.read(&shard, place)).map(|(_, record)| record))
    }

    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        if next.is_some_and(|record| record.value.len() > Record::MAX_VALUE) {
            return Err(StoreError::new(StoreErrorKind::Invalid));
        }
        let i = shard_of(&key.0);
        let mut shard = self.shard_at(i);
        let place = shard.find(key);
        match (place.and_then(|place| shard.slot(place)), expect) {
            (None, Expect::Absent) => {}
            (Some(slot), Expect::Revision(expected)) if slot.revision == expected => {}
            _ => return Ok(Swapped::No),
        }
        let done = match (place, next) {
            (None, None) => Some(()),
            (Some(place), None) => {
                self.remove(&mut shard, i, place);
                Some(())
            }
            (Some(place), Some(record)) => self.replace(&mut shard, i, place, record),
            (None, Some(record)) => {
                let budget = self.0.budgets.of(record.owner.is_some());
                budget.take()?;
                self.create(&mut shard, i, key, record).or_else(|| {
                    budget.give_back();
                    None
                })
            }
        };
        done.map(|()| Swapped::Yes).ok_or_else(|| StoreError::new(StoreErrorKind::Full))
    }

    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        self.shard_at(shard_of(&key.0)).add(key, delta, expires_at, &self.0.budgets.counters)
    }

    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        let (mut found, limit) = (Vec::new(), limit as usize);
        let mut from = Some(after.map_or(0, prefix_of));
        while let Some(start) = from.filter(|_| found.len() < limit) {
            let page = self.page(owner, start, PAGE.min(limit - found.len()));
            from = page.last().and_then(|last| last.prefix.checked_add(1));
            let records = page.into_iter().filter_map(|listed| self.read_listed(listed));
            let is_next = |(key, record): &(Key, Record)| {
                record.owner.as_ref() == Some(owner) && after.is_none_or(|after| key > after)
            };
            let mut records: Vec<_> = records.filter(is_next).collect();
            records.sort_unstable_by_key(|(key, _)| *key);
            found.extend(records);
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        let (mut gone, mut from) = (0, Some(0));
        while let Some(start) = from {
            let page = self.page(owner, start, PAGE);
            from = page.last().and_then(|last| last.prefix.checked_add(1));
            for Listed { at, .. } in page {
                let mut shard = self.shard_at(at.shard());
                let whose = shard.slot(at.place()).and_then(|slot| slot.owner);
                if whose.is_some_and(|whose| self.owners_at(whose.shard()).owner(whose.place()) == Some(*owner)) {
                    self.remove(&mut shard, at.shard(), at.place());
                    gone += 1;
                }
            }
        }
        Ok(gone)
    }

    /// A stretch of every shard, then the next of every shard: no lock is taken twice in a row.
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let most = (0..SHARDS).map(|i| self.shard_at(i).end()).max().unwrap_or_default();
        let parts = (most / STRETCH + 1) as usize * SHARDS;
        let (start, limit) = (self.0.sweep_at.load(Ordering::Relaxed) % parts, limit as usize);
        let mut gone = 0;
        for (n, part) in (start..parts).chain(0..start).enumerate() {
            gone += self.sweep_part(part % SHARDS, (part / SHARDS) as u32, before, limit - gone);
            if gone >= limit {
                self.0.sweep_at.store(part, Ordering::Relaxed);
                break;
            }
            if n % STRIDE == STRIDE - 1 {
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
