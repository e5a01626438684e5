use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use otpgate_core::{
    Clock as _, Expect, Key, Owner, Record, Store, StoreError, StoreErrorKind, Swapped, SystemClock, Timestamp,
};

use super::{Fault, Kit, ReferenceStore};

/// A store with one [`Fault`], to show that a test notices it.
///
/// ```
/// use otpgate_testkit::store::{BrokenStore, Clause, Fault, Kit};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let kit = Kit::from(BrokenStore::new(Fault::ReadsTheClock));
/// assert!(Clause::ALL[5].check(&kit).await.is_err());
/// # });
/// ```
#[derive(Clone)]
pub struct BrokenStore {
    store: ReferenceStore,
    fault: Fault,
    notes: Arc<Mutex<Notes>>,
    second: bool,
}

/// What the faults need to remember.
#[derive(Default)]
struct Notes {
    in_flight: HashMap<Key, (u32, bool)>,
    cached: HashMap<Key, Option<Record>>,
    removed: Vec<(Key, Record)>,
    dropped: HashMap<Key, Record>,
    order: VecDeque<Key>,
    unindexed: HashSet<Key>,
    seconds: HashSet<Key>,
    folded: HashMap<[u8; 32], Key>,
    late: HashMap<Key, Record>,
    stopped: bool,
}

/// What a store that evicts, or is full, has room for: less than clause 5 writes, more than any other clause.
const ROOM: usize = 200;

impl BrokenStore {
    /// A store with this fault.
    #[must_use]
    pub fn new(fault: Fault) -> Self {
        Self { store: ReferenceStore::default(), fault, notes: Arc::default(), second: false }
    }

