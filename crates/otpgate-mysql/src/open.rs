use std::time::Duration;

use otpgate_core::ConfigError;
use otpgate_core::store::prefix;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{Connection as _, MySqlPool};

use crate::error::{failed, refused};
use crate::lease::Lease;
use crate::settings::Settings;
use crate::sql::Sql;
use crate::{MySqlStore, migrate};

/// The settings of a [`MySqlStore`].
///
/// ```no_run
/// use otpgate_mysql::MySqlStore;
///
/// # async fn example(pool: sqlx::MySqlPool) -> Result<(), otpgate_core::ConfigError> {
/// let store = MySqlStore::builder().namespace("shop").without_migrations().connect(pool).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct MySqlStoreBuilder {
    namespace: Option<String>,
    max_connections: u32,
    migrates: bool,
    weak: bool,
}

impl Default for MySqlStoreBuilder {
    fn default() -> Self {
        Self { namespace: None, max_connections: 10, migrates: true, weak: false }
    }
}

impl MySqlStoreBuilder {
    /// Keeps the tables of several deployments apart in one database: their names begin with `otpgate_<namespace>_`.
    ///
    /// One to 32 lower-case ASCII letters, digits and underscores, beginning with a letter.
    #[must_use]
    pub fn namespace(self, name: impl Into<String>) -> Self {
        Self { namespace: Some(name.into()), ..self }
    }

    /// How many connections a pool of the store's own has (default 10).
    #[must_use]
    pub fn max_connections(self, max: u32) -> Self {
        Self { max_connections: max, ..self }
    }

    /// Leaves the tables to a tool of the host's, which runs what [`schema_sql`](Self::schema_sql) gives; their version is
    /// still checked.
    #[must_use]
    pub fn without_migrations(self) -> Self {
        Self { migrates: false, ..self }
    }

    /// Takes a server that may lose what it has acknowledged, with a warning in the log.
    ///
    /// # Security
    /// After a crash of the server, a used code can be used again and a logged-out session be alive. For tests and for data
    /// that nobody minds losing.
    #[must_use]
    pub fn insecure_without_durability(self) -> Self {
        Self { weak: true, ..self }
    }

    /// The migrations as SQL, oldest first, for a tool of the host's.
    ///
    /// # Errors
    /// [`ConfigError`] when the namespace is not allowed.
    pub fn schema_sql(&self) -> Result<String, ConfigError> {
        Ok(migrate::schema_sql(&prefix(self.namespace.as_deref(), '_')?))
    }

    /// Connects to the server at `url` (`mysql://user:password@host:3306/database`), on a pool of the store's own.
    ///
    /// # Errors
    /// [`ConfigError`] when the server cannot be reached, would lose acknowledged writes, or has tables of another version.
    pub async fn open(self, url: &str) -> Result<MySqlStore, ConfigError> {
        let pool = MySqlPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(Duration::from_secs(2))
            // Asking every connection whether it lives would double the waits: only those are asked that lay idle.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > Duration::from_secs(1) {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            });
        let pool = pool.connect(url).await.map_err(failed("the server could not be reached"))?;
        self.connect(pool).await
    }

    /// Uses the host's pool.
    ///
    /// # Errors
    /// [`ConfigError`] when the server would lose acknowledged writes, with what to set, or has tables of another version.
    pub async fn connect(self, pool: MySqlPool) -> Result<MySqlStore, ConfigError> {
        let prefix = prefix(self.namespace.as_deref(), '_')?;
        let mut connection = Lease::take(&pool).await.map_err(failed("the pool has no connection"))?;
        let settings = Settings::read(&mut connection).await?;
        if let Some(text) = settings.contradicts() {
            return Err(refused(text));
        }
        if let Some(text) = settings.loses() {
            if !self.weak {
                return Err(refused(text));
            }
            tracing::warn!(target: "otpgate", "MySQL: {text}");
        }
        if self.migrates {
            migrate::run(&prefix, &mut connection).await?;
        } else {
            migrate::check(&prefix, &mut connection).await?;
        }
        connection.end(&Ok(()));
        Ok(MySqlStore::over(pool, Sql::new(&prefix)))
    }
}
