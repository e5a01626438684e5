//! Clauses 5 and 6: nothing vanishes early, and nobody but core knows what time it is.

use std::time::Duration;

use otpgate_core::{Expect, Key, Record, StoreErrorKind, Swapped, Timestamp};

use crate::store::kit::{key, keys, owner};
use crate::store::race::{RACERS, race, sweeping};
use crate::store::violation::ensure;
use crate::store::{Kit, Violation};

/// How many records each racer writes: enough to show a cache for a few hundred entries for what it is.
const EACH: usize = 8;

/// Clause 5: no record vanishes before `expires_at`; a full store says so; records with an owner have a budget of their own.
///
/// # Errors
/// What the store did against it.
pub async fn clause_5_nothing_vanishes_early(kit: &Kit) -> Result<(), Violation> {
    let store = kit.first();
    let (counter, forever, forever_counter) = (key(), key(), key());
    ensure!(store.add(&counter, 3, kit.later()).await? == 3, "a fresh counter did not start from 0");
    ensure!(store.add(&forever_counter, 4, Timestamp::NEVER).await? == 4, "a fresh counter did not start from 0");
    let never = kit.record_until(Timestamp::NEVER, "forever");
    ensure!(store.swap(&forever, Expect::Absent, Some(&never)).await? == Swapped::Yes, "a fresh key was taken");

    let flood = flood(kit).await?;
    let login = (key(), kit.owned_record(owner(), "a session"));
    let opened = store.swap(&login.0, Expect::Absent, Some(&login.1)).await;
    ensure!(
        matches!(opened, Ok(Swapped::Yes)),
        "after a flood of records without owner, a record with one got {opened:?}"
    );
    {
        let _alone = sweeping().await;
        let _ = store.sweep(kit.sweep_line(), 10_000).await?;
    }

    for (at, record) in flood.iter().chain([&login, &(forever, never)]) {
        for store in kit.both() {
            let there = store.load(at).await?;
            ensure!(
                there.as_ref() == Some(record),
                "a record that expires at {:?} vanished: {there:?}",
                record.expires_at
            );
        }
    }
    ensure!(store.add(&counter, 0, kit.later()).await? == 3, "a counter was forgotten");
    ensure!(store.add(&forever_counter, 0, kit.later()).await? == 4, "a counter that never expires was forgotten");
    Ok(())
}

/// Writes records of nobody until the store says that it is full, at most [`EACH`] a racer; returns those that were taken.
async fn flood(kit: &Kit) -> Result<Vec<(Key, Record)>, Violation> {
    let taken = race(kit, |i, store| {
        let size = [0, 16, 256, 4096][i % 4];
        let mine: Vec<_> = keys(EACH).into_iter().map(|at| (at, kit.record(vec![b'x'; size]))).collect();
        async move {
            let mut taken = Vec::new();
            for (at, record) in mine {
                match store.swap(&at, Expect::Absent, Some(&record)).await {
                    Ok(answer) => ensure!(answer == Swapped::Yes, "a fresh key was taken"),
                    Err(error) if error.kind() == StoreErrorKind::Full => break,
                    Err(error) => return Err(error.into()),
                }
                taken.push((at, record));
            }
            Ok(taken)
        }
    })
    .await?;
    Ok(taken.into_iter().flatten().collect())
}

/// Clause 6: the store never reads a clock: what is expired is loaded, listed, replaced and counted on like anything else.
///
/// # Errors
/// What the store did against it.
pub async fn clause_6_the_store_reads_no_clock(kit: &Kit) -> Result<(), Violation> {
    let (store, whose) = (kit.first(), owner());
    for expires_at in [kit.over(), kit.later().minus(Duration::from_secs(3_601)), kit.later()] {
        let at = key();
        let record = Record { expires_at, ..kit.owned_record(whose, "expired") };
        ensure!(store.swap(&at, Expect::Absent, Some(&record)).await? == Swapped::Yes, "a fresh key was taken");
        let seen = race(kit, |_, store| async move { Ok(store.load(&at).await?) }).await?;
        let hidden = seen.iter().filter(|r| r.as_ref() != Some(&record)).count();
        ensure!(hidden == 0, "{hidden} of {RACERS} loads did not see a record that expires at {expires_at:?}");
        let listed = store.owned(&whose, None, 10).await?;
        ensure!(listed.iter().any(|(k, _)| *k == at), "a record that expires at {expires_at:?} is not listed");
        let touched = Record { revision: crate::store::kit::revision(), ..record.clone() };
        let answer = store.swap(&at, Expect::Revision(record.revision), Some(&touched)).await?;
        ensure!(answer == Swapped::Yes, "a record that expires at {expires_at:?} could not be replaced");

        let counter = key();
        let _ = store.add(&counter, 2, expires_at).await?;
        let total = store.add(&counter, 1, expires_at).await?;
        ensure!(total == 3, "a counter that expires at {expires_at:?} went from 2 to {total} by one");
    }
    Ok(())
}
