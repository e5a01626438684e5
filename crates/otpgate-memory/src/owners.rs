//! Which records are whose. An owner's 32 bytes are here once, however many records are theirs.

use hashbrown::HashTable;
use otpgate_core::{Key, Owner};

use crate::at::{At, PLACES, hash_of};
use crate::slab::Slab;

/// The owners behind one lock.
#[derive(Default)]
pub(crate) struct Owners {
    entries: Slab<Entry>,
    index: HashTable<u32>,
}

struct Entry {
    owner: Owner,
    /// In the order of the keys, as far as their first bytes tell; never empty.
    records: Vec<Listed>,
}

/// A record of an owner: how its key begins, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub(crate) prefix: u32,
    pub(crate) at: At,
}

impl Listed {
    pub(crate) fn new(key: &Key, at: At) -> Self {
        Self { prefix: prefix_of(key), at }
    }
}

/// The first bytes of a key, such that of two keys the lesser one never has the greater ones.
pub(crate) fn prefix_of(key: &Key) -> u32 {
    key.0.first_chunk().copied().map_or(0, u32::from_be_bytes)
}

impl Owners {
    pub(crate) fn find(&self, owner: &Owner) -> Option<u32> {
        let same = |place: &u32| self.entries.get(*place).is_some_and(|entry| entry.owner == *owner);
        self.index.find(hash_of(&owner.0), same).copied()
    }

    pub(crate) fn owner(&self, place: u32) -> Option<Owner> {
        self.entries.get(place).map(|entry| entry.owner)
    }

    /// Lists a record as the owner's and says where the owner is; nothing when there is no room for another owner.
    pub(crate) fn list(&mut self, owner: &Owner, record: Listed) -> Option<u32> {
        if let Some(place) = self.find(owner) {
            let records = &mut self.entries.get_mut(place)?.records;
            if let Err(i) = records.binary_search(&record) {
                records.insert(i, record);
            }
            return Some(place);
        }
        let Self { entries, index } = self;
        let place = entries.insert(Entry { owner: *owner, records: vec![record] }, PLACES)?;
        let hash = |place: &u32| entries.get(*place).map_or(0, |entry| hash_of(&entry.owner.0));
        index.insert_unique(hash_of(&owner.0), place, hash);
        Some(place)
    }

    /// Lists a record no more. An owner of nothing is forgotten.
    pub(crate) fn unlist(&mut self, place: u32, record: Listed) {
        let Some(Entry { owner, records }) = self.entries.get_mut(place) else { return };
        if let Ok(i) = records.binary_search(&record) {
            records.remove(i);
        }
        if records.is_empty() {
            if let Ok(entry) = self.index.find_entry(hash_of(&owner.0), |other| *other == place) {
                entry.remove();
            }
            self.entries.remove(place);
        }
    }

    /// The records of `owner` whose keys begin with `from` or more: some `limit` of them, or all. Those that begin alike come
    /// together. Only hints: the records may change as soon as the lock is open.
    pub(crate) fn page(&self, owner: &Owner, from: u32, limit: usize) -> Vec<Listed> {
        let entry = self.find(owner).and_then(|place| self.entries.get(place));
        let records = entry.map_or(&[][..], |entry| &entry.records);
        let records = &records[records.partition_point(|record| record.prefix < from)..];
        let Some(last) = records.get(limit.saturating_sub(1)) else { return records.to_vec() };
        records[..records.partition_point(|record| record.prefix <= last.prefix)].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(prefix: u32, place: u32) -> Listed {
        Listed { prefix, at: At::new(3, place).unwrap() }
    }

    #[test]
    fn an_owner_is_there_as_long_as_a_record_is_theirs() {
        let (mut owners, [a, b]) = (Owners::default(), [Owner([1; 32]), Owner([2; 32])]);
        let place = owners.list(&a, listed(9, 1)).unwrap();
        assert_eq!(owners.list(&a, listed(4, 2)), Some(place));
        assert_eq!(owners.list(&a, listed(4, 2)), Some(place), "listed twice is listed once");
        let other = owners.list(&b, listed(9, 1)).unwrap();
        assert_ne!(place, other);
        assert_eq!(owners.page(&a, 0, 100), [listed(4, 2), listed(9, 1)]);
        owners.unlist(place, listed(9, 1));
        owners.unlist(place, listed(9, 9));
        assert_eq!((owners.owner(place), owners.find(&a)), (Some(a), Some(place)));
        owners.unlist(place, listed(4, 2));
        assert_eq!((owners.owner(place), owners.find(&a)), (None, None));
        assert_eq!(owners.find(&b), Some(other));
    }

    #[test]
    fn a_page_is_never_cut_between_keys_that_begin_alike() {
        let (mut owners, owner) = (Owners::default(), Owner([1; 32]));
        for (place, prefix) in [5, 7, 7, 7, 8].into_iter().enumerate() {
            owners.list(&owner, listed(prefix, place as u32));
        }
        for (from, limit, want) in
            [(0, 1, 1), (0, 2, 4), (6, 1, 3), (7, 3, 3), (7, 4, 4), (8, 1, 1), (9, 1, 0), (0, 9, 5)]
        {
            assert_eq!(owners.page(&owner, from, limit).len(), want, "{limit} from {from}");
        }
    }
}
