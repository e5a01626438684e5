//! The matrix's own half: the two frameworks and the ready stores behind the testkit's traits.

mod actix;
mod axum;
mod host;
mod stores;

use std::sync::Arc;

use otpgate_testkit::wire::{Driver, Stores};

pub use crate::actix::Actix;
pub use crate::axum::Axum;
pub use crate::host::Shown;
pub use crate::stores::{Memory, Sqlite};

/// Both frameworks, axum first.
#[must_use]
pub fn drivers() -> [Arc<dyn Driver>; 2] {
    [Arc::new(Axum), Arc::new(Actix)]
}

/// Every store that runs without a server of its own.
#[must_use]
pub fn stores() -> [Arc<dyn Stores>; 2] {
    [Arc::new(Memory), Arc::new(Sqlite)]
}
