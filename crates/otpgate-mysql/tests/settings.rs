//! What is wrong with a server is told when connecting, with what to set.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use otpgate_core::{ConfigErrorKind, Expect, Key, Owner, Record, Revision, Store as _, Swapped, Timestamp};
use otpgate_mysql::MySqlStore;
use otpgate_servers::{Kind, Server, fresh_namespace, url};
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};

async fn pool_after(statement: &'static str) -> MySqlPool {
    let options = MySqlPoolOptions::new().max_connections(16).after_connect(move |connection, _| {
        Box::pin(async move { sqlx::query(statement).execute(connection).await.map(drop) })
    });
    options.connect(&url(Kind::MariaDb)).await.unwrap()
}

#[tokio::test]
async fn a_server_that_answers_before_the_disk_is_refused() {
    for (name, settings) in [
        ("innodb_flush_log_at_trx_commit = 1", &[("innodb-flush-log-at-trx-commit", "2")][..]),
        ("sync_binlog = 1", &[("log-bin", "binlog"), ("sync-binlog", "0")]),
    ] {
        let server = Server::start_with(Kind::MariaDb, settings).unwrap();
        let refused = MySqlStore::open(&server.url()).await.unwrap_err();
        assert_eq!(refused.kind(), ConfigErrorKind::Backend);
        assert!(refused.to_string().contains(name), "{refused}");
        MySqlStore::builder().insecure_without_durability().open(&server.url()).await.unwrap();
    }
}

#[tokio::test]
async fn a_replica_is_refused_with_no_switch_to_take_it() {
    let server = Server::start_with(Kind::MariaDb, &[("read-only", "1")]).unwrap();
    let refused = MySqlStore::builder().insecure_without_durability().open(&server.url()).await.unwrap_err();
    assert!(refused.to_string().contains("read_only"), "{refused}");
}

#[tokio::test]
async fn sessions_that_cut_values_or_do_not_commit_are_refused() {
    for (name, statement) in
        [("STRICT_TRANS_TABLES", "SET sql_mode = 'NO_ENGINE_SUBSTITUTION'"), ("autocommit = 1", "SET autocommit = 0")]
    {
        let refused = MySqlStore::connect(pool_after(statement).await).await.unwrap_err();
        assert!(refused.to_string().contains(name), "{refused}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let refused = MySqlStore::open("mysql://nobody@127.0.0.1:1/nothing").await.unwrap_err();
    assert!(refused.to_string().contains("could not be reached"), "{refused}");
    assert!(std::error::Error::source(&refused).is_some());
}

#[tokio::test]
async fn tables_can_be_left_to_the_host_s_own_tool() {
    let (pool, namespace) = (pool_after("DO 1").await, fresh_namespace());
    let builder = || MySqlStore::builder().namespace(&namespace).without_migrations();
    let refused = builder().connect(pool.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("version 0"), "{refused}");
    let sql = builder().schema_sql().unwrap();
    for _ in 0..2 {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(&pool).await.unwrap();
        builder().connect(pool.clone()).await.unwrap();
        MySqlStore::builder().namespace(&namespace).connect(pool.clone()).await.unwrap();
    }

    let later = format!("INSERT INTO otpgate_{namespace}_schema VALUES (2)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(later)).execute(&pool).await.unwrap();
    for builder in [builder(), MySqlStore::builder().namespace(&namespace)] {
        let refused = builder.connect(pool.clone()).await.unwrap_err();
        assert!(refused.to_string().contains("have version 2"), "{refused}");
    }
    assert!(MySqlStore::schema_sql().contains("CREATE TABLE IF NOT EXISTS otpgate_records"));
}

#[tokio::test]
async fn many_may_make_the_tables_at_once() {
    let (pool, namespace) = (pool_after("DO 1").await, fresh_namespace());
    let one = || MySqlStore::builder().namespace(&namespace).connect(pool.clone());
    let all: Vec<_> = (0..8).map(|_| tokio::spawn(one())).collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
}

/// A24: whatever a transaction reads at its level, each operation is one statement. What the server undoes is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn racers_have_answers_at_every_isolation_level() {
    for level in [
        "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    ] {
        let pool = pool_after(level).await;
        let store = MySqlStore::builder().namespace(fresh_namespace()).connect(pool).await.unwrap();
        for round in 0..10_u8 {
            let at = Key([round; 32]);
            let record = |i: u8| Record {
                revision: Revision([i; 16]),
                expires_at: Timestamp::NEVER,
                owner: Some(Owner([7; 32])),
                value: vec![i],
            };
            assert_eq!(store.swap(&at, Expect::Absent, Some(&record(255))).await.unwrap(), Swapped::Yes);
            let racers: Vec<_> = (0..16)
                .map(|i| {
                    let (store, next) = (store.clone(), record(i));
                    tokio::spawn(async move {
                        let was = Expect::Revision(Revision([255; 16]));
                        let answer = store.swap(&at, was, Some(&next)).await.unwrap();
                        (answer, store.add(&at, 1, Timestamp::NEVER).await.unwrap())
                    })
                })
                .collect();
            let (mut won, mut totals) = (0, Vec::new());
            for racer in racers {
                let (answer, total) = racer.await.unwrap();
                won += u32::from(answer == Swapped::Yes);
                totals.push(total);
            }
            totals.sort_unstable();
            assert_eq!((won, totals), (1, (1..=16).collect()), "{level}");
        }
    }
}

/// The least key is after no key; MySQL's binary columns are padded with zeros.
#[tokio::test]
async fn zero_bytes_are_bytes() {
    let store = MySqlStore::builder().namespace(fresh_namespace()).open(&url(Kind::MariaDb)).await.unwrap();
    let record = Record {
        revision: Revision([0; 16]),
        expires_at: Timestamp::from_millis(-1),
        owner: Some(Owner([0; 32])),
        value: vec![0, b' ', 0, b' '],
    };
    for at in [Key([0; 32]), Key([b' '; 32])] {
        assert_eq!(store.swap(&at, Expect::Absent, Some(&record)).await.unwrap(), Swapped::Yes);
    }
    let listed = store.owned(&Owner([0; 32]), None, 10).await.unwrap();
    assert_eq!(listed, [(Key([0; 32]), record.clone()), (Key([b' '; 32]), record.clone())]);
    let listed = store.owned(&Owner([0; 32]), Some(&Key([0; 32])), 10).await.unwrap();
    assert_eq!(listed, [(Key([b' '; 32]), record)]);
}
