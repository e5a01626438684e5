//! The store contract, on the server that `cargo xtask test` has started.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use otpgate_mysql::MySqlStore;
use otpgate_servers::{Kind, fresh_namespace, url};
use otpgate_testkit::Kit;

async fn open(namespace: &str) -> MySqlStore {
    MySqlStore::builder().namespace(namespace).open(&url(Kind::MariaDb)).await.unwrap()
}

mod one_pool {
    otpgate_testkit::store_conformance!(async { super::open(&super::fresh_namespace()).await });
}

mod two_pools {
    otpgate_testkit::store_conformance!(async {
        let namespace = super::fresh_namespace();
        super::Kit::new(super::open(&namespace).await).with_second(super::open(&namespace).await)
    });
}