    /// A kit with two handles on a store with this fault.
    #[must_use]
    pub fn kit(fault: Fault) -> Kit {
        let first = Self::new(fault);
        let second = Self { second: true, ..first.clone() };
        Kit::new(first).with_second(second)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key under which the first that looked like it was stored.
    fn resolved(&self, key: &Key) -> Key {
        if self.fault != Fault::MergesKeys {
            return *key;
        }
        *self.notes().folded.entry(key.0.map(|b| b.to_ascii_lowercase())).or_insert(*key)
    }

    fn spoiled(&self, record: &Record) -> Record {
        let mut record = record.clone();
        match self.fault {
            Fault::CutsAtNul => record.value = record.value.split(|b| *b == 0).next().unwrap_or_default().to_vec(),
            Fault::CutsLongValues if record.value.len() <= Record::MAX_VALUE => record.value.truncate(65_535),
            _ => {}
        }
        record
    }

    fn half(record: &Record) -> Record {
        Record { value: record.value[..record.value.len() / 2].to_vec(), ..record.clone() }
    }

    /// Before a swap: an answer, when the fault has one of its own.
    async fn instead(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Option<Result<Swapped, StoreError>> {
        let too_long = next.is_some_and(|r| r.value.len() > Record::MAX_VALUE);
        let refused = || Some(Err(StoreError::new(StoreErrorKind::Invalid)));
        match (self.fault, next) {
            (Fault::LosesUpdates, _) if !too_long => {
                let holds = self.store.lock().holds(key, expect);
                pause().await;
                if !holds {
                    return Some(Ok(Swapped::No));
                }
                self.store.lock().put(key, next);
                Some(Ok(Swapped::Yes))
            }
            (Fault::SaysNoUnderContention, _) => {
                let visit = Visit::new(self, *key);
                pause().await;
                visit.contested().then_some(Ok(Swapped::No))
            }
            (Fault::ChangesOnNo, _) => {
                let mut state = self.store.lock();
                let holds = state.holds(key, expect);
                if let (false, Some(record)) = (holds, state.records.get_mut(key)) {
                    record.expires_at = Timestamp::NEVER;
                }
                None
            }
            (Fault::ReplacesExpired, _) if expect == Expect::Absent => {
                let mut state = self.store.lock();
                if state.records.get(key).is_some_and(|r| r.expires_at < SystemClock.now()) {
                    state.put(key, None);
                }
                None
            }
            (Fault::RevivesDropped, Some(record)) => {
                let Expect::Revision(named) = expect else { return None };
                let revives = self.notes().dropped.get(key).is_some_and(|r| r.revision == named);
                let mut state = self.store.lock();
                (revives && !state.records.contains_key(key)).then(|| {
                    state.put(key, Some(record));
                    Ok(Swapped::Yes)
                })
            }
            (Fault::SharesItsBudget, Some(_)) if expect == Expect::Absent => {
                let full = self.store.lock().records.len() >= ROOM;
                full.then(|| Err(StoreError::new(StoreErrorKind::Full)))
            }
            (Fault::WritesAfterError, Some(record)) if too_long => {
                self.notes().late.insert(*key, record.clone());
                refused()
            }
            (Fault::WritesHalf, Some(record)) if too_long => {
                self.store.lock().put(key, Some(&Self::half(record)));
                refused()
            }
            (Fault::TearsWhenDropped, Some(record)) => {
                let torn = Self::half(record);
                let tear = OnDrop(Some(|| self.store.lock().put(key, Some(&torn))));
                pause().await;
                tear.defuse();
                None
            }
            (Fault::StopsWhenDropped, _) => {
                if self.notes().stopped {
                    return Some(Err(StoreError::new(StoreErrorKind::Unavailable)));
                }
                let stop = OnDrop(Some(|| self.notes().stopped = true));
                pause().await;
                stop.defuse();
                None
            }
            _ => None,
        }
    }

    /// After a swap that took place.
    async fn afterwards(&self, key: &Key, before: Option<Record>, next: Option<&Record>) {
        if self.second {
            self.notes().seconds.insert(*key);
        } else {
            self.notes().seconds.remove(key);
        }
        match self.fault {
            Fault::ComesBack if next.is_none() => self.notes().removed.extend(before.map(|r| (*key, r))),
            Fault::EvictsRecords => {
                self.notes().order.push_back(*key);
                while self.store.lock().records.len() > ROOM {
                    let Some(oldest) = self.notes().order.pop_front() else { break };
                    self.store.lock().put(&oldest, None);
                }
            }
            Fault::EvictsCounters => {
                let mut state = self.store.lock();
                if state.records.len() > ROOM {
                    state.counters.clear();
                }
            }
            Fault::IndexesLate => {
                pause().await;
                self.notes().unindexed.remove(key);
            }
            Fault::WritesAfterError => {
                if let Some(late) = self.notes().late.remove(key) {
                    self.store.lock().put(key, Some(&late));
                }
            }
            _ => {}
        }
    }

    fn is_of(&self, record: &Record, owner: &Owner) -> bool {
        let fold = |owner: &Owner| owner.0.map(|b| b.to_ascii_lowercase());
        match self.fault {
            Fault::MergesOwners => record.owner.as_ref().map(fold) == Some(fold(owner)),
            _ => record.owner.as_ref() == Some(owner),
        }
    }

    /// The keys that the index knows of.
    fn indexed(&self, owner: &Owner) -> Vec<Key> {
        let (state, notes) = (self.store.lock(), self.notes());
        let own = state.records.iter().filter(|(key, r)| self.is_of(r, owner) && !notes.unindexed.contains(key));
        own.map(|(key, _)| *key).collect()
    }
}

#[async_trait]
impl Store for BrokenStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let key = &self.resolved(key);
        let found = self.store.load(key).await?;
        match self.fault {
            Fault::ReadsStale if self.second => Ok(self.notes().cached.entry(*key).or_insert(found).clone()),
            Fault::ReadsTheClock => Ok(found.filter(|r| r.expires_at >= SystemClock.now())),
            _ => Ok(found),
        }
    }

    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        let key = &self.resolved(key);
        let next = next.map(|record| self.spoiled(record));
        if let Some(answer) = self.instead(key, expect, next.as_ref()).await {
            return answer;
        }
        let before = self.store.load(key).await?;
        if self.fault == Fault::IndexesLate && before.is_none() && next.is_some() {
            self.notes().unindexed.insert(*key);
        }
        let answer = self.store.swap(key, expect, next.as_ref()).await?;
        if answer == Swapped::Yes {
            self.afterwards(key, before, next.as_ref()).await;
        }
        Ok(answer)
    }

    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        let key = &self.resolved(key);
        match self.fault {
            Fault::ComesBack => {
                for (key, record) in self.notes().removed.drain(..) {
                    self.store.lock().put(&key, Some(&record));
                }
            }
            Fault::RestartsCounters if delta > 0 => {
                let mut state = self.store.lock();
                if let Some(counter) = state.counters.get_mut(key).filter(|c| c.1 < SystemClock.now()) {
                    counter.0 = 0;
                }
            }
            Fault::LosesCounts if delta > 0 => {
                let (total, first) = self.store.lock().counters.get(key).copied().unwrap_or((0, expires_at));
                pause().await;
                let total = total + u64::from(delta);
                self.store.lock().counters.insert(*key, (total, first));
                return Ok(total);
            }
            Fault::CreatesOnZero => drop(self.store.lock().counters.entry(*key).or_insert((0, expires_at))),
            Fault::MovesExpiry if delta > 0 => {
                if let Some(counter) = self.store.lock().counters.get_mut(key) {
                    counter.1 = expires_at;
                }
            }
            _ => {}
        }
        self.store.add(key, delta, expires_at).await
    }

    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        let keys = self.indexed(owner);
        let state = self.store.lock();
        let later = keys.into_iter().filter(|key| after.is_none_or(|a| key > a));
        let page = later.filter_map(|key| state.records.get(&key).map(|r| (key, r.clone())));
        let mut page: Vec<_> = page.take(limit as usize).collect();
        if self.fault == Fault::ListsUnordered {
            page.reverse();
        }
        Ok(page)
    }

    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        let mut keys = self.indexed(owner);
        if self.fault == Fault::DropsOnlyItsOwn {
            keys.retain(|key| self.notes().seconds.contains(key) == self.second);
        }
        let mut state = self.store.lock();
        for key in &keys {
            let record = state.records.get(key).cloned();
            self.notes().dropped.extend(record.map(|r| (*key, r)));
        }
        Ok(state.remove(&(keys, Vec::new())))
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let goes = |t: Timestamp| match self.fault {
            Fault::DropsNever => t < before || t == Timestamp::NEVER,
            Fault::SweepsTheLine => t <= before,
            _ => t < before,
        };
        let limit = if self.fault == Fault::SweepsWithoutLimit && limit > 0 { u32::MAX } else { limit };
        if self.fault == Fault::SweepsWhatItSaw {
            let seen = self.store.lock().expired(limit, goes);
            pause().await;
            return Ok(self.store.lock().remove(&seen));
        }
        let mut state = self.store.lock();
        let expired = state.expired(limit, goes);
        Ok(state.remove(&expired))
    }
}

impl fmt::Debug for BrokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokenStore").field("fault", &self.fault).finish_non_exhaustive()
    }
}

/// Lets the others run: what a network does between a read and a write.
async fn pause() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// A swap on its way; counts those of the same key.
struct Visit<'a>(&'a BrokenStore, Key);

impl<'a> Visit<'a> {
    fn new(store: &'a BrokenStore, key: Key) -> Self {
        let mut notes = store.notes();
        let (count, contested) = notes.in_flight.entry(key).or_default();
        *count += 1;
        *contested |= *count > 1;
        drop(notes);
        Self(store, key)
    }

    fn contested(&self) -> bool {
        self.0.notes().in_flight.get(&self.1).is_some_and(|(_, contested)| *contested)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut notes = self.0.notes();
        if let Some((count, _)) = notes.in_flight.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                notes.in_flight.remove(&self.1);
            }
        }
    }
}

/// Does something when it is dropped before it is defused: when the call around it was given up.
struct OnDrop<F: FnMut()>(Option<F>);

impl<F: FnMut()> OnDrop<F> {
    fn defuse(mut self) {
        self.0 = None;
    }
}

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(mut act) = self.0.take() {
            act();
        }
    }
}
