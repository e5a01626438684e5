//! A store that remembers every value that was ever written, so that a test can look for secrets in them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use otpgate_core::{Expect, Key, Owner, Record, Store, StoreError, Swapped, Timestamp};

/// Everything that was written. Clones are one list.
#[derive(Clone, Default)]
pub struct Written(Arc<Mutex<Vec<Vec<u8>>>>);

impl Written {
    /// Whether any value holds these bytes.
    #[must_use]
    pub fn holds(&self, bytes: &[u8]) -> bool {
        self.with(|values| values.iter().any(|v| v.windows(bytes.len()).any(|w| w == bytes)))
    }

    /// The values of records of this kind, in the order of their writing.
    #[must_use]
    pub fn of_kind(&self, kind: u8) -> Vec<Vec<u8>> {
        self.with(|values| values.iter().filter(|v| v.first() == Some(&kind)).cloned().collect())
    }

    /// How many values were written.
    #[must_use]
    pub fn count(&self) -> usize {
        self.with(|values| values.len())
    }

    fn with<T>(&self, f: impl FnOnce(&mut Vec<Vec<u8>>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Written({})", self.count())
    }
}

pub(super) struct Vault {
    pub(super) store: Arc<dyn Store>,
    pub(super) written: Written,
    /// One call after the other, in the order in which they begin, where the order counts: an ordered failure meets the same call each
    /// time, though a server answers now one and now the other first.
    pub(super) turns: Option<tokio::sync::Mutex<()>>,
}

impl Vault {
    async fn turn(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        match &self.turns {
            Some(turns) => Some(turns.lock().await),
            None => None,
        }
    }
}

#[async_trait]
impl Store for Vault {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let _turn = self.turn().await;
        self.store.load(key).await
    }

    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        if let Some(next) = next {
            self.written.with(|values| values.push(next.value.clone()));
        }
        let _turn = self.turn().await;
        self.store.swap(key, expect, next).await
    }

    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        let _turn = self.turn().await;
        self.store.add(key, delta, expires_at).await
    }

    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        let _turn = self.turn().await;
        self.store.owned(owner, after, limit).await
    }

    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        let _turn = self.turn().await;
        self.store.drop_owned(owner).await
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let _turn = self.turn().await;
        self.store.sweep(before, limit).await
    }
}
