//! The end of an engine: first no new work, then none at all.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_channel::oneshot;
use futures_util::FutureExt as _;
use futures_util::future::Shared;

const OPEN: u8 = 0;
const DRAINING: u8 = 1;
const OVER: u8 = 2;

pub(super) struct Closing {
    state: AtomicU8,
    /// Dropped when the end begins, which wakes whoever listens.
    bell: Mutex<Option<oneshot::Sender<()>>>,
    rung: Shared<oneshot::Receiver<()>>,
}

impl Default for Closing {
    fn default() -> Self {
        let (bell, rung) = oneshot::channel();
        Self { state: AtomicU8::new(OPEN), bell: Mutex::new(Some(bell)), rung: rung.shared() }
    }
}

impl Closing {
    /// No new work from here on; what is under way still has its store.
    pub(super) fn begin(&self) {
        self.state.fetch_max(DRAINING, Ordering::SeqCst);
        drop(self.bell.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// No work at all from here on.
    pub(super) fn finish(&self) {
        self.state.fetch_max(OVER, Ordering::SeqCst);
    }

    pub(super) fn has_begun(&self) -> bool {
        self.state.load(Ordering::SeqCst) >= DRAINING
    }

    pub(super) fn is_over(&self) -> bool {
        self.state.load(Ordering::SeqCst) == OVER
    }

    /// Waits until the end begins.
    pub(super) async fn begun(&self) {
        // Dropped or rung, it is the same.
        let _ = self.rung.clone().await;
    }
}
