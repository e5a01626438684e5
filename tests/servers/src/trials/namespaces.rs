use otpgate_core::{Expect, Owner, Store, Swapped, Timestamp};

use super::{key, owned_record, random};

/// Writes the same keys, counters and owners through both and looks that neither sees the other's.
///
/// # Panics
/// When they meet.
pub async fn namespaces_do_not_meet(one: &dyn Store, other: &dyn Store) {
    let (at, owner) = (key(), Owner(random()));
    let (mine, theirs) = (owned_record(Some(owner), "mine"), owned_record(Some(owner), "theirs"));
    let swap = async |store: &dyn Store, expect, next| store.swap(&at, expect, next).await.expect("a swap");
    assert_eq!(swap(one, Expect::Absent, Some(&mine)).await, Swapped::Yes);
    assert_eq!(other.load(&at).await.expect("a load"), None, "the other namespace sees the record");
    assert_eq!(swap(other, Expect::Absent, Some(&theirs)).await, Swapped::Yes, "the other namespace's key was taken");
    assert_eq!(one.load(&at).await.expect("a load"), Some(mine.clone()), "the other namespace wrote over the record");
    assert_eq!(one.add(&at, 3, Timestamp::NEVER).await.expect("a count"), 3);
    assert_eq!(other.add(&at, 0, Timestamp::NEVER).await.expect("a count"), 0, "the other namespace sees the counter");
    assert_eq!(one.owned(&owner, None, 10).await.expect("a list"), [(at, mine.clone())]);
    assert_eq!(other.drop_owned(&owner).await.expect("a drop"), 1);
    assert_eq!(one.load(&at).await.expect("a load"), Some(mine), "the other namespace dropped the record");
}
