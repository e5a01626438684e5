//! Writes that wait together: one transaction, in one visit to the thread of the connection.

use std::collections::{HashMap, HashSet};

use otpgate_core::{Expect, Key, Record, Revision, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _};

use crate::sql::Sql;
use crate::transaction::{self, Failed, Query};
use crate::writes::Write;
use crate::{Connection, reads};

/// What goes in one transaction: one swap at most of each key, and the additions to one counter as their sum. The rest, and
/// what swaps find that come second at their key, is for its own statement to say.
#[derive(Default)]
struct Wave<'a> {
    /// The first swap of each key, by its place in the line.
    swaps: HashMap<Key, usize>,
    puts: Vec<(&'a Key, Option<Revision>, &'a Record)>,
    removals: Vec<(&'a Key, Revision)>,
    sums: Vec<(Key, u64, Timestamp)>,
}

/// What a transaction said.
#[derive(Default)]
struct Told {
    changed: HashSet<Key>,
    totals: HashMap<Key, u64>,
}

/// Writes what can be written together, and answers it in its place; where there is none the write is still to be done.
pub(crate) async fn together(
    sql: &Sql,
    connection: &mut Connection,
    asked: &[Write],
) -> Result<Vec<Option<u64>>, Failed> {
    let wave = Wave::of(asked);
    if wave.is_empty() {
        return Ok(vec![None; asked.len()]);
    }
    let told = wave.run(sql, connection).await?;
    Ok(wave.answers(asked, told))
}

impl<'a> Wave<'a> {
    fn of(asked: &'a [Write]) -> Self {
        let mut wave = Self::default();
        for (place, write) in asked.iter().enumerate() {
            match write {
                Write::Swap { key, expect, next } => {
                    let revision = match expect {
                        Expect::Absent => None,
                        Expect::Revision(revision) => Some(*revision),
                    };
                    if wave.swaps.contains_key(key) {
                        continue;
                    }
                    match (revision, next) {
                        (_, Some(record)) => wave.puts.push((key, revision, record)),
                        (Some(revision), None) => wave.removals.push((key, revision)),
                        (None, None) => continue,
                    }
                    wave.swaps.insert(*key, place);
                }
                Write::Add { key, delta, expires_at } => match wave.sums.iter_mut().find(|sum| sum.0 == *key) {
                    Some(sum) => sum.1 += u64::from(*delta),
                    None => wave.sums.push((*key, u64::from(*delta), *expires_at)),
                },
                Write::DropOwned(_) | Write::Sweep { .. } => {}
            }
        }
        wave
    }

    fn is_empty(&self) -> bool {
        self.swaps.is_empty() && self.sums.is_empty()
    }

    async fn run(&self, sql: &Sql, connection: &mut Connection) -> Result<Told, Failed> {
        let (put, puts) = sql.put.of(self.puts.len());
        let (remove, removals) = sql.remove.of(self.removals.len());
        let (add, sums) = sql.add.of(self.sums.len());
        let text = format!("BEGIN IMMEDIATE;{put};{remove};{add};COMMIT");
        let mut query = sqlx::query(AssertSqlSafe(text));
        for i in 0..puts {
            let put = self.puts.get(i);
            query = query.bind(put.map(|(key, ..)| &key.0[..]));
            query = query.bind(put.and_then(|(_, expected, _)| expected.as_ref()).map(|revision| &revision.0[..]));
            query = bind_record(query, put.map(|(.., record)| *record));
        }
        for i in 0..removals {
            let removal = self.removals.get(i);
            query = query.bind(removal.map(|(key, _)| &key.0[..])).bind(removal.map(|(_, revision)| &revision.0[..]));
        }
        for i in 0..sums {
            query = bind_sum(query, self.sums.get(i));
        }
        let statements = 2 + [puts, removals, sums].iter().filter(|room| **room > 0).count();
        let mut told = Told::default();
        transaction::run(connection, query, statements, |row| told.take(row)).await?;
        // What was added and not told of is not to be added again.
        if told.totals.len() < self.sums.len() {
            return Err(Failed::Unknown(sqlx::Error::RowNotFound));
        }
        Ok(told)
    }

