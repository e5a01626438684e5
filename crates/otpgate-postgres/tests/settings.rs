//! What is wrong with a server is told when connecting, with what to set.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use otpgate_core::{ConfigErrorKind, Expect, Key, Owner, Record, Revision, Store as _, Swapped, Timestamp};
use otpgate_postgres::PostgresStore;
use otpgate_servers::{Kind, Server, fresh_namespace, url};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

async fn pool_with(settings: &[(&str, &str)]) -> PgPool {
    let options: PgConnectOptions = url(Kind::Postgres).parse().unwrap();
    PgPoolOptions::new().max_connections(8).connect_with(options.options(settings.iter().copied())).await.unwrap()
}

#[tokio::test]
async fn a_pool_that_answers_before_the_disk_is_refused() {
    let pool = pool_with(&[("synchronous_commit", "off")]).await;
    let namespace = fresh_namespace();
    let builder = || PostgresStore::builder().namespace(&namespace);
    let refused = builder().connect(pool.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), ConfigErrorKind::Backend);
    assert!(refused.to_string().contains("set `synchronous_commit = on`"), "{refused}");
    builder().insecure_without_durability().connect(pool).await.unwrap();
    for enough in ["on", "local", "remote_write", "remote_apply"] {
        builder().connect(pool_with(&[("synchronous_commit", enough)]).await).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_without_fsync_is_refused() {
    for (name, value) in [("fsync", "off"), ("full_page_writes", "off")] {
        let server = Server::start_with(Kind::Postgres, &[(name, value)]).unwrap();
        let refused = PostgresStore::open(&server.url()).await.unwrap_err();
        assert!(refused.to_string().contains(&format!("`{name}`")), "{refused}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let refused = PostgresStore::open("postgres://nobody@127.0.0.1:1/nothing").await.unwrap_err();
    assert!(refused.to_string().contains("could not be reached"), "{refused}");
    assert!(std::error::Error::source(&refused).is_some());
}

#[tokio::test]
async fn tables_can_be_left_to_the_host_s_own_tool() {
    let (pool, namespace) = (pool_with(&[]).await, fresh_namespace());
    let builder = || PostgresStore::builder().namespace(&namespace).without_migrations();
    let refused = builder().connect(pool.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("version 0"), "{refused}");
    let sql = builder().schema_sql().unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    builder().connect(pool.clone()).await.unwrap();
    PostgresStore::builder().namespace(&namespace).connect(pool.clone()).await.unwrap();

    let later = format!("INSERT INTO otpgate_{namespace}_schema VALUES (2)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(later)).execute(&pool).await.unwrap();
    for builder in [builder(), PostgresStore::builder().namespace(&namespace)] {
        let refused = builder.connect(pool.clone()).await.unwrap_err();
        assert!(refused.to_string().contains("have version 2"), "{refused}");
    }
    assert!(PostgresStore::schema_sql().contains("CREATE TABLE otpgate_records"));
}

#[tokio::test]
async fn many_may_make_the_tables_at_once() {
    for level in ["read committed", "serializable"] {
        let (pool, namespace) = (pool_with(&[("default_transaction_isolation", level)]).await, fresh_namespace());
        let one = || PostgresStore::builder().namespace(&namespace).connect(pool.clone());
        let all: Vec<_> = (0..8).map(|_| tokio::spawn(one())).collect();
        for one in all {
            one.await.unwrap().unwrap();
        }
    }
}

/// Stricter isolation makes the server undo statements because of others: they are sent again.
#[tokio::test(flavor = "multi_thread")]
async fn racers_have_answers_at_every_isolation_level() {
    for level in ["read committed", "repeatable read", "serializable"] {
        let pool = pool_with(&[("default_transaction_isolation", level)]).await;
        let shown: String = sqlx::query_scalar("SHOW transaction_isolation").fetch_one(&pool).await.unwrap();
        assert_eq!(shown, level);
        let store = PostgresStore::builder().namespace(fresh_namespace()).connect(pool).await.unwrap();
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
