//! The databases without otpgate: the statements of its stores over sqlx, on tables that a second store has made, in its pool.

use otpgate::{Key, Record, Revision, Timestamp};

use super::raw::Raw;

/// What a flow asks of a database, and what the least of a login does. A record is bound as revision, expiry, owner, value, key.
struct Text {
    load: &'static str,
    create: &'static str,
    update: &'static str,
    total: &'static str,
    add: &'static str,
    /// Whether what is added is bound once more, behind the rest.
    twice: bool,
    least: &'static str,
    keep: &'static str,
    take: &'static str,
}

const SQLITE: Text = Text {
    load: "SELECT key, revision, expires_at, owner, value FROM otpgate_raw_records WHERE key IN (?)",
    create: "INSERT INTO otpgate_raw_records (revision, expires_at, owner, value, key) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (key) DO NOTHING",
    update: "UPDATE otpgate_raw_records SET revision = ?, expires_at = ?, owner = ?, value = ?
             WHERE key = ? AND revision = ?",
    total: "SELECT key, total FROM otpgate_raw_counters WHERE key IN (?)",
    add: "INSERT INTO otpgate_raw_counters (key, total, expires_at) SELECT * FROM (VALUES (?,?,?))
          WHERE column1 IS NOT NULL ON CONFLICT (key) DO UPDATE SET total = total + excluded.total
          RETURNING key, total",
    twice: false,
    least: "CREATE TABLE least (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT",
    keep: "INSERT INTO least (key, value) VALUES (?, ?)",
    take: "DELETE FROM least WHERE key = ?",
};

const POSTGRES: Text = Text {
    load: "SELECT key, revision, expires_at, owner, value FROM otpgate_raw_records WHERE key = $1",
    create: "INSERT INTO otpgate_raw_records (revision, expires_at, owner, value, key) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (key) DO NOTHING",
    update: "UPDATE otpgate_raw_records SET revision = $1, expires_at = $2, owner = $3, value = $4
             WHERE key = $5 AND revision = $6",
    total: "SELECT total FROM otpgate_raw_counters WHERE key = $1",
    add: "INSERT INTO otpgate_raw_counters AS c (key, total, expires_at) VALUES ($1, $2, $3)
          ON CONFLICT (key) DO UPDATE SET total = c.total + excluded.total RETURNING total",
    twice: false,
    least: "CREATE TABLE least (key BYTEA NOT NULL PRIMARY KEY, value BYTEA NOT NULL)",
    keep: "INSERT INTO least (key, value) VALUES ($1, $2)",
    take: "DELETE FROM least WHERE key = $1",
};

const MYSQL: Text = Text {
    load: "SELECT id, revision, expires_at, owner, value FROM otpgate_raw_records WHERE id = ?",
    create: "INSERT INTO otpgate_raw_records (revision, expires_at, owner, value, id) VALUES (?, ?, ?, ?, ?)",
    update: "UPDATE otpgate_raw_records SET revision = ?, expires_at = ?, owner = ?, value = ?
             WHERE id = ? AND revision = ?",
    total: "SELECT total FROM otpgate_raw_counters WHERE id = ?",
    add: "INSERT INTO otpgate_raw_counters (id, total, expires_at) VALUES (?, LAST_INSERT_ID(?), ?)
          ON DUPLICATE KEY UPDATE total = LAST_INSERT_ID(total + ?)",
    twice: true,
    least: "CREATE TABLE least (id BINARY(32) NOT NULL PRIMARY KEY, value BLOB NOT NULL)",
    keep: "INSERT INTO least (id, value) VALUES (?, ?)",
    take: "DELETE FROM least WHERE id = ?",
};

macro_rules! raw {
    ($name:ident, $pool:ty, $text:expr) => {
        #[derive(Clone)]
        pub struct $name($pool);

        impl $name {
            /// # Panics
            /// When the table for the least cannot be made.
            pub async fn over(pool: &$pool) -> Self {
                sqlx::query($text.least).execute(pool).await.expect("a table");
                Self(pool.clone())
            }
        }

        impl Raw for $name {
            async fn load(&self, key: Key) {
                sqlx::query($text.load).bind(&key.0[..]).fetch_optional(&self.0).await.expect("a load");
            }

            async fn put(&self, key: Key, over: Option<Revision>, record: &Record) -> bool {
                let text = if over.is_some() { $text.update } else { $text.create };
                let query = sqlx::query(text).bind(&record.revision.0[..]).bind(record.expires_at.millis());
                let owner = record.owner.as_ref().map(|owner| &owner.0[..]);
                let mut query = query.bind(owner).bind(&record.value[..]).bind(&key.0[..]);
                if let Some(was) = &over {
                    query = query.bind(&was.0[..]);
                }
                query.execute(&self.0).await.expect("a swap").rows_affected() == 1
            }

            async fn add(&self, key: Key, delta: u32, expires_at: Timestamp) {
                let delta = i64::from(delta);
                if delta == 0 {
                    sqlx::query($text.total).bind(&key.0[..]).fetch_optional(&self.0).await.expect("a total");
                    return;
                }
                let mut query = sqlx::query($text.add).bind(&key.0[..]).bind(delta).bind(expires_at.millis());
                if $text.twice {
                    query = query.bind(delta);
                }
                query.fetch_all(&self.0).await.expect("a count");
            }

            async fn keep_code(&self, code: Key, value: &[u8]) {
                let query = sqlx::query($text.keep).bind(&code.0[..]).bind(value);
                query.execute(&self.0).await.expect("a code");
            }

            async fn code_to_session(&self, code: Key, session: Key, value: &[u8]) -> bool {
                let mut both = self.0.begin().await.expect("a transaction");
                let taken = sqlx::query($text.take).bind(&code.0[..]).execute(&mut *both).await.expect("a code");
                let put = sqlx::query($text.keep).bind(&session.0[..]).bind(value);
                put.execute(&mut *both).await.expect("a session");
                both.commit().await.expect("a commit");
                taken.rows_affected() == 1
            }
        }
    };
}

raw!(Sqlite, sqlx::SqlitePool, SQLITE);
raw!(Postgres, sqlx::PgPool, POSTGRES);
raw!(MySql, sqlx::MySqlPool, MYSQL);
