//! The one asynchronous loop: load, decide, swap, and on conflict again; effects after the commit. No rule lives here.

mod accounts;
mod closing;
mod deliver;
mod devices;
mod flows;
mod housekeeping;
mod keeper;
mod limits;
mod listing;
mod login;
mod newcomers;
mod outbox;
mod passwords;
mod ready;
mod renewals;
mod revocations;
mod sessions;
mod sighting;
mod sms;

pub use flows::{Device, FlowClaim, FlowOpened, NewFlow, TypedCode};
pub use listing::OpenSession;
pub use outbox::Outbox;
pub use sighting::{Believed, Moment, Sighting};

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_lock::Semaphore;
use futures_channel::oneshot;

use crate::clock::HighWater;
use crate::error::{ConfigError, ConfigErrorKind};
use crate::policy::Bucket;
use crate::record::Binding;
use crate::secret::{AccessToken, DeviceToken, RefreshToken, Secrets, SessionKey, Space};
use crate::token::{TokenSettings, Tokens};
use crate::{
    Agent, Bus, Clock, Code, Directory, Entropy, Event, EventKind, EventSink, Identifier, Key, Mailer, OsEntropy,
    PasswordScheme, Passwords, Policy, PolicyBook, Profile, Refusal, Registration, Runtime, SessionId, Sms, Store,
    SystemClock, Tenant, Timestamp, TracingEvents, User, UserId,
};

/// How often a node reads what other nodes have ended.
pub const POLL_EVERY: Duration = Duration::from_millis(500);

/// How long reading it may take; then the node believes nothing that it remembers until it has read it.
pub const POLL_DEADLINE: Duration = Duration::from_millis(750);

/// Operations in flight at a time; another one waits, and is refused when it has waited too long.
const MOST_SECTIONS: usize = 1_024;

/// What an engine is made of. The first five are the host's; the rest has safe defaults.
pub struct Parts {
    /// The key ring.
    pub secrets: Secrets,
    /// Where records are kept.
    pub store: Arc<dyn Store>,
    /// Where users are found.
    pub directory: Arc<dyn Directory>,
    /// How codes leave by mail.
    pub mailer: Arc<dyn Mailer>,
    /// What runs tasks and timers.
    pub runtime: Arc<dyn Runtime>,
    /// How codes leave by SMS, and to which countries; without this, no SMS is sent.
    pub sms: Option<Sms>,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
    /// The source of time.
    pub clock: Arc<dyn Clock>,
    /// The source of unpredictable bytes.
    pub entropy: Arc<dyn Entropy>,
    /// The numbers, by tenant.
    pub policies: PolicyBook,
    /// Passwords, where the deployment wants them.
    pub passwords: Option<PasswordParts>,
    /// What becomes of an unknown address that asks for a code.
    pub registration: Registration,
    /// Whether no other process ever uses the store: then nobody has to be asked what others have ended.
    pub single_process: bool,
    /// What hints to other nodes that there is something to see; without one they see it with their next poll.
    pub bus: Option<Arc<dyn Bus>>,
    /// Whether the engine removes what has expired, from its first operation on: once a minute, in small steps, one
    /// node at a time. Without it the store grows until the host calls [`Engine::sweep`].
    pub housekeeping: bool,
    /// Where messages wait that are not handed over yet; without one they are lost with the process.
    pub outbox: Option<Outbox>,
}

/// What a deployment with passwords brings.
#[derive(Clone)]
pub struct PasswordParts {
    store: Arc<dyn Passwords>,
    scheme: Arc<dyn PasswordScheme>,
    permits: Arc<Semaphore>,
}

impl PasswordParts {
    /// Hashes kept in `store`, made by `scheme`, at most `at_a_time` of them at once (each takes the scheme's memory).
    ///
    /// One fewer than the machine has cores leaves one for everything else: with one for each core, the slowest of a hundred requests
    /// waits for a hash to be put aside.
    #[must_use]
    pub fn new(store: impl Passwords, scheme: impl PasswordScheme, at_a_time: usize) -> Self {
        let permits = Arc::new(Semaphore::new(at_a_time.max(1)));
        Self { store: Arc::new(store), scheme: Arc::new(scheme), permits }
    }
}

