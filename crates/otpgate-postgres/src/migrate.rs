use otpgate_core::ConfigError;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::error::{failed, refused};

/// Each change of the tables, in order; the first is version 1. A released one never changes.
const MIGRATIONS: [&str; 1] = [include_str!("../migrations/0001_records.sql")];

const LATEST: i32 = MIGRATIONS.len() as i32;

/// "otpgate" in ASCII: who changes our tables holds this lock, in every namespace.
const LOCK: i64 = 0x6f74_7067_6174_6500;

/// All migrations for tables that begin with `prefix`.
pub(crate) fn schema_sql(prefix: &str) -> String {
    MIGRATIONS.map(|sql| sql.replace("otpgate_", prefix)).join("\n")
}

/// Brings the tables to the latest version; changes nothing where they are.
pub(crate) async fn run(prefix: &str, connection: &mut PgConnection) -> Result<(), ConfigError> {
    if version(prefix, connection).await? == LATEST {
        return Ok(());
    }
    let not_made = failed("the tables could not be made");
    // Whatever the pool's level is: what is read after the lock must be what is there then.
    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
    let mut transaction = connection.begin_with(begin).await.map_err(&not_made)?;
    // Freed with the transaction, also when this call is given up or its process is killed.
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await.map_err(&not_made)?;
    // Again under the lock: another process may have been faster.
    let version = known(version(prefix, &mut transaction).await?)?;
    for sql in &MIGRATIONS[version..] {
        let sql = AssertSqlSafe(sql.replace("otpgate_", prefix));
        sqlx::raw_sql(sql).execute(&mut *transaction).await.map_err(&not_made)?;
    }
    transaction.commit().await.map_err(not_made)
}

/// For who runs the migrations with a tool of their own.
pub(crate) async fn check(prefix: &str, connection: &mut PgConnection) -> Result<(), ConfigError> {
    let version = version(prefix, connection).await?;
    if known(version)? == MIGRATIONS.len() {
        return Ok(());
    }
    Err(refused(format!(
        "the tables have version {version}, and this release needs version {LATEST}: run the migrations that \
         `PostgresStore::builder().schema_sql()` prints, or let `connect` run them"
    )))
}

/// How many migrations have run; later ones than ours are an error.
fn known(version: i32) -> Result<usize, ConfigError> {
    usize::try_from(version).ok().filter(|n| *n <= MIGRATIONS.len()).ok_or_else(|| {
        refused(format!("the tables have version {version}, and this release knows them up to version {LATEST}"))
    })
}

/// The version of the tables, 0 where there are none.
async fn version(prefix: &str, connection: &mut PgConnection) -> Result<i32, ConfigError> {
    let unread = failed("the version of the tables could not be read");
    let name = format!("{prefix}schema");
    // Not `to_regclass`: it answers from a cache, and does not see what another has made while we waited for the lock.
    let there =
        "SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1 AND relkind = 'r' AND pg_table_is_visible(oid))";
    let there = sqlx::query_scalar(there).bind(&name);
    if !there.fetch_one(&mut *connection).await.map_err(&unread)? {
        return Ok(0);
    }
    let text = AssertSqlSafe(format!("SELECT coalesce(max(version), 0) FROM {name}"));
    sqlx::query_scalar(text).fetch_one(connection).await.map_err(unread)
}
