use std::path::Path;
use std::time::Duration;

use otpgate_core::store::prefix;
use otpgate_core::{ConfigError, ConfigErrorKind};
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Sqlite, SqlitePool};

use crate::sql::Sql;
use crate::{SqliteStore, primary_code};

/// The settings of a [`SqliteStore`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use otpgate_sqlite::SqliteStore;
///
/// let store = SqliteStore::builder().namespace("shop").in_memory().await?;
/// # Ok::<(), otpgate_core::ConfigError>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct SqliteStoreBuilder {
    namespace: Option<String>,
    max_connections: u32,
    busy_timeout: Duration,
}

/// Another connection holds a lock.
const SQLITE_BUSY: i32 = 5;
/// What the tables look like; grows when they change.
const VERSION: i64 = 1;

impl Default for SqliteStoreBuilder {
    fn default() -> Self {
        Self { namespace: None, max_connections: 4, busy_timeout: Duration::from_millis(1500) }
    }
}

impl SqliteStoreBuilder {
    /// Keeps the tables of several deployments apart in one database: their names begin with `otpgate_<namespace>_`.
    ///
    /// One to 32 lower-case ASCII letters, digits and underscores, beginning with a letter.
    #[must_use]
    pub fn namespace(self, name: impl Into<String>) -> Self {
        Self { namespace: Some(name.into()), ..self }
    }

    /// How many connections a pool of the store's own has (default 4).
    #[must_use]
    pub fn max_connections(self, max: u32) -> Self {
        Self { max_connections: max, ..self }
    }

    /// How long a write of the store's own pool waits for another process's lock (default 1.5 s, less than core waits for a
    /// store).
    #[must_use]
    pub fn busy_timeout(self, span: Duration) -> Self {
        Self { busy_timeout: span, ..self }
    }

    /// Opens the database file at `path`, or makes it, on a pool of the store's own.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be opened or is not of this version.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, ConfigError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(self.busy_timeout)
            // Random keys touch many pages: fewer, larger checkpoints write each of them less often (16 MiB of log).
            .pragma("wal_autocheckpoint", "4000")
            // What a statement of many rows would have to put back, SQLite keeps aside, beyond 64 KiB in a file that it makes and
            // removes each time.
            .pragma("temp_store", "MEMORY")
            .row_buffer_size(256);
        let pool = own_pool().max_connections(self.max_connections).connect_lazy_with(options);
        first_connection(&pool, self.busy_timeout).await.map_err(|e| backend("the database could not be opened", e))?;
        self.connect(pool).await
    }

    /// A database in memory, for tests: it is gone with the last clone.
    ///
    /// # Errors
    /// [`ConfigError`] when SQLite fails.
    pub async fn in_memory(self) -> Result<SqliteStore, ConfigError> {
        // Each connection is a database of its own: one, and it stays.
        let pool = own_pool().max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.connect_with(SqliteConnectOptions::new().in_memory(true).row_buffer_size(256)).await;
        self.connect(pool.map_err(|e| backend("a database in memory could not be made", e))?).await
    }

    /// Uses the host's pool.
    ///
    /// A pool of the store's own has `.pragma("wal_autocheckpoint", "4000")`, `.pragma("temp_store", "MEMORY")` and
    /// `.row_buffer_size(256)` on its `SqliteConnectOptions`: under load they cost less.
    ///
    /// # Errors
    /// [`ConfigError`] when the pool's settings would lose acknowledged writes, with what to set, or when the tables are not of
    /// this version.
    pub async fn connect(self, pool: SqlitePool) -> Result<SqliteStore, ConfigError> {
        let sql = Sql::new(prefix(self.namespace.as_deref(), '_')?);
        let mut connection = pool.acquire().await.map_err(|e| backend("the pool has no connection", e))?;
        check_settings(&mut connection, &pool).await?;
        migrate(&sql, &mut connection).await?;
        drop(connection);
        Ok(SqliteStore::over(pool, sql))
    }
}

