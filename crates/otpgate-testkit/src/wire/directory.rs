//! A directory that counts, and fails when it is told to; and a list of events.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::transcript::Transcript;
use async_trait::async_trait;
use otpgate_core::{Directory, DirectoryError, Event, EventSink, Identifier, StoreDirectory, Tenant, User, UserId};

/// The users of a world. Clones are one directory.
#[derive(Clone, Debug)]
pub struct SwitchedDirectory {
    users: Arc<StoreDirectory>,
    down: Arc<AtomicBool>,
    questions: Arc<AtomicU64>,
}

impl SwitchedDirectory {
    pub(super) fn over(users: StoreDirectory) -> Self {
        Self { users: Arc::new(users), down: Arc::default(), questions: Arc::default() }
    }

    /// The users, to add and change them.
    #[must_use]
    pub fn users(&self) -> &StoreDirectory {
        &self.users
    }

    /// From now on fails, or works again.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// How often anything was asked.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.questions.load(Ordering::SeqCst)
    }

    fn ask(&self) -> Result<(), DirectoryError> {
        self.questions.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) { Err(DirectoryError::new("down, said the test")) } else { Ok(()) }
    }
}

#[async_trait]
impl Directory for SwitchedDirectory {
    async fn find(&self, tenant: &Tenant, identifier: &Identifier) -> Result<Option<User>, DirectoryError> {
        self.ask()?;
        self.users.find(tenant, identifier).await
    }

    async fn get(&self, tenant: &Tenant, id: &UserId) -> Result<Option<User>, DirectoryError> {
        self.ask()?;
        self.users.get(tenant, id).await
    }

    async fn has_tenant(&self, tenant: &Tenant) -> Result<bool, DirectoryError> {
        self.ask()?;
        self.users.has_tenant(tenant).await
    }
}

/// Keeps all events, and writes them to `tracing` as the default sink does. Clones are one list.
#[derive(Clone, Debug)]
pub struct EventLog {
    events: Arc<Mutex<Vec<Event>>>,
    transcript: Transcript,
}

impl EventLog {
    pub(super) fn noted_in(transcript: Transcript) -> Self {
        Self { events: Arc::default(), transcript }
    }

    /// All events so far.
    #[must_use]
    pub fn all(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl EventSink for EventLog {
    fn record(&self, event: &Event) {
        otpgate_core::TracingEvents.record(event);
        self.transcript.note_event(event);
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }
}
