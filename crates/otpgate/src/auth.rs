//! The one type that an app builds.

use std::fmt;
use std::sync::Arc;

use otpgate_core::engine::{Outbox, Parts, PasswordParts};
use otpgate_core::token::TokenSettings;
use otpgate_core::{
    Bus, Clock, ConfigError, Directory, Engine, Entropy, EventSink, Mailer, PolicyBook, Registration, Runtime, Secrets,
    Sms, Store, Tenant,
};
use otpgate_http::{Gate, PeerPolicy, Profiles, TokioRuntime};

/// Login by one-time code for one app. Cheap to clone.
///
/// As a tower `Layer` (feature `tower` or `axum`) and as an actix-web `Transform` (feature `actix`) it answers the mounted
/// standard routes itself and leaves its verdict on every other request; it never answers for the host's routes.
///
/// ```
/// # #[cfg(all(feature = "axum", feature = "memory", feature = "mail"))] {
/// use axum::{Router, routing::get};
/// use otpgate::{MasterSecret, MemoryStore, OtpAuth, Secrets, Session, StoreDirectory, mail::ConsoleMailer};
///
/// async fn me(session: Session) -> String {
///     session.user_id.to_string()
/// }
///
/// let secrets = Secrets::new(MasterSecret::new(*b"32 unpredictable bytes, please!!")?);
/// let store = MemoryStore::new();
/// let users = StoreDirectory::new(store.clone(), &secrets);
/// let auth = OtpAuth::new(secrets, store, users, ConsoleMailer::stdout());
/// let app: Router = Router::new().route("/me", get(me)).layer(auth);
/// # }
/// # Ok::<(), otpgate::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct OtpAuth {
    gate: Gate,
}

impl OtpAuth {
    /// Profile `identity` for the users of [`Tenant::default`], with safe defaults. Each argument was checked when it was made.
    #[must_use]
    pub fn new(secrets: Secrets, store: impl Store, directory: impl Directory, mailer: impl Mailer) -> Self {
        let parts = parts(secrets, store, directory, mailer);
        Self { gate: Gate::new(Engine::new(parts), Tenant::default()) }
    }

    /// A builder for everything else.
    pub fn builder(
        secrets: Secrets,
        store: impl Store,
        directory: impl Directory,
        mailer: impl Mailer,
    ) -> OtpAuthBuilder {
        OtpAuthBuilder {
            parts: parts(secrets, store, directory, mailer),
            profiles: Profiles::identity(Tenant::default()),
            tokens: TokenSettings::default(),
            peers: PeerPolicy::default(),
            needs_peer: true,
            bearer: false,
            device_cookie: false,
            challenge: None,
            jwks_path: None,
            cache: Cache::Usual,
        }
    }

    /// The gate that this type mounts.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The engine behind the routes.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        self.gate.engine()
    }
}

impl fmt::Debug for OtpAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtpAuth").field("gate", &self.gate).finish()
    }
}

fn parts(secrets: Secrets, store: impl Store, directory: impl Directory, mailer: impl Mailer) -> Parts {
    Parts::new(secrets, Arc::new(store), Arc::new(directory), Arc::new(mailer), Arc::new(TokioRuntime::default()))
}

/// Collects what an [`OtpAuth`] is made of; `build` checks across the parts.
#[must_use = "a builder does nothing until `build`"]
pub struct OtpAuthBuilder {
    parts: Parts,
    profiles: Profiles,
    tokens: TokenSettings,
    peers: PeerPolicy,
    needs_peer: bool,
    bearer: bool,
    device_cookie: bool,
    challenge: Option<otpgate_http::Guard>,
    jwks_path: Option<String>,
    cache: Cache,
}

/// What is kept of tokens that were found good.
enum Cache {
    Usual,
    Bytes(usize),
    Off,
}

impl OtpAuthBuilder {
    /// The profiles to mount; default `identity` for [`Tenant::default`].
    pub fn profiles(mut self, profiles: Profiles) -> Self {
        self.profiles = profiles;
        self
    }

    /// The numbers: one [`otpgate_core::Policy`] for all, or a book of them by tenant; default
    /// [`otpgate_core::Policy::default`].
    pub fn policy(mut self, policies: impl Into<PolicyBook>) -> Self {
        self.parts.policies = policies.into();
        self
    }

    /// Password hashes and how they are made; default none, and then no route takes a password.
    pub fn passwords(mut self, passwords: PasswordParts) -> Self {
        self.parts.passwords = Some(passwords);
        self
    }

    /// What becomes of an unknown address that asks for a code; default [`Registration::Closed`].
    pub fn registration(mut self, registration: Registration) -> Self {
        self.parts.registration = registration;
        self
    }

    /// How access tokens are signed and for whom; default HS256 by the ring's keys for `otpgate`.
    pub fn tokens(mut self, settings: TokenSettings) -> Self {
        self.tokens = settings;
        self
    }

    /// How codes leave by SMS, and to which countries; default not at all. Where the rules are none of yours to make:
    /// [`Sms::insecure_without_rules`].
    ///
    /// ```ignore
    /// let rules = SmsRules::builder().allow("+49").cap("+49", 500, hour).build()?;
    /// let auth = OtpAuth::builder(secrets, store, users, mailer).sms(Sms::new(sender, rules)).build().await?;
    /// ```
    pub fn sms(mut self, sms: Sms) -> Self {
        self.parts.sms = Some(sms);
        self
    }

