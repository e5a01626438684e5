//! The ready stores on servers: one server of each kind for the whole run, a namespace for each store.

use std::any::Any;
use std::sync::Arc;

use otpgate_core::runtime::BoxFuture;
use otpgate_core::{ConfigError, Store};
use otpgate_mysql::MySqlStore;
use otpgate_postgres::PostgresStore;
use otpgate_redis::RedisStore;
use otpgate_servers::{Kind, fresh_namespace, url};
use otpgate_testkit::wire::Stores;

/// A store on the server that `cargo xtask test` has started; where none was started, opening it panics.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OnServer {
    Postgres,
    MariaDb,
    Redis,
}

impl Stores for OnServer {
    fn name(&self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MariaDb => "mariadb",
            Self::Redis => "redis",
        }
    }

    fn open(&self) -> BoxFuture<(Arc<dyn Store>, Arc<dyn Any + Send + Sync>)> {
        let store = self.opened();
        Box::pin(async move {
            let store = store.await.unwrap_or_else(|error| panic!("no store: {error}"));
            (store, Arc::new(()) as Arc<dyn Any + Send + Sync>)
        })
    }

    /// A quarter: each round waits for the network and the disk some dozen times, and all of them take minutes.
    fn rounds(&self, rounds: usize) -> usize {
        rounds.div_ceil(4)
    }
}

impl OnServer {
    fn opened(self) -> BoxFuture<Result<Arc<dyn Store>, ConfigError>> {
        let name = fresh_namespace();
        match self {
            Self::Postgres => Box::pin(async {
                let store = PostgresStore::builder().namespace(name).open(&url(Kind::Postgres)).await?;
                Ok(Arc::new(store) as Arc<dyn Store>)
            }),
            Self::MariaDb => Box::pin(async {
                let store = MySqlStore::builder().namespace(name).open(&url(Kind::MariaDb)).await?;
                Ok(Arc::new(store) as Arc<dyn Store>)
            }),
            Self::Redis => Box::pin(async {
                let store = RedisStore::builder().namespace(name).open(&url(Kind::Redis)).await?;
                Ok(Arc::new(store) as Arc<dyn Store>)
            }),
        }
    }
}
