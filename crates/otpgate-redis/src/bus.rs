use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use otpgate_core::{Bus, BusError, ConfigError, Hints};
use redis::Client;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSubStream};

use crate::keys::Names;
use crate::settings::refused;

/// Hints between nodes by Redis pub/sub: any server that all nodes reach, that of the store or another; in a Cluster any of its
/// nodes. It keeps nothing, so its settings do not matter.
///
/// ```no_run
/// use otpgate_redis::RedisBus;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = RedisBus::open("redis://localhost/")?;
/// // OtpAuth::builder(..).bus(bus)
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisBus {
    client: Client,
    publisher: ConnectionManager,
    channel: String,
}

impl RedisBus {
    /// By the server at `url`; whether it is there is found out when it is used. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ConfigError`] when `url` is none.
    pub fn open(url: &str) -> Result<Self, ConfigError> {
        Self::open_in(url, None)
    }

    /// The same for a deployment with this namespace, as [`crate::RedisStoreBuilder::namespace`].
    ///
    /// # Errors
    /// [`ConfigError`] when `url` is none, or the namespace not allowed.
    pub fn namespaced(url: &str, namespace: &str) -> Result<Self, ConfigError> {
        Self::open_in(url, Some(namespace))
    }

    fn open_in(url: &str, namespace: Option<&str>) -> Result<Self, ConfigError> {
        let channel = Names::new(namespace)?.channel();
        let wrong = |error| refused("the bus has no such server").because(error);
        let client = Client::open(url).map_err(wrong)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(Duration::from_secs(1)))
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_number_of_retries(1);
        let publisher = ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(wrong)?;
        Ok(Self { client, publisher, channel })
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn publish(&self) -> Result<(), BusError> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&self.channel).arg("");
        publish.exec_async(&mut self.publisher.clone()).await.map_err(BusError::new)
    }

    async fn subscribe(&self) -> Result<Box<dyn Hints>, BusError> {
        let mut pubsub = self.client.get_async_pubsub().await.map_err(BusError::new)?;
        pubsub.subscribe(&self.channel).await.map_err(BusError::new)?;
        Ok(Box::new(Subscription(pubsub.into_on_message())))
    }
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus").field("channel", &self.channel).finish_non_exhaustive()
    }
}

struct Subscription(PubSubStream);

#[async_trait]
impl Hints for Subscription {
    async fn next(&mut self) -> Result<(), BusError> {
        match self.0.next().await {
            Some(_) => Ok(()),
            None => Err(BusError::new("the connection has ended")),
        }
    }
}
