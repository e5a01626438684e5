//! Login by one-time code, and sessions that end when they should, as one layer for axum, tower and actix-web.
//!
//! [`OtpAuth`] answers the standard routes and leaves a verdict on every other request; [`Session`], [`MaybeSession`] and
//! [`CurrentUser`] read it. The host keeps its users and its database.
//!
//! # Things to know when mounting it
//! - axum: a fallback that is set after `.layer(auth)` is outside the layer (axum's rule), so set it before, or mount
//!   `auth.router()`. `nest` strips its prefix before the layer sees a path. `route_layer` mounts no routes. A route of the
//!   host at one of our paths is shadowed. CORS stands outside: `.layer(auth).layer(cors)`.
//! - Limits by client address need the address: serve axum with `into_make_service_with_connect_info::<SocketAddr>()`;
//!   actix-web knows it. Behind a proxy, name the proxy: [`PeerPolicy::behind`].
//! - actix-web runs the app factory once per worker: build [`OtpAuth`] outside of it and clone it in. Background work ends
//!   with the worker unless `.runtime(TokioRuntime::on(Handle::current()))` puts it on the runtime of `main`.

mod accounts;
mod auth;
mod extract;
mod flows;
mod methods;
mod mount;

pub use auth::{OtpAuth, OtpAuthBuilder};
pub use extract::{CurrentUser, MaybeSession, RequireFresh, Session};
pub use mount::{Extractor, Required};

pub use otpgate_core::engine::{
    Caller, CodeSent, Device, FlowClaim, FlowOpened, LiveSession, LoggedIn, NewFlow, OpenSession, Outbox,
    PasswordParts, Renewed, Trust, TypedCode,
};
#[cfg(feature = "passwords")]
pub use otpgate_core::password::Argon2id;
pub use otpgate_core::password::Compared;
pub use otpgate_core::policy::{Breaker, CodeFormat, FlowPolicy, Lives, Lockout, Window};
pub use otpgate_core::registration::Newcomers;
pub use otpgate_core::runtime::BoxFuture;
pub use otpgate_core::secret::{AccessToken, DeviceToken, RefreshToken, SessionKey};
pub use otpgate_core::token::{SigningKey, TokenSettings};
pub use otpgate_core::{
    Agent, Bus, BusError, Clock, Code, CodeMail, CodeSms, ConfigError, ConfigErrorKind, DeliveryError, Directory,
    DirectoryError, Disclosure, Entropy, EntropyError, Event, EventKind, EventSink, Expect, FlowId, Hints, Identifier,
    IdentifierError, IdentifierKind, Key, MailPurpose, Mailer, MasterSecret, Network, OsEntropy, Owner, Password,
    PasswordHash, PasswordScheme, Passwords, Policy, PolicyBook, PolicyBuilder, Profile, Record, Refusal, Registrar,
    Registration, Revision, Runtime, Secrets, SessionId, Sms, SmsRules, SmsRulesBuilder, SmsSender, Store,
    StoreDirectory, StoreError, StoreErrorKind, Swapped, SystemClock, Tenant, Timestamp, TracingEvents, User, UserId,
    async_trait,
};
pub use otpgate_http::{
    Brand, Cookies, Engine, FORGET_AFTER_LOGOUT, GENERIC_SENT_TEXT, Gate, Identity, Judged, LegacyCookie, Needs,
    PeerPolicy, Platform, Profiles, ProfilesBuilder, Refused, TokioRuntime, Verdict,
};

#[cfg(feature = "mail")]
pub use otpgate_mail as mail;
#[cfg(feature = "memory")]
pub use otpgate_memory::MemoryStore;
#[cfg(feature = "mysql")]
pub use otpgate_mysql::MySqlStore;
#[cfg(feature = "postgres")]
pub use otpgate_postgres::{PostgresBus, PostgresStore};
#[cfg(feature = "redis")]
pub use otpgate_redis::{RedisBus, RedisStore};
#[cfg(feature = "sqlite")]
pub use otpgate_sqlite::SqliteStore;
#[cfg(feature = "tower")]
pub use otpgate_tower::PeerAddr;
#[cfg(feature = "tower")]
pub use tower_layer::Layer;

/// The lines of the README compile.
#[cfg(all(doctest, feature = "axum", feature = "memory", feature = "mail"))]
#[doc = include_str!("../../../README.md")]
#[derive(Debug)]
struct Readme;
