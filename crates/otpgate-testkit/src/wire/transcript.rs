//! What was said in a scenario, and which secrets were in it.

use std::sync::{Arc, Mutex, PoisonError};

use otpgate_core::Event;

use super::{Reply, Request};

/// All requests and replies of one run. Clones are one transcript.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    lines: Vec<String>,
    secrets: Vec<String>,
    events: Vec<String>,
}

impl Transcript {
    pub(super) fn note(&self, request: &Request, reply: &Reply) {
        self.note_racing(reply);
        self.with(|said| said.lines.push(format!("{request}\n    {reply}")));
    }

    /// Notes a reply whose place in the order is chance: its secrets only.
    pub(super) fn note_racing(&self, reply: &Reply) {
        self.keep([reply.at("/data/token"), reply.at("/data/refreshToken"), reply.at("/token")]);
        self.keep(reply.header("otpgate-device").map(str::to_owned));
    }

    pub(super) fn note_event(&self, event: &Event) {
        self.with(|said| said.events.push(format!("{event:?}")));
    }

    /// Keeps secrets that were handed out.
    pub(super) fn keep(&self, secrets: impl IntoIterator<Item = String>) {
        self.with(|said| said.secrets.extend(secrets.into_iter().filter(|s| !s.is_empty())));
    }

    /// Every request with its reply, in order.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.with(|said| said.lines.clone())
    }

    /// The `Debug` text of every event.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        self.with(|said| said.events.clone())
    }

    /// Every code that was mailed and every token that was issued.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        self.with(|said| {
            said.secrets.sort();
            said.secrets.dedup();
            said.secrets.clone()
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut Said) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
