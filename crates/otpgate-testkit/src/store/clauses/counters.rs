//! Clause 7: counters.

use crate::store::kit::key;
use crate::store::race::{RACERS, race, sweep_all, sweeping};
use crate::store::violation::ensure;
use crate::store::{Kit, Violation};

/// Clause 7: `add` is atomic, returns the new total, counts from 0, keeps the first expiry, and creates nothing when it adds 0.
///
/// # Errors
/// What the store did against it.
pub async fn clause_7_add_is_atomic(kit: &Kit) -> Result<(), Violation> {
    let (store, at) = (kit.first(), key());
    for (what, delta, total) in [
        ("reading a missing counter", 0, 0),
        ("reading it again", 0, 0),
        ("the first addition", 3, 3),
        ("another", 4, 7),
        ("reading", 0, 7),
        ("a large one", u32::MAX, 4_294_967_302),
        ("beyond 32 bits", u32::MAX, 8_589_934_597),
    ] {
        let got = store.add(&at, delta, kit.later()).await?;
        ensure!(got == total, "{what}: {got} in the place of {total}");
    }
    let seen = kit.second().add(&at, 0, kit.later()).await?;
    ensure!(seen == 8_589_934_597, "another handle sees {seen}");
    for _ in 0..4 {
        every_addition_counts(kit).await?;
    }
    the_first_expiry_stays(kit).await
}

/// Racers add different amounts: sorted, each total is the one before plus what that racer added.
async fn every_addition_counts(kit: &Kit) -> Result<(), Violation> {
    let (at, later) = (key(), kit.later());
    let mut totals = race(kit, |i, store| async move {
        let delta = i as u32 + 1;
        Ok((store.add(&at, delta, later).await?, u64::from(delta)))
    })
    .await?;
    totals.sort_unstable();
    let mut sum = 0;
    for (total, delta) in totals {
        sum += delta;
        ensure!(total == sum, "of {RACERS} racers, one added {delta} and was told {total} in the place of {sum}");
    }
    let read = kit.first().add(&at, 0, later).await?;
    ensure!(read == sum, "{RACERS} racers added {sum}, and {read} is left");
    Ok(())
}

/// A store shows a counter's expiry only by what `sweep` takes.
async fn the_first_expiry_stays(kit: &Kit) -> Result<(), Violation> {
    let (store, later, long_over) = (kit.first(), kit.later(), kit.long_over());
    let (read_first, keeps, goes) = (key(), key(), key());
    let _alone = sweeping().await;
    let nothing = store.add(&read_first, 0, long_over).await?;
    ensure!(nothing == 0, "reading a missing counter gave {nothing}");
    let _ = store.add(&read_first, 1, later).await?;
    let _ = store.add(&keeps, 1, later).await?;
    let _ = store.add(&keeps, 1, long_over).await?;
    let _ = store.add(&goes, 1, long_over).await?;
    let _ = store.add(&goes, 1, later).await?;
    sweep_all(kit).await?;
    let left = store.add(&read_first, 0, later).await?;
    ensure!(left == 1, "adding 0 created a counter: the expiry named with it was kept");
    let left = store.add(&keeps, 0, later).await?;
    ensure!(left == 2, "a later addition brought a counter's expiry forward");
    let left = store.add(&goes, 0, later).await?;
    ensure!(left == 0 || kit.collects(), "a later addition put a counter's expiry off");
    Ok(())
}
