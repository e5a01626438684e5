//! Clauses 1 to 4: compare and swap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use otpgate_core::{Expect, Key, Record, Revision, Swapped};

use crate::store::kit::{key, keys, owner, revision};
use crate::store::race::{RACERS, race, race_swaps, sweep_all, sweeping};
use crate::store::violation::ensure;
use crate::store::{Kit, Violation};

/// How often each race is run, on a key of its own.
const ROUNDS: usize = 4;

/// Clause 1: of any number of racers that name one expectation exactly one gets `Yes`, and never two.
///
/// # Errors
/// What the store did against it.
pub async fn clause_1_swap_is_atomic_per_key(kit: &Kit) -> Result<(), Violation> {
    let (store, at) = (kit.first(), key());
    let (a, b, c) = (kit.record("a"), kit.record("b"), kit.record("c"));
    for (what, expect, next, answer) in [
        ("creating where nothing is", Expect::Absent, Some(&a), Swapped::Yes),
        ("creating where a record is", Expect::Absent, Some(&b), Swapped::No),
        ("replacing a revision that never was", Expect::Revision(revision()), Some(&b), Swapped::No),
        ("replacing the current revision", Expect::Revision(a.revision), Some(&b), Swapped::Yes),
        ("replacing a former revision", Expect::Revision(a.revision), Some(&c), Swapped::No),
        ("removing a former revision", Expect::Revision(a.revision), None, Swapped::No),
        ("removing the current revision", Expect::Revision(b.revision), None, Swapped::Yes),
        ("creating where a record was", Expect::Absent, Some(&c), Swapped::Yes),
    ] {
        let got = store.swap(&at, expect, next).await?;
        ensure!(got == answer, "{what}: {got:?} in the place of {answer:?}");
    }
    for _ in 0..ROUNDS {
        let at = key();
        let first = one_winner(kit, at, Expect::Absent, |_| true).await?;
        let second = one_winner(kit, at, expecting(first), |_| true).await?;
        one_winner(kit, at, expecting(second), |i| i % 4 < 2).await?;
        one_winner_of_removals(kit).await?;
        every_update_counts(kit).await?;
    }
    Ok(())
}

fn expecting(revision: Option<Revision>) -> Expect {
    revision.map_or(Expect::Absent, Expect::Revision)
}

/// Races one expectation; racers for which `writes` is false remove. Returns the revision that is there afterwards.
async fn one_winner(
    kit: &Kit,
    at: Key,
    expect: Expect,
    writes: impl Fn(usize) -> bool,
) -> Result<Option<Revision>, Violation> {
    let next: Vec<_> = (0..RACERS).map(|i| writes(i).then(|| kit.record(format!("racer {i}")))).collect();
    let winners = race_swaps(kit, at, expect, &next).await?;
    let [winner] = winners[..] else {
        return Err(Violation::new(format!("{} of {RACERS} racers that named {expect:?} won", winners.len())));
    };
    let there = kit.first().load(&at).await?.map(|r| r.revision);
    ensure!(there == next[winner].as_ref().map(|r| r.revision), "what is there is not what racer {winner} wrote");
    Ok(there)
}

async fn one_winner_of_removals(kit: &Kit) -> Result<(), Violation> {
    let (at, record) = (key(), kit.record("used once"));
    ensure!(kit.first().swap(&at, Expect::Absent, Some(&record)).await? == Swapped::Yes, "a fresh key was taken");
    one_winner(kit, at, Expect::Revision(record.revision), |_| false).await.map(drop)
}

