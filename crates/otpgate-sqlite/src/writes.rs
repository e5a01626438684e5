use std::collections::HashMap;

use otpgate_core::{Expect, Key, Owner, Record, Revision, StoreError, Timestamp};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};

use crate::group::{Question, all_failed};
use crate::sql::Sql;
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
        if asked.len() > 1 {
            match together(sql, connection, asked).await {
                Ok(answers) => return answers.into_iter().map(Ok).collect(),
                Err(Failed::Unknown(error)) => return all_failed(error, asked.len()),
                // One of them spoils it for all: each for itself.
                Err(Failed::Undone) => {}
            }
        }
        let mut answers = Vec::with_capacity(asked.len());
        for write in asked {
            answers.push(alone(sql, connection, write).await.map_err(store_error));
        }
        answers
    }
}

/// How a transaction failed.
enum Failed {
    /// Nothing of it happened.
    Undone,
    /// It was not begun, or may have happened: trying again could wait long, or count twice.
    Unknown(sqlx::Error),
}

/// One write in a statement that decides and commits by itself.
async fn alone(sql: &Sql, connection: &mut SqliteConnection, write: &Write) -> Result<u64, sqlx::Error> {
    match write {
        Write::Swap { key, expect, next } => alone_swap(sql, connection, key, *expect, next.as_ref()).await,
        Write::Add { .. } => Ok(adds(sql, connection, std::slice::from_ref(write)).await?.into_iter().sum()),
        Write::DropOwned(owner) => {
            let query = sqlx::query(sql.drop_owned.safe()).bind(&owner.0[..]);
            Ok(query.execute(connection).await?.rows_affected())
        }
        Write::Sweep { before, limit } => {
            let records = sqlx::query(sql.sweep_records.safe()).bind(before.millis()).bind(i64::from(*limit));
            let gone = records.execute(&mut *connection).await?.rows_affected();
            let left = i64::from(*limit) - gone as i64;
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
            let there = reads::by_key(&sql.revisions, connection, &[*key], |_| Ok(())).await?;
            return Ok(u64::from(there.is_empty()));
        }
    };
    Ok(changed.rows_affected())
}

/// All in one transaction that holds the write lock from its beginning: what is read in it stays true until it is committed.
async fn together(sql: &Sql, connection: &mut Connection, asked: &[Write]) -> Result<Vec<u64>, Failed> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(Failed::Unknown)?;
    let (undone, error) = match write_all(sql, &mut transaction, asked).await {
        Ok(answers) => match transaction.commit().await {
            Ok(()) => return Ok(answers),
            Err(error) => (false, error),
        },
        Err(error) => (transaction.rollback().await.is_ok(), error),
    };
    if undone {
        return Err(Failed::Undone);
    }
    // SQLite has undone it by itself, and sqlx would count it as open for ever.
    connection.close_on_drop();
    Err(Failed::Unknown(error))
}

async fn write_all(sql: &Sql, connection: &mut SqliteConnection, asked: &[Write]) -> Result<Vec<u64>, sqlx::Error> {
    let swaps: Vec<_> = asked.iter().filter_map(Swap::of).collect();
    let mut swapped = swaps_together(sql, connection, &swaps).await?.into_iter();
    let mut added = adds(sql, connection, asked).await?.into_iter();
    let mut answers = Vec::with_capacity(asked.len());
    for write in asked {
        answers.push(match write {
            Write::Swap { .. } => u64::from(swapped.next().unwrap_or(false)),
            Write::Add { .. } => added.next().unwrap_or(0),
            Write::DropOwned(_) | Write::Sweep { .. } => alone(sql, connection, write).await?,
        });
    }
    Ok(answers)
}

struct Swap<'a> {
    key: Key,
    expect: Expect,
    next: Option<&'a Record>,
}

impl<'a> Swap<'a> {
    fn of(write: &'a Write) -> Option<Self> {
        let Write::Swap { key, expect, next } = write else { return None };
        Some(Self { key: *key, expect: *expect, next: next.as_ref() })
    }
}

/// Reads the revisions that are there, decides every swap, and writes what is left of all of them.
async fn swaps_together(
    sql: &Sql,
    connection: &mut SqliteConnection,
    swaps: &[Swap<'_>],
) -> Result<Vec<bool>, sqlx::Error> {
    let mut keys: Vec<_> = swaps.iter().map(|swap| swap.key).collect();
    keys.sort_unstable();
    keys.dedup();
    let there = reads::by_key(&sql.revisions, connection, &keys, reads::revision).await?;
    let (won, changes) = decide(&there, swaps);
    let puts: Vec<_> = changes.iter().filter_map(|(key, next)| next.map(|record| (key, record))).collect();
    if !puts.is_empty() {
        let (text, room) = sql.put.of(puts.len());
        let mut query = sqlx::query(text);
        for i in 0..room {
            query = query.bind(puts.get(i).map(|(key, _)| &key.0[..]));
            query = bind_record(query, puts.get(i).map(|(_, record)| *record));
        }
        query.execute(&mut *connection).await?;
    }
    let removals: Vec<_> = changes.iter().filter(|(_, next)| next.is_none()).map(|(key, _)| key).collect();
    if !removals.is_empty() {
        let (text, room) = sql.remove.of(removals.len());
        let mut query = sqlx::query(text);
        for i in 0..room {
            query = query.bind(removals.get(i).map(|key| &key.0[..]));
        }
        query.execute(connection).await?;
    }
    Ok(won)
}

/// Who wins, one after another, and what is to be written then.
fn decide<'a>(there: &HashMap<Key, Revision>, swaps: &[Swap<'a>]) -> (Vec<bool>, HashMap<Key, Option<&'a Record>>) {
    let mut changes: HashMap<Key, Option<&Record>> = HashMap::new();
    let won = swaps.iter().map(|swap| {
        let now = match changes.get(&swap.key) {
            Some(next) => next.map(|record| record.revision),
            None => there.get(&swap.key).copied(),
        };
        let wins = match (now, swap.expect) {
            (None, Expect::Absent) => true,
            (Some(now), Expect::Revision(expected)) => now == expected,
            (None, Expect::Revision(_)) | (Some(_), Expect::Absent) => false,
        };
        if wins {
            changes.insert(swap.key, swap.next);
        }
        wins
    });
    (won.collect(), changes)
}

