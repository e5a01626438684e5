//! Hints between nodes by Redis.

use otpgate_core::Bus as _;
use otpgate_redis::RedisBus;
use otpgate_servers::{Kind, Server, fresh_namespace, url};

#[tokio::test]
async fn a_hint_reaches_every_node_of_its_deployment_and_no_other() {
    let (name, other) = (fresh_namespace(), fresh_namespace());
    let bus = |name: &str| RedisBus::namespaced(&url(Kind::Redis), name).unwrap();
    let (mut one, mut two) = (bus(&name).subscribe().await.unwrap(), bus(&name).subscribe().await.unwrap());
    let mut elsewhere = bus(&other).subscribe().await.unwrap();
    bus(&name).publish().await.unwrap();
    one.next().await.unwrap();
    two.next().await.unwrap();
    // Hints come in order: had it heard the first one, this would be its second.
    bus(&other).publish().await.unwrap();
    elsewhere.next().await.unwrap();
    let more = tokio::time::timeout(std::time::Duration::from_millis(50), elsewhere.next()).await;
    assert!(more.is_err(), "it heard the other deployment");
}

#[tokio::test]
async fn a_server_that_goes_ends_the_subscription_and_refuses() {
    let server = Server::start(Kind::Redis).unwrap();
    let bus = RedisBus::open(&server.url()).unwrap();
    let mut hints = bus.subscribe().await.unwrap();
    bus.publish().await.unwrap();
    hints.next().await.unwrap();
    drop(server);
    hints.next().await.unwrap_err();
    bus.publish().await.unwrap_err();
    bus.subscribe().await.map(drop).unwrap_err();
}

#[tokio::test]
async fn what_cannot_be_a_bus_does_not_build() {
    RedisBus::open("postgres://localhost/").unwrap_err();
    RedisBus::namespaced("redis://localhost/", "No Name").unwrap_err();
}
