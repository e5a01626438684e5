//! The HTTP profiles of otpgate, framework free: a request comes in, becomes an operation of the core, and leaves as a reply.
//!
//! A profile is a table of routes with pure functions to read requests and write replies. [`Gate`] is what the adapters
//! mount: it answers the standard routes and judges the credential of every other request.

mod body;
mod builder;
mod cookies;
mod credential;
mod device;
mod gate;
mod glance;
mod handler;
mod json;
mod language;
mod operation;
mod origin;
mod peer;
mod places;
mod profile;
mod reply;
mod runtime;
mod verdict;
mod verified;

pub use body::Body;
pub use builder::{Brand, Engine, GateBuilder, Guard, Identity, Platform, Profiles, ProfilesBuilder};
pub use cookies::{Cookies, LegacyCookie};
pub use gate::{Gate, Route, Unsettled};
pub use peer::PeerPolicy;
pub use profile::{FORGET_AFTER_LOGOUT, GENERIC_SENT_TEXT};
pub use reply::Reply;
pub use runtime::TokioRuntime;
pub use verdict::{Judged, Needs, Refused, Session, Verdict};
