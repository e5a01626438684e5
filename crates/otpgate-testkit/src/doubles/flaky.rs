use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use otpgate_core::{Expect, Key, Owner, Record, Store, StoreError, StoreErrorKind, Swapped, Timestamp};

/// What a store is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreOp {
    /// [`Store::load`].
    Load,
    /// [`Store::swap`].
    Swap,
    /// [`Store::add`].
    Add,
    /// [`Store::owned`].
    Owned,
    /// [`Store::drop_owned`].
    DropOwned,
    /// [`Store::sweep`].
    Sweep,
}

impl StoreOp {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Load, Self::Swap, Self::Add, Self::Owned, Self::DropOwned, Self::Sweep];
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An error, and nothing was done.
    Refuse(StoreErrorKind),
    /// It was done, and an error all the same: the answer was lost.
    RefuseAfter(StoreErrorKind),
    /// No answer ever, and nothing was done.
    Hang,
    /// It was done, and no answer ever.
    HangAfter,
}

/// A store that fails when it is told to, over one that works. Clones share the orders and the counts.
///
/// ```
/// use otpgate_core::{Key, Store as _, StoreErrorKind};
/// use otpgate_testkit::{Failure, FlakyStore, StoreOp, store::ReferenceStore};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = FlakyStore::over(ReferenceStore::default());
/// store.fail_nth(StoreOp::Load, 2, Failure::Refuse(StoreErrorKind::Unavailable));
/// assert!(store.load(&Key([1; 32])).await.is_ok());
/// assert!(store.load(&Key([1; 32])).await.is_err());
/// assert!(store.load(&Key([1; 32])).await.is_ok());
/// # });
/// ```
pub struct FlakyStore<S>(Arc<Flaky<S>>);

struct Flaky<S> {
    store: S,
    hanging: AtomicUsize,
    hung: AtomicU64,
    orders: Mutex<Orders>,
}

#[derive(Default)]
struct Orders {
    calls: [u64; 6],
    always: [Option<Failure>; 6],
    /// At this many calls of the operation, once.
    once: Vec<(StoreOp, u64, Failure)>,
}

impl<S: Store> FlakyStore<S> {
    /// A store that does what `store` does.
    #[must_use]
    pub fn over(store: S) -> Self {
        Self(Arc::new(Flaky { store, hanging: AtomicUsize::new(0), hung: AtomicU64::new(0), orders: Mutex::default() }))
    }

    /// From now on every call of `op` fails.
    pub fn fail(&self, op: StoreOp, failure: Failure) {
        self.orders().always[op as usize] = Some(failure);
    }

    /// From now on every call of any operation fails.
    pub fn fail_all(&self, failure: Failure) {
        self.orders().always = [Some(failure); 6];
    }

    /// The `n`-th call of `op` from now, counted from 1, fails, and no other.
    pub fn fail_nth(&self, op: StoreOp, n: u64, failure: Failure) {
        let mut orders = self.orders();
        let at = orders.calls[op as usize] + n;
        orders.once.push((op, at, failure));
    }

    /// From now on nothing fails.
    pub fn heal(&self) {
        let mut orders = self.orders();
        orders.always = [None; 6];
        orders.once.clear();
    }

    /// How often `op` was called, failures included.
    #[must_use]
    pub fn calls(&self, op: StoreOp) -> u64 {
        self.orders().calls[op as usize]
    }

    /// How often any operation was called, failures included.
    #[must_use]
    pub fn all_calls(&self) -> u64 {
        self.orders().calls.iter().sum()
    }

