//! Clause 8: owners, erasure and sweeping.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use otpgate_core::{Expect, Key, Owner, Record, Swapped, Timestamp};

use crate::store::kit::{keys, owner, revision};
use crate::store::race::{RACERS, race, sweep_all, sweeping};
use crate::store::violation::ensure;
use crate::store::{Kit, Violation};

/// Clause 8: `drop_owned` and `owned` reach every record of an owner and no other, in order; `sweep` removes only what expired.
///
/// # Errors
/// What the store did against it.
pub async fn clause_8_owners_and_sweeps_are_exact(kit: &Kit) -> Result<(), Violation> {
    owned_lists_in_pages(kit).await?;
    drop_owned_removes_all_and_no_other(kit).await?;
    a_seen_record_is_a_listed_one(kit).await?;
    nothing_written_before_a_drop_survives_it(kit).await?;
    racing_drops_count_each_record_once(kit).await?;
    // Sweeps reach everything: one at a time, and what earlier runs have left goes first.
    let _alone = sweeping().await;
    sweep_all(kit).await?;
    sweep_removes_only_what_expired(kit).await?;
    a_sweep_does_not_take_what_was_renewed(kit).await
}

/// Writes `n` records of `whose`, on both handles by turns.
async fn write(kit: &Kit, whose: Owner, n: usize) -> Result<BTreeMap<Key, Record>, Violation> {
    let mut written = BTreeMap::new();
    for (i, at) in keys(n).into_iter().rev().enumerate() {
        let record = kit.owned_record(whose, format!("record {i}"));
        ensure!(kit.handle(i).swap(&at, Expect::Absent, Some(&record)).await? == Swapped::Yes, "a fresh key was taken");
        written.insert(at, record);
    }
    Ok(written)
}

async fn owned_lists_in_pages(kit: &Kit) -> Result<(), Violation> {
    let (whose, other) = (owner(), owner());
    let mut expected = write(kit, whose, 23).await?;
    let others = write(kit, other, 3).await?;
    // Removed, given to another owner, given to nobody: an index entry is a hint, the record decides.
    let leaving: Vec<_> = expected.keys().copied().step_by(8).take(3).collect();
    let next = [None, Some(kit.owned_record(other, "given away")), Some(kit.record("nobody's"))];
    for (at, next) in leaving.iter().zip(&next) {
        let was = expected.remove(at).map_or(revision(), |r| r.revision);
        ensure!(kit.second().swap(at, Expect::Revision(was), next.as_ref()).await? == Swapped::Yes, "a swap was lost");
    }
    for limit in [1, 7, 100] {
        for store in kit.both() {
            let mut listed = Vec::new();
            // One page more than there can be: a cursor that does not move must not turn for ever.
            for _ in 0..=expected.len() {
                let after = listed.last().map(|(k, _): &(Key, Record)| *k);
                let page = store.owned(&whose, after.as_ref(), limit).await?;
                ensure!(page.len() <= limit as usize, "a page of {limit} has {}", page.len());
                if page.is_empty() {
                    break;
                }
                listed.extend(page);
            }
            ensure!(listed.is_sorted_by(|a, b| a.0 < b.0), "pages of {limit} are not in ascending order of keys");
            let listed: BTreeMap<_, _> = listed.into_iter().collect();
            ensure!(listed == expected, "pages of {limit} list {} records, not the {}", listed.len(), expected.len());
        }
    }
    let none = kit.first().owned(&whose, None, 0).await?;
    ensure!(none.is_empty(), "a page of 0 has {}", none.len());
    let of_other = kit.first().owned(&other, None, 100).await?;
    ensure!(of_other.len() == others.len() + 1, "a record that was given to an owner is not listed as theirs");
    Ok(())
}

