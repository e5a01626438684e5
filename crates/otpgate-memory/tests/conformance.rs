//! The store contract.

use otpgate_memory::MemoryStore;
use otpgate_testkit::Kit;

otpgate_testkit::store_conformance!(async {
    let store = MemoryStore::new();
    Kit::new(store.clone()).with_second(store)
});
