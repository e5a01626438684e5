use std::collections::HashMap;
use std::collections::hash_map::Entry;

use otpgate_core::{Key, Owner, Record, Revision, StoreError, Timestamp};

use crate::budget::Budget;

/// The part of the store behind one lock.
#[derive(Default)]
pub(crate) struct Shard {
    records: HashMap<Key, Stored>,
    counters: HashMap<Key, Counter>,
}

/// A record without the spare capacity of its value.
struct Stored {
    revision: Revision,
    expires_at: Timestamp,
    owner: Option<Owner>,
    value: Box<[u8]>,
}

struct Counter {
    total: u64,
    expires_at: Timestamp,
}

impl Shard {
    pub(crate) fn get(&self, key: &Key) -> Option<Record> {
        let Stored { revision, expires_at, owner, value } = self.records.get(key)?;
        Some(Record { revision: *revision, expires_at: *expires_at, owner: *owner, value: value.to_vec() })
    }

    pub(crate) fn revision_and_owner(&self, key: &Key) -> Option<(Revision, Option<Owner>)> {
        self.records.get(key).map(|stored| (stored.revision, stored.owner))
    }

    pub(crate) fn put(&mut self, key: &Key, record: &Record) {
        let Record { revision, expires_at, owner, value } = record;
        let value = value.as_slice().into();
        self.records.insert(*key, Stored { revision: *revision, expires_at: *expires_at, owner: *owner, value });
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        self.records.remove(key);
    }

    pub(crate) fn add(
        &mut self,
        key: &Key,
        delta: u32,
        expires_at: Timestamp,
        budget: &Budget,
    ) -> Result<u64, StoreError> {
        let delta = u64::from(delta);
        match self.counters.entry(*key) {
            Entry::Occupied(mut counter) => {
                let total = &mut counter.get_mut().total;
                *total = total.saturating_add(delta);
                Ok(*total)
            }
            Entry::Vacant(_) if delta == 0 => Ok(0),
            Entry::Vacant(place) => {
                budget.take()?;
                place.insert(Counter { total: delta, expires_at });
                Ok(delta)
            }
        }
    }

    /// Removes at most `limit` records that expired before `before`; returns their keys and owners.
    pub(crate) fn take_expired(&mut self, before: Timestamp, limit: usize) -> Vec<(Key, Option<Owner>)> {
        let expired = self.records.extract_if(|_, stored| stored.expires_at < before);
        expired.take(limit).map(|(key, stored)| (key, stored.owner)).collect()
    }

    /// Removes at most `limit` counters that expired before `before`; returns how many.
    pub(crate) fn take_expired_counters(&mut self, before: Timestamp, limit: usize) -> usize {
        self.counters.extract_if(|_, counter| counter.expires_at < before).take(limit).count()
    }
}