/// Each racer adds one to a number until it succeeds: no update is lost, and `No` always has a cause.
async fn every_update_counts(kit: &Kit) -> Result<(), Violation> {
    let at = key();
    ensure!(
        kit.first().swap(&at, Expect::Absent, Some(&kit.record("0"))).await? == Swapped::Yes,
        "a fresh key was taken"
    );
    let reader = kit.handle(0);
    let template = kit.record("");
    race(kit, |_, store| {
        let (reader, template) = (Arc::clone(&reader), template.clone());
        async move {
            // Each `No` is another racer's success, and those are fewer than the racers.
            for _ in 0..RACERS {
                let now = reader.load(&at).await?.ok_or_else(|| Violation::new("a record vanished"))?;
                let value = (number(&now) + 1).to_string().into_bytes();
                let next = Record { revision: revision(), value, ..template.clone() };
                if store.swap(&at, Expect::Revision(now.revision), Some(&next)).await? == Swapped::Yes {
                    return Ok(());
                }
            }
            Err(Violation::new(format!("a swap was lost {RACERS} times to {} others", RACERS - 1)))
        }
    })
    .await?;
    let total = kit.first().load(&at).await?.map_or(0, |r| number(&r));
    ensure!(total == RACERS, "{RACERS} racers each added one, and the sum is {total}");
    Ok(())
}

fn number(record: &Record) -> usize {
    std::str::from_utf8(&record.value).ok().and_then(|s| s.parse().ok()).unwrap_or(usize::MAX / 2)
}

/// Clause 2: after `Yes`, later loads on any handle see exactly what was written; `No` means that nothing changed.
///
/// # Errors
/// What the store did against it.
pub async fn clause_2_later_loads_see_what_was_written(kit: &Kit) -> Result<(), Violation> {
    let at = key();
    let (old, new, never) = (kit.owned_record(owner(), "old"), kit.record("new"), kit.record("never"));
    let store = kit.first();
    see(kit, at, None, "an empty key").await?;
    for (what, expect, next, after) in [
        ("a record created", Expect::Absent, Some(&old), Some(&old)),
        ("a creation refused", Expect::Absent, Some(&never), Some(&old)),
        ("a replacement refused", Expect::Revision(never.revision), Some(&never), Some(&old)),
        ("a removal refused", Expect::Revision(never.revision), None, Some(&old)),
        ("a record replaced", Expect::Revision(old.revision), Some(&new), Some(&new)),
        ("a replacement refused", Expect::Revision(old.revision), Some(&old), Some(&new)),
        ("a record removed", Expect::Revision(new.revision), None, None),
        ("a replacement of nothing refused", Expect::Revision(old.revision), Some(&never), None),
    ] {
        let _ = store.swap(&at, expect, next).await?;
        see(kit, at, after, what).await?;
    }
    for _ in 0..ROUNDS {
        readers_see_old_or_new(kit).await?;
    }
    Ok(())
}

async fn see(kit: &Kit, at: Key, expected: Option<&Record>, what: &str) -> Result<(), Violation> {
    for (i, store) in kit.both().into_iter().enumerate() {
        let seen = store.load(&at).await?;
        ensure!(seen.as_ref() == expected, "after {what}, handle {} sees {seen:?} in the place of {expected:?}", i + 1);
    }
    Ok(())
}

/// One racer writes, the others read: whole records only, and the new one once the writer has its `Yes`.
async fn readers_see_old_or_new(kit: &Kit) -> Result<(), Violation> {
    let (at, old, new) = (key(), kit.record("old"), kit.owned_record(owner(), "new"));
    ensure!(kit.first().swap(&at, Expect::Absent, Some(&old)).await? == Swapped::Yes, "a fresh key was taken");
    let written = Arc::new(AtomicBool::new(false));
    race(kit, |i, store| {
        let (written, old, new) = (Arc::clone(&written), old.clone(), new.clone());
        async move {
            if i == RACERS / 2 {
                let answer = store.swap(&at, Expect::Revision(old.revision), Some(&new)).await?;
                written.store(true, Ordering::SeqCst);
                ensure!(answer == Swapped::Yes, "the only writer was told No");
            }
            for _ in 0..8 {
                let must_be_new = written.load(Ordering::SeqCst);
                let seen = store.load(&at).await?.ok_or_else(|| Violation::new("a record vanished"))?;
                ensure!(seen == new || (seen == old && !must_be_new), "a reader saw {seen:?} after a Yes for {new:?}");
            }
            Ok(())
        }
    })
    .await
    .map(drop)
}

