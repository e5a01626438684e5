//! The one-time-code and session state machine of otpgate.
//!
//! Everything that decides is a pure function in `flow`: prior record, input, policy, time and dice in; a write and an
//! outcome out. [`engine`] is the one asynchronous loop that loads, decides and swaps. The traits [`Store`],
//! [`Directory`], [`Mailer`], [`SmsSender`], [`EventSink`], [`Clock`], [`Entropy`] and [`Runtime`] are what a host brings;
//! each has a numbered contract.
//!
//! This crate knows no framework, no HTTP and no async runtime.

pub mod bus;
pub mod clock;
pub mod directory;
pub mod engine;
pub mod entropy;
pub mod error;
pub mod events;
pub(crate) mod flow;
pub mod ids;
pub mod mailer;
pub mod origin;
pub mod outcome;
pub mod password;
pub mod policy;
pub(crate) mod record;
pub mod registration;
pub mod runtime;
pub mod secret;
pub mod store;
pub mod store_directory;
pub mod time;
pub mod token;

pub use async_trait::async_trait;

pub use bus::{Bus, BusError, Hints};
pub use clock::{Clock, SystemClock};
pub use directory::{Directory, DirectoryError, Passwords, User};
pub use engine::Engine;
pub use entropy::{Entropy, EntropyError, OsEntropy};
pub use error::{ConfigError, ConfigErrorKind};
pub use events::{Event, EventKind, EventSink, TracingEvents};
pub use ids::{FlowId, Identifier, IdentifierError, IdentifierKind, Profile, SessionId, Tenant, UserId};
pub use mailer::{CodeMail, CodeSms, DeliveryError, MailPurpose, Mailer, Sms, SmsSender};
pub use origin::{Agent, Network};
pub use outcome::Refusal;
pub use password::{Password, PasswordHash, PasswordScheme};
pub use policy::{Breaker, Disclosure, Policy, PolicyBook, PolicyBuilder, SmsRules, SmsRulesBuilder};
pub use registration::{Registrar, Registration};
pub use runtime::Runtime;
pub use secret::{Code, MasterSecret, Secrets};
pub use store::{Expect, Key, Owner, Record, Revision, Store, StoreError, StoreErrorKind, Swapped};
pub use store_directory::StoreDirectory;
pub use time::Timestamp;