    /// The store below, for looking past the failures.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.0.store
    }

    /// How many calls hang now.
    #[must_use]
    pub fn hanging(&self) -> usize {
        self.0.hanging.load(Ordering::SeqCst)
    }

    /// How many calls have come to hang so far, those among them that nobody waits for any more.
    #[must_use]
    pub fn hung(&self) -> u64 {
        self.0.hung.load(Ordering::SeqCst)
    }

    async fn hang<T>(&self) -> T {
        /// Counts for as long as the caller waits.
        struct Hangs<'a>(&'a AtomicUsize);
        impl Drop for Hangs<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.0.hanging.fetch_add(1, Ordering::SeqCst);
        self.0.hung.fetch_add(1, Ordering::SeqCst);
        let _hangs = Hangs(&self.0.hanging);
        pending().await
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.0.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, op: StoreOp) -> Option<Failure> {
        let mut orders = self.orders();
        orders.calls[op as usize] += 1;
        let nth = orders.calls[op as usize];
        let once = orders.once.iter().position(|(o, at, _)| *o == op && *at == nth);
        once.map(|i| orders.once.swap_remove(i).2).or(orders.always[op as usize])
    }

    async fn run<T>(
        &self,
        op: StoreOp,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match self.order(op) {
            None => call.await,
            Some(Failure::Refuse(kind)) => Err(StoreError::new(kind)),
            Some(Failure::RefuseAfter(kind)) => call.await.and(Err(StoreError::new(kind))),
            Some(Failure::Hang) => self.hang().await,
            Some(Failure::HangAfter) => {
                drop(call.await);
                self.hang().await
            }
        }
    }
}

#[async_trait]
impl<S: Store> Store for FlakyStore<S> {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.run(StoreOp::Load, self.0.store.load(key)).await
    }

    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        self.run(StoreOp::Swap, self.0.store.swap(key, expect, next)).await
    }

    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        self.run(StoreOp::Add, self.0.store.add(key, delta, expires_at)).await
    }

    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        self.run(StoreOp::Owned, self.0.store.owned(owner, after, limit)).await
    }

    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.run(StoreOp::DropOwned, self.0.store.drop_owned(owner)).await
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.run(StoreOp::Sweep, self.0.store.sweep(before, limit)).await
    }
}

impl<S> Clone for FlakyStore<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> fmt::Debug for FlakyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlakyStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::store::ReferenceStore;

    const AT: Key = Key([7; 32]);

    #[tokio::test]
    async fn a_failure_before_does_nothing_and_one_after_has_done_it() {
        let kind = StoreErrorKind::Unavailable;
        for (failure, answers, total) in [
            (Failure::Refuse(kind), true, 0),
            (Failure::RefuseAfter(kind), true, 1),
            (Failure::Hang, false, 0),
            (Failure::HangAfter, false, 1),
        ] {
            let store = FlakyStore::over(ReferenceStore::default());
            store.fail(StoreOp::Add, failure);
            let told = store.add(&AT, 1, Timestamp::NEVER).now_or_never();
            assert_eq!((told.is_some(), store.hung()), (answers, u64::from(!answers)), "{failure:?}");
            assert!(told.is_none_or(|answer| answer.is_err()), "{failure:?}");
            assert_eq!(store.inner().add(&AT, 0, Timestamp::NEVER).await.unwrap(), total, "{failure:?}");
        }
    }

    #[tokio::test]
    async fn only_what_was_ordered_fails_and_all_is_counted() {
        let store = FlakyStore::over(ReferenceStore::default());
        assert!(store.load(&AT).await.is_ok());
        store.fail_nth(StoreOp::Load, 2, Failure::Refuse(StoreErrorKind::Full));
        let told = [store.load(&AT).await.is_ok(), store.load(&AT).await.is_ok(), store.load(&AT).await.is_ok()];
        assert_eq!(told, [true, false, true]);
        assert!(store.add(&AT, 1, Timestamp::NEVER).await.is_ok());
        store.fail_all(Failure::Refuse(StoreErrorKind::Full));
        assert!(store.sweep(Timestamp::NEVER, 1).await.is_err());
        store.heal();
        assert!(store.clone().sweep(Timestamp::NEVER, 1).await.is_ok());
        let counts = StoreOp::ALL.map(|op| store.calls(op));
        assert_eq!((counts, store.all_calls()), ([4, 0, 1, 0, 0, 2], 7));
    }
}
