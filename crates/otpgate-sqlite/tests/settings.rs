//! Which pools, names and tables the store takes.
#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::path::Path;
use std::time::Duration;

use otpgate_core::{ConfigErrorKind, Expect, Key, Record, Revision, Store as _, Swapped, Timestamp};
use otpgate_sqlite::SqliteStore;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

const AT: Key = Key([1; 32]);

fn record() -> Record {
    Record { revision: Revision([1; 16]), expires_at: Timestamp::NEVER, owner: None, value: b"value".to_vec() }
}

fn wal(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(file).create_if_missing(true).journal_mode(SqliteJournalMode::Wal)
}

async fn refused(pool: SqlitePool) -> String {
    let error = SqliteStore::connect(pool).await.unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Backend);
    error.to_string()
}

#[tokio::test]
async fn a_pool_that_could_lose_an_acknowledged_write_is_refused_with_what_to_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let rollback = SqliteConnectOptions::new().filename(file("a")).create_if_missing(true);
    let text = refused(SqlitePool::connect_with(rollback).await.unwrap()).await;
    assert!(text.contains("journal_mode(SqliteJournalMode::Wal)"), "{text}");
    for weak in [SqliteSynchronous::Off, SqliteSynchronous::Normal] {
        let text = refused(SqlitePool::connect_with(wal(&file("b")).synchronous(weak)).await.unwrap()).await;
        assert!(text.contains("synchronous(SqliteSynchronous::Full)"), "{text}");
    }
    for strong in [SqliteSynchronous::Full, SqliteSynchronous::Extra] {
        let pool = SqlitePool::connect_with(wal(&file("b")).synchronous(strong)).await.unwrap();
        assert!(SqliteStore::connect(pool).await.is_ok());
    }
}

#[tokio::test]
async fn a_database_in_memory_takes_one_lasting_connection() {
    let memory = || SqliteConnectOptions::new().in_memory(true);
    let several = SqlitePoolOptions::new().max_connections(2).idle_timeout(None).max_lifetime(None);
    assert!(refused(several.connect_with(memory()).await.unwrap()).await.contains("max_connections(1)"));
    let mortal = SqlitePoolOptions::new().max_connections(1).idle_timeout(Duration::from_secs(1)).max_lifetime(None);
    assert!(refused(mortal.connect_with(memory()).await.unwrap()).await.contains("idle_timeout(None)"));
    let lasting = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    assert!(SqliteStore::connect(lasting.connect_with(memory()).await.unwrap()).await.is_ok());
}

#[tokio::test]
async fn namespaces_of_one_database_do_not_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let pool = SqlitePool::connect_with(wal(&folder.path().join("db"))).await.unwrap();
    let of = |name: Option<&str>| {
        let builder = SqliteStore::builder();
        name.map_or(builder.clone(), |name| builder.namespace(name)).connect(pool.clone())
    };
    let (plain, shop, blog) =
        (of(None).await.unwrap(), of(Some("shop")).await.unwrap(), of(Some("blog_2")).await.unwrap());
    assert_eq!(shop.swap(&AT, Expect::Absent, Some(&record())).await.unwrap(), Swapped::Yes);
    shop.add(&AT, 5, Timestamp::NEVER).await.unwrap();
    for other in [&plain, &blog] {
        assert_eq!(other.load(&AT).await.unwrap(), None);
        assert_eq!(other.add(&AT, 0, Timestamp::NEVER).await.unwrap(), 0);
    }
    assert_eq!(of(Some("shop")).await.unwrap().load(&AT).await.unwrap(), Some(record()));
}

#[tokio::test]
async fn a_namespace_is_a_plain_word() {
    let longest = "a".repeat(32);
    for (name, good) in [
        ("shop", true),
        ("a", true),
        ("a_1", true),
        (longest.as_str(), true),
        ("", false),
        ("1a", false),
        ("_a", false),
        ("Shop", false),
        ("a b", false),
        ("a-b", false),
        ("a\"; DROP TABLE x; --", false),
        ("é", false),
        (&"a".repeat(33), false),
    ] {
        let made = SqliteStore::builder().namespace(name).in_memory().await;
        assert_eq!(made.is_ok(), good, "{name:?}");
        assert!(made.err().is_none_or(|error| error.kind() == ConfigErrorKind::Name), "{name:?}");
    }
}

#[tokio::test]
async fn tables_are_made_once_and_kept_and_unknown_versions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    // Many at once on a fresh file: one makes the tables, all work.
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..8 {
        opening.spawn(SqliteStore::open(file.clone()));
    }
    let opened: Vec<_> = opening.join_all().await.into_iter().map(Result::unwrap).collect();
    let (first, second) = (&opened[0], &opened[1]);
    assert_eq!(first.swap(&AT, Expect::Absent, Some(&record())).await.unwrap(), Swapped::Yes);
    assert_eq!(second.load(&AT).await.unwrap(), Some(record()));
    assert_eq!(SqliteStore::open(&file).await.unwrap().load(&AT).await.unwrap(), Some(record()));
    sqlx::query("UPDATE otpgate_schema SET version = 2").execute(first.pool()).await.unwrap();
    let error = SqliteStore::open(&file).await.unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[tokio::test]
async fn its_own_pool_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("db")).await.unwrap();
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(store.pool()).await.unwrap();
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(store.pool()).await.unwrap();
    assert_eq!((journal.as_str(), synchronous), ("wal", 2));
}
