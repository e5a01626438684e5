use std::future::Future;
use std::sync::Arc;

use otpgate_core::{Expect, Key, Record, Store, Swapped};
use tokio::sync::{Barrier, Mutex, MutexGuard};

use super::{Kit, Violation};

/// How many tasks start together at the barrier of a race.
pub const RACERS: usize = 32;

/// Starts [`RACERS`] tasks at one barrier, on both handles by turns, and returns what each found, in order.
pub(crate) async fn race<T, F, Fut>(kit: &Kit, racer: F) -> Result<Vec<T>, Violation>
where
    T: Send + 'static,
    F: Fn(usize, Arc<dyn Store>) -> Fut,
    Fut: Future<Output = Result<T, Violation>> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(RACERS));
    let tasks: Vec<_> = (0..RACERS)
        .map(|i| {
            let (barrier, run) = (Arc::clone(&barrier), racer(i, kit.handle(i)));
            tokio::spawn(async move {
                barrier.wait().await;
                run.await
            })
        })
        .collect();
    let mut found = Vec::with_capacity(RACERS);
    for task in tasks {
        found.push(task.await.map_err(|e| Violation::new(format!("a call panicked: {e}")))??);
    }
    Ok(found)
}

/// Races the same swap, each racer with a record of its own; returns who won.
pub(crate) async fn race_swaps(
    kit: &Kit,
    key: Key,
    expect: Expect,
    next: &[Option<Record>],
) -> Result<Vec<usize>, Violation> {
    let answers = race(kit, |i, store| {
        let next = next[i].clone();
        async move { Ok(store.swap(&key, expect, next.as_ref()).await?) }
    })
    .await?;
    Ok(answers.iter().enumerate().filter(|(_, s)| **s == Swapped::Yes).map(|(i, _)| i).collect())
}

/// Held by whoever sweeps: a sweep reaches everything, also what another test in this process waits to see swept.
pub(crate) async fn sweeping() -> MutexGuard<'static, ()> {
    static SWEEPING: Mutex<()> = Mutex::const_new(());
    SWEEPING.lock().await
}

/// Sweeps up to the kit's line until nothing is left to take; returns how many that were.
pub(crate) async fn sweep_all(kit: &Kit) -> Result<u64, Violation> {
    let mut sum = 0;
    // Bounded, because a count that is never 0 must fail the test and not turn for ever.
    for _ in 0..10_000 {
        let swept = kit.first().sweep(kit.sweep_line(), 100).await?;
        if swept == 0 {
            return Ok(sum);
        }
        sum += swept;
    }
    Err(Violation::new("sweep never says that nothing is left"))
}
