use otpgate_core::{Expect, Key, Owner, Record, StoreError, Timestamp};
use sqlx::sqlite::SqliteConnection;

use crate::group::{Question, all_failed};
use crate::sql::Sql;
use crate::together::{bind_record, bind_sum, together};
use crate::transaction::Failed;
use crate::{Connection, reads, store_error};

/// What is written; answered with how many rows changed, a counter with its total.
#[derive(Debug)]
pub(crate) enum Write {
    Swap { key: Key, expect: Expect, next: Option<Record> },
    Add { key: Key, delta: u32, expires_at: Timestamp },
    DropOwned(Owner),
    Sweep { before: Timestamp, limit: u32 },
}

impl Question for Write {
    type Answer = u64;

    async fn answer(sql: &Sql, connection: &mut Connection, asked: &[Self]) -> Vec<Result<u64, StoreError>> {
        let mut answered = vec![None; asked.len()];
        if asked.len() > 1 {
            match together(sql, connection, asked).await {
                Ok(answers) => answered = answers,
                Err(Failed::Unknown(error)) => return all_failed(error, asked.len()),
                // One of them spoils it for all: each for itself.
                Err(Failed::Undone) => {}
            }
        }
        let mut answers = Vec::with_capacity(asked.len());
        for (write, answer) in asked.iter().zip(answered) {
            answers.push(match answer {
                Some(answer) => Ok(answer),
                None => alone(sql, connection, write).await.map_err(store_error),
            });
        }
        answers
    }
}

/// One write in a statement that decides and commits by itself.
async fn alone(sql: &Sql, connection: &mut SqliteConnection, write: &Write) -> Result<u64, sqlx::Error> {
    match write {
        Write::Swap { key, expect, next } => alone_swap(sql, connection, key, *expect, next.as_ref()).await,
        Write::Add { key, delta, expires_at } => alone_add(sql, connection, key, *delta, *expires_at).await,
        Write::DropOwned(owner) => {
            let query = sqlx::query(sql.drop_owned.safe()).bind(&owner.0[..]);
            Ok(query.execute(connection).await?.rows_affected())
        }
        Write::Sweep { before, limit } => {
            let records = sqlx::query(sql.sweep_records.safe()).bind(before.millis()).bind(i64::from(*limit));
            let gone = records.execute(&mut *connection).await?.rows_affected();
            let left = i64::from(*limit) - gone as i64;
            if left <= 0 {
                return Ok(gone);
            }
            let counters = sqlx::query(sql.sweep_counters.safe()).bind(before.millis()).bind(left);
            Ok(gone + counters.execute(connection).await?.rows_affected())
        }
    }
}

async fn alone_swap(
    sql: &Sql,
    connection: &mut SqliteConnection,
    key: &Key,
    expect: Expect,
    next: Option<&Record>,
) -> Result<u64, sqlx::Error> {
    let at = &key.0[..];
    let changed = match (expect, next) {
        (Expect::Absent, Some(record)) => {
            let query = sqlx::query(sql.create.safe()).bind(at);
            bind_record(query, Some(record)).execute(connection).await?
        }
        (Expect::Revision(revision), Some(record)) => {
            let query = bind_record(sqlx::query(sql.update.safe()), Some(record));
            query.bind(at).bind(&revision.0[..]).execute(connection).await?
        }
        (Expect::Revision(revision), None) => {
            sqlx::query(sql.delete.safe()).bind(at).bind(&revision.0[..]).execute(connection).await?
        }
        (Expect::Absent, None) => {
            let there = sqlx::query(sql.exists.safe()).bind(at).fetch_optional(connection).await?;
            return Ok(u64::from(there.is_none()));
        }
    };
    Ok(changed.rows_affected())
}

async fn alone_add(
    sql: &Sql,
    connection: &mut SqliteConnection,
    key: &Key,
    delta: u32,
    expires_at: Timestamp,
) -> Result<u64, sqlx::Error> {
    let sum = (*key, u64::from(delta), expires_at);
    // All rows, not the first: sqlx hides an error of the commit from who takes one row and goes.
    let rows = bind_sum(sqlx::query(sql.add.one()), Some(&sum)).fetch_all(connection).await?;
    reads::total(rows.first().ok_or(sqlx::Error::RowNotFound)?, "total")
}
