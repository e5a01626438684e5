//! A store of one's own: the whole contract of [`Store`] on redb, an embedded database in a single file.
//!
//! `tests/conformance.rs` proves it in one line. Each write is a transaction of redb: it is whole or it is not there, and it is
//! on the disk before it is acknowledged.

use std::path::Path;
use std::sync::Arc;

use otpgate::{
    Expect, Key, Owner, Record, Revision, Store, StoreError, StoreErrorKind, Swapped, Timestamp, async_trait,
};
use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase as _, ReadableTable, TableDefinition, WriteTransaction,
};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// A digest as redb keeps it: bytes, compared as bytes.
type Bytes32 = &'static [u8; 32];
/// Revision, expiry in milliseconds, owner, value.
type Row = (&'static [u8; 16], i64, Option<Bytes32>, &'static [u8]);

/// Key to row.
const RECORDS: TableDefinition<'_, Bytes32, Row> = TableDefinition::new("records");
/// Key to total and expiry.
const COUNTERS: TableDefinition<'_, Bytes32, (u64, i64)> = TableDefinition::new("counters");
/// Owner and key, in ascending order: written in the transaction of the record, so it is never wrong.
const OWNED: TableDefinition<'_, (Bytes32, Bytes32), ()> = TableDefinition::new("owned");
/// Expiry, whether it is a counter's, and key: what a sweep walks, from its oldest end. What never expires is not in it.
const DUE: TableDefinition<'_, (i64, bool, Bytes32), ()> = TableDefinition::new("due");

/// otpgate's records in a file. Cheap to clone; clones share the file.
#[derive(Clone, Debug)]
pub struct RedbStore {
    database: Arc<Database>,
    /// redb lets one write at a time. Who waits for that waits here, and holds no thread.
    turn: Arc<Mutex<()>>,
}

impl RedbStore {
    /// Opens the file at `path`, or makes it.
    ///
    /// # Errors
    /// When it cannot be read or written, or another process has it open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, redb::Error> {
        let database = Database::create(path)?;
        let first = database.begin_write()?;
        // A table that has never been written cannot be read.
        first.open_table(RECORDS)?;
        first.open_table(COUNTERS)?;
        first.open_table(OWNED)?;
        first.open_table(DUE)?;
        first.commit()?;
        Ok(Self { database: Arc::new(database), turn: Arc::default() })
    }

    /// Reads on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.database);
        let done = spawn_blocking(move || work(&database.begin_read()?)).await;
        done.map_err(StoreError::unavailable)?.map_err(StoreError::unavailable)
    }

    /// Writes on a thread that may wait for the disk. What `work` did is durable when this is `Ok`; when it did nothing,
    /// nothing is written.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<(T, Done), redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let database = Arc::clone(&self.database);
        let done = spawn_blocking(move || {
            // It goes with the work: the caller may be gone before.
            let _turn = turn;
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate).map_err(redb::Error::from)?;
            let (answer, done) = work(&transaction)?;
            match done {
                Done::Changed => transaction.commit()?,
                Done::Nothing => transaction.abort()?,
            }
            Ok::<_, redb::Error>(answer)
        });
        done.await.map_err(StoreError::unavailable)?.map_err(StoreError::unavailable)
    }
}

/// Whether there is something to commit.
enum Done {
    Changed,
    Nothing,
}