fn own_pool() -> PoolOptions<Sqlite> {
    // A connection to a file does not break while it lies idle: asking it each time would double the waits.
    PoolOptions::new().acquire_timeout(Duration::from_secs(2)).test_before_acquire(false)
}

/// Opens one connection. Of two processes that open a fresh file, one turns the write-ahead log on under a lock that SQLite does
/// not wait for: it is waited for here.
async fn first_connection(pool: &SqlitePool, patience: Duration) -> Result<(), sqlx::Error> {
    const STEP: Duration = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    loop {
        match pool.acquire().await {
            Err(error) if primary_code(&error) == Some(SQLITE_BUSY) && waited < patience => {
                tokio::time::sleep(STEP).await;
                waited += STEP;
            }
            other => return other.map(drop),
        }
    }
}

fn backend(text: &str, cause: sqlx::Error) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Backend, format!("SQLite: {text}")).because(cause)
}

/// Refuses a pool that answers before the disk has what was written.
async fn check_settings(connection: &mut SqliteConnection, pool: &SqlitePool) -> Result<(), ConfigError> {
    let failed = |e| backend("the pool's settings could not be read", e);
    let journal: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.map_err(failed)?;
    let synchronous: i64 =
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.map_err(failed)?;
    let file: Option<String> = sqlx::query_scalar("SELECT file FROM pragma_database_list WHERE name = 'main'")
        .fetch_one(connection)
        .await
        .map_err(failed)?;
    let refused = |text| Err(ConfigError::new(ConfigErrorKind::Backend, text));
    if file.is_none_or(|file| file.is_empty()) {
        let (options, one) = (pool.options(), pool.options().get_max_connections() == 1);
        if one && options.get_idle_timeout().is_none() && options.get_max_lifetime().is_none() {
            return Ok(());
        }
        return refused(
            "SQLite: each connection to a database in memory is a database of its own: set `.max_connections(1)`, \
             `.idle_timeout(None)` and `.max_lifetime(None)` on the pool, or take `SqliteStore::in_memory`",
        );
    }
    if !journal.eq_ignore_ascii_case("wal") {
        return refused(
            "SQLite: the store needs the write-ahead log: set `.journal_mode(SqliteJournalMode::Wal)` on the pool's \
             `SqliteConnectOptions`",
        );
    }
    if synchronous < 2 {
        return refused(
            "SQLite: with `synchronous` below FULL an acknowledged write can be lost, and a used code come back: set \
             `.synchronous(SqliteSynchronous::Full)` on the pool's `SqliteConnectOptions`",
        );
    }
    Ok(())
}

/// Makes the tables where they are missing; changes nothing where they are of this version.
async fn migrate(sql: &Sql, connection: &mut SqliteConnection) -> Result<(), ConfigError> {
    if version(sql, connection).await? == Some(VERSION) {
        return Ok(());
    }
    let failed = |e| backend("the tables could not be made", e);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    // Again under the lock: another process may have been faster.
    match version(sql, &mut transaction).await? {
        Some(VERSION) => return Ok(()),
        Some(other) => {
            let text = format!("SQLite: the tables have version {other}, and this release knows version {VERSION}");
            return Err(ConfigError::new(ConfigErrorKind::Backend, text));
        }
        None => {}
    }
    let schema = include_str!("schema.sql").replace("otpgate_", &sql.prefix);
    sqlx::raw_sql(AssertSqlSafe(schema)).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

async fn version(sql: &Sql, connection: &mut SqliteConnection) -> Result<Option<i64>, ConfigError> {
    let failed = |e| backend("the version of the tables could not be read", e);
    let name = format!("{}schema", sql.prefix);
    let tables = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?");
    if tables.bind(&name).fetch_one(&mut *connection).await.map_err(failed)? == 0 {
        return Ok(None);
    }
    let text = AssertSqlSafe(format!("SELECT version FROM {name} WHERE id = 1"));
    sqlx::query_scalar(text).fetch_optional(connection).await.map_err(failed)
}
