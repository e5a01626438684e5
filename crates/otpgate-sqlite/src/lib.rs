//! The SQLite store of otpgate, on sqlx and the host's pool.
//!
//! What is answered is on the disk: the database is in WAL mode with `synchronous=FULL`, and no call is answered before its
//! commit. Calls that wait together share one: each commit costs a write to the disk, so while one is under way the next
//! calls gather and go as a few statements in one transaction.

mod group;
mod open;
mod reads;
mod sql;
mod together;
mod transaction;
mod writes;

use std::sync::Arc;

use async_trait::async_trait;
use otpgate_core::{Expect, Key, Owner, Record, Store, StoreError, StoreErrorKind, Swapped, Timestamp};
use sqlx::{Sqlite, SqlitePool};

use group::Group;
use reads::{Found, Read};
use sql::Sql;
use writes::Write;

pub use open::SqliteStoreBuilder;

/// Keeps records in a SQLite database. Clones share its pool.
///
/// ```no_run
/// use otpgate_sqlite::SqliteStore;
///
/// # async fn example() -> Result<(), otpgate_core::ConfigError> {
/// let store = SqliteStore::open("otpgate.db").await?;
/// # Ok(()) }
/// ```
///
/// # Security
/// An acknowledged write survives a crash of the process and of the machine, as far as the disk keeps what it was told to
/// write. A database on a network file system may not.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    pool: SqlitePool,
    sql: Arc<Sql>,
    reads: Group<Read>,
    writes: Group<Write>,
}

impl SqliteStore {
    /// Opens the database file at `path`, or makes it, on a pool of its own.
    ///
    /// # Errors
    /// [`ConfigError`](otpgate_core::ConfigError) when the file cannot be opened or is not of this version.
    pub async fn open(path: impl AsRef<std::path::Path>) -> Result<Self, otpgate_core::ConfigError> {
        Self::builder().open(path).await
    }

    /// Uses the host's pool, in tables whose names begin with `otpgate_`.
    ///
    /// # Errors
    /// [`ConfigError`](otpgate_core::ConfigError) when the pool's settings would lose acknowledged writes, with what to set,
    /// or when the tables are not of this version.
    pub async fn connect(pool: SqlitePool) -> Result<Self, otpgate_core::ConfigError> {
        Self::builder().connect(pool).await
    }

    /// A database in memory, for tests: it is gone with the last clone.
    ///
    /// # Errors
    /// [`ConfigError`](otpgate_core::ConfigError) when SQLite fails.
    pub async fn in_memory() -> Result<Self, otpgate_core::ConfigError> {
        Self::builder().in_memory().await
    }

    /// Begins a store with other settings.
    #[must_use]
    pub fn builder() -> SqliteStoreBuilder {
        SqliteStoreBuilder::default()
    }

    /// The pool, to close it for example.
    #[must_use]
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    fn over(pool: SqlitePool, sql: Sql) -> Self {
        let sql = Arc::new(sql);
        let (reads, writes) = (Group::new(&pool, &sql), Group::new(&pool, &sql));
        Self { pool, sql, reads, writes }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        match self.reads.ask(Read::Record(*key)).await? {
            Found::Record(record) => Ok(record),
            Found::Total(_) => Err(StoreError::new(StoreErrorKind::Unavailable)),
        }
    }

    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        if next.is_some_and(|record| record.value.len() > Record::MAX_VALUE) {
            return Err(StoreError::new(StoreErrorKind::Invalid));
        }
        let changed = self.writes.ask(Write::Swap { key: *key, expect, next: next.cloned() }).await?;
        Ok(if changed > 0 { Swapped::Yes } else { Swapped::No })
    }

    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        if delta > 0 {
            return self.writes.ask(Write::Add { key: *key, delta, expires_at }).await;
        }
        match self.reads.ask(Read::Counter(*key)).await? {
            Found::Total(total) => Ok(total),
            Found::Record(_) => Err(StoreError::new(StoreErrorKind::Unavailable)),
        }
    }

    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(store_error)?;
        reads::owned(&self.sql, &mut connection, owner, after, limit).await.map_err(store_error)
    }

    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.writes.ask(Write::DropOwned(*owner)).await
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let mut gone = 0;
        // In pieces, so that no sweep keeps the log-ins waiting.
        while gone < u64::from(limit) {
            let piece = u64::from(SWEEP).min(u64::from(limit) - gone);
            let swept = self.writes.ask(Write::Sweep { before, limit: piece as u32 }).await?;
            gone += swept;
            if swept < piece {
                break;
            }
        }
        Ok(gone)
    }
}

/// How many rows one statement of a sweep removes.
const SWEEP: u32 = 200;

/// What to tell core about an error of SQLite or of the pool.
fn store_error(error: sqlx::Error) -> StoreError {
    if is_full(&error) { StoreError::new(StoreErrorKind::Full) } else { StoreError::unavailable(error) }
}

/// `SQLITE_FULL`: the disk, the quota or `max_page_count`.
fn is_full(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(13)
}

/// SQLite's primary result code; the extended one has it in its lowest byte.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

type Connection = sqlx::pool::PoolConnection<Sqlite>;
