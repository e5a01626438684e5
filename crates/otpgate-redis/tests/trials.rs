//! Bursts over two pools, a server that is killed under load, namespaces.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use otpgate_core::{ConfigErrorKind, Store};
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

/// The test above can fail: a server that keeps nothing is caught.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_file_loses_what_was_acknowledged() {
    let mut server = Server::start_with(Kind::Redis, &[("appendonly", "no")]).unwrap();
    let store = RedisStore::builder().insecure_without_durability().open(&server.url()).await.unwrap();
    let losses = killed_under_load(&mut server, Arc::new(store), 1).await;
    assert!(losses.len() > 16, "{losses:#?}");
}
