//! The two frameworks and the ready stores behind the testkit's traits.

pub(crate) mod actix;
pub(crate) mod axum;
mod host;
mod servers;
mod stores;

use std::sync::Arc;

use otpgate_testkit::wire::{Driver, Stores};

pub(crate) use self::actix::Actix;
pub(crate) use self::axum::Axum;
pub(crate) use self::servers::OnServer;
pub(crate) use self::stores::{Memory, Sqlite};

/// Both frameworks, axum first.
pub(crate) fn drivers() -> [Arc<dyn Driver>; 2] {
    [Arc::new(Axum), Arc::new(Actix)]
}

/// Every ready store.
pub(crate) fn stores() -> [Arc<dyn Stores>; 5] {
    let on_servers = [OnServer::Postgres, OnServer::MariaDb, OnServer::Redis];
    let [postgres, mariadb, redis] = on_servers.map(|store| Arc::new(store) as Arc<dyn Stores>);
    [Arc::new(Memory), Arc::new(Sqlite), postgres, mariadb, redis]
}
