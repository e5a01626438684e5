use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use otpgate_core::{Expect, Key, Owner, Record, Store, StoreError, Swapped, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{key, owned_record, random};
use crate::Server;

/// What [`killed_under_load`] found missing: one line for each acknowledged write that is gone.
pub type Losses = Vec<String>;

/// How many write at the same time.
const WRITERS: usize = 16;

/// How long a healed server may take until the store serves again.
const BACK: Duration = Duration::from_secs(5);

/// Kills the server under load and starts it again, `kills` times, and says what was lost that had been acknowledged.
///
/// # Panics
/// When no call fails while the server is down, when the store does not serve again within 5 s, or when a record is there that
/// nobody wrote.
pub async fn killed_under_load(server: &mut Server, store: Arc<dyn Store>, kills: usize) -> Losses {
    let mut losses = Vec::new();
    for kill in 0..kills {
        let load = Load::start(&store);
        load.shared.reaches(&load.shared.acknowledged, 400).await;
        server.kill();
        load.shared.reaches(&load.shared.failed, WRITERS as u64).await;
        let done = load.end().await;
        let again = store.load(&key()).await;
        assert!(again.is_err(), "kill {kill}: with no server there, a load says {again:?}");

        let restarted = Instant::now();
        server.restart().expect("the server starts again");
        let healed = Instant::now();
        while let Err(error) = serves(&store).await {
            assert!(
                healed.elapsed() < BACK,
                "kill {kill}: the store is not back after {:?}: {error:?}",
                healed.elapsed()
            );
            sleep(Duration::from_millis(20)).await;
        }
        let (after, server) = (healed.elapsed(), healed - restarted);
        println!("kill {kill}: the server took {server:?} to start again, and the store {after:?} after it");
        for writer in done {
            losses.extend(writer.losses(&store).await);
        }
    }
    losses
}

async fn serves(store: &Arc<dyn Store>) -> Result<(), StoreError> {
    let (at, record) = (key(), owned_record(None, "served"));
    assert_eq!(store.swap(&at, Expect::Absent, Some(&record)).await?, Swapped::Yes);
    assert_eq!(store.load(&at).await?, Some(record));
    store.add(&at, 1, Timestamp::NEVER).await.map(drop)
}

struct Load {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<Writer>>,
}

#[derive(Default)]
struct Shared {
    acknowledged: AtomicU64,
    failed: AtomicU64,
    ends: AtomicBool,
}

impl Shared {
    async fn reaches(&self, count: &AtomicU64, goal: u64) {
        let begun = Instant::now();
        while count.load(Ordering::SeqCst) < goal {
            assert!(begun.elapsed() < Duration::from_secs(30), "{count:?} calls in the place of {goal}");
            sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Load {
    fn start(store: &Arc<dyn Store>) -> Self {
        let shared = Arc::new(Shared::default());
        let writers = (0..WRITERS)
            .map(|_| tokio::spawn(Writer::default_at_random().write(Arc::clone(store), Arc::clone(&shared))))
            .collect();
        Self { shared, writers }
    }

    async fn end(self) -> Vec<Writer> {
        self.shared.ends.store(true, Ordering::SeqCst);
        let mut done = Vec::new();
        for writer in self.writers {
            done.push(writer.await.expect("no writer panics"));
        }
        done
    }
}

/// One that writes a record again and again, and counts.
struct Writer {
    at: Key,
    counter: Key,
    owner: Owner,
    /// What was acknowledged last, and what was sent after it and not answered.
    known: Option<Record>,
    maybe: Option<Record>,
    total: u64,
    maybe_more: u64,
}

impl Writer {
    fn default_at_random() -> Self {
        Self { at: key(), counter: key(), owner: Owner(random()), known: None, maybe: None, total: 0, maybe_more: 0 }
    }

    async fn write(mut self, store: Arc<dyn Store>, shared: Arc<Shared>) -> Self {
        for n in 0_u64.. {
            if shared.ends.load(Ordering::SeqCst) {
                break;
            }
            let next = owned_record(Some(self.owner), format!("writing {n}"));
            let expect = self.known.as_ref().map_or(Expect::Absent, |record| Expect::Revision(record.revision));
            match in_time(store.swap(&self.at, expect, Some(&next))).await {
                Some(answer) => {
                    assert_eq!(answer, Swapped::Yes, "the only writer of a key was told No");
                    self.known = Some(next);
                    shared.acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                // From here on the record's state is unknown to this writer: it has nothing to expect.
                None => {
                    self.maybe = Some(next);
                    shared.failed.fetch_add(1, Ordering::SeqCst);
                    break;
                }
            }
            match in_time(store.add(&self.counter, 1, Timestamp::NEVER)).await {
                Some(total) => self.total = total,
                None => self.maybe_more += 1,
            }
        }
        self
    }

    async fn losses(&self, store: &Arc<dyn Store>) -> Losses {
        let mut losses = Vec::new();
        let there = store.load(&self.at).await.expect("a load");
        if there != self.known {
            let landed = there.is_some() && there == self.maybe;
            let older = there.as_ref().is_none_or(|record| record.owner == Some(self.owner));
            assert!(landed || older, "{there:?} was never written");
            if !landed {
                losses.push(format!("{:?} was acknowledged, and {there:?} is there", self.known));
            }
        }
        let listed = store.owned(&self.owner, None, 10).await.expect("a list");
        let listed = listed.into_iter().next().map(|(_, record)| record);
        assert_eq!(listed, there, "what is listed is not what is there");
        let total = store.add(&self.counter, 0, Timestamp::NEVER).await.expect("a count");
        assert!(total <= self.total + self.maybe_more, "{total} counted, of {} and {}", self.total, self.maybe_more);
        if total < self.total {
            losses.push(format!("{} counts were acknowledged, and {total} are there", self.total));
        }
        losses
    }
}

/// As core does: an answer that is late is none.
async fn in_time<T>(call: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    timeout(Duration::from_secs(2), call).await.ok()?.ok()
}
