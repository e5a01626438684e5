use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use otpgate_core::{Clock as _, Entropy as _, Key, OsEntropy, Owner, Record, Revision, Store, SystemClock, Timestamp};

/// A store under test, and fresh keys for it.
///
/// The data behind the handles should be the kit's alone while it runs: the clauses about `sweep` count what is removed.
///
/// ```
/// use otpgate_testkit::store::{Kit, ReferenceStore};
///
/// let store = ReferenceStore::default();
/// let kit = Kit::new(store.clone()).with_second(store);
/// ```
#[derive(Clone)]
pub struct Kit {
    first: Arc<dyn Store>,
    second: Arc<dyn Store>,
    collects: bool,
    now: Timestamp,
    guards: Vec<Arc<dyn Any + Send + Sync>>,
}

impl Kit {
    /// A kit with one handle, used for both sides of every test.
    #[must_use]
    pub fn new(store: impl Store) -> Self {
        let first: Arc<dyn Store> = Arc::new(store);
        Self { second: Arc::clone(&first), first, collects: false, now: SystemClock.now(), guards: Vec::new() }
    }

    /// The same kit with another handle to the same data: another connection, another pool.
    #[must_use]
    pub fn with_second(self, store: impl Store) -> Self {
        Self { second: Arc::new(store), ..self }
    }

    /// The same kit for a store whose garbage is collected by the database, so that `sweep` may find nothing.
    #[must_use]
    pub fn collects_its_own_garbage(self) -> Self {
        Self { collects: true, ..self }
    }

    /// The same kit keeping `guard` as long as it lives: a temporary folder, a server process.
    #[must_use]
    pub fn keeping(mut self, guard: impl Any + Send + Sync) -> Self {
        self.guards.push(Arc::new(guard));
        self
    }

    /// The same kit calling its store through `Arc<dyn Store>`.
    #[must_use]
    pub fn through_arc(self) -> Self {
        Self { first: Arc::new(Arc::clone(&self.first)), second: Arc::new(Arc::clone(&self.second)), ..self }
    }

    /// The same kit calling its store through `Box<dyn Store>`.
    #[must_use]
    pub fn through_box(self) -> Self {
        let boxed = |store: &Arc<dyn Store>| -> Arc<dyn Store> {
            let inner: Box<dyn Store> = Box::new(Arc::clone(store));
            Arc::new(inner)
        };
        Self { first: boxed(&self.first), second: boxed(&self.second), ..self }
    }

    /// The first handle.
    #[must_use]
    pub fn first(&self) -> &dyn Store {
        &*self.first
    }

    /// The second handle, or the first again.
    #[must_use]
    pub fn second(&self) -> &dyn Store {
        &*self.second
    }

    pub(crate) fn both(&self) -> [&dyn Store; 2] {
        [&*self.first, &*self.second]
    }

    /// The handle of racer `i`: both take part in every race.
    pub(crate) fn handle(&self, i: usize) -> Arc<dyn Store> {
        Arc::clone(if i.is_multiple_of(2) { &self.first } else { &self.second })
    }

    pub(crate) fn collects(&self) -> bool {
        self.collects
    }

    /// A time that no test reaches: an hour from now.
    pub(crate) fn later(&self) -> Timestamp {
        self.now.plus(Duration::from_secs(3600))
    }

    /// A time that is over, but not long enough for a store's own garbage collection (24 h).
    pub(crate) fn over(&self) -> Timestamp {
        self.now.minus(Duration::from_secs(3600))
    }

    /// What the tests sweep up to: everything else that they write expires after it, so that they can share a database.
    pub(crate) fn sweep_line(&self) -> Timestamp {
        self.now.minus(Duration::from_secs(20 * 3600))
    }

    /// A time before the [`Kit::sweep_line`].
    pub(crate) fn long_over(&self) -> Timestamp {
        self.now.minus(Duration::from_secs(23 * 3600))
    }

    /// A record of nobody that expires later.
    pub(crate) fn record(&self, value: impl AsRef<[u8]>) -> Record {
        Record { revision: revision(), expires_at: self.later(), owner: None, value: value.as_ref().to_vec() }
    }

    /// A record of `owner` that expires later.
    pub(crate) fn owned_record(&self, owner: Owner, value: impl AsRef<[u8]>) -> Record {
        Record { owner: Some(owner), ..self.record(value) }
    }

    /// A record of nobody that expires at `expires_at`.
    pub(crate) fn record_until(&self, expires_at: Timestamp, value: impl AsRef<[u8]>) -> Record {
        Record { expires_at, ..self.record(value) }
    }
}

impl<S: Store> From<S> for Kit {
    fn from(store: S) -> Self {
        Self::new(store)
    }
}

impl fmt::Debug for Kit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit").field("collects", &self.collects).finish_non_exhaustive()
    }
}

/// A key that no other test has.
pub(crate) fn key() -> Key {
    Key(random())
}

/// `n` keys in ascending order.
pub(crate) fn keys(n: usize) -> Vec<Key> {
    let mut keys: Vec<_> = (0..n).map(|_| key()).collect();
    keys.sort();
    keys
}

/// An owner that no other test has.
pub(crate) fn owner() -> Owner {
    Owner(random())
}

/// A revision that was never used.
pub(crate) fn revision() -> Revision {
    Revision(random())
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = OsEntropy.fill(&mut bytes);
    assert!(filled.is_ok(), "the kit cannot make keys without the system's generator");
    bytes
}
