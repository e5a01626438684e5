//! The contract of a store: every clause of it, on both kinds of runtime, also through `Arc` and `Box`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use custom_store::RedbStore;
use otpgate_testkit::Kit;

otpgate_testkit::store_conformance!(async {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path().join("otpgate.redb")).unwrap();
    // A clone is a second handle, and the folder goes when the kit does.
    Kit::new(store.clone()).with_second(store).keeping(folder)
});
