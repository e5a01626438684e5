//! The stores, and how many records get into them at once: by statements of our own with thousands of rows each, on a connection of
//! our own that does not wait for the disk. The tables, their indexes and the rows are those of the store.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use otpgate::{Expect, Key, MemoryStore, PostgresStore, Record, SqliteStore, Store};
use otpgate_servers::{Kind, Server};
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, QueryBuilder, Sqlite, SqliteConnection};
use tempfile::TempDir;

use super::mould::Mould;

/// A store with many records.
pub(super) enum Kept {
    Memory(MemoryStore),
    Sqlite { store: SqliteStore, file: PathBuf, _folder: TempDir },
    Postgres { store: PostgresStore, server: Server },
}

impl Kept {
    /// An empty one; in memory, the mould's own.
    pub(super) async fn open(name: &str, mould: &Mould) -> Result<Self> {
        Ok(match name {
            "memory" => Self::Memory(mould.store()),
            "sqlite" => {
                let folder = tempfile::tempdir()?;
                let file = folder.path().join("otpgate.db");
                Self::Sqlite { store: SqliteStore::open(&file).await?, file, _folder: folder }
            }
            "postgres" => {
                let server = Server::start(Kind::Postgres)?;
                Self::Postgres { store: PostgresStore::open(&server.url()).await?, server }
            }
            _ => bail!("no store `{name}`"),
        })
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
        }
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Sqlite { store, .. } => Arc::new(store.clone()),
            Self::Postgres { store, .. } => Arc::new(store.clone()),
        }
    }

    /// The same records for another runtime, on connections of its own.
    pub(super) async fn again(&self) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Sqlite { file, .. } => Arc::new(SqliteStore::open(file).await?),
            Self::Postgres { server, .. } => Arc::new(PostgresStore::open(&server.url()).await?),
        })
    }

    /// Copies what the mould has from its record `at` on.
    pub(super) async fn take_from(&self, mould: &Mould, mut at: usize) -> Result<()> {
        if let Self::Memory(_) = self {
            return Ok(());
        }
        let mut filling = Filling::begin(self).await?;
        loop {
            let piece = mould.piece(at).await;
            if piece.is_empty() {
                return filling.end().await;
            }
            at += piece.len();
            filling.put(&piece).await?;
        }
    }

    /// Adds these records.
    pub(super) async fn put(&self, records: Vec<(Key, Record)>) -> Result<()> {
        if let Self::Memory(store) = self {
            for (key, record) in &records {
                let _ = store.swap(key, Expect::Absent, Some(record)).await?;
            }
            return Ok(());
        }
        let mut filling = Filling::begin(self).await?;
        for piece in records.chunks(super::mould::PIECE) {
            filling.put(piece).await?;
        }
        filling.end().await
    }
}

/// A connection that only fills.
enum Filling {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Filling {
    async fn begin(kept: &Kept) -> Result<Self> {
        Ok(match kept {
            Kept::Memory(_) => bail!("memory needs none"),
            Kept::Sqlite { file, .. } => {
                let options = SqliteConnectOptions::new().filename(file).synchronous(SqliteSynchronous::Off);
                // Keys are spread over all pages of the indexes: half a gigabyte of them is kept.
                let mut connection = options.pragma("cache_size", "-500000").connect().await?;
                sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
                Self::Sqlite(connection)
            }
            Kept::Postgres { server, .. } => {
                let mut connection = PgConnection::connect(&server.url()).await?;
                sqlx::query("SET synchronous_commit = off").execute(&mut connection).await?;
                Self::Postgres(connection)
            }
        })
    }

    async fn put(&mut self, records: &[(Key, Record)]) -> Result<()> {
        match self {
            Self::Sqlite(connection) => {
                for rows in records.chunks(1_000) {
                    let mut insert = QueryBuilder::<Sqlite>::new(
                        "INSERT INTO otpgate_records (key, revision, expires_at, owner, value) ",
                    );
                    insert.push_values(rows, |mut row, (key, record)| {
                        row.push_bind(key.0.to_vec()).push_bind(record.revision.0.to_vec());
                        row.push_bind(record.expires_at.millis()).push_bind(record.owner.map(|owner| owner.0.to_vec()));
                        row.push_bind(record.value.clone());
                    });
                    insert.build().execute(&mut *connection).await?;
                }
            }
            Self::Postgres(connection) => {
                let insert = sqlx::query(
                    "INSERT INTO otpgate_records (key, revision, expires_at, owner, value)
                     SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bytea[])",
                );
                let of = |what: &dyn Fn(&(Key, Record)) -> Vec<u8>| records.iter().map(what).collect::<Vec<_>>();
                let owners: Vec<_> = records.iter().map(|(_, r)| r.owner.map(|owner| owner.0.to_vec())).collect();
                let ends: Vec<_> = records.iter().map(|(_, r)| r.expires_at.millis()).collect();
                let insert = insert.bind(of(&|(key, _)| key.0.to_vec())).bind(of(&|(_, r)| r.revision.0.to_vec()));
                insert.bind(ends).bind(owners).bind(of(&|(_, r)| r.value.clone())).execute(connection).await?;
            }
        }
        Ok(())
    }

    /// What a database would do by itself in time: it knows its tables, and its log is written back.
    async fn end(self) -> Result<()> {
        match self {
            Self::Sqlite(mut connection) => {
                for text in ["COMMIT", "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"] {
                    sqlx::query(text).execute(&mut connection).await?;
                }
                connection.close().await?;
            }
            Self::Postgres(mut connection) => {
                for text in ["VACUUM ANALYZE otpgate_records", "CHECKPOINT"] {
                    sqlx::query(text).execute(&mut connection).await?;
                }
                connection.close().await?;
            }
        }
        Ok(())
    }
}
