use std::collections::HashMap;

use otpgate_core::{Key, Owner, Record, Revision, StoreError, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, ValueRef as _};

use crate::Connection;
use crate::group::{Question, all_failed};
use crate::sql::Sql;

/// What is read.
#[derive(Debug)]
pub(crate) enum Read {
    Record(Key),
    Counter(Key),
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Found {
    Record(Option<Record>),
    Total(u64),
}

impl Question for Read {
    type Answer = Found;

    async fn answer(sql: &Sql, connection: &mut Connection, asked: &[Self]) -> Vec<Result<Found, StoreError>> {
        match find(sql, connection, asked).await {
            Ok(found) => found.into_iter().map(Ok).collect(),
            Err(error) => all_failed(error, asked.len()),
        }
    }
}

async fn find(sql: &Sql, connection: &mut SqliteConnection, asked: &[Read]) -> Result<Vec<Found>, sqlx::Error> {
    let record_keys = distinct(asked.iter().filter_map(|read| match read {
        Read::Record(key) => Some(*key),
        Read::Counter(_) => None,
    }));
    let counter_keys = distinct(asked.iter().filter_map(|read| match read {
        Read::Counter(key) => Some(*key),
        Read::Record(_) => None,
    }));
    let ((load, load_room), (totals, totals_room)) =
        (sql.load.of(record_keys.len()), sql.totals.of(counter_keys.len()));
    // One statement, which is one visit to the thread of the connection.
    let between = if load.is_empty() || totals.is_empty() { "" } else { " UNION ALL " };
    let mut query = sqlx::query(AssertSqlSafe([load, between, totals].concat()));
    for (keys, room) in [(&record_keys, load_room), (&counter_keys, totals_room)] {
        for i in 0..room {
            query = query.bind(keys.get(i).map(|key| &key.0[..]));
        }
    }
    let rows = query.fetch_all(connection).await?;
    let (mut records, mut totals) = (HashMap::new(), HashMap::new());
    for row in &rows {
        if row.try_get_raw("revision")?.is_null() {
            totals.insert(key(row)?, total(row, "expires_at")?);
        } else {
            records.insert(key(row)?, record(row)?);
        }
    }
    Ok(asked
        .iter()
        .map(|read| match read {
            Read::Record(key) => Found::Record(records.get(key).cloned()),
            Read::Counter(key) => Found::Total(totals.get(key).copied().unwrap_or(0)),
        })
        .collect())
}

fn distinct(keys: impl Iterator<Item = Key>) -> Vec<Key> {
    let mut keys: Vec<_> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// A page of an owner's records.
pub(crate) async fn owned(
    sql: &Sql,
    connection: &mut SqliteConnection,
    owner: &Owner,
    after: Option<&Key>,
    limit: u32,
) -> Result<Vec<(Key, Record)>, sqlx::Error> {
    // The empty blob is before every key.
    let after = after.map_or(&[][..], |key| &key.0[..]);
    let query = sqlx::query(sql.owned.safe()).bind(&owner.0[..]).bind(after).bind(i64::from(limit));
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(|row| Ok((key(row)?, record(row)?))).collect()
}

pub(crate) fn key(row: &SqliteRow) -> Result<Key, sqlx::Error> {
    bytes(row.try_get("key")?).map(Key)
}

fn revision(row: &SqliteRow) -> Result<Revision, sqlx::Error> {
    bytes(row.try_get("revision")?).map(Revision)
}

pub(crate) fn total(row: &SqliteRow, column: &str) -> Result<u64, sqlx::Error> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|e| sqlx::Error::Decode(e.into()))
}

pub(crate) fn record(row: &SqliteRow) -> Result<Record, sqlx::Error> {
    Ok(Record {
        revision: revision(row)?,
        expires_at: Timestamp::from_millis(row.try_get("expires_at")?),
        owner: row.try_get::<Option<&[u8]>, _>("owner")?.map(bytes).transpose()?.map(Owner),
        value: row.try_get("value")?,
    })
}

/// A column of a fixed length; another length is damage, and damage is an error.
fn bytes<const N: usize>(column: &[u8]) -> Result<[u8; N], sqlx::Error> {
    column.try_into().map_err(|e: std::array::TryFromSliceError| sqlx::Error::Decode(e.into()))
}