impl fmt::Debug for PasswordParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordParts").finish_non_exhaustive()
    }
}

impl Parts {
    /// These five with the default policy, the machine's clock and generator, and events to `tracing`.
    #[must_use]
    pub fn new(
        secrets: Secrets,
        store: Arc<dyn Store>,
        directory: Arc<dyn Directory>,
        mailer: Arc<dyn Mailer>,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        Self {
            secrets,
            store,
            directory,
            mailer,
            runtime,
            sms: None,
            events: Arc::new(TracingEvents),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            policies: PolicyBook::default(),
            passwords: None,
            registration: Registration::Closed,
            single_process: false,
            bus: None,
            housekeeping: true,
            outbox: None,
        }
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("secrets", &self.secrets)
            .field("policies", &self.policies)
            .finish_non_exhaustive()
    }
}

/// Who asks: over which profile, in which tenant, from which address (none switches the limits by address off), and with
/// which device token, if one came along. A token that is none, or of somebody else, changes nothing.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The profile.
    pub profile: Profile,
    /// The tenant.
    pub tenant: Tenant,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The device token of an earlier login.
    pub device: Option<DeviceToken>,
    /// What speaks for the request.
    pub trust: Trust,
    /// What the client says it is; kept with the sessions that it opens.
    pub agent: Option<Agent>,
    /// What the client reads: tags of BCP 47 with commas between them, the most wanted first. For messages to users who
    /// have no [`User::locale`]; whoever asks for a code chooses it, so it must decide nothing but the words.
    pub locale: Option<String>,
    /// What [`Engine::send_code`], [`Engine::verify_code`] and [`Engine::refresh`] count the request under besides, in the
    /// writes that they do anyway; no other operation does. For whoever has not called [`Engine::admit`] for it.
    pub counts: &'static [Bucket],
}

impl Caller {
    /// A caller whose address, device, agent and language are not known: no limit by address holds for it.
    #[must_use]
    pub fn new(profile: Profile, tenant: Tenant) -> Self {
        let (address, device, agent, locale) = (None, None, None, None);
        Self { profile, tenant, address, device, trust: Trust::None, agent, locale, counts: &[] }
    }
}

/// What speaks for a request before its guess is looked at: it goes on where a breaker that refuses is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// Nothing.
    #[default]
    None,
    /// It passed a challenge of the host, a captcha for example.
    Challenge,
}

/// A code is on its way, or would be if the address were registered.
#[derive(Clone, Copy, Debug)]
pub struct CodeSent {
    /// How long the code lives.
    pub expires_in: Duration,
}

/// A session was opened.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// Whose it is, as the directory said a moment ago.
    pub user: User,
    /// The session.
    pub session: SessionId,
    /// Its access token.
    pub access: AccessToken,
    /// Its refresh token.
    pub refresh: RefreshToken,
    /// Its key, for a session of `engine` that has one.
    pub key: Option<SessionKey>,
    /// Whether the user has a password; asked for sessions of `engine` only.
    pub has_password: bool,
    /// What makes this device a known one, for a login by code or password.
    pub device: Option<DeviceToken>,
}

/// A session was refreshed.
#[derive(Clone, Debug)]
pub struct Renewed {
    /// The session.
    pub session: SessionId,
    /// A new access token.
    pub access: AccessToken,
    /// The refresh token from now on.
    pub refresh: RefreshToken,
}

