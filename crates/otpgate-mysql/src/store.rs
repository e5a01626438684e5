use std::sync::Arc;

use async_trait::async_trait;
use otpgate_core::{ConfigError, Expect, Key, Owner, Record, Store, StoreError, StoreErrorKind, Swapped, Timestamp};
use sqlx::MySqlPool;
use sqlx::mysql::MySqlArguments;

use crate::error::{is_taken, store_error, undone_by_others};
use crate::lease::Lease;
use crate::sql::{Sql, Text};
use crate::{MySqlStoreBuilder, migrate, rows};

/// Keeps records in a MariaDB or MySQL database. Clones share its pool.
///
/// # Security
/// An acknowledged write survives a crash of the app and of the server, and a loss of power, as far as the disk keeps what it was
/// told to write. It survives a failover only to a synchronous replica.
#[derive(Clone, Debug)]
pub struct MySqlStore {
    pool: MySqlPool,
    sql: Arc<Sql>,
}

impl MySqlStore {
    /// Uses the host's pool, in tables whose names begin with `otpgate_`.
    ///
    /// # Errors
    /// [`ConfigError`] when the server would lose acknowledged writes, with what to set, or has tables of another version.
    pub async fn connect(pool: MySqlPool) -> Result<Self, ConfigError> {
        Self::builder().connect(pool).await
    }

    /// Connects to the server at `url` (`mysql://user:password@host:3306/database`), on a pool of its own.
    ///
    /// # Errors
    /// [`ConfigError`] as [`connect`](Self::connect), and when the server cannot be reached.
    pub async fn open(url: &str) -> Result<Self, ConfigError> {
        Self::builder().open(url).await
    }

    /// Begins a store with other settings.
    #[must_use]
    pub fn builder() -> MySqlStoreBuilder {
        MySqlStoreBuilder::default()
    }

    /// The migrations as SQL, oldest first, for a tool of the host's.
    #[must_use]
    pub fn schema_sql() -> String {
        migrate::schema_sql("otpgate_")
    }

    /// The pool, to close it for example.
    #[must_use]
    pub fn pool(&self) -> &MySqlPool {
        &self.pool
    }

    pub(crate) fn over(pool: MySqlPool, sql: Sql) -> Self {
        Self { pool, sql: Arc::new(sql) }
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::MySql, MySqlArguments>;

/// How often a statement is sent again that the server has undone because of others.
const AGAIN: u32 = 8;

/// Sends what `call` makes until the server has not undone it because of others.
macro_rules! again {
    ($store:ident, |$connection:ident| $call:expr) => {{
        let mut left = AGAIN;
        loop {
            let mut lease = Lease::take(&$store.pool).await.map_err(store_error)?;
            let $connection = &mut *lease;
            let answer = $call.await;
            lease.end(&answer);
            match answer {
                Err(error) if left > 0 && undone_by_others(&error) => left -= 1,
                answer => break answer.map_err(store_error),
            }
        }
    }};
}

impl MySqlStore {
    /// How many rows a statement has changed.
    async fn change<'q>(&self, text: &Text, bind: impl Fn(Query<'q>) -> Query<'q>) -> Result<u64, StoreError> {
        Ok(again!(self, |connection| bind(sqlx::query(text.safe())).execute(connection))?.rows_affected())
    }

    /// Not `INSERT IGNORE`, which takes every error for a duplicate, nor an upsert, whose row count does not tell.
    async fn create(&self, key: &Key, next: &Record) -> Result<u64, StoreError> {
        let created = again!(self, |connection| async {
            let query = bind_record(sqlx::query(self.sql.create.safe()), key, next);
            match query.execute(connection).await {
                Err(error) if is_taken(&error) => Ok(0),
                answer => answer.map(|done| done.rows_affected()),
            }
        })?;
        Ok(created)
    }
}

#[async_trait]
impl Store for MySqlStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let row =
            again!(self, |connection| sqlx::query(self.sql.load.safe()).bind(&key.0[..]).fetch_optional(connection))?;
        row.map(|row| rows::record(&row)).transpose().map(|found| found.map(|(_, record)| record)).map_err(store_error)
    }

    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        if next.is_some_and(|record| record.value.len() > Record::MAX_VALUE) {
            return Err(StoreError::new(StoreErrorKind::Invalid));
        }
        let changed = match (expect, next) {
            (Expect::Absent, Some(next)) => self.create(key, next).await?,
            // The driver asks for rows found, not rows changed; a new revision makes the two the same.
            (Expect::Revision(was), Some(next)) => {
                self.change(&self.sql.update, |q| bind_record(q, key, next).bind(was.0.to_vec())).await?
            }
            (Expect::Revision(was), None) => {
                self.change(&self.sql.delete, |q| q.bind(&key.0[..]).bind(was.0.to_vec())).await?
            }
            (Expect::Absent, None) => u64::from(self.load(key).await?.is_none()),
        };
        Ok(if changed > 0 { Swapped::Yes } else { Swapped::No })
    }

    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        if delta == 0 {
            let total = again!(self, |connection| {
                sqlx::query_scalar(self.sql.total.safe()).bind(&key.0[..]).fetch_optional(connection)
            })?;
            return Ok(total.unwrap_or(0));
        }
        let added = again!(self, |connection| {
            sqlx::query(self.sql.add.safe())
                .bind(&key.0[..])
                .bind(delta)
                .bind(expires_at.millis())
                .bind(delta)
                .execute(connection)
        })?;
        match added.last_insert_id() {
            // A proxy that swallows insert ids must not make every limit look unused.
            0 => Err(StoreError::unavailable("the server has counted and told no total")),
            total => Ok(total),
        }
    }

    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        // The empty string is before every key.
        let after = after.map_or(&[][..], |key| &key.0[..]);
        let found = again!(self, |connection| sqlx::query(self.sql.owned.safe())
            .bind(&owner.0[..])
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(connection))?;
        found.iter().map(rows::record).collect::<Result<_, _>>().map_err(store_error)
    }

    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.change(&self.sql.drop_owned, |q| q.bind(&owner.0[..])).await
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let mut gone = 0;
        for text in [&self.sql.sweep_records, &self.sql.sweep_counters] {
            // In pieces, so that no sweep holds locks for long.
            while gone < u64::from(limit) {
                let piece = PIECE.min(u64::from(limit) - gone);
                let swept = self.change(text, |q| q.bind(before.millis()).bind(piece as i64)).await?;
                gone += swept;
                if swept < piece {
                    break;
                }
            }
        }
        Ok(gone)
    }
}

/// How many rows one statement of a sweep removes.
const PIECE: u64 = 500;

/// All of the record, then the key, in the order in which every statement has them.
fn bind_record<'q>(query: Query<'q>, key: &'q Key, record: &'q Record) -> Query<'q> {
    query
        .bind(&record.revision.0[..])
        .bind(record.expires_at.millis())
        .bind(record.owner.as_ref().map(|owner| &owner.0[..]))
        .bind(&record.value[..])
        .bind(&key.0[..])
}