async fn drop_owned_removes_all_and_no_other(kit: &Kit) -> Result<(), Violation> {
    let (whose, other) = (owner(), owner());
    let (mine, theirs) = (write(kit, whose, 9).await?, write(kit, other, 3).await?);
    let gone = kit.first().drop_owned(&whose).await?;
    ensure!(gone == 9, "dropping 9 records of an owner, written on both handles, removed {gone}");
    for at in mine.keys() {
        for store in kit.both() {
            ensure!(store.load(at).await?.is_none(), "a record outlived its owner's drop");
        }
    }
    ensure!(kit.second().owned(&whose, None, 100).await?.is_empty(), "dropped records are still listed");
    ensure!(kit.second().drop_owned(&whose).await? == 0, "dropping again removed something");
    for (at, record) in &theirs {
        ensure!(kit.second().load(at).await?.as_ref() == Some(record), "a drop took another owner's record");
    }
    Ok(())
}

/// Half of the racers write, half look: whoever sees a record finds it listed, so that no drop can miss what was in use.
async fn a_seen_record_is_a_listed_one(kit: &Kit) -> Result<(), Violation> {
    let (whose, places) = (owner(), keys(RACERS / 2));
    let written: Arc<Vec<_>> = Arc::new((0..RACERS / 2).map(|_| AtomicBool::new(false)).collect());
    race(kit, |i, store| {
        let (n, record, written) = (i / 2, kit.owned_record(whose, "seen"), Arc::clone(&written));
        // Writers and lookers by pairs, so that each kind uses both handles.
        let (at, writes) = (places[n], (i + n).is_multiple_of(2));
        async move {
            if writes {
                let answer = store.swap(&at, Expect::Absent, Some(&record)).await;
                written[n].store(true, Ordering::SeqCst);
                ensure!(answer? == Swapped::Yes, "a fresh key was taken");
                return Ok(());
            }
            loop {
                let last = written[n].load(Ordering::SeqCst);
                if store.load(&at).await?.is_some() {
                    let listed = store.owned(&whose, None, RACERS as u32).await?;
                    ensure!(listed.iter().any(|(k, _)| *k == at), "a record could be loaded before it was listed");
                    return Ok(());
                }
                if last {
                    return Ok(());
                }
                tokio::task::yield_now().await;
            }
        }
    })
    .await
    .map(drop)
}

/// One racer drops while the others write: what was acknowledged before the drop began is gone, the rest goes with the next.
async fn nothing_written_before_a_drop_survives_it(kit: &Kit) -> Result<(), Violation> {
    let (whose, places) = (owner(), keys(RACERS));
    let dropping = Arc::new(AtomicBool::new(false));
    let early = race(kit, |i, store| {
        let (at, record, dropping) = (places[i], kit.owned_record(whose, "racing"), Arc::clone(&dropping));
        async move {
            if i == RACERS / 2 {
                dropping.store(true, Ordering::SeqCst);
                return Ok(store.drop_owned(&whose).await.map(|_| None)?);
            }
            ensure!(store.swap(&at, Expect::Absent, Some(&record)).await? == Swapped::Yes, "a fresh key was taken");
            Ok((!dropping.load(Ordering::SeqCst)).then_some(at))
        }
    })
    .await?;
    for at in early.into_iter().flatten() {
        ensure!(kit.first().load(&at).await?.is_none(), "a record written before a drop outlived it");
    }
    let _ = kit.first().drop_owned(&whose).await?;
    for at in &places {
        ensure!(kit.first().load(at).await?.is_none(), "a record outlived its owner's drop");
    }
    Ok(())
}

async fn racing_drops_count_each_record_once(kit: &Kit) -> Result<(), Violation> {
    let whose = owner();
    let written = write(kit, whose, 12).await?.len() as u64;
    let counts = race(kit, |_, store| async move { Ok(store.drop_owned(&whose).await?) }).await?;
    let sum: u64 = counts.iter().sum();
    ensure!(sum == written, "racing drops of {written} records say that they removed {sum}");
    Ok(())
}

