use std::time::Duration;

use otpgate_core::ConfigError;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use crate::keys::Names;
use crate::link::Link;
use crate::settings::{Settings, refused};
use crate::{Durability, RedisStore};

/// The settings of a [`RedisStore`].
///
/// ```no_run
/// use otpgate_redis::RedisStore;
///
/// # async fn example(connection: redis::aio::ConnectionManager) -> Result<(), otpgate_core::ConfigError> {
/// let store = RedisStore::builder().namespace("shop").require_always().connect(connection).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct RedisStoreBuilder {
    namespace: Option<String>,
    always: bool,
    weak: bool,
}

/// Less than core waits for a store (2 s).
const ANSWER: Duration = Duration::from_millis(1800);

impl RedisStoreBuilder {
    /// Keeps the keys of several deployments apart on one server: they begin with `otpgate:<namespace>:`.
    ///
    /// One to 32 lower-case ASCII letters, digits and underscores, beginning with a letter.
    #[must_use]
    pub fn namespace(self, name: impl Into<String>) -> Self {
        Self { namespace: Some(name.into()), ..self }
    }

    /// Refuses a server that does not say that it has every write on its disk before it answers, where the default is a warning
    /// in the log for `appendfsync everysec` and for a server that does not let its settings be read.
    #[must_use]
    pub fn require_always(self) -> Self {
        Self { always: true, ..self }
    }

    /// Takes a server that has nothing on its disk, with a warning in the log.
    ///
    /// # Security
    /// After a crash of the server, a used code can be used again and a logged-out session be alive. For tests and for data
    /// that nobody minds losing.
    #[must_use]
    pub fn insecure_without_durability(self) -> Self {
        Self { weak: true, ..self }
    }

    /// Connects to the server at `url` (`redis://user:password@host:6379/0`).
    ///
    /// # Errors
    /// [`ConfigError`] when the server cannot be reached, would lose acknowledged writes, or evicts records.
    pub async fn open(self, url: &str) -> Result<RedisStore, ConfigError> {
        let unreached = |error| refused("the server could not be reached").because(error);
        let client = redis::Client::open(url).map_err(unreached)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(ANSWER))
            .set_connection_timeout(Some(Duration::from_secs(1)))
            // A server that is away is told soon and tried again with the next call.
            .set_number_of_retries(2)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_millis(200));
        self.connect(ConnectionManager::new_with_config(client, config).await.map_err(unreached)?).await
    }

    /// Uses the host's connection to one server.
    ///
    /// # Errors
    /// [`ConfigError`] when the server would lose acknowledged writes or evict records, with what to set.
    pub async fn connect(self, connection: ConnectionManager) -> Result<RedisStore, ConfigError> {
        let names = Names::new(self.namespace.as_deref())?;
        let link = Link::Single(connection);
        let unread = |error| refused("the server's settings could not be read").because(error);
        let info: String = link.ask(&redis::cmd("INFO")).await.map_err(unread)?;
        // Hosted servers often do not allow it.
        let config = link.ask(redis::cmd("CONFIG").arg("GET").arg("*append*")).await.ok();
        let durability = self.judge(&[Settings::new(&info, config)], false)?;
        Ok(RedisStore::over(link, names, durability))
    }

    /// Connects to the Cluster that the nodes at `urls` belong to; one that answers is enough.
    ///
    /// # Errors
    /// [`ConfigError`] when no node can be reached, and as [`connect`](Self::connect) for each primary.
    #[cfg(feature = "cluster")]
    pub async fn open_cluster<T: redis::IntoConnectionInfo>(
        self,
        urls: impl IntoIterator<Item = T>,
    ) -> Result<RedisStore, ConfigError> {
        self.connect_cluster(redis::cluster::ClusterClientBuilder::new(urls)).await
    }

    /// Connects to a Cluster with the host's settings, except that the client sends nothing twice: where a connection breaks, a
    /// swap that had won would lose against itself.
    ///
    /// Reading from replicas must be off, as it is by default: they accept logged-out sessions.
    ///
    /// # Errors
    /// [`ConfigError`] as [`open_cluster`](Self::open_cluster).
    #[cfg(feature = "cluster")]
    pub async fn connect_cluster(
        self,
        client: redis::cluster::ClusterClientBuilder,
    ) -> Result<RedisStore, ConfigError> {
        let names = Names::new(self.namespace.as_deref())?;
        let unreached = |error| refused("no node of the Cluster could be reached").because(error);
        let client = client.retries(0).response_timeout(ANSWER).connection_timeout(Duration::from_secs(1));
        let connection = client.build().map_err(unreached)?.get_async_connection().await.map_err(unreached)?;
        let settings = crate::cluster::settings(connection.clone()).await?;
        let durability = self.judge(&settings, true)?;
        Ok(RedisStore::over(Link::Cluster(connection), names, durability))
    }

    /// What the weakest of the servers promises, if that is enough.
    fn judge(&self, servers: &[Settings], is_cluster: bool) -> Result<Durability, ConfigError> {
        if let Some(text) = servers.iter().find_map(|server| server.contradicts(is_cluster)) {
            return Err(refused(text));
        }
        let weakest = servers.iter().map(Settings::durability).min().unwrap_or(Durability::Nothing);
        if let Some(text) = weakest.warning() {
            let too_weak = if self.always { weakest < Durability::Always } else { weakest == Durability::Nothing };
            if too_weak && !self.weak {
                return Err(refused(text));
            }
            tracing::warn!(target: "otpgate", "Redis: {text}");
        }
        Ok(weakest)
    }
}
