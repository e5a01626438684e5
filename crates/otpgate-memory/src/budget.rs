use std::sync::atomic::{AtomicU64, Ordering};

use otpgate_core::{StoreError, StoreErrorKind};

/// How many of each kind there are and may be: apart, so that a flood of one kind cannot refuse another.
#[derive(Debug)]
pub(crate) struct Budgets {
    pub(crate) anonymous: Budget,
    pub(crate) owned: Budget,
    pub(crate) counters: Budget,
}

impl Budgets {
    /// The budget of records that belong to somebody, or to nobody.
    pub(crate) fn of(&self, is_owned: bool) -> &Budget {
        if is_owned { &self.owned } else { &self.anonymous }
    }
}

#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicU64,
    max: u64,
}

impl Budget {
    pub(crate) fn of(max: u64) -> Self {
        Self { used: AtomicU64::new(0), max }
    }

    /// Counts one more, or says that there is no room.
    pub(crate) fn take(&self) -> Result<(), StoreError> {
        let more = |used| (used < self.max).then_some(used + 1);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map(drop).map_err(|_| StoreError::new(StoreErrorKind::Full))
    }

    /// Counts one more, beyond the limit too.
    pub(crate) fn take_anyway(&self) {
        self.used.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn give_back(&self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
    }
}