/// Writes a record of `whose` (or a counter, when odd) for each expiry.
async fn write_until(kit: &Kit, whose: Owner, expiries: &[Timestamp]) -> Result<Vec<Key>, Violation> {
    let places = keys(expiries.len());
    for (i, (at, expires_at)) in places.iter().zip(expiries).enumerate() {
        if i % 2 == 1 {
            ensure!(kit.handle(i).add(at, 1, *expires_at).await? == 1, "a fresh counter did not start from 0");
        } else {
            let record = Record { expires_at: *expires_at, ..kit.owned_record(whose, "swept or not") };
            let answer = kit.handle(i).swap(at, Expect::Absent, Some(&record)).await?;
            ensure!(answer == Swapped::Yes, "a fresh key was taken");
        }
    }
    Ok(places)
}

/// How many of what [`write_until`] wrote are there.
async fn left(kit: &Kit, whose: Owner, places: &[Key]) -> Result<u64, Violation> {
    let mut left = kit.first().owned(&whose, None, 100).await?.len() as u64;
    for at in places.iter().skip(1).step_by(2) {
        left += kit.first().add(at, 0, kit.later()).await?;
    }
    Ok(left)
}

async fn sweep_removes_only_what_expired(kit: &Kit) -> Result<(), Violation> {
    let (store, line, ms) = (kit.first(), kit.sweep_line(), Duration::from_millis(1));
    let (stays, goes) = (owner(), owner());
    let after = [line, line, line.plus(ms), line.plus(ms), kit.over(), kit.over(), kit.later()];
    let staying = write_until(kit, stays, &after).await?;
    let going = write_until(kit, goes, &[[line.minus(ms); 10], [kit.long_over(); 10]].concat()).await?;
    let before = going.len() as u64;

    let swept = store.sweep(line, 0).await?;
    ensure!(swept == 0 && left(kit, goes, &going).await? == before, "a sweep of at most 0 removed something");
    let swept = store.sweep(line, 4).await?;
    let gone = before - left(kit, goes, &going).await?;
    ensure!(swept <= 4 && gone <= 4, "a sweep of at most 4 removed {gone} and said {swept}");
    ensure!(swept == gone, "a sweep removed {gone} and said {swept}");
    if !kit.collects() {
        ensure!(swept == 4, "a sweep of at most 4 found only {swept} of {before}");
        let rest = race(kit, |_, store| async move { Ok(store.sweep(line, 2).await?) }).await?;
        let rest: u64 = rest.iter().sum::<u64>() + sweep_all(kit).await?;
        ensure!(rest + 4 == before, "racing sweeps of {} say that they removed {rest}", before - 4);
        ensure!(left(kit, goes, &going).await? == 0, "sweeps have left what expired");
    }
    let kept = left(kit, stays, &staying).await?;
    let lost = staying.len() as u64 - kept;
    ensure!(lost == 0, "sweeps took {lost} that had not expired before their line");
    Ok(())
}

/// Half of the racers renew an expired record, half sweep: a renewal that was told `Yes` is there.
async fn a_sweep_does_not_take_what_was_renewed(kit: &Kit) -> Result<(), Violation> {
    let (line, places) = (kit.sweep_line(), keys(RACERS / 2));
    let expired = kit.record_until(kit.long_over(), "expired");
    for at in &places {
        let record = Record { revision: revision(), ..expired.clone() };
        ensure!(kit.first().swap(at, Expect::Absent, Some(&record)).await? == Swapped::Yes, "a fresh key was taken");
    }
    let before: Vec<_> = futures_util::future::try_join_all(places.iter().map(|at| kit.first().load(at))).await?;
    let renewed = race(kit, |i, store| {
        let (at, was, next) = (places[i / 2], before[i / 2].as_ref().map(|r| r.revision), kit.record("renewed"));
        async move {
            let Some(was) = was.filter(|_| i.is_multiple_of(2)) else {
                return Ok(store.sweep(line, 2).await.map(|_| None)?);
            };
            let answer = store.swap(&at, Expect::Revision(was), Some(&next)).await?;
            Ok((answer == Swapped::Yes).then_some((at, next)))
        }
    })
    .await?;
    for (at, record) in renewed.into_iter().flatten() {
        let there = kit.first().load(&at).await?;
        ensure!(there.as_ref() == Some(&record), "a sweep took a record that had been renewed");
    }
    sweep_all(kit).await.map(drop)
}