/// A session that was just found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    /// The session.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// In which tenant.
    pub tenant: Tenant,
    /// Which profile opened it.
    pub profile: Profile,
    /// The roles at login or the last refresh.
    pub roles: Vec<String>,
    /// The default organisation.
    pub organization: String,
    /// All organisations.
    pub organizations: Vec<String>,
    /// When the person proved who they are.
    pub authenticated_at: Timestamp,
    /// When the session ends whatever happens.
    pub ends_at: Timestamp,
    binding: Option<Binding>,
}

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    directory: Arc<dyn Directory>,
    mailer: Arc<dyn Mailer>,
    sms: Option<Sms>,
    runtime: Arc<dyn Runtime>,
    events: Arc<dyn EventSink>,
    clock: Arc<HighWater>,
    entropy: Arc<dyn Entropy>,
    policies: PolicyBook,
    secrets: Secrets,
    tokens: Tokens,
    passwords: Option<PasswordParts>,
    registration: Registration,
    outbox: Option<Outbox>,
    closing: closing::Closing,
    flights: keeper::Flights,
    password_turns: keeper::Flights,
    sections: Arc<Semaphore>,
    deliveries: Arc<Semaphore>,
    revocations: Arc<revocations::Revocations>,
    housekeeper: housekeeping::Housekeeper,
}

impl Engine {
    /// An engine whose access tokens are signed by the ring's keys for the default issuer and audience.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let tokens = Tokens::hs256(&parts.secrets);
        Self::with_tokens(parts, tokens)
    }

    /// An engine that signs and names its tokens as the settings say.
    ///
    /// # Errors
    /// As [`Tokens::new`].
    pub fn with_settings(parts: Parts, settings: &TokenSettings) -> Result<Self, ConfigError> {
        let tokens = Tokens::new(&parts.secrets, settings)?;
        Ok(Self::with_tokens(parts, tokens))
    }

    fn with_tokens(parts: Parts, tokens: Tokens) -> Self {
        parts.policies.tell_budgets();
        let clock = Arc::new(HighWater::over(parts.clock));
        let revocations = revocations::Revocations::new(
            &parts.secrets,
            Arc::clone(&parts.store),
            Arc::clone(&parts.runtime),
            Arc::clone(&clock),
            parts.bus,
            parts.single_process,
        );
        Self(Arc::new(Inner {
            store: parts.store,
            directory: parts.directory,
            mailer: parts.mailer,
            sms: parts.sms,
            runtime: parts.runtime,
            events: parts.events,
            clock,
            entropy: parts.entropy,
            policies: parts.policies,
            secrets: parts.secrets,
            tokens,
            passwords: parts.passwords,
            registration: parts.registration,
            outbox: parts.outbox,
            closing: closing::Closing::default(),
            flights: keeper::Flights::default(),
            password_turns: keeper::Flights::default(),
            sections: Arc::new(Semaphore::new(MOST_SECTIONS)),
            deliveries: Arc::new(Semaphore::new(deliver::MOST_DELIVERIES)),
            revocations: Arc::new(revocations),
            housekeeper: housekeeping::Housekeeper::new(parts.housekeeping),
        }))
    }

    /// The numbers that this engine goes by in `tenant`.
    #[must_use]
    pub fn policy(&self, tenant: &Tenant) -> Arc<Policy> {
        self.0.policy(tenant)
    }

    /// The time that this engine goes by; it never steps back.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Whether this deployment has passwords.
    #[must_use]
    pub fn has_passwords(&self) -> bool {
        self.0.passwords.is_some()
    }

    /// Whether this deployment sends SMS.
    #[must_use]
    pub fn has_sms(&self) -> bool {
        self.0.sms.is_some()
    }

    /// Whether the directory knows `tenant`.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn has_tenant(&self, tenant: &Tenant) -> Result<bool, Refusal> {
        self.0.in_time(self.0.directory.has_tenant(tenant)).await
    }

    /// The access tokens' keys.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// Signs and verifies a probe with every key and asks the store one question.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Key`] or [`ConfigErrorKind::Backend`].
    pub async fn probe(&self) -> Result<(), ConfigError> {
        self.0.tokens.probe()?;
        let key = self.0.secrets.key(Space::Probe, &[]);
        let answered = self.0.in_time(self.0.store.load(&key)).await;
        answered.map(drop).map_err(|_| ConfigError::new(ConfigErrorKind::Backend, "the store does not answer"))
    }

    /// Takes no new work from now on, and waits until no operation and no delivery is under way, at most for `deadline`; the answer
    /// is whether that came about. Afterwards everything is [`Refusal::Unavailable`].
    ///
    /// Until then sessions are still judged, for the requests that the server has open. With an outbox, messages that wait for another
    /// try are left in it and not waited for.
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        let inner = &self.0;
        inner.housekeeper.stop();
        inner.closing.begin();
        let drained = async {
            let mut held = Vec::new();
            for (semaphore, most) in [(&inner.sections, MOST_SECTIONS), (&inner.deliveries, deliver::MOST_DELIVERIES)] {
                for _ in 0..most {
                    held.push(semaphore.acquire().await);
                }
            }
        };
        let is_drained = inner.within(deadline, drained).await.is_some();
        // Last: what ends while the work drains is told as ever.
        inner.revocations.close();
        inner.closing.finish();
        is_drained
    }

    /// Runs an operation detached from whoever waits for it: a client that hangs up after a guess has been compared still
    /// pays for it, and one that hangs up before has learned nothing.
    async fn detached<T, F>(&self, operation: impl FnOnce(Arc<Inner>) -> F + Send + 'static) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let inner = &self.0;
        if inner.closing.has_begun() {
            return Err(Refusal::Unavailable);
        }
        let permit =
            inner.within(keeper::TURN_DEADLINE, inner.sections.acquire_arc()).await.ok_or(Refusal::Unavailable)?;
        // It waited, and the end has begun meanwhile.
        if inner.closing.has_begun() {
            return Err(Refusal::Unavailable);
        }
        inner.begin_housekeeping();
        let (done, outcome) = oneshot::channel();
        let of_task = Arc::clone(inner);
        inner.runtime.spawn(Box::pin(async move {
            // Made where it runs: moved in from outside, it would stand in the task twice.
            let result = operation(of_task).await;
            drop(permit);
            // Nobody may be waiting any more.
            let _ = done.send(result);
        }));
        // A task that is gone without an answer has panicked.
        outcome.await.unwrap_or(Err(Refusal::Defect))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("policies", &self.0.policies).finish_non_exhaustive()
    }
}