#[async_trait]
impl Store for RedbStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let key = key.0;
        self.read(move |t| get(&t.open_table(RECORDS)?, &key)).await
    }

    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        if next.is_some_and(|r| r.value.len() > Record::MAX_VALUE) {
            return Err(StoreError::new(StoreErrorKind::Invalid));
        }
        let (key, next) = (key.0, next.cloned());
        self.write(move |t| {
            let found = get(&t.open_table(RECORDS)?, &key)?;
            let as_expected = match (&found, expect) {
                (None, Expect::Absent) => true,
                (Some(found), Expect::Revision(revision)) => found.revision == revision,
                (None, Expect::Revision(_)) | (Some(_), Expect::Absent) => false,
            };
            if !as_expected {
                return Ok((Swapped::No, Done::Nothing));
            }
            put(t, &key, found.as_ref(), next.as_ref())?;
            Ok((Swapped::Yes, Done::Changed))
        })
        .await
    }

    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        let key = key.0;
        if delta == 0 {
            return self.read(move |t| Ok(t.open_table(COUNTERS)?.get(&key)?.map_or(0, |c| c.value().0))).await;
        }
        self.write(move |t| {
            let mut counters = t.open_table(COUNTERS)?;
            let found = counters.get(&key)?.map(|c| c.value());
            let (before, ends) = found.unwrap_or((0, expires_at.millis()));
            let total = before.saturating_add(delta.into());
            counters.insert(&key, (total, ends))?;
            if found.is_none() && expires_at != Timestamp::NEVER {
                t.open_table(DUE)?.insert((ends, true, &key), ())?;
            }
            Ok((total, Done::Changed))
        })
        .await
    }

    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        let (owner, after) = (owner.0, after.map(|key| key.0));
        self.read(move |t| {
            let records = t.open_table(RECORDS)?;
            let keys = keys_of(&t.open_table(OWNED)?, &owner, after, limit as usize)?;
            let found = keys.into_iter().map(|key| Ok(get(&records, &key)?.map(|record| (Key(key), record))));
            found.filter_map(Result::transpose).collect()
        })
        .await
    }

    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        let owner = owner.0;
        self.write(move |t| {
            let keys = keys_of(&t.open_table(OWNED)?, &owner, None, usize::MAX)?;
            for key in &keys {
                let found = get(&t.open_table(RECORDS)?, key)?;
                put(t, key, found.as_ref(), None)?;
            }
            Ok((keys.len() as u64, Done::Changed))
        })
        .await
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.write(move |t| {
            let mut due = Vec::new();
            for entry in t.open_table(DUE)?.range(..(before.millis(), false, &[0; 32]))?.take(limit as usize) {
                let entry = entry?.0;
                let (at, is_counter, key) = entry.value();
                due.push((at, is_counter, *key));
            }
            for (at, is_counter, key) in &due {
                if *is_counter {
                    t.open_table(COUNTERS)?.remove(key)?;
                    t.open_table(DUE)?.remove((*at, true, key))?;
                } else {
                    let found = get(&t.open_table(RECORDS)?, key)?;
                    put(t, key, found.as_ref(), None)?;
                }
            }
            Ok((due.len() as u64, if due.is_empty() { Done::Nothing } else { Done::Changed }))
        })
        .await
    }
}

/// The record at `key`.
fn get(records: &impl ReadableTable<Bytes32, Row>, key: &[u8; 32]) -> Result<Option<Record>, redb::Error> {
    let found = records.get(key)?;
    Ok(found.map(|found| {
        let (revision, expires_at, owner, value) = found.value();
        Record {
            revision: Revision(*revision),
            expires_at: Timestamp::from_millis(expires_at),
            owner: owner.copied().map(Owner),
            value: value.to_vec(),
        }
    }))
}

/// Puts `next` in the place of what was `found`, in the table and in both indexes.
fn put(t: &WriteTransaction, key: &[u8; 32], found: Option<&Record>, next: Option<&Record>) -> Result<(), redb::Error> {
    let (mut records, mut owned, mut due) = (t.open_table(RECORDS)?, t.open_table(OWNED)?, t.open_table(DUE)?);
    if let Some(found) = found {
        records.remove(key)?;
        due.remove((found.expires_at.millis(), false, key))?;
        if let Some(owner) = found.owner {
            owned.remove((&owner.0, key))?;
        }
    }
    if let Some(next) = next {
        let owner = next.owner.as_ref().map(|owner| &owner.0);
        records.insert(key, (&next.revision.0, next.expires_at.millis(), owner, next.value.as_slice()))?;
        if next.expires_at != Timestamp::NEVER {
            due.insert((next.expires_at.millis(), false, key), ())?;
        }
        if let Some(owner) = owner {
            owned.insert((owner, key), ())?;
        }
    }
    Ok(())
}

/// The keys of an owner after `after`, ascending, at most `limit`.
fn keys_of(
    owned: &impl ReadableTable<(Bytes32, Bytes32), ()>,
    owner: &[u8; 32],
    after: Option<[u8; 32]>,
    limit: usize,
) -> Result<Vec<[u8; 32]>, redb::Error> {
    let from = after.unwrap_or([0; 32]);
    let all = owned.range((owner, &from)..=(owner, &[0xff; 32]))?;
    let keys = all.map(|entry| Ok(*entry?.0.value().1));
    keys.filter(|key| !matches!(key, Ok(key) if after == Some(*key))).take(limit).collect()
}
