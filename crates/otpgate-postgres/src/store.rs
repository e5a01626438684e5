use std::sync::Arc;

use async_trait::async_trait;
use otpgate_core::{ConfigError, Expect, Key, Owner, Record, Store, StoreError, StoreErrorKind, Swapped, Timestamp};
use sqlx::PgPool;
use sqlx::postgres::PgArguments;

use crate::error::{store_error, undone_by_others};
use crate::lease::Lease;
use crate::sql::{Sql, Text};
use crate::{PostgresStoreBuilder, migrate, rows};

/// Keeps records in a PostgreSQL database. Clones share its pool.
///
/// # Security
/// An acknowledged write survives a crash of the app and of the server, and a loss of power, as far as the disk keeps what it was
/// told to write. It survives a failover only to a synchronous replica.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    pool: PgPool,
    sql: Arc<Sql>,
}

impl PostgresStore {
    /// Uses the host's pool, in tables whose names begin with `otpgate_`.
    ///
    /// # Errors
    /// [`ConfigError`] when the server would lose acknowledged writes, with what to set, or has tables of another version.
    pub async fn connect(pool: PgPool) -> Result<Self, ConfigError> {
        Self::builder().connect(pool).await
    }

    /// Connects to the server at `url` (`postgres://user:password@host:5432/database`), on a pool of its own.
    ///
    /// # Errors
    /// [`ConfigError`] as [`connect`](Self::connect), and when the server cannot be reached.
    pub async fn open(url: &str) -> Result<Self, ConfigError> {
        Self::builder().open(url).await
    }

    /// Begins a store with other settings.
    #[must_use]
    pub fn builder() -> PostgresStoreBuilder {
        PostgresStoreBuilder::default()
    }

    /// The migrations as SQL, oldest first, for a tool of the host's: each is to run once, in a transaction.
    #[must_use]
    pub fn schema_sql() -> String {
        migrate::schema_sql("otpgate_")
    }

    /// The pool, to close it for example.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) fn channel(&self) -> &str {
        &self.sql.channel
    }

    pub(crate) fn over(pool: PgPool, sql: Sql) -> Self {
        Self { pool, sql: Arc::new(sql) }
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, PgArguments>;

/// How often a statement is sent again that the server has undone because of others. Each time, one of the others has gone ahead:
/// so many may race for one key on a pool that asks for more than READ COMMITTED.
const AGAIN: u32 = 64;

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

impl PostgresStore {
    /// How many rows a statement has changed.
    async fn change<'q>(&self, text: &Text, bind: impl Fn(Query<'q>) -> Query<'q>) -> Result<u64, StoreError> {
        Ok(again!(self, |connection| bind(sqlx::query(text.safe())).execute(connection))?.rows_affected())
    }
}

#[async_trait]
impl Store for PostgresStore {
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
            (Expect::Absent, Some(next)) => self.change(&self.sql.create, |q| bind_record(q, key, next)).await?,
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
            let total = again!(self, |connection| sqlx::query_scalar(self.sql.total.safe())
                .bind(&key.0[..])
                .fetch_optional(connection))?;
            return rows::total(total.unwrap_or(0)).map_err(store_error);
        }
        // All rows, not the first: who takes one row and goes does not hear of an error of the commit.
        let totals = again!(self, |connection| sqlx::query_scalar(self.sql.add.safe())
            .bind(&key.0[..])
            .bind(i64::from(delta))
            .bind(expires_at.millis())
            .fetch_all(connection))?;
        let total = totals.first().ok_or(sqlx::Error::RowNotFound).map_err(store_error)?;
        rows::total(*total).map_err(store_error)
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

/// The key and all of the record, in the order in which every statement has them.
fn bind_record<'q>(query: Query<'q>, key: &'q Key, record: &'q Record) -> Query<'q> {
    query
        .bind(&key.0[..])
        .bind(&record.revision.0[..])
        .bind(record.expires_at.millis())
        .bind(record.owner.as_ref().map(|owner| &owner.0[..]))
        .bind(&record.value[..])
}
