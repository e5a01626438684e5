//! Bursts over two pools, a server that is killed under load, namespaces.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use otpgate_core::{Clock as _, ConfigErrorKind, Key, Store, SystemClock};
use otpgate_redis::RedisStore;
use otpgate_servers::trials::{burst, killed_under_load, namespaces_do_not_meet};
use otpgate_servers::{Kind, Server, fresh_namespace, url};

async fn open(namespace: &str) -> RedisStore {
    RedisStore::builder().namespace(namespace).open(&url(Kind::Redis)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_64_racers_on_two_pools_wins() {
    let namespace = fresh_namespace();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(open(&namespace).await), Arc::new(open(&namespace).await)];
    burst(stores, 40).await;
}

#[tokio::test]
async fn namespaces_are_apart() {
    let (one, other) = (open(&fresh_namespace()).await, open(&fresh_namespace()).await);
    namespaces_do_not_meet(&one, &other).await;
}

#[tokio::test]
async fn a_namespace_is_a_plain_name() {
    for name in ["", "A", "1a", "_a", "a-b", "a b", "a;drop", "a\"", "ä", &"a".repeat(33)] {
        let refused = RedisStore::builder().namespace(name).open(&url(Kind::Redis)).await.unwrap_err();
        assert_eq!(refused.kind(), ConfigErrorKind::Name, "{name:?}");
    }
    open(&format!("a{}", "b".repeat(31))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_that_was_acknowledged() {
    let mut server = Server::start(Kind::Redis).unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let losses = killed_under_load(&mut server, Arc::new(store), 3).await;
    assert!(losses.is_empty(), "{losses:#?}");
}

/// A count without its end would shut somebody out for ever. Both are written by one script: the server, killed at any moment under
/// load, comes back with no counter that has none.
#[tokio::test(flavor = "multi_thread")]
async fn a110_no_counter_is_left_without_its_end_by_a_kill() {
    let mut server = Server::start(Kind::Redis).unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    for kill in 0..3u8 {
        let counted = Arc::new(AtomicU64::new(0));
        let writers: Vec<_> = (0..16u8)
            .map(|writer| {
                let (store, counted) = (store.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    for n in 0u64.. {
                        let mut key = [kill; 32];
                        key[1] = writer;
                        key[24..].copy_from_slice(&n.to_be_bytes());
                        let later = SystemClock.now().plus(Duration::from_secs(3_600));
                        if store.add(&Key(key), 1, later).await.is_err() {
                            return;
                        }
                        counted.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let enough = async {
            while counted.load(Ordering::SeqCst) < 300 + 200 * u64::from(kill) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), enough).await.unwrap();
        server.kill();
        for writer in writers {
            writer.await.unwrap();
        }
        let counted = counted.load(Ordering::SeqCst);
        server.restart().unwrap();
        let mut connection =
            redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
        let names: Vec<String> =
            redis::cmd("KEYS").arg("otpgate:*counter*").query_async(&mut connection).await.unwrap();
        assert!(names.len() as u64 >= counted, "kill {kill}: {counted} were acknowledged, {} are there", names.len());
        for name in names {
            let left: i64 = redis::cmd("TTL").arg(&name).query_async(&mut connection).await.unwrap();
            assert!(left > 0, "kill {kill}: {name} never goes");
        }
        // The store's own connection is back too, and a counter goes on.
        let again = async {
            while store.add(&Key([200 + kill; 32]), 1, SystemClock.now().plus(Duration::from_secs(60))).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), again).await.unwrap();
    }
}

/// `a_killed_server_loses_nothing_that_was_acknowledged` can fail: a server that keeps nothing is caught.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_file_loses_what_was_acknowledged() {
    let mut server = Server::start_with(Kind::Redis, &[("appendonly", "no")]).unwrap();
    let store = RedisStore::builder().insecure_without_durability().open(&server.url()).await.unwrap();
    let losses = killed_under_load(&mut server, Arc::new(store), 1).await;
    assert!(losses.len() > 16, "{losses:#?}");
}
