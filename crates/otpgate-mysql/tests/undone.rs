//! Statements that the server undoes because of others, and calls that are given up.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use otpgate_core::{Expect, Key, Owner, Record, Revision, Store as _, Swapped, Timestamp};
use otpgate_mysql::MySqlStore;
use otpgate_servers::{Kind, fresh_namespace, url};
use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};

const OWNER: Owner = Owner([7; 32]);

fn record(i: u8) -> Record {
    Record { revision: Revision([i; 16]), expires_at: Timestamp::NEVER, owner: Some(OWNER), value: vec![i] }
}

/// A store whose sessions wait for a lock for a second only, with records 1 and 2; and a host's transaction that holds record 2.
async fn with_a_host_that_holds_a_lock() -> (MySqlStore, MySqlConnection, String) {
    let options = MySqlPoolOptions::new().max_connections(4).after_connect(|connection, _| {
        let wait = sqlx::query("SET SESSION innodb_lock_wait_timeout = 1");
        Box::pin(async move { wait.execute(connection).await.map(drop) })
    });
    let (pool, namespace) = (options.connect(&url(Kind::MariaDb)).await.unwrap(), fresh_namespace());
    let store = MySqlStore::builder().namespace(&namespace).connect(pool).await.unwrap();
    for i in [1, 2] {
        assert_eq!(store.swap(&Key([i; 32]), Expect::Absent, Some(&record(i))).await.unwrap(), Swapped::Yes);
    }
    let mut host = MySqlConnection::connect(&url(Kind::MariaDb)).await.unwrap();
    // What has changed more rows is not the one that the server undoes.
    let values = (0..50).map(|i| format!("(REPEAT('{}', 16), 1, 1)", i + 10)).collect::<Vec<_>>().join(",");
    run(&mut host, "BEGIN").await;
    run(&mut host, &format!("INSERT INTO otpgate_{namespace}_counters VALUES {values}")).await;
    lock(&mut host, &namespace, 2).await;
    (store, host, namespace)
}

async fn run(host: &mut MySqlConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(host).await.unwrap();
}

async fn lock(host: &mut MySqlConnection, namespace: &str, i: u8) {
    let id = format!("UNHEX(REPEAT('{i:02x}', 32))");
    run(host, &format!("SELECT 1 FROM otpgate_{namespace}_records WHERE id = {id} FOR UPDATE")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_undone_by_a_deadlock_is_sent_again() {
    let (store, mut host, namespace) = with_a_host_that_holds_a_lock().await;
    let drops = tokio::spawn(async move { store.drop_owned(&OWNER).await });
    // By now it holds record 1 and waits for record 2; the host wants record 1.
    tokio::time::sleep(Duration::from_millis(400)).await;
    lock(&mut host, &namespace, 1).await;
    assert!(!drops.is_finished());
    run(&mut host, "COMMIT").await;
    assert_eq!(drops.await.unwrap().unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_waited_in_vain_for_a_lock_is_sent_again() {
    let (store, mut host, _) = with_a_host_that_holds_a_lock().await;
    let swaps =
        tokio::spawn(
            async move { store.swap(&Key([2; 32]), Expect::Revision(Revision([2; 16])), Some(&record(3))).await },
        );
    tokio::time::sleep(Duration::from_millis(1600)).await;
    assert!(!swaps.is_finished());
    run(&mut host, "COMMIT").await;
    assert_eq!(swaps.await.unwrap().unwrap(), Swapped::Yes);
}

async fn given_up_after<F: Future>(polls: usize, future: F) {
    let (mut future, mut left) = (Box::pin(future), polls);
    poll_fn(|context| {
        if left == 0 || future.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        Poll::Pending
    })
    .await;
}

/// One connection, and statements that it has not seen: a call is given up while its statement is being prepared.
#[tokio::test]
async fn a_call_that_was_given_up_leaves_no_answer_for_the_next() {
    for polls in 0..10 {
        let options = MySqlPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(5));
        let pool: MySqlPool = options.test_before_acquire(false).connect(&url(Kind::MariaDb)).await.unwrap();
        let store = MySqlStore::builder().namespace(fresh_namespace()).connect(pool).await.unwrap();
        let (at, other) = (Key([1; 32]), Key([2; 32]));
        given_up_after(polls, store.swap(&at, Expect::Absent, Some(&record(1)))).await;
        let told = store.swap(&other, Expect::Revision(Revision([9; 16])), Some(&record(2))).await.unwrap();
        assert_eq!(told, Swapped::No, "given up after {polls}");
        assert_eq!(store.load(&other).await.unwrap(), None, "given up after {polls}");
        assert_eq!(store.add(&other, 5, Timestamp::NEVER).await.unwrap(), 5, "given up after {polls}");
        given_up_after(polls, store.add(&at, 7, Timestamp::NEVER)).await;
        assert_eq!(store.add(&other, 5, Timestamp::NEVER).await.unwrap(), 10, "given up after {polls}");
    }
}