/// Clause 3: `Absent` wins only where no record is; an expired record is still a record.
///
/// # Errors
/// What the store did against it.
pub async fn clause_3_absent_means_no_record(kit: &Kit) -> Result<(), Violation> {
    for expires_at in [kit.later(), kit.over()] {
        let (at, there) = (key(), kit.record_until(expires_at, "there"));
        let won = kit.first().swap(&at, Expect::Absent, Some(&there)).await?;
        ensure!(won == Swapped::Yes, "Absent lost where nothing is");
        for store in kit.both() {
            let created = store.swap(&at, Expect::Absent, Some(&kit.record("mine"))).await?;
            ensure!(created == Swapped::No, "Absent won over a record that expires at {expires_at:?}");
            let removed = store.swap(&at, Expect::Absent, None).await?;
            ensure!(removed == Swapped::No, "Absent won over a record that expires at {expires_at:?}, removing it");
        }
        let next: Vec<_> = (0..RACERS).map(|i| Some(kit.record(format!("racer {i}")))).collect();
        let winners = race_swaps(kit, at, Expect::Absent, &next).await?;
        ensure!(winners.is_empty(), "{} racers won Absent over a record", winners.len());
        let still = kit.first().swap(&at, Expect::Revision(there.revision), None).await?;
        ensure!(still == Swapped::Yes, "the record was not there any more after Absent had been refused");
        let again = kit.second().swap(&at, Expect::Absent, Some(&kit.record("mine"))).await?;
        ensure!(again == Swapped::Yes, "Absent lost where a record had been removed");
    }
    Ok(())
}

/// Clause 4: a removed record never comes back by itself; a swap that names its revision gets `No`.
///
/// # Errors
/// What the store did against it.
pub async fn clause_4_removed_stays_removed(kit: &Kit) -> Result<(), Violation> {
    let (store, whose, places) = (kit.first(), owner(), keys(3));
    let records =
        [kit.record("swapped out"), kit.owned_record(whose, "dropped"), kit.record_until(kit.long_over(), "swept")];
    for (at, record) in places.iter().zip(&records) {
        ensure!(store.swap(at, Expect::Absent, Some(record)).await? == Swapped::Yes, "a fresh key was taken");
    }
    let removed = store.swap(&places[0], Expect::Revision(records[0].revision), None).await?;
    ensure!(removed == Swapped::Yes, "a record could not be removed");
    let _ = store.drop_owned(&whose).await?;
    {
        let _alone = sweeping().await;
        sweep_all(kit).await?;
    }
    // Whatever else happens to the store is no reason to come back.
    let _ = store.add(&key(), 1, kit.later()).await?;
    let _ = store.swap(&key(), Expect::Absent, Some(&kit.owned_record(whose, "another"))).await?;
    let _ = store.owned(&whose, None, 10).await?;
    let gone = if kit.collects() { 2 } else { 3 };
    for (at, record) in places.iter().zip(&records).take(gone) {
        stays_away(kit, *at, record).await?;
    }
    Ok(())
}

async fn stays_away(kit: &Kit, at: Key, removed: &Record) -> Result<(), Violation> {
    let store = kit.first();
    ensure!(store.load(&at).await?.is_none(), "{removed:?} came back by itself");
    let expect = Expect::Revision(removed.revision);
    let next: Vec<_> = (0..RACERS).map(|i| (i % 4 < 2).then(|| kit.record(format!("racer {i}")))).collect();
    let winners = race_swaps(kit, at, expect, &next).await?;
    ensure!(winners.is_empty(), "{} racers won with the revision of a removed record", winners.len());
    ensure!(store.load(&at).await?.is_none(), "a swap that named a removed revision wrote");
    let fresh = kit.record("fresh");
    ensure!(store.swap(&at, Expect::Absent, Some(&fresh)).await? == Swapped::Yes, "a removed record holds its key");
    let stale = store.swap(&at, expect, Some(removed)).await?;
    ensure!(stale == Swapped::No, "a removed revision won over the record that followed it");
    Ok(())
}
