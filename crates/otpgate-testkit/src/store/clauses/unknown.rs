//! Clause 10: errors, and calls that were given up.

use std::future::{Future, poll_fn};
use std::task::Poll;

use otpgate_core::{Expect, Key, Record, StoreError, Swapped};

use crate::store::kit::key;
use crate::store::race::race;
use crate::store::violation::ensure;
use crate::store::{Kit, Violation};

/// Clause 10: after an `Err`, or a dropped call, exactly the old or exactly the new record is there, and nothing is written
/// over what follows.
///
/// # Errors
/// What the store did against it.
pub async fn clause_10_an_error_leaves_old_or_new(kit: &Kit) -> Result<(), Violation> {
    too_long(kit).await?;
    for polls in 0..12 {
        for lingers in [false, true] {
            given_up_swap(kit, polls, lingers).await?;
        }
        given_up_add(kit, polls).await?;
        given_up_reads(kit, polls).await?;
    }
    given_up_together(kit).await
}

/// Polls `future` at most `polls` times and drops it; with `lingers` it is woken once more before it goes, so that its answer
/// may be there unread.
async fn give_up<F: Future>(future: F, polls: usize, lingers: bool) -> Option<F::Output> {
    let (mut future, mut left) = (Box::pin(future), polls);
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if left == 0 && !lingers => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A value that no store has to take: taken whole, or refused whole.
async fn too_long(kit: &Kit) -> Result<(), Violation> {
    for old in [None, Some(kit.record("old"))] {
        let (at, new) = (key(), kit.record(vec![b'x'; Record::MAX_VALUE + 1]));
        if let Some(old) = &old {
            ensure!(kit.first().swap(&at, Expect::Absent, Some(old)).await? == Swapped::Yes, "a fresh key was taken");
        }
        let answer = kit.first().swap(&at, expecting(old.as_ref()), Some(&new)).await;
        settles(kit, at, old.as_ref(), &new, Some(answer)).await?;
    }
    Ok(())
}

fn expecting(record: Option<&Record>) -> Expect {
    record.map_or(Expect::Absent, |r| Expect::Revision(r.revision))
}

async fn given_up_swap(kit: &Kit, polls: usize, lingers: bool) -> Result<(), Violation> {
    for old in [None, Some(kit.record("old"))] {
        let (at, new) = (key(), kit.record("new"));
        if let Some(old) = &old {
            ensure!(kit.first().swap(&at, Expect::Absent, Some(old)).await? == Swapped::Yes, "a fresh key was taken");
        }
        let answer = give_up(kit.first().swap(&at, expecting(old.as_ref()), Some(&new)), polls, lingers).await;
        settles(kit, at, old.as_ref(), &new, answer).await?;
    }
    Ok(())
}

/// Looks what is there after a swap from `old` to `new` that ended with `answer` or was given up, and goes on from it.
async fn settles(
    kit: &Kit,
    at: Key,
    old: Option<&Record>,
    new: &Record,
    answer: Option<Result<Swapped, StoreError>>,
) -> Result<(), Violation> {
    let store = kit.first();
    let told = match &answer {
        Some(Ok(answer)) => format!("answered {answer:?}"),
        Some(Err(error)) => format!("failed with {:?}", error.kind()),
        None => "was given up".to_owned(),
    };
    let seen = store.load(&at).await?;
    let (is_old, is_new) = (seen.as_ref() == old, seen.as_ref() == Some(new));
    ensure!(is_old || is_new, "a swap that {told} has left {seen:?}: neither {old:?} nor {new:?}");
    ensure!(is_new || !matches!(answer, Some(Ok(Swapped::Yes))), "a swap that {told} has not written");
    ensure!(is_old || !matches!(answer, Some(Ok(Swapped::No))), "a swap that {told} has written");

    // A write that is still on its way may land once, as a racer among others: it loses against what was swapped before it.
    let third = kit.record("third");
    if store.swap(&at, expecting(seen.as_ref()), Some(&third)).await? == Swapped::No {
        let landed = store.load(&at).await?;
        ensure!(is_old && landed.as_ref() == Some(new), "after a swap that {told}, the store said No without cause");
        let answer = store.swap(&at, Expect::Revision(new.revision), Some(&third)).await?;
        ensure!(answer == Swapped::Yes, "after a swap that {told}, the store said No without cause");
    }
    for _ in 0..3 {
        let seen = store.load(&at).await?;
        ensure!(seen.as_ref() == Some(&third), "a swap that {told} wrote {seen:?} over the record that followed");
    }
    let answer = store.swap(&at, Expect::Revision(third.revision), Some(&kit.record("fourth"))).await?;
    ensure!(answer == Swapped::Yes, "after a swap that {told}, the store does not go on");
    Ok(())
}

async fn given_up_add(kit: &Kit, polls: usize) -> Result<(), Violation> {
    let (store, at) = (kit.first(), key());
    ensure!(store.add(&at, 5, kit.later()).await? == 5, "a fresh counter did not start from 0");
    let told = give_up(store.add(&at, 7, kit.later()), polls, false).await;
    let total = store.add(&at, 0, kit.later()).await?;
    let fits = match told {
        Some(Ok(_)) => total == 12,
        Some(Err(_)) | None => total == 5 || total == 12,
    };
    ensure!(fits, "adding 7 to 5 was given up, and {total} is there");
    Ok(())
}

async fn given_up_reads(kit: &Kit, polls: usize) -> Result<(), Violation> {
    let whose = crate::store::kit::owner();
    let _ = give_up(kit.first().load(&key()), polls, false).await;
    let _ = give_up(kit.first().owned(&whose, None, 10), polls, false).await;
    let _ = give_up(kit.first().drop_owned(&whose), polls, false).await;
    ensure!(kit.first().load(&key()).await?.is_none(), "a fresh key was taken");
    Ok(())
}

/// Racers that give up at different moments: none of them takes a lock or a connection along.
async fn given_up_together(kit: &Kit) -> Result<(), Violation> {
    let (at, old) = (key(), kit.record("old"));
    ensure!(kit.first().swap(&at, Expect::Absent, Some(&old)).await? == Swapped::Yes, "a fresh key was taken");
    let tried = race(kit, |i, store| {
        let (next, expect) = (kit.record(format!("racer {i}")), Expect::Revision(old.revision));
        async move {
            let answer = give_up(store.swap(&at, expect, Some(&next)), i / 2 % 8, i % 2 == 1).await;
            Ok((next, matches!(answer, Some(Ok(Swapped::Yes)))))
        }
    })
    .await?;
    let seen = kit.first().load(&at).await?.ok_or_else(|| Violation::new("a record vanished"))?;
    // Where somebody was told Yes it is theirs; else anybody's, or nobody's.
    let told = tried.iter().any(|(_, won)| *won);
    let known = tried.iter().any(|(record, won)| seen.revision == record.revision && (*won || !told));
    ensure!(known || (seen.revision == old.revision && !told), "racers that gave up have left {seen:?}");
    // More calls than any pool has connections.
    let answers = race(kit, |i, store| {
        let record = kit.record(format!("afterwards {i}"));
        async move { Ok(store.swap(&key(), Expect::Absent, Some(&record)).await?) }
    })
    .await?;
    ensure!(
        answers.iter().all(|answer| *answer == Swapped::Yes),
        "after racers that gave up, the store does not go on"
    );
    Ok(())
}
