use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use otpgate_core::{Expect, Key, Owner, Record, Store, StoreError, StoreErrorKind, Swapped, Timestamp};

/// The contract in the fewest lines: two maps behind one lock. For reading and for tests; it has no limits.
#[derive(Clone, Default)]
pub struct ReferenceStore(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) records: BTreeMap<Key, Record>,
    pub(crate) counters: BTreeMap<Key, (u64, Timestamp)>,
}

impl State {
    pub(crate) fn holds(&self, key: &Key, expect: Expect) -> bool {
        match (self.records.get(key), expect) {
            (None, Expect::Absent) => true,
            (Some(record), Expect::Revision(revision)) => record.revision == revision,
            (None, Expect::Revision(_)) | (Some(_), Expect::Absent) => false,
        }
    }

    pub(crate) fn put(&mut self, key: &Key, next: Option<&Record>) {
        match next {
            Some(record) => drop(self.records.insert(*key, record.clone())),
            None => drop(self.records.remove(key)),
        }
    }

    pub(crate) fn add(&mut self, key: &Key, delta: u32, expires_at: Timestamp) -> u64 {
        if delta == 0 {
            return self.counters.get(key).map_or(0, |(total, _)| *total);
        }
        let (total, _) = self.counters.entry(*key).or_insert((0, expires_at));
        *total += u64::from(delta);
        *total
    }

    pub(crate) fn keys_of(&self, owner: &Owner) -> Vec<Key> {
        self.records.iter().filter(|(_, r)| r.owner.as_ref() == Some(owner)).map(|(k, _)| *k).collect()
    }

    /// The keys of records and of counters, at most `limit` together, that `goes` says may go.
    pub(crate) fn expired(&self, limit: u32, goes: impl Fn(Timestamp) -> bool) -> (Vec<Key>, Vec<Key>) {
        let limit = limit as usize;
        let records: Vec<_> =
            self.records.iter().filter(|(_, r)| goes(r.expires_at)).map(|(k, _)| *k).take(limit).collect();
        let rest = limit - records.len();
        (records, self.counters.iter().filter(|(_, c)| goes(c.1)).map(|(k, _)| *k).take(rest).collect())
    }

    pub(crate) fn remove(&mut self, (records, counters): &(Vec<Key>, Vec<Key>)) -> u64 {
        let gone = records.iter().filter(|k| self.records.remove(k).is_some()).count();
        (gone + counters.iter().filter(|k| self.counters.remove(k).is_some()).count()) as u64
    }
}

impl ReferenceStore {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for ReferenceStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.lock().records.get(key).cloned())
    }

    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        if next.is_some_and(|r| r.value.len() > Record::MAX_VALUE) {
            return Err(StoreError::new(StoreErrorKind::Invalid));
        }
        let mut state = self.lock();
        if !state.holds(key, expect) {
            return Ok(Swapped::No);
        }
        state.put(key, next);
        Ok(Swapped::Yes)
    }

    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        Ok(self.lock().add(key, delta, expires_at))
    }

    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        let state = self.lock();
        let later = state.records.iter().filter(|(key, _)| after.is_none_or(|a| *key > a));
        let own = later.filter(|(_, record)| record.owner.as_ref() == Some(owner));
        Ok(own.take(limit as usize).map(|(k, r)| (*k, r.clone())).collect())
    }

    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        let mut state = self.lock();
        let keys = state.keys_of(owner);
        Ok(state.remove(&(keys, Vec::new())))
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let mut state = self.lock();
        let expired = state.expired(limit, |expires_at| expires_at < before);
        Ok(state.remove(&expired))
    }
}

impl fmt::Debug for ReferenceStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceStore").field("records", &self.lock().records.len()).finish_non_exhaustive()
    }
}
