//! A real Cluster of three private processes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use otpgate_core::Store;
use otpgate_redis::{Durability, RedisStore};
use otpgate_servers::trials::{burst, namespaces_do_not_meet};
use otpgate_servers::{Kind, Server, fresh_namespace};
use otpgate_testkit::Kit;

struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    /// Joins three nodes and waits until each knows that all slots are served.
    async fn start() -> Self {
        let nodes: Vec<_> = (0..3).map(|_| Server::start(Kind::RedisNode).unwrap()).collect();
        let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port()));
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(addresses).args(["--cluster-replicas", "0", "--cluster-yes"]);
        let output = create.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let begun = Instant::now();
        for node in &nodes {
            let client = redis::Client::open(node.url()).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            loop {
                let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut connection).await.unwrap();
                if info.contains("cluster_state:ok") {
                    break;
                }
                assert!(begun.elapsed() < Duration::from_secs(30), "{info}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Self { nodes }
    }

    async fn open(&self, namespace: &str) -> RedisStore {
        let urls = self.nodes.iter().map(Server::url);
        RedisStore::builder().namespace(namespace).open_cluster(urls).await.unwrap()
    }
}

/// The contract's clauses on the Cluster; each on a namespace of its own, as the kit wants it.
#[test]
fn every_clause_holds() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let cluster = Cluster::start().await;
        assert_eq!(cluster.open("a").await.durability(), Durability::Always);
        for clause in otpgate_testkit::store::Clause::ALL {
            let namespace = fresh_namespace();
            let kit = Kit::new(cluster.open(&namespace).await).with_second(cluster.open(&namespace).await);
            if let Err(violation) = clause.check(&kit.collects_its_own_garbage()).await {
                panic!("{}: {violation}", clause.name());
            }
        }
        let namespace = fresh_namespace();
        let stores: [Arc<dyn Store>; 2] =
            [Arc::new(cluster.open(&namespace).await), Arc::new(cluster.open(&namespace).await)];
        burst(stores, 20).await;
        namespaces_do_not_meet(&cluster.open("one").await, &cluster.open("other").await).await;
        every_node_has_keys(&cluster).await;
    });
}

/// The test above would prove little if all keys lay on one node.
async fn every_node_has_keys(cluster: &Cluster) {
    for node in &cluster.nodes {
        let client = redis::Client::open(node.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap();
        assert!(keys > 100, "{keys} keys on {}", node.url());
    }
}
