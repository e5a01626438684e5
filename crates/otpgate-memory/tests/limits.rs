//! What a full store does: it refuses what is new, keeps all that is there, and takes log-ins while strangers flood it.

use otpgate_core::{Expect, Key, Owner, Record, Revision, Store as _, StoreError, StoreErrorKind, Swapped, Timestamp};
use otpgate_memory::MemoryStore;
use otpgate_testkit::Kit;
use otpgate_testkit::store::clause_5_nothing_vanishes_early;

const MINE: Owner = Owner([9; 32]);
const LATER: Timestamp = Timestamp::from_millis(1_000);

fn key(n: u64) -> Key {
    // Spread as digests are.
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    bytes[24..].copy_from_slice(&n.to_be_bytes());
    Key(bytes)
}

fn record(owner: Option<Owner>, revision: u8) -> Record {
    Record { revision: Revision([revision; 16]), expires_at: LATER, owner, value: vec![revision; 40] }
}

fn is_full<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> bool {
    matches!(&answer, Err(error) if error.kind() == StoreErrorKind::Full)
}

async fn create(store: &MemoryStore, n: u64, owner: Option<Owner>) -> Result<Swapped, StoreError> {
    store.swap(&key(n), Expect::Absent, Some(&record(owner, 1))).await
}

/// Creates records numbered from `from` until the store is full; returns how many were taken.
async fn fill(store: &MemoryStore, from: u64, owner: Option<Owner>) -> u64 {
    let mut taken = 0;
    while let Ok(answer) = create(store, from + taken, owner).await {
        assert_eq!(answer, Swapped::Yes);
        taken += 1;
    }
    taken
}

#[tokio::test]
async fn a20_a_flood_evicts_nothing_and_refuses_only_its_own_kind() {
    let store = MemoryStore::builder().max_records(50).max_owned(7).max_counters(3).build();
    store.add(&key(0), 4, LATER).await.unwrap();
    assert_eq!(fill(&store, 0, None).await, 50);
    assert!(is_full(create(&store, 900, None).await));
    assert_eq!(fill(&store, 1_000, Some(MINE)).await, 7);
    for n in 1..3 {
        assert_eq!(store.add(&key(n), 1, LATER).await.unwrap(), 1);
    }
    assert!(is_full(store.add(&key(3), 1, LATER).await));
    assert_eq!(store.add(&key(3), 0, LATER).await.unwrap(), 0);
    assert_eq!(store.add(&key(0), 1, LATER).await.unwrap(), 5);
    for n in (0..50).chain(1_000..1_007) {
        assert!(store.load(&key(n)).await.unwrap().is_some(), "{n}");
    }
}

#[tokio::test]
async fn a_full_store_still_replaces_and_removes() {
    let store = MemoryStore::builder().max_records(2).max_owned(2).build();
    assert_eq!((fill(&store, 0, None).await, fill(&store, 100, Some(MINE)).await), (2, 2));
    let first = Expect::Revision(Revision([1; 16]));
    for (n, next) in [(0, record(None, 2)), (100, record(Some(MINE), 2)), (1, record(Some(MINE), 2))] {
        assert_eq!(store.swap(&key(n), first, Some(&next)).await.unwrap(), Swapped::Yes);
        assert_eq!(store.load(&key(n)).await.unwrap(), Some(next));
    }
    // One of the strangers' two has an owner now: there is room for another stranger, and none for an owner.
    assert_eq!((fill(&store, 200, None).await, fill(&store, 300, Some(MINE)).await), (1, 0));
    assert_eq!(store.swap(&key(101), first, None).await.unwrap(), Swapped::Yes);
    assert!(is_full(create(&store, 300, Some(MINE)).await), "three are there, and two may be");
}

#[tokio::test]
async fn every_way_of_removing_gives_its_room_back() {
    let store = MemoryStore::builder().max_records(20).max_owned(20).max_counters(20).build();
    for round in 0..3 {
        assert_eq!((fill(&store, 0, None).await, fill(&store, 100, Some(MINE)).await), (20, 20), "round {round}");
        for n in 0..20 {
            store.add(&key(n), 1, LATER).await.unwrap();
        }
        assert!(is_full(store.add(&key(50), 1, LATER).await), "round {round}");
        match round {
            0 => assert_eq!(store.drop_owned(&MINE).await.unwrap(), 20),
            1 => {
                for n in 100..120 {
                    let gone = store.swap(&key(n), Expect::Revision(Revision([1; 16])), None).await.unwrap();
                    assert_eq!(gone, Swapped::Yes);
                }
            }
            _ => {}
        }
        while store.sweep(Timestamp::NEVER, 7).await.unwrap() > 0 {}
        assert!(store.owned(&MINE, None, 1).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn no_sweep_takes_what_never_expires() {
    let store = MemoryStore::new();
    let never = Record { expires_at: Timestamp::NEVER, ..record(Some(MINE), 1) };
    let _ = store.swap(&key(1), Expect::Absent, Some(&never)).await.unwrap();
    store.add(&key(1), 1, Timestamp::NEVER).await.unwrap();
    assert_eq!(store.sweep(Timestamp::NEVER, u32::MAX).await.unwrap(), 0);
    assert_eq!(store.load(&key(1)).await.unwrap(), Some(never));
}

#[tokio::test]
async fn a_value_that_is_too_long_is_refused_and_costs_nothing() {
    let store = MemoryStore::builder().max_records(1).build();
    let long = Record { value: vec![0; Record::MAX_VALUE + 1], ..record(None, 1) };
    let refused = store.swap(&key(1), Expect::Absent, Some(&long)).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Invalid);
    assert_eq!(create(&store, 1, None).await.unwrap(), Swapped::Yes);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kit_floods_a_small_store_and_finds_room_for_a_login() {
    let store = MemoryStore::builder().max_records(100).build();
    clause_5_nothing_vanishes_early(&Kit::new(store.clone())).await.unwrap();
    assert!(is_full(create(&store, 1, None).await), "the flood was meant to fill it");
}
