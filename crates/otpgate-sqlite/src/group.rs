use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use otpgate_core::StoreError;
use sqlx::SqlitePool;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::Connection;
use crate::sql::Sql;

/// Questions that wait together and are answered together.
///
/// Who asks and finds nobody leading starts a leader, a task of its own: it takes a connection, then all who wait by then, and
/// again until nobody waits. A caller that goes away takes nothing along: its question is answered to nobody.
pub(crate) struct Group<Q: Question>(Arc<Inner<Q>>);

/// What can be asked together.
pub(crate) trait Question: Send + Sized + 'static {
    type Answer: Send + 'static;

    /// Answers all, each in its place. What needs a commit is answered after it.
    fn answer(
        sql: &Sql,
        connection: &mut Connection,
        asked: &[Self],
    ) -> impl Future<Output = Vec<Result<Self::Answer, StoreError>>> + Send;
}

struct Inner<Q: Question> {
    pool: SqlitePool,
    sql: Arc<Sql>,
    line: Mutex<Line<Q>>,
}

struct Line<Q: Question> {
    waiting: VecDeque<(Q, Teller<Q>)>,
    led: bool,
}

type Teller<Q> = oneshot::Sender<Result<<Q as Question>::Answer, StoreError>>;

/// How many are answered at a time.
pub(crate) const TOGETHER: usize = 64;

impl<Q: Question> Group<Q> {
    pub(crate) fn new(pool: &SqlitePool, sql: &Arc<Sql>) -> Self {
        let line = Mutex::new(Line { waiting: VecDeque::new(), led: false });
        Self(Arc::new(Inner { pool: pool.clone(), sql: Arc::clone(sql), line }))
    }

    pub(crate) async fn ask(&self, question: Q) -> Result<Q::Answer, StoreError> {
        let runtime = Handle::try_current().map_err(StoreError::unavailable)?;
        let (tell, told) = oneshot::channel();
        let leads = {
            let mut line = self.0.line();
            line.waiting.push_back((question, tell));
            !std::mem::replace(&mut line.led, true)
        };
        if leads {
            let leader = Leader { group: Arc::clone(&self.0), done: false };
            runtime.spawn(async move { leader.lead().await });
        }
        told.await
            .unwrap_or_else(|_| Err(StoreError::unavailable("the runtime that wrote ended before it could answer")))
    }
}

impl<Q: Question> Inner<Q> {
    fn line(&self) -> MutexGuard<'_, Line<Q>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the pool has a connection, or room for one, beside the one that is held.
    fn others_have_one(&self) -> bool {
        self.pool.num_idle() > 0 || self.pool.size() < self.pool.options().get_max_connections()
    }
}

/// The one that leads. Dropped with its runtime, it lets those who wait go with an error and leaves the place free.
struct Leader<Q: Question> {
    group: Arc<Inner<Q>>,
    /// Another may lead by the time this one is dropped.
    done: bool,
}

impl<Q: Question> Leader<Q> {
    async fn lead(mut self) {
        let mut kept = None;
        while self.somebody_waits() || self.somebody_comes().await {
            // The connection first: while it is waited for, more gather.
            let connection = match kept.take() {
                Some(connection) => Ok(connection),
                None => self.group.pool.acquire().await,
            };
            let (asked, tell): (Vec<_>, Vec<_>) = {
                let mut line = self.group.line();
                let together = line.waiting.len().min(TOGETHER);
                line.waiting.drain(..together).unzip()
            };
            let answers = match connection {
                Ok(mut connection) => {
                    let answers = Q::answer(&self.group.sql, &mut connection, &asked).await;
                    // Another connection's page cache knows nothing of what this one wrote; the last one must go round.
                    // One that has just failed is for the pool to look at.
                    let sound = answers.iter().all(Result::is_ok);
                    kept = (sound && self.group.others_have_one()).then_some(connection);
                    answers
                }
                Err(error) => all_failed(error, asked.len()),
            };
            for (tell, answer) in tell.into_iter().zip(answers) {
                // Who is gone will load and see.
                let _ = tell.send(answer);
            }
        }
        self.done = true;
    }

    fn somebody_waits(&self) -> bool {
        !self.group.line().waiting.is_empty()
    }

    /// Lets those who were just answered ask for the next. Then gives up the lead in the same breath in which it sees that
    /// nobody did, so that nobody joins a line that is not led.
    async fn somebody_comes(&self) -> bool {
        tokio::task::yield_now().await;
        let mut line = self.group.line();
        line.led = !line.waiting.is_empty();
        line.led
    }
}

impl<Q: Question> Drop for Leader<Q> {
    fn drop(&mut self) {
        if !self.done {
            let mut line = self.group.line();
            line.led = false;
            line.waiting.clear();
        }
    }
}

/// The same error for each of `n`.
pub(crate) fn all_failed<T>(error: sqlx::Error, n: usize) -> Vec<Result<T, StoreError>> {
    let (full, error) = (crate::is_full(&error), Arc::new(error));
    let one = || match full {
        true => StoreError::new(otpgate_core::StoreErrorKind::Full),
        false => StoreError::unavailable(Shared(Arc::clone(&error))),
    };
    (0..n).map(|_| Err(one())).collect()
}

/// An error that several callers are told.
#[derive(Clone, Debug)]
struct Shared(Arc<sqlx::Error>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

impl<Q: Question> Clone for Group<Q> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q: Question> fmt::Debug for Group<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    /// Answered with how many were asked together, and counted whoever listens.
    struct Together(Arc<AtomicUsize>);

    impl Question for Together {
        type Answer = usize;

        async fn answer(_: &Sql, _: &mut Connection, asked: &[Self]) -> Vec<Result<usize, StoreError>> {
            for question in asked {
                question.0.fetch_add(1, Ordering::SeqCst);
            }
            asked.iter().map(|_| Ok(asked.len())).collect()
        }
    }

    #[tokio::test]
    async fn who_waits_together_is_answered_together_and_who_goes_away_is_asked_for_all_the_same() {
        let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
        let group = Group::<Together>::new(&pool, &Arc::new(Sql::new("otpgate_".into())));
        let asked = Arc::new(AtomicUsize::new(0));
        for round in 1..=2 {
            let held = pool.acquire().await.unwrap();
            let ask = |_| {
                tokio::spawn({
                    let (group, asked) = (group.clone(), Arc::clone(&asked));
                    async move { group.ask(Together(asked)).await }
                })
            };
            let callers: Vec<_> = (0..100).map(ask).collect();
            while group.0.line().waiting.len() < 100 {
                tokio::task::yield_now().await;
            }
            callers[70].abort();
            drop(held);
            let mut sizes = Vec::new();
            for caller in callers {
                sizes.extend(caller.await.ok().map(Result::unwrap));
            }
            assert_eq!(sizes, [vec![64; 64], vec![36; 35]].concat(), "round {round}");
            assert_eq!(asked.load(Ordering::SeqCst), round * 100);
        }
    }
}
