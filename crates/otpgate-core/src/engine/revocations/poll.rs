//! The task that reads the counters, and the one that listens to the bus.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};

use super::{Revocations, Task};
use crate::engine::{POLL_DEADLINE, POLL_EVERY};
use crate::{Bus, Hints};

/// Between two polls that hints ask for.
const AT_LEAST: Duration = Duration::from_millis(20);

/// Before a bus that failed is asked again.
const LATER: Duration = Duration::from_secs(1);

impl Revocations {
    /// Has the counters read from now on, where they are not. For whoever is about to load what they will believe: cheap
    /// enough for each of them, and whatever ended the task, the end of a runtime for one, the next one starts it anew.
    pub(in crate::engine) fn keep_polling(self: &Arc<Self>) {
        if self.alone {
            return;
        }
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.closed || task.wake.as_ref().is_some_and(|wake| !wake.is_closed()) {
            return;
        }
        let (wake, woken) = mpsc::channel(0);
        *task = Task { wake: Some(wake.clone()), listening: None, closed: false };
        self.runtime.spawn(Box::pin(poll(Polling(Arc::downgrade(self)), woken)));
        if let Some(bus) = self.bus.clone() {
            let (listening, over) = oneshot::channel();
            task.listening = Some(listening);
            self.runtime.spawn(Box::pin(listen(bus, wake, over, Arc::downgrade(self))));
        }
    }
}

/// What the task holds of its counters. When the task goes, for whatever reason, nothing is believed until another one polls.
struct Polling(Weak<Revocations>);

impl Drop for Polling {
    fn drop(&mut self) {
        if let Some(revocations) = self.0.upgrade() {
            revocations.view.distrust();
        }
    }
}

async fn poll(polling: Polling, mut woken: mpsc::Receiver<()>) {
    let mut failing = false;
    loop {
        let Some(revocations) = polling.0.upgrade() else { return };
        let late = revocations.runtime.sleep(POLL_DEADLINE);
        let error = match select(std::pin::pin!(revocations.read()), late).await {
            Either::Left((Ok(()), _)) => None,
            Either::Left((Err(error), _)) => Some(error.to_string()),
            Either::Right(_) => Some("no answer in time".to_owned()),
        };
        if let Some(error) = &error {
            revocations.view.distrust();
            if !failing {
                tracing::error!(target: "otpgate", error, "what other nodes have revoked cannot be read; no verdict is remembered until it can");
            }
        }
        failing = error.is_some();
        let (gap, nap) = (revocations.runtime.sleep(AT_LEAST), revocations.runtime.sleep(POLL_EVERY));
        drop(revocations);
        let hinted = match select(nap, woken.next()).await {
            Either::Left(_) => continue,
            Either::Right((hinted, _)) => hinted,
        };
        // Whoever would send one is gone: so is the engine, or it was shut down.
        if hinted.is_none() {
            return;
        }
        gap.await;
    }
}

async fn listen(
    bus: Arc<dyn Bus>,
    mut wake: mpsc::Sender<()>,
    mut over: oneshot::Receiver<()>,
    revocations: Weak<Revocations>,
) {
    loop {
        let error = match select(bus.subscribe(), &mut over).await {
            Either::Left((Ok(hints), _)) => {
                // What was said while nobody listened.
                let _ = wake.try_send(());
                match select(std::pin::pin!(hear(hints, &mut wake)), &mut over).await {
                    Either::Left((error, _)) => error,
                    Either::Right(_) => return,
                }
            }
            Either::Left((Err(error), _)) => error,
            Either::Right(_) => return,
        };
        tracing::warn!(target: "otpgate", %error, "the bus is not heard; polls go on");
        let Some(nap) = revocations.upgrade().map(|r| r.runtime.sleep(LATER)) else { return };
        if let Either::Right(_) = select(nap, &mut over).await {
            return;
        }
    }
}

/// Wakes the poll with every hint, until the subscription breaks.
async fn hear(mut hints: Box<dyn Hints>, wake: &mut mpsc::Sender<()>) -> crate::BusError {
    loop {
        match hints.next().await {
            // One that is not yet seen to stands for this one too.
            Ok(()) => drop(wake.try_send(())),
            Err(error) => return error,
        }
    }
}
