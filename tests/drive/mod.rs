//! The two frameworks and the ready stores behind the testkit's traits.

pub(crate) mod actix;
pub(crate) mod axum;
mod host;
mod stores;

use std::sync::Arc;

use otpgate_testkit::wire::{Driver, Stores};

pub(crate) use self::actix::Actix;
pub(crate) use self::axum::Axum;
pub(crate) use self::stores::{Memory, Sqlite};

/// Both frameworks, axum first.
pub(crate) fn drivers() -> [Arc<dyn Driver>; 2] {
    [Arc::new(Axum), Arc::new(Actix)]
}

/// Every store that runs without a server of its own.
pub(crate) fn stores() -> [Arc<dyn Stores>; 2] {
    [Arc::new(Memory), Arc::new(Sqlite)]
}
