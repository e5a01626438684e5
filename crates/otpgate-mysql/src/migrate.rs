use otpgate_core::ConfigError;
use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlConnection;

use crate::error::{failed, refused};

/// Each change of the tables, in order; the first is version 1. A released one never changes.
const MIGRATIONS: [&str; 1] = [include_str!("../migrations/0001_records.sql")];

const LATEST: i32 = MIGRATIONS.len() as i32;

/// Who changes our tables holds the lock of this name, in every namespace of one database.
const LOCK: &str = "CONCAT('otpgate ', SHA1(DATABASE()))";

/// All migrations for tables that begin with `prefix`.
pub(crate) fn schema_sql(prefix: &str) -> String {
    MIGRATIONS.map(|sql| sql.replace("otpgate_", prefix)).join("\n")
}

/// Brings the tables to the latest version; changes nothing where they are.
///
/// The lock is the connection's: who is interrupted must close it.
pub(crate) async fn run(prefix: &str, connection: &mut MySqlConnection) -> Result<(), ConfigError> {
    if version(prefix, connection).await? == LATEST {
        return Ok(());
    }
    let not_made = failed("the tables could not be made");
    let lock = AssertSqlSafe(format!("SELECT GET_LOCK({LOCK}, 60)"));
    let held: Option<i64> = sqlx::query_scalar(lock).fetch_one(&mut *connection).await.map_err(&not_made)?;
    if held != Some(1) {
        return Err(refused("another process has been changing the tables for a minute, or no database was named"));
    }
    // Again under the lock: another process may have been faster.
    let version = known(version(prefix, connection).await?)?;
    for sql in &MIGRATIONS[version..] {
        let sql = AssertSqlSafe(sql.replace("otpgate_", prefix));
        sqlx::raw_sql(sql).execute(&mut *connection).await.map_err(&not_made)?;
    }
    let free = AssertSqlSafe(format!("DO RELEASE_LOCK({LOCK})"));
    sqlx::query(free).execute(connection).await.map(drop).map_err(not_made)
}

/// For who runs the migrations with a tool of their own.
pub(crate) async fn check(prefix: &str, connection: &mut MySqlConnection) -> Result<(), ConfigError> {
    let version = version(prefix, connection).await?;
    if known(version)? == MIGRATIONS.len() {
        return Ok(());
    }
    Err(refused(format!(
        "the tables have version {version}, and this release needs version {LATEST}: run the migrations that \
         `MySqlStore::builder().schema_sql()` prints, or let `connect` run them"
    )))
}

/// How many migrations have run; later ones than ours are an error.
fn known(version: i32) -> Result<usize, ConfigError> {
    usize::try_from(version).ok().filter(|n| *n <= MIGRATIONS.len()).ok_or_else(|| {
        refused(format!("the tables have version {version}, and this release knows them up to version {LATEST}"))
    })
}

/// The version of the tables, 0 where there are none.
async fn version(prefix: &str, connection: &mut MySqlConnection) -> Result<i32, ConfigError> {
    let unread = failed("the version of the tables could not be read");
    let name = format!("{prefix}schema");
    let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?";
    let tables = sqlx::query_scalar::<_, i64>(tables).bind(&name);
    if tables.fetch_one(&mut *connection).await.map_err(&unread)? == 0 {
        return Ok(0);
    }
    let text = AssertSqlSafe(format!("SELECT MAX(version) FROM {name}"));
    let version: Option<i32> = sqlx::query_scalar(text).fetch_one(connection).await.map_err(unread)?;
    Ok(version.unwrap_or(0))
}
