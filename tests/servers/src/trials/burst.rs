use std::sync::Arc;

use otpgate_core::{Expect, Key, Owner, Record, Store, Swapped, Timestamp};
use tokio::sync::Barrier;

use super::{key, owned_record, random};

/// How many start together.
pub const RACERS: usize = 64;

/// Lets [`RACERS`] swap the same key at once, half of them on each handle, `rounds` times: to create, to replace and to remove
/// it; and as many count on one counter.
///
/// # Panics
/// When not exactly one of them won, or a count was lost.
pub async fn burst(stores: [Arc<dyn Store>; 2], rounds: usize) {
    for round in 0..rounds {
        let (at, owner) = (key(), Owner(random()));
        let mine: Vec<_> = (0..RACERS).map(|i| owned_record(Some(owner), format!("racer {i}"))).collect();
        let created = one_wins(&stores, at, Expect::Absent, mine.iter().map(Some), round).await;
        let there = stores[round % 2].load(&at).await.expect("a record can be read");
        assert_eq!(there.as_ref(), Some(&mine[created]), "round {round}: the winner's record is not the one there");

        let next: Vec<_> = (0..RACERS).map(|i| owned_record(Some(owner), format!("next {i}"))).collect();
        let was = Expect::Revision(mine[created].revision);
        let replaced = one_wins(&stores, at, was, next.iter().map(Some), round).await;
        let listed = stores[round % 2].owned(&owner, None, 10).await.expect("an owner's records can be read");
        assert_eq!(listed, [(at, next[replaced].clone())], "round {round}: not the winner's record is listed");

        let was = Expect::Revision(next[replaced].revision);
        one_wins(&stores, at, was, (0..RACERS).map(|_| None), round).await;
        assert_eq!(stores[round % 2].load(&at).await.expect("a record can be read"), None, "round {round}");
        every_count_counts(&stores, round).await;
    }
}

async fn one_wins<'a>(
    stores: &[Arc<dyn Store>; 2],
    at: Key,
    expect: Expect,
    next: impl Iterator<Item = Option<&'a Record>>,
    round: usize,
) -> usize {
    let barrier = Arc::new(Barrier::new(RACERS));
    let racers: Vec<_> = next
        .enumerate()
        .map(|(i, next)| {
            let (store, barrier, next) = (Arc::clone(&stores[i % 2]), Arc::clone(&barrier), next.cloned());
            tokio::spawn(async move {
                barrier.wait().await;
                store.swap(&at, expect, next.as_ref()).await
            })
        })
        .collect();
    let mut winners = Vec::new();
    for (i, racer) in racers.into_iter().enumerate() {
        if racer.await.expect("no racer panics").expect("a swap has an answer") == Swapped::Yes {
            winners.push(i);
        }
    }
    assert_eq!(winners.len(), 1, "round {round}: {winners:?} won one swap from {expect:?}");
    winners[0]
}

async fn every_count_counts(stores: &[Arc<dyn Store>; 2], round: usize) {
    let (at, barrier) = (key(), Arc::new(Barrier::new(RACERS)));
    let racers: Vec<_> = (0..RACERS)
        .map(|i| {
            let (store, barrier) = (Arc::clone(&stores[i % 2]), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                store.add(&at, 1, Timestamp::NEVER).await
            })
        })
        .collect();
    let mut totals = Vec::new();
    for racer in racers {
        totals.push(racer.await.expect("no racer panics").expect("an addition has an answer"));
    }
    totals.sort_unstable();
    assert_eq!(totals, (1..=RACERS as u64).collect::<Vec<_>>(), "round {round}: counts were lost or told twice");
}
