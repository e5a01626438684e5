use std::fmt;

use async_trait::async_trait;
use otpgate_core::{Bus, BusError, Hints};
use sqlx::PgPool;
use sqlx::postgres::PgListener;

use crate::PostgresStore;

/// Hints between nodes by `NOTIFY` and `LISTEN`. Listening takes one connection of the store's pool for good.
///
/// Behind a proxy that pools transactions, PgBouncer for one, nothing is heard: there the polls alone tell what was revoked.
#[derive(Clone)]
pub struct PostgresBus {
    pool: PgPool,
    channel: String,
}

impl PostgresStore {
    /// The bus of this store's database and namespace, for `OtpAuth::builder(..).bus(..)`.
    #[must_use]
    pub fn bus(&self) -> PostgresBus {
        PostgresBus { pool: self.pool().clone(), channel: self.channel().to_owned() }
    }
}

#[async_trait]
impl Bus for PostgresBus {
    async fn publish(&self) -> Result<(), BusError> {
        let notify = sqlx::query("SELECT pg_notify($1, '')").bind(&self.channel);
        notify.execute(&self.pool).await.map(drop).map_err(BusError::new)
    }

    async fn subscribe(&self) -> Result<Box<dyn Hints>, BusError> {
        let mut listener = PgListener::connect_with(&self.pool).await.map_err(BusError::new)?;
        listener.listen(&self.channel).await.map_err(BusError::new)?;
        Ok(Box::new(Subscription(listener)))
    }
}

impl fmt::Debug for PostgresBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBus").field("channel", &self.channel).finish_non_exhaustive()
    }
}

struct Subscription(PgListener);

#[async_trait]
impl Hints for Subscription {
    async fn next(&mut self) -> Result<(), BusError> {
        match self.0.try_recv().await {
            Ok(Some(_)) => Ok(()),
            // It would connect anew by itself, and never say that hints were lost meanwhile.
            Ok(None) => Err(BusError::new("the connection has ended")),
            Err(error) => Err(BusError::new(error)),
        }
    }
}