    fn answers(&self, asked: &[Write], told: Told) -> Vec<Option<u64>> {
        let Told { changed, mut totals } = told;
        for (key, sum, _) in &self.sums {
            if let Some(total) = totals.get_mut(key) {
                *total = total.saturating_sub(*sum);
            }
        }
        let answer = |(place, write): (usize, &Write)| match write {
            Write::Swap { key, expect, .. } => {
                let first = *self.swaps.get(key)?;
                let won = changed.contains(key);
                if first == place {
                    return Some(u64::from(won));
                }
                second(asked.get(first)?, won, expect).map(u64::from)
            }
            Write::Add { key, delta, .. } => {
                let total = totals.get_mut(key)?;
                *total += u64::from(*delta);
                Some(*total)
            }
            Write::DropOwned(_) | Write::Sweep { .. } => None,
        };
        asked.iter().enumerate().map(answer).collect()
    }
}

/// Whether a swap that comes right after another of its key has lost; none where it has to be asked.
fn second(first: &Write, won: bool, expect: &Expect) -> Option<bool> {
    let Write::Swap { expect: before, next, .. } = first else { return None };
    let loses = match (won, next) {
        // What was expected in vain is not there for the next one either.
        (false, _) => expect == before,
        (true, Some(now)) => *expect != Expect::Revision(now.revision),
        (true, None) => *expect != Expect::Absent,
    };
    loses.then_some(false)
}

impl Told {
    fn take(&mut self, row: &SqliteRow) -> Result<(), sqlx::Error> {
        let key = reads::key(row)?;
        if row.len() > 1 {
            self.totals.insert(key, reads::total(row, "total")?);
        } else {
            self.changed.insert(key);
        }
        Ok(())
    }
}

/// Revision, expiry, owner and value, in the order in which every statement has them.
pub(crate) fn bind_record<'q>(query: Query<'q>, record: Option<&'q Record>) -> Query<'q> {
    query
        .bind(record.map(|r| &r.revision.0[..]))
        .bind(record.map(|r| r.expires_at.millis()))
        .bind(record.and_then(|r| r.owner.as_ref()).map(|owner| &owner.0[..]))
        .bind(record.map(|r| &r.value[..]))
}

pub(crate) fn bind_sum<'q>(query: Query<'q>, sum: Option<&'q (Key, u64, Timestamp)>) -> Query<'q> {
    query.bind(sum.map(|s| &s.0.0[..])).bind(sum.map(|s| s.1 as i64)).bind(sum.map(|s| s.2.millis()))
}

#[cfg(test)]
mod tests {
    use otpgate_core::Owner;

    use super::*;
    use crate::SqliteStore;
    use crate::group::Question as _;

    const K: Key = Key([1; 32]);
    const L: Key = Key([2; 32]);

    fn record(revision: u8) -> Record {
        Record {
            revision: Revision([revision; 16]),
            expires_at: Timestamp::from_millis(5),
            owner: Some(Owner([revision; 32])),
            value: vec![revision; 3],
        }
    }

    fn swap(key: Key, expect: Expect, next: Option<u8>) -> Write {
        Write::Swap { key, expect, next: next.map(record) }
    }

    fn on(revision: u8) -> Expect {
        Expect::Revision(Revision([revision; 16]))
    }

    fn add(key: Key, delta: u32) -> Write {
        Write::Add { key, delta, expires_at: Timestamp::NEVER }
    }

    /// A database in memory with a record of revision 1 at `K`.
    async fn store() -> (SqliteStore, Connection) {
        let store = SqliteStore::in_memory().await.unwrap();
        let mut connection = store.pool.acquire().await.unwrap();
        let first = [swap(K, Expect::Absent, Some(1))];
        assert_eq!(Write::answer(&store.sql, &mut connection, &first).await[0].as_ref().unwrap(), &1);
        (store, connection)
    }

    async fn answers(store: &SqliteStore, connection: &mut Connection, asked: &[Write]) -> Vec<u64> {
        let answers = Write::answer(&store.sql, connection, asked).await;
        answers.into_iter().map(|answer| answer.unwrap()).collect()
    }

    async fn there(connection: &mut Connection) -> Vec<(Key, u8)> {
        let rows = sqlx::query("SELECT key, revision, expires_at, owner, value FROM otpgate_records ORDER BY key");
        let rows = rows.fetch_all(&mut **connection).await.unwrap();
        let read = |row: &SqliteRow| {
            let (key, found) = (reads::key(row).unwrap(), reads::record(row).unwrap());
            assert_eq!(found, record(found.revision.0[0]));
            (key, found.revision.0[0])
        };
        rows.iter().map(read).collect()
    }

