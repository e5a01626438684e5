//! What the store does when the disk is full, the file read-only, the database locked, or its runtime gone.
#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::path::Path;
use std::time::Duration;

use otpgate_core::{Expect, Key, Owner, Record, Revision, Store as _, StoreErrorKind, Swapped, Timestamp};
use otpgate_sqlite::SqliteStore;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use sqlx::{Connection as _, SqliteConnection};

const MINE: Owner = Owner([9; 32]);
const ONE: Key = Key([1; 32]);
const TWO: Key = Key([2; 32]);
const THREE: Key = Key([3; 32]);
const LAST: Key = Key([255; 32]);

fn key(n: u8) -> Key {
    Key([n; 32])
}

fn record(revision: u8, size: usize) -> Record {
    Record {
        revision: Revision([revision; 16]),
        expires_at: Timestamp::NEVER,
        owner: Some(MINE),
        value: vec![revision; size],
    }
}

fn on(revision: u8) -> Expect {
    Expect::Revision(Revision([revision; 16]))
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(file).create_if_missing(true).journal_mode(SqliteJournalMode::Wal)
}

async fn pool(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}

/// Every record that a load finds is listed, and the other way round: no row without its index entries.
async fn is_whole(store: &SqliteStore, there: &[(Key, Record)]) {
    assert_eq!(store.owned(&MINE, None, 1000).await.unwrap(), there);
    let sound: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(store.pool()).await.unwrap();
    assert_eq!(sound, "ok");
}

/// A store with room for its tables and some records of 10 000 bytes, and as many of them as fit.
async fn full_store(folder: &Path) -> (SqliteStore, Vec<(Key, Record)>) {
    let pool = pool(options(&folder.join("db")).pragma("max_page_count", "64")).await;
    let store = SqliteStore::connect(pool).await.unwrap();
    let mut there = Vec::new();
    for n in 1..=255 {
        match store.swap(&key(n), Expect::Absent, Some(&record(1, 10_000))).await {
            Ok(answer) => assert_eq!(answer, Swapped::Yes),
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Full);
                assert_eq!(store.load(&key(n)).await.unwrap(), None);
                assert!((5..100).contains(&there.len()), "{} fitted", there.len());
                return (store, there);
            }
        }
        there.push((key(n), record(1, 10_000)));
    }
    panic!("it was never full")
}

#[tokio::test]
async fn a103_a_full_disk_refuses_and_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let (store, there) = full_store(folder.path()).await;
    is_whole(&store, &there).await;
    assert_eq!(store.drop_owned(&MINE).await.unwrap() as usize, there.len());
    is_whole(&store, &[]).await;
    assert_eq!(store.swap(&key(1), Expect::Absent, Some(&record(1, 10_000))).await.unwrap(), Swapped::Yes);
}

#[tokio::test]
async fn of_writes_that_wait_together_only_the_one_without_room_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut there) = full_store(folder.path()).await;
    // A little room: SQLite takes the pages of a new value before it frees those of the old.
    let (last, _) = there.pop().unwrap();
    assert_eq!(store.swap(&last, on(1), None).await.unwrap(), Swapped::Yes);
    let (a, b, large) = (record(2, 9_000), record(2, 9_001), record(2, Record::MAX_VALUE));
    // The one connection is held until all are waiting.
    let held = store.pool().acquire().await.unwrap();
    let (first, refused, second, counted, ()) = tokio::join!(
        store.swap(&there[0].0, on(1), Some(&a)),
        store.swap(&LAST, Expect::Absent, Some(&large)),
        store.swap(&there[1].0, on(1), Some(&b)),
        store.add(&ONE, 3, Timestamp::NEVER),
        async {
            tokio::task::yield_now().await;
            drop(held);
        }
    );
    assert_eq!((first.unwrap(), second.unwrap(), counted.unwrap()), (Swapped::Yes, Swapped::Yes, 3));
    assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Full);
    (there[0].1, there[1].1) = (a, b);
    is_whole(&store, &there).await;
    assert_eq!(store.load(&LAST).await.unwrap(), None);
    assert_eq!(store.add(&ONE, 0, Timestamp::NEVER).await.unwrap(), 3);
}

