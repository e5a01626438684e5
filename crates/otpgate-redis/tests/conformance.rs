//! The store contract, on the server that `cargo xtask test` has started.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use otpgate_redis::RedisStore;
use otpgate_servers::{Kind, fresh_namespace, url};
use otpgate_testkit::Kit;

async fn open(namespace: &str) -> RedisStore {
    RedisStore::builder().namespace(namespace).open(&url(Kind::Redis)).await.unwrap()
}

async fn kit() -> Kit {
    let namespace = fresh_namespace();
    Kit::new(open(&namespace).await).with_second(open(&namespace).await).collects_its_own_garbage()
}

mod one_connection {
    otpgate_testkit::store_conformance!(async {
        super::Kit::new(super::open(&super::fresh_namespace()).await).collects_its_own_garbage()
    });
}

mod two_connections {
    otpgate_testkit::store_conformance!(super::kit());
}