/// The facts of an event that the operations know.
struct About<'a> {
    caller: &'a Caller,
    /// What stands in events for the identifier.
    subject: Option<[u8; 8]>,
    user: Option<&'a UserId>,
    session: Option<SessionId>,
}

impl<'a> About<'a> {
    /// Nothing but whose request in which tenant.
    fn tenant(caller: &'a Caller) -> Self {
        Self { caller, subject: None, user: None, session: None }
    }
}

/// What stands in events for the identifier whose record is at `key`.
fn subject(key: &Key) -> [u8; 8] {
    *key.0.first_chunk().unwrap_or(&[0; 8])
}

impl Inner {
    fn tell(&self, kind: EventKind, about: About<'_>, refusal: Option<Refusal>) {
        self.events.record(&Event {
            kind,
            at: self.clock.now(),
            tenant: about.caller.tenant.clone(),
            profile: Some(about.caller.profile),
            user: about.user.cloned(),
            subject: about.subject,
            session: about.session,
            address: about.caller.address,
            refusal,
            cause: None,
        });
    }

    /// What stands in events for an identifier.
    fn subject(&self, tenant: &Tenant, identifier: &Identifier) -> [u8; 8] {
        subject(&self.secrets.identifier_key(tenant, identifier))
    }

    fn policy(&self, tenant: &Tenant) -> Arc<Policy> {
        self.policies.policy(tenant)
    }

    fn code(&self, caller: &Caller, text: &str) -> Result<Code, Refusal> {
        crate::flow::code::read(self.policy(&caller.tenant).code_format(caller.profile), text)
            .ok_or(Refusal::MalformedCode)
    }
}
