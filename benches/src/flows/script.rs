//! What one flow asks of its store, written down so that a bare driver can be made to ask the same.

use std::sync::{Arc, Mutex};

use otpgate::{Expect, Key, Owner, Record, Revision, Store, StoreError, Swapped, Timestamp, async_trait};

/// A store that writes down what is asked of it.
#[derive(Clone)]
pub struct Traced<S> {
    store: S,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone)]
enum Asked {
    Load(Key),
    Swap(Key, Expect, Option<Record>),
    Add(Key, u32, Timestamp),
}

/// The statements of a flow, in the order in which they were asked.
pub struct Script(Vec<Step>);

/// One of them.
pub enum Step {
    Load(At),
    /// Writes a record in the place of the one that step `over` has put, or where none is.
    Put {
        at: At,
        over: Option<usize>,
        record: Record,
    },
    Add {
        at: At,
        delta: u32,
        expires_at: Timestamp,
    },
}

/// Where: at a key of the flow's own, or one that all flows share.
#[derive(Clone, Copy)]
pub enum At {
    Own(usize),
    Shared(Key),
}

impl<S> Traced<S> {
    pub fn over(store: S) -> Self {
        Self { store, asked: Arc::default() }
    }

    fn note(&self, asked: Asked) -> &S {
        self.asked.lock().expect("nobody panics").push(asked);
        &self.store
    }

    /// What has been asked since the last time.
    fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().expect("nobody panics"))
    }

    /// What a flow asks. Of several the shortest, for a poll of the counters of revocations may fall into one.
    pub async fn script(&self, mut flow: impl AsyncFnMut(usize)) -> Script {
        let mut flows = Vec::new();
        for n in 0..5 {
            self.take();
            flow(n).await;
            flows.push(self.take());
        }
        flows.sort_by_key(Vec::len);
        Script::of(&flows[0], &flows[1])
    }
}

impl Script {
    fn of(flow: &[Asked], another: &[Asked]) -> Self {
        let mut own: Vec<Key> = Vec::new();
        let mut steps: Vec<Step> = Vec::new();
        let mut put: Vec<(usize, Key, Revision)> = Vec::new();
        for asked in flow {
            let key = asked.key();
            let at = match own.iter().position(|seen| *seen == key) {
                _ if another.iter().any(|other| other.key() == key) => At::Shared(key),
                Some(number) => At::Own(number),
                None => {
                    own.push(key);
                    At::Own(own.len() - 1)
                }
            };
            steps.push(match asked {
                Asked::Load(_) => Step::Load(at),
                Asked::Add(_, delta, expires_at) => Step::Add { at, delta: *delta, expires_at: *expires_at },
                Asked::Swap(_, expect, record) => {
                    let over = match expect {
                        Expect::Absent => None,
                        Expect::Revision(was) => put.iter().find(|(_, _, now)| now == was).map(|(step, ..)| *step),
                    };
                    let record = record.clone().expect("a flow removes nothing");
                    put.push((steps.len(), key, record.revision));
                    Step::Put { at, over, record }
                }
            });
        }
        Self(steps)
    }

    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// How many statements of each kind.
    pub fn told(&self) -> String {
        let count = |of: fn(&Step) -> bool| self.0.iter().filter(|step| of(step)).count();
        let loads = count(|step| matches!(step, Step::Load(_)));
        let owned = count(|step| matches!(step, Step::Put { record, .. } if record.owner.is_some()));
        let puts = count(|step| matches!(step, Step::Put { .. }));
        let totals = count(|step| matches!(step, Step::Add { delta: 0, .. }));
        let adds = count(|step| matches!(step, Step::Add { .. })) - totals;
        format!("{loads} loads, {puts} swaps ({owned} with an owner), {totals} totals read, {adds} additions")
    }

    /// The longest record that a flow writes.
    pub fn longest(&self) -> usize {
        let lengths =
            self.0.iter().map(|step| if let Step::Put { record, .. } = step { record.value.len() } else { 0 });
        lengths.max().unwrap_or(0)
    }
}

impl At {
    /// The key, in flow `n`.
    pub fn key(self, n: u64) -> Key {
        match self {
            Self::Own(number) => Key(spread(n, number as u64)),
            Self::Shared(key) => key,
        }
    }
}

/// The owner of the records of flow `n`.
pub fn owner(n: u64) -> Owner {
    Owner(spread(n, 31))
}

/// The revision that a step of flow `n` writes.
pub fn revision(n: u64, step: usize) -> Revision {
    Revision(*spread(n, 32 + step as u64).first_chunk().expect("32 bytes"))
}

/// 32 bytes of flow `n`, spread like MACs.
pub fn spread(n: u64, number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut state = n.wrapping_mul(64).wrapping_add(number);
    for part in bytes.chunks_exact_mut(8) {
        // The finaliser of SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(word ^ (word >> 31)).to_be_bytes());
    }
    bytes
}

impl Asked {
    fn key(&self) -> Key {
        match self {
            Self::Load(key) | Self::Swap(key, ..) | Self::Add(key, ..) => *key,
        }
    }
}

#[async_trait]
impl<S: Store> Store for Traced<S> {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.note(Asked::Load(*key)).load(key).await
    }
    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        self.note(Asked::Swap(*key, expect, next.cloned())).swap(key, expect, next).await
    }
    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        self.note(Asked::Add(*key, delta, expires_at)).add(key, delta, expires_at).await
    }
    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        self.store.owned(owner, after, limit).await
    }
    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.store.drop_owned(owner).await
    }
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.store.sweep(before, limit).await
    }
}