#[tokio::test]
async fn a103_a_read_only_database_answers_reads_and_refuses_writes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    let writer = SqliteStore::open(&file).await.unwrap();
    assert_eq!(writer.swap(&ONE, Expect::Absent, Some(&record(1, 10))).await.unwrap(), Swapped::Yes);
    let reader = SqliteStore::connect(pool(options(&file).read_only(true)).await).await.unwrap();
    assert_eq!(reader.load(&ONE).await.unwrap(), Some(record(1, 10)));
    let next = record(2, 10);
    let (replaced, counted) =
        tokio::join!(reader.swap(&ONE, on(1), Some(&next)), reader.add(&ONE, 1, Timestamp::NEVER));
    assert_eq!(replaced.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(counted.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(writer.load(&ONE).await.unwrap(), Some(record(1, 10)));
    assert_eq!(writer.add(&ONE, 0, Timestamp::NEVER).await.unwrap(), 0);
}

#[tokio::test]
async fn a_locked_database_is_unavailable_for_as_long_as_it_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    let store = SqliteStore::builder().busy_timeout(Duration::from_millis(20)).open(&file).await.unwrap();
    let mut other = SqliteConnection::connect_with(&options(&file)).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let (a, b) = (record(1, 10), record(1, 10));
    let (first, second) =
        tokio::join!(store.swap(&ONE, Expect::Absent, Some(&a)), store.swap(&TWO, Expect::Absent, Some(&b)));
    for refused in [first, second] {
        assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
    assert_eq!(store.load(&ONE).await.unwrap(), None);
    lock.rollback().await.unwrap();
    let (first, second) =
        tokio::join!(store.swap(&ONE, Expect::Absent, Some(&a)), store.swap(&TWO, Expect::Absent, Some(&b)));
    assert_eq!((first.unwrap(), second.unwrap()), (Swapped::Yes, Swapped::Yes));
}

#[tokio::test]
async fn a_closed_pool_is_an_error_and_not_a_hang() {
    let store = SqliteStore::in_memory().await.unwrap();
    store.pool().close().await;
    let (loaded, swapped) = tokio::join!(store.load(&ONE), store.swap(&ONE, Expect::Absent, None));
    assert_eq!(loaded.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(swapped.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

#[test]
fn a_runtime_that_ends_while_it_leads_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let store = first.block_on(SqliteStore::builder().max_connections(1).open(folder.path().join("db"))).unwrap();
    let held = first.block_on(store.pool().acquire()).unwrap();
    // The leader waits for the connection on the first runtime; somebody on the second joins the line.
    let leading = store.clone();
    first.spawn(async move { leading.swap(&ONE, Expect::Absent, Some(&record(1, 10))).await });
    first.block_on(tokio::task::yield_now());
    let waiting = store.clone();
    let waits = second.spawn(async move { waiting.swap(&TWO, Expect::Absent, Some(&record(1, 10))).await });
    second.block_on(tokio::task::yield_now());
    drop(first);
    let told = second.block_on(waits).unwrap();
    assert_eq!(told.unwrap_err().kind(), StoreErrorKind::Unavailable);
    second.block_on(async {
        drop(held);
        assert_eq!(store.swap(&THREE, Expect::Absent, Some(&record(1, 10))).await.unwrap(), Swapped::Yes);
    });
}

#[test]
fn a_runtime_that_ends_in_the_middle_of_a_transaction_leaves_no_lock_and_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let store = first.block_on(SqliteStore::builder().max_connections(1).open(&file)).unwrap();
    // The transaction of two waits in its thread for the lock of another.
    let mut other = second.block_on(SqliteConnection::connect_with(&options(&file))).unwrap();
    let lock = second.block_on(other.begin_with("BEGIN IMMEDIATE")).unwrap();
    first.block_on(async {
        for key in [ONE, TWO] {
            let store = store.clone();
            tokio::spawn(async move { store.swap(&key, Expect::Absent, Some(&record(1, 10))).await });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    });
    drop(first);
    second.block_on(async {
        lock.rollback().await.unwrap();
        // The connection is closed by its thread, which may still be about it.
        let mut swapped = store.swap(&THREE, Expect::Absent, Some(&record(1, 10))).await;
        while swapped.as_ref().is_err_and(|error| error.kind() == StoreErrorKind::Unavailable) {
            tokio::task::yield_now().await;
            swapped = store.swap(&THREE, Expect::Absent, Some(&record(1, 10))).await;
        }
        assert_eq!(swapped.unwrap(), Swapped::Yes);
        let there = [store.load(&ONE).await.unwrap(), store.load(&TWO).await.unwrap()];
        assert!(there.iter().all(Option::is_some) || there.iter().all(Option::is_none), "{there:?}");
    });
}

#[tokio::test]
async fn a_damaged_row_is_an_error_and_no_panic() {
    let store = SqliteStore::in_memory().await.unwrap();
    assert_eq!(store.swap(&ONE, Expect::Absent, Some(&record(1, 10))).await.unwrap(), Swapped::Yes);
    for damage in ["revision = x'00'", "owner = x'0102'"] {
        let statement = format!("PRAGMA ignore_check_constraints = 1; UPDATE otpgate_records SET {damage}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(store.pool()).await.unwrap();
        assert_eq!(store.load(&ONE).await.unwrap_err().kind(), StoreErrorKind::Unavailable, "{damage}");
    }
    assert_eq!(store.load(&TWO).await.unwrap(), None);
}