    #[tokio::test]
    async fn swaps_of_one_wave_are_decided_one_after_another() {
        for (what, swaps, won, left) in [
            (
                "one of three racers",
                vec![swap(K, on(1), Some(2)), swap(K, on(1), Some(3)), swap(K, on(1), None)],
                vec![1, 0, 0],
                vec![(K, 2)],
            ),
            ("a chain", vec![swap(K, on(1), Some(2)), swap(K, on(2), Some(3))], vec![1, 1], vec![(K, 3)]),
            (
                "removed and made again",
                vec![swap(K, on(1), None), swap(K, on(1), Some(2)), swap(K, Expect::Absent, Some(3))],
                vec![1, 0, 1],
                vec![(K, 3)],
            ),
            (
                "made and removed",
                vec![swap(L, Expect::Absent, Some(4)), swap(L, on(4), None)],
                vec![1, 1],
                vec![(K, 1)],
            ),
            (
                "expectations that do not hold",
                vec![swap(K, Expect::Absent, Some(4)), swap(K, on(9), None), swap(L, on(1), Some(4))],
                vec![0; 3],
                vec![(K, 1)],
            ),
            (
                "the second may win where the first has lost",
                vec![swap(K, on(9), Some(2)), swap(K, on(9), Some(3)), swap(K, on(1), Some(4))],
                vec![0, 0, 1],
                vec![(K, 4)],
            ),
            ("two keys", vec![swap(K, on(1), None), swap(L, Expect::Absent, Some(4))], vec![1, 1], vec![(L, 4)]),
            (
                "nothing in the place of nothing",
                vec![swap(K, Expect::Absent, None), swap(L, Expect::Absent, None)],
                vec![0, 1],
                vec![(K, 1)],
            ),
        ] {
            let (store, mut connection) = store().await;
            let asked = swaps.iter().map(|swap| format!("{swap:?}")).collect::<Vec<_>>();
            let answers = answers(&store, &mut connection, &swaps).await;
            assert_eq!(there(&mut connection).await, left, "{what}: {asked:?}");
            assert_eq!(answers, won, "{what}: {asked:?}");
        }
    }

    #[tokio::test]
    async fn a_wave_of_everything_answers_each_in_its_place() {
        let (store, mut connection) = store().await;
        let asked = [
            add(K, 3),
            swap(K, on(1), Some(2)),
            Write::DropOwned(Owner([8; 32])),
            add(L, 5),
            add(K, 4),
            swap(L, Expect::Absent, Some(3)),
            Write::Sweep { before: Timestamp::from_millis(1), limit: 9 },
            add(K, 1),
        ];
        assert_eq!(answers(&store, &mut connection, &asked).await, [3, 1, 0, 5, 7, 1, 0, 8]);
        assert_eq!(there(&mut connection).await, [(K, 2), (L, 3)]);
        let asked = [swap(L, on(3), None), add(L, 1), Write::DropOwned(Owner([2; 32]))];
        assert_eq!(answers(&store, &mut connection, &asked).await, [1, 6, 1]);
        assert_eq!(there(&mut connection).await, []);
    }

    #[tokio::test]
    async fn waves_of_every_size_are_written_whole() {
        let (store, mut connection) = store().await;
        for size in 1..=crate::group::TOGETHER as u8 {
            let keys = || (0..size).map(|n| Key([n + 100; 32]));
            let made: Vec<_> = keys().map(|key| swap(key, Expect::Absent, Some(7))).collect();
            assert_eq!(answers(&store, &mut connection, &made).await, vec![1; size.into()]);
            let counted: Vec<_> = keys().map(|key| add(key, 2)).collect();
            assert_eq!(answers(&store, &mut connection, &counted).await, vec![2; size.into()]);
            let taken_back: Vec<_> = keys().map(|key| swap(key, on(7), None)).collect();
            assert_eq!(answers(&store, &mut connection, &taken_back).await, vec![1; size.into()]);
            sqlx::query("DELETE FROM otpgate_counters").execute(&mut *connection).await.unwrap();
        }
        assert_eq!(there(&mut connection).await, [(K, 1)]);
    }
}
