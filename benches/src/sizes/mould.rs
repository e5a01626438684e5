//! Sessions as the engine makes them, once, in memory; the other stores get copies of their records. Opening a million by flows on
//! SQLite or PostgreSQL would take most of an hour, and leave the same rows.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use otpgate::{
    Expect, Key, MemoryStore, OtpAuthBuilder, Owner, Profile, Record, Store, StoreError, Swapped, Timestamp,
    async_trait,
};

use crate::host::{self, Host};

/// Users that have logged in, and what they were given.
pub(super) struct Mould {
    store: Noted,
    host: Host,
    tokens: Vec<String>,
    dice: u64,
}

impl Mould {
    pub(super) async fn new() -> Self {
        let all = MemoryStore::builder().max_records(u64::MAX).max_owned(u64::MAX).max_counters(u64::MAX);
        let store = Noted { store: all.build(), made: Arc::default() };
        let host = Host::with(store.clone(), settings).await;
        Self { store, host, tokens: Vec::new(), dice: 0x9e37_79b9_7f4a_7c15 }
    }

    /// Logs more users in.
    pub(super) async fn grow(&mut self, sessions: usize) {
        for n in self.tokens.len()..sessions {
            self.tokens.push(self.host.log_in(n).await.access.expose().to_owned());
        }
    }

    /// Their tokens, shuffled: a store that keeps what was written together in one place must not be asked in that order.
    pub(super) fn tokens(&mut self) -> Arc<[String]> {
        let mut tokens = self.tokens.clone();
        for last in (1..tokens.len()).rev() {
            tokens.swap(last, (self.roll() % (last as u64 + 1)) as usize);
        }
        tokens.into()
    }

    /// The one of user 0.
    pub(super) fn first(&self) -> &str {
        &self.tokens[0]
    }

    /// The store that they live in.
    pub(super) fn store(&self) -> MemoryStore {
        self.store.store.clone()
    }

    /// How many records there are.
    pub(super) fn records(&self) -> usize {
        self.store.made.lock().expect("nobody panics").len()
    }

    /// The records from `at` on, at most [`PIECE`] of them, in the order in which they were made.
    pub(super) async fn piece(&self, at: usize) -> Vec<(Key, Record)> {
        let keys: Vec<Key> =
            self.store.made.lock().expect("nobody panics").iter().skip(at).take(PIECE).copied().collect();
        let mut records = Vec::with_capacity(keys.len());
        for key in keys {
            // Nothing is taken away here.
            let record = self.store.store.load(&key).await.expect("a store").expect("a record");
            records.push((key, record));
        }
        records
    }

    /// Sessions' records at other places, of other owners, that ended an hour ago.
    pub(super) async fn expired(&mut self, count: usize) -> Vec<(Key, Record)> {
        let made = self.piece(0).await;
        let (_, like) = made.iter().find(|(_, record)| record.value.first() == Some(&b's')).expect("a session");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as i64;
        let ended = Record { expires_at: Timestamp::from_millis(now - 3_600_000), ..like.clone() };
        let record =
            |this: &mut Self| (Key(this.bytes()), Record { owner: Some(Owner(this.bytes())), ..ended.clone() });
        (0..count).map(|_| record(self)).collect()
    }

    fn bytes(&mut self) -> [u8; 32] {
        std::array::from_fn(|_| (self.roll() >> 24) as u8)
    }

    /// Marsaglia's xorshift.
    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice
    }
}

/// How many records are copied together.
pub(super) const PIECE: usize = 10_000;

/// What every host here has: tokens that outlive the run, and no sweeps but those that are measured.
pub(super) fn settings(auth: OtpAuthBuilder) -> OtpAuthBuilder {
    let policy = host::policy().access_ttl(Profile::Identity, Duration::from_secs(12 * 3_600));
    auth.policy(policy.build().expect("a policy")).without_sweeps()
}

/// Notes where records were made.
#[derive(Clone)]
struct Noted {
    store: MemoryStore,
    made: Arc<Mutex<Vec<Key>>>,
}

#[async_trait]
impl Store for Noted {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.load(key).await
    }
    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        let swapped = self.store.swap(key, expect, next).await?;
        if swapped == Swapped::Yes && expect == Expect::Absent && next.is_some() {
            self.made.lock().expect("nobody panics").push(*key);
        }
        Ok(swapped)
    }
    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        self.store.add(key, delta, expires_at).await
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