    /// Keeps messages in the store until they are handed over, so that a crash loses none; default not, and then those that are under
    /// way end with the process. They are sealed with the key ring, and sent at least once: see [`Outbox`].
    pub fn outbox(mut self, outbox: Outbox) -> Self {
        self.parts.outbox = Some(outbox);
        self
    }

    /// Where events go; default [`otpgate_core::TracingEvents`].
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.parts.events = Arc::new(sink);
        self
    }

    /// The source of time; default the machine's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.parts.clock = Arc::new(clock);
        self
    }

    /// The source of unpredictable bytes; default the operating system's.
    pub fn entropy(mut self, entropy: impl Entropy) -> Self {
        self.parts.entropy = Arc::new(entropy);
        self
    }

    /// Leaves it to the host to call [`OtpAuth::sweep`]; otherwise what has expired is removed once a minute in small
    /// steps, by one node at a time, from the first operation on.
    pub fn without_sweeps(mut self) -> Self {
        self.parts.housekeeping = false;
        self
    }

    /// What runs tasks and timers; default the tokio runtime of whoever calls.
    pub fn runtime(mut self, runtime: impl Runtime) -> Self {
        self.parts.runtime = Arc::new(runtime);
        self
    }

    /// Whose word is taken for a client's address; default the socket's alone.
    pub fn peers(mut self, peers: PeerPolicy) -> Self {
        self.peers = peers;
        self
    }

    /// Answers standard routes also where the server does not know the client's address. Costs: no limit by address holds.
    pub fn insecure_without_peer(mut self) -> Self {
        self.needs_peer = false;
        self
    }

    /// Also takes access tokens from `Authorization: Bearer` (RFC 6750, 2.1); default off.
    pub fn bearer(mut self) -> Self {
        self.bearer = true;
        self
    }

    /// Also keeps the token of a known device in a cookie `otpgate-device`; default the header of that name alone.
    pub fn device_cookie(mut self) -> Self {
        self.device_cookie = true;
        self
    }

    /// Which requests came through a challenge of yours, by their headers; their guesses go on while the breaker of their tenant
    /// refuses. See [`otpgate_http::GateBuilder::challenge`] for what it must not trust; default none.
    pub fn challenge(mut self, passed: impl Fn(&http::HeaderMap) -> bool + Send + Sync + 'static) -> Self {
        self.challenge = Some(Arc::new(passed));
        self
    }

    /// Serves the public signing keys (RFC 7517) at `path`, usually `/.well-known/jwks.json`; default nowhere.
    pub fn jwks(mut self, path: impl Into<String>) -> Self {
        self.jwks_path = Some(path.into());
        self
    }

    /// Keeps the sessions of tokens that were found good in about so many `bytes`; default 64 MiB. See
    /// [`otpgate_http::GateBuilder::cache_bytes`].
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache = Cache::Bytes(bytes);
        self
    }

    /// Keeps none: every request with a credential asks the store, and what one process ends, every other one refuses from its
    /// next request on. By default that takes up to a second, and a request with a token that was seen asks nobody.
    pub fn without_cache(mut self) -> Self {
        self.cache = Cache::Off;
        self
    }

    /// Asks nobody what other processes have ended: for an app whose one process has the store to itself. Costs, where there is
    /// another one after all: what that ends is believed here for up to a minute. Default: the store is asked twice a second.
    pub fn single_process(mut self) -> Self {
        self.parts.single_process = true;
        self
    }

    /// What hints to other processes that something has ended, so that they see it within milliseconds rather than within a
    /// second; default none. It may fail at any time: then their next poll sees it.
    pub fn bus(mut self, bus: impl Bus) -> Self {
        self.parts.bus = Some(Arc::new(bus));
        self
    }

    /// The finished type: signs and verifies a probe with every key and asks the store once.
    ///
    /// # Errors
    /// [`ConfigError`] for a key, path or name that cannot be used, or a store that does not answer.
    pub async fn build(self) -> Result<OtpAuth, ConfigError> {
        let engine = Engine::with_settings(self.parts, &self.tokens)?;
        engine.probe().await?;
        engine.tend_outbox();
        let mut gate = Gate::builder(engine, self.profiles).peers(self.peers);
        if !self.needs_peer {
            gate = gate.insecure_without_peer();
        }
        if self.bearer {
            gate = gate.bearer();
        }
        if self.device_cookie {
            gate = gate.device_cookie();
        }
        if let Some(passed) = self.challenge {
            gate = gate.challenge(move |headers| passed(headers));
        }
        if let Some(path) = self.jwks_path {
            gate = gate.jwks(path);
        }
        gate = match self.cache {
            Cache::Usual => gate,
            Cache::Bytes(bytes) => gate.cache_bytes(bytes),
            Cache::Off => gate.without_cache(),
        };
        Ok(OtpAuth { gate: gate.build()? })
    }
}

impl fmt::Debug for OtpAuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtpAuthBuilder")
            .field("parts", &self.parts)
            .field("profiles", &self.profiles)
            .finish_non_exhaustive()
    }
}
