//! The store contract, on each kind of pool.
#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use otpgate_sqlite::SqliteStore;
use otpgate_testkit::Kit;

async fn on_file(connections: u32) -> Kit {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteStore::builder().max_connections(connections).open(folder.path().join("otpgate.db"));
    let (first, second) = (open().await.unwrap(), open().await.unwrap());
    Kit::new(first).with_second(second).keeping(folder)
}

mod two_pools_on_a_file {
    otpgate_testkit::store_conformance!(super::on_file(4));
}

mod two_pools_of_one_connection {
    otpgate_testkit::store_conformance!(super::on_file(1));
}

mod in_memory {
    otpgate_testkit::store_conformance!(async { super::SqliteStore::in_memory().await.unwrap() });
}
