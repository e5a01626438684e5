//! Hints between nodes by PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use otpgate_core::Bus as _;
use otpgate_postgres::PostgresStore;
use otpgate_servers::{Kind, Server, fresh_namespace, url};

async fn store(name: &str) -> PostgresStore {
    PostgresStore::builder().namespace(name).open(&url(Kind::Postgres)).await.unwrap()
}

#[tokio::test]
async fn a_hint_reaches_every_node_of_its_deployment_and_no_other() {
    let (name, other) = (fresh_namespace(), fresh_namespace());
    let (one, two, elsewhere) = (store(&name).await.bus(), store(&name).await.bus(), store(&other).await.bus());
    let mut hints = [one.subscribe().await.unwrap(), two.subscribe().await.unwrap()];
    let mut others = elsewhere.subscribe().await.unwrap();
    one.publish().await.unwrap();
    for hints in &mut hints {
        hints.next().await.unwrap();
    }
    elsewhere.publish().await.unwrap();
    others.next().await.unwrap();
    let more = tokio::time::timeout(std::time::Duration::from_millis(50), others.next()).await;
    assert!(more.is_err(), "it heard the other deployment");
}

#[tokio::test]
async fn a_server_that_goes_ends_the_subscription_and_refuses() {
    let server = Server::start(Kind::Postgres).unwrap();
    let bus = PostgresStore::open(&server.url()).await.unwrap().bus();
    let mut hints = bus.subscribe().await.unwrap();
    bus.publish().await.unwrap();
    hints.next().await.unwrap();
    drop(server);
    hints.next().await.unwrap_err();
    bus.publish().await.unwrap_err();
    bus.subscribe().await.map(drop).unwrap_err();
}
