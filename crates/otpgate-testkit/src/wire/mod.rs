//! The wire scenarios: what every adapter over every store has to answer, request by request.
//!
//! A [`Driver`] mounts a gate in a framework, [`Stores`] makes empty stores, and [`scenarios`] is the one list of what is
//! then done. Clock and chance are fixed, so that two frameworks answer byte for byte alike: [`Scenario::compare`].

mod directory;
mod driver;
mod paced;
pub mod people;
mod plain;
mod run;
mod scenarios;
mod setup;
mod transcript;
mod vault;
mod verbs;
mod world;

pub use directory::{EventLog, SwitchedDirectory};
pub use driver::{Driver, Mounted, Stores};
pub use paced::PacedRuntime;
pub use plain::{Reply, Request};
pub use run::Scenario;
pub use scenarios::scenarios;
pub use setup::{Setup, usual_master, usual_secrets};
pub use transcript::Transcript;
pub use vault::Written;
pub use verbs::{AVAILABILITY, LOGIN, LOGOUT, REFRESH, ROUTES, SEND, Tokens, has_word, nth_other, other_than};
pub use world::{ALL_ROUNDS, World};
