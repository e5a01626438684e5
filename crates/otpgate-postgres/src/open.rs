use std::time::Duration;

use otpgate_core::ConfigError;
use otpgate_core::store::prefix;
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{Connection as _, PgPool};

use crate::error::{failed, refused};
use crate::lease::Lease;
use crate::sql::Sql;
use crate::{PostgresStore, migrate};

/// The settings of a [`PostgresStore`].
///
/// ```no_run
/// use otpgate_postgres::PostgresStore;
///
/// # async fn example(pool: sqlx::PgPool) -> Result<(), otpgate_core::ConfigError> {
/// let store = PostgresStore::builder().namespace("shop").without_migrations().connect(pool).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct PostgresStoreBuilder {
    namespace: Option<String>,
    max_connections: u32,
    migrates: bool,
    weak: bool,
}

impl Default for PostgresStoreBuilder {
    fn default() -> Self {
        Self { namespace: None, max_connections: 10, migrates: true, weak: false }
    }
}

impl PostgresStoreBuilder {
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

    /// The migrations as SQL, oldest first, for a tool of the host's: each is to run once, in a transaction.
    ///
    /// # Errors
    /// [`ConfigError`] when the namespace is not allowed.
    pub fn schema_sql(&self) -> Result<String, ConfigError> {
        Ok(migrate::schema_sql(&prefix(self.namespace.as_deref(), '_')?))
    }

    /// Connects to the server at `url` (`postgres://user:password@host:5432/database`), on a pool of the store's own.
    ///
    /// # Errors
    /// [`ConfigError`] when the server cannot be reached, would lose acknowledged writes, or has tables of another version.
    pub async fn open(self, url: &str) -> Result<PostgresStore, ConfigError> {
        let pool = PgPoolOptions::new()
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
    pub async fn connect(self, pool: PgPool) -> Result<PostgresStore, ConfigError> {
        let prefix = prefix(self.namespace.as_deref(), '_')?;
        let mut connection = Lease::take(&pool).await.map_err(failed("the pool has no connection"))?;
        if let Some(text) = loses(&mut connection).await? {
            if !self.weak {
                return Err(refused(text));
            }
            tracing::warn!(target: "otpgate", "PostgreSQL: {text}");
        }
        if self.migrates {
            migrate::run(&prefix, &mut connection).await?;
        } else {
            migrate::check(&prefix, &mut connection).await?;
        }
        connection.end(&Ok(()));
        Ok(PostgresStore::over(pool, Sql::new(&prefix)))
    }
}

/// Why an acknowledged write could be lost, or an old one be read, with what to set.
async fn loses(connection: &mut PgConnection) -> Result<Option<&'static str>, ConfigError> {
    let unread = failed("the server's settings could not be read");
    let row: (String, String, String, bool) = sqlx::query_as(
        "SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'),
                pg_is_in_recovery()",
    )
    .fetch_one(connection)
    .await
    .map_err(unread)?;
    let (synchronous_commit, fsync, full_page_writes, replica) = row;
    if replica {
        // No switch helps against this one, but the first write would fail anyway.
        return Err(refused(
            "this is a replica: it answers with what was true a moment ago, and takes no writes. Connect to the primary \
             (`target_session_attrs=read-write` where the driver knows it)",
        ));
    }
    Ok(if synchronous_commit == "off" {
        Some(
            "with `synchronous_commit = off` an acknowledged write can be lost, and a used code come back: set \
             `synchronous_commit = on` for the server, the database or the role, or `.options([(\"synchronous_commit\", \
             \"on\")])` on the pool's `PgConnectOptions`",
        )
    } else if fsync != "on" || full_page_writes != "on" {
        Some(
            "with `fsync` or `full_page_writes` off a power cut can lose acknowledged writes or the whole database: set \
             both to `on` in postgresql.conf",
        )
    } else {
        None
    })
}