/// All additions in one statement: those to one counter go as their sum, and each is told its own part of it.
async fn adds(sql: &Sql, connection: &mut SqliteConnection, asked: &[Write]) -> Result<Vec<u64>, sqlx::Error> {
    let adds = || {
        asked.iter().filter_map(|write| match write {
            Write::Add { key, delta, expires_at } => Some((*key, u64::from(*delta), *expires_at)),
            _ => None,
        })
    };
    let mut sums: Vec<(Key, u64, Timestamp)> = Vec::new();
    for (key, delta, expires_at) in adds() {
        match sums.iter_mut().find(|sum| sum.0 == key) {
            Some(sum) => sum.1 += delta,
            None => sums.push((key, delta, expires_at)),
        }
    }
    if sums.is_empty() {
        return Ok(Vec::new());
    }
    let (text, room) = sql.add.of(sums.len());
    let mut query = sqlx::query(text);
    for i in 0..room {
        let sum = sums.get(i);
        query = query.bind(sum.map(|s| &s.0.0[..])).bind(sum.map(|s| s.1 as i64)).bind(sum.map(|s| s.2.millis()));
    }
    // All rows, not the first: sqlx hides an error of the commit from who takes one row and goes.
    let rows = query.fetch_all(connection).await?;
    let mut totals = HashMap::new();
    for row in &rows {
        totals.insert(reads::key(row)?, reads::total(row)?);
    }
    for (key, sum, _) in &sums {
        let total = totals.get_mut(key).ok_or(sqlx::Error::RowNotFound)?;
        *total = total.saturating_sub(*sum);
    }
    let told = adds().map(|(key, delta, _)| {
        let total = totals.entry(key).or_insert(0);
        *total += delta;
        *total
    });
    Ok(told.collect())
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

/// Revision, expiry, owner and value, in the order in which every statement has them.
fn bind_record<'q>(query: Query<'q>, record: Option<&'q Record>) -> Query<'q> {
    query
        .bind(record.map(|r| &r.revision.0[..]))
        .bind(record.map(|r| r.expires_at.millis()))
        .bind(record.and_then(|r| r.owner.as_ref()).map(|owner| &owner.0[..]))
        .bind(record.map(|r| &r.value[..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(revision: u8) -> Record {
        Record { revision: Revision([revision; 16]), expires_at: Timestamp::NEVER, owner: None, value: Vec::new() }
    }

    #[test]
    fn swaps_of_one_transaction_see_each_other() {
        let [k, l] = [Key([1; 32]), Key([2; 32])];
        let there = HashMap::from([(k, Revision([1; 16]))]);
        let (two, three, four) = (record(2), record(3), record(4));
        let on = |n| Expect::Revision(Revision([n; 16]));
        for (what, swaps, won, changes) in [
            (
                "one of two racers",
                vec![(k, on(1), Some(&two)), (k, on(1), Some(&three))],
                vec![true, false],
                vec![(k, Some(2))],
            ),
            ("a chain", vec![(k, on(1), Some(&two)), (k, on(2), Some(&three))], vec![true, true], vec![(k, Some(3))]),
            (
                "removed and made again",
                vec![(k, on(1), None), (k, on(1), Some(&two)), (k, Expect::Absent, Some(&three))],
                vec![true, false, true],
                vec![(k, Some(3))],
            ),
            (
                "made and removed",
                vec![(l, Expect::Absent, Some(&two)), (l, on(2), None)],
                vec![true; 2],
                vec![(l, None)],
            ),
            (
                "expectations that do not hold",
                vec![(k, Expect::Absent, Some(&four)), (k, on(9), None), (l, on(1), Some(&four))],
                vec![false; 3],
                vec![],
            ),
            (
                "two keys",
                vec![(k, on(1), None), (l, Expect::Absent, Some(&four))],
                vec![true; 2],
                vec![(k, None), (l, Some(4))],
            ),
        ] {
            let swaps: Vec<_> = swaps.into_iter().map(|(key, expect, next)| Swap { key, expect, next }).collect();
            let (wins, writes) = decide(&there, &swaps);
            assert_eq!(wins, won, "{what}");
            let mut writes: Vec<_> = writes.into_iter().map(|(key, r)| (key, r.map(|r| r.revision.0[0]))).collect();
            writes.sort_unstable();
            assert_eq!(writes, changes, "{what}");
        }
    }
}
