use futures_util::StreamExt as _;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Either, Executor as _};

use crate::{Connection, primary_code};

pub(crate) type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>;

/// How a transaction failed.
pub(crate) enum Failed {
    /// Nothing of it happened.
    Undone,
    /// It was not begun, or may have happened: trying again could wait long, or count twice.
    Unknown(sqlx::Error),
}

/// Runs a transaction that stands in one text, from `BEGIN IMMEDIATE` to `COMMIT`, of so many statements; what they return goes
/// to `take`.
///
/// Between two texts the thread of the connection would wait, with the write lock, until whoever asks for the next has a turn.
/// Of sqlx's drivers that of SQLite alone takes several statements with their values; one that ran the first alone would be
/// found out by their number.
pub(crate) async fn run(
    connection: &mut Connection,
    query: Query<'_>,
    statements: usize,
    take: impl FnMut(&SqliteRow) -> Result<(), sqlx::Error>,
) -> Result<(), Failed> {
    let mut open = Open { connection, settled: false };
    match open.run(query, statements, take).await {
        Ok(()) => Ok(()),
        Err(error) => Err(open.undo(error).await),
    }
}

/// A connection in the middle of a transaction. Dropped there, it must not go back to the pool.
struct Open<'c> {
    connection: &'c mut Connection,
    settled: bool,
}

impl Open<'_> {
    async fn run(
        &mut self,
        query: Query<'_>,
        statements: usize,
        mut take: impl FnMut(&SqliteRow) -> Result<(), sqlx::Error>,
    ) -> Result<(), sqlx::Error> {
        let connection: &mut SqliteConnection = &mut *self.connection;
        let mut results = connection.fetch_many(query);
        let mut done = 0;
        while let Some(result) = results.next().await {
            match result? {
                Either::Left(_) => done += 1,
                Either::Right(row) => take(&row)?,
            }
        }
        drop(results);
        // A thread that died on the way says nothing at all.
        if done < statements {
            return Err(sqlx::Error::WorkerCrashed);
        }
        self.settled = true;
        Ok(())
    }

    async fn undo(mut self, error: sqlx::Error) -> Failed {
        let undone = sqlx::raw_sql("ROLLBACK").execute(&mut **self.connection).await;
        // Refused where there is no transaction: it was not begun, or is committed, or SQLite has undone it by itself.
        self.settled = undone.as_ref().err().is_none_or(|refused| primary_code(refused) == Some(SQLITE_ERROR));
        if undone.is_ok() { Failed::Undone } else { Failed::Unknown(error) }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.connection.close_on_drop();
        }
    }
}

/// A statement that makes no sense where it stands.
const SQLITE_ERROR: i32 = 1;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
    use sqlx::{Connection as _, query, query_scalar};

    use super::*;

    const PUT: &str = "BEGIN IMMEDIATE;INSERT INTO t VALUES (?);INSERT INTO t VALUES (?);COMMIT";

    /// A pool of one connection to a table of one number each, and a connection beside it.
    async fn database(folder: &tempfile::TempDir) -> (SqlitePool, SqliteConnection) {
        let options = SqliteConnectOptions::new().filename(folder.path().join("db")).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal).busy_timeout(Duration::from_millis(500));
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await.unwrap();
        sqlx::raw_sql("CREATE TABLE t (n INTEGER PRIMARY KEY)").execute(&pool).await.unwrap();
        (pool, SqliteConnection::connect_with(&options).await.unwrap())
    }

    async fn put(pool: &SqlitePool, numbers: [i64; 2], statements: usize) -> Result<(), Failed> {
        let mut connection = pool.acquire().await.unwrap();
        run(&mut connection, query(PUT).bind(numbers[0]).bind(numbers[1]), statements, |_| Ok(())).await
    }

    async fn numbers(connection: &mut SqliteConnection) -> Vec<i64> {
        query_scalar("SELECT n FROM t ORDER BY n").fetch_all(connection).await.unwrap()
    }

    #[tokio::test]
    async fn a_transaction_is_whole_or_undone_and_what_is_not_known_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let (pool, mut other) = database(&folder).await;
        assert!(put(&pool, [1, 2], 4).await.is_ok());
        assert!(matches!(put(&pool, [3, 2], 4).await, Err(Failed::Undone)));
        assert_eq!(numbers(&mut other).await, [1, 2]);
        let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
        assert!(matches!(put(&pool, [3, 4], 4).await, Err(Failed::Unknown(sqlx::Error::Database(_)))));
        lock.rollback().await.unwrap();
        // Fewer statements than there were to be have said that they are done.
        assert!(matches!(put(&pool, [5, 6], 5).await, Err(Failed::Unknown(sqlx::Error::WorkerCrashed))));
        assert!(put(&pool, [7, 8], 4).await.is_ok());
        assert_eq!(numbers(&mut other).await, [1, 2, 5, 6, 7, 8]);
    }

    #[tokio::test]
    async fn a_transaction_that_is_given_up_on_keeps_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let (pool, mut other) = database(&folder).await;
        let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(30), put(&pool, [1, 2], 4)).await;
        assert!(waits.is_err(), "it is given up on while its thread waits for the lock");
        lock.rollback().await.unwrap();
        // The thread begins now, finds nobody to tell, and is closed.
        assert!(put(&pool, [3, 4], 4).await.is_ok());
        query("INSERT INTO t VALUES (5)").execute(&mut other).await.unwrap();
        assert!(numbers(&mut other).await.ends_with(&[3, 4, 5]));
    }
}
