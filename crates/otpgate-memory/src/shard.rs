use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use hashbrown::HashTable;
use otpgate_core::{Key, Owner, Record, Revision, StoreError, Timestamp};

use crate::at::{At, PLACES, hash_of};
use crate::budget::Budget;
use crate::slab::Slab;
use crate::values::{Place, Values};

/// The part of the store behind one lock.
#[derive(Default)]
pub(crate) struct Shard {
    slots: Slab<Slot>,
    index: HashTable<u32>,
    values: Values,
    counters: HashMap<Key, Counter>,
    /// When the first of the records of a stretch ends, or before that.
    first_ends: Vec<Timestamp>,
}

/// How many places a stretch has: so few that whoever waits for the lock while a sweep looks at them need not sleep.
pub(crate) const STRETCH: u32 = 16;

/// A record but for its value and its owner, which are somewhere else: one line of the processor's cache.
pub(crate) struct Slot {
    pub(crate) key: Key,
    pub(crate) revision: Revision,
    pub(crate) expires_at: Timestamp,
    pub(crate) owner: Option<At>,
    value: Place,
}

const _: () = assert!(size_of::<Option<Slot>>() == 64);

struct Counter {
    total: u64,
    expires_at: Timestamp,
}

impl Shard {
    pub(crate) fn find(&self, key: &Key) -> Option<u32> {
        let same = |place: &u32| self.slots.get(*place).is_some_and(|slot| slot.key == *key);
        self.index.find(hash_of(&key.0), same).copied()
    }

    pub(crate) fn slot(&self, place: u32) -> Option<&Slot> {
        self.slots.get(place)
    }

    /// The value of a record, of whose owner it is.
    pub(crate) fn value(&self, slot: &Slot, owner: Option<&Owner>) -> Option<Vec<u8>> {
        self.values.get(slot.value, owner)
    }

    /// Keeps a record whose key is not there yet, and whose owner is still to be given; nothing when there is no room.
    pub(crate) fn insert(&mut self, key: &Key, record: &Record) -> Option<u32> {
        let Self { slots, index, values, .. } = self;
        let Record { revision, expires_at, owner, value } = record;
        let value = values.put(slots.next(PLACES)?, value, owner.as_ref())?;
        let slot = Slot { key: *key, revision: *revision, expires_at: *expires_at, owner: None, value };
        let place = slots.insert(slot, PLACES)?;
        let hash = |place: &u32| slots.get(*place).map_or(0, |slot| hash_of(&slot.key.0));
        index.insert_unique(hash_of(&key.0), place, hash);
        self.note_end(place, *expires_at);
        Some(place)
    }

    /// Puts a record in the place of another with the same key; its owner, if that is another one, is still to be given. Nothing when
    /// there is no room.
    pub(crate) fn replace(&mut self, place: u32, record: &Record) -> Option<()> {
        let Record { revision, expires_at, owner, value } = record;
        let (slot, owner) = (self.slots.get_mut(place)?, owner.as_ref());
        let mut former = None;
        if self.values.overwrite(slot.value, place, value, owner).is_none() {
            former = Some(std::mem::replace(&mut slot.value, self.values.put(place, value, owner)?));
        }
        (slot.revision, slot.expires_at) = (*revision, *expires_at);
        self.note_end(place, *expires_at);
        if let Some(former) = former {
            self.let_go(former);
        }
        Some(())
    }

    pub(crate) fn give(&mut self, place: u32, owner: Option<At>) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.owner = owner;
        }
    }

    pub(crate) fn remove(&mut self, place: u32) -> Option<Slot> {
        let slot = self.slots.remove(place)?;
        if let Ok(entry) = self.index.find_entry(hash_of(&slot.key.0), |other| *other == place) {
            entry.remove();
        }
        self.let_go(slot.value);
        Some(slot)
    }

    fn let_go(&mut self, value: Place) {
        let moved = self.values.remove(value).and_then(|place| self.slots.get_mut(place));
        if let Some(slot) = moved {
            slot.value = value;
        }
    }

    fn note_end(&mut self, place: u32, ends: Timestamp) {
        let stretch = (place / STRETCH) as usize;
        if self.first_ends.len() <= stretch {
            self.first_ends.resize(stretch + 1, Timestamp::NEVER);
        }
        if let Some(first) = self.first_ends.get_mut(stretch) {
            *first = ends.min(*first);
        }
    }

    /// The places of a stretch, if one of its records may have ended before `before`.
    pub(crate) fn places_to_sweep(&self, stretch: u32, before: Timestamp) -> Range<u32> {
        let from = stretch.saturating_mul(STRETCH);
        match self.first_ends.get(stretch as usize) {
            Some(first) if *first < before => from..self.end().min(from.saturating_add(STRETCH)),
            _ => from..from,
        }
    }

    /// All of a stretch has been looked at, and the first of those that are left ends then.
    pub(crate) fn swept(&mut self, stretch: u32, first_ends: Timestamp) {
        if let Some(first) = self.first_ends.get_mut(stretch as usize) {
            *first = first_ends;
        }
    }

    /// One more than the last place.
    pub(crate) fn end(&self) -> u32 {
        self.slots.end()
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

    /// Removes at most `limit` counters that expired before `before`; returns how many.
    pub(crate) fn take_expired_counters(&mut self, before: Timestamp, limit: usize) -> usize {
        self.counters.extract_if(|_, counter| counter.expires_at < before).take(limit).count()
    }
}
