use std::sync::Arc;

use sqlx::AssertSqlSafe;

/// The statements of one namespace. Each is the whole of an operation: no read is followed by a write that trusts it.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) load: Text,
    pub(crate) create: Text,
    pub(crate) update: Text,
    pub(crate) delete: Text,
    pub(crate) total: Text,
    pub(crate) add: Text,
    pub(crate) owned: Text,
    pub(crate) drop_owned: Text,
    pub(crate) sweep_records: Text,
    pub(crate) sweep_counters: Text,
    /// Where hints are published.
    pub(crate) channel: String,
}

/// One statement. Made of our own words and a namespace that was checked; values are always bound.
#[derive(Clone, Debug)]
pub(crate) struct Text(Arc<str>);

impl Text {
    pub(crate) fn safe(&self) -> AssertSqlSafe<Arc<str>> {
        AssertSqlSafe(Arc::clone(&self.0))
    }
}

impl Sql {
    /// The statements for tables that begin with `prefix`.
    pub(crate) fn new(prefix: &str) -> Self {
        let text = |sql: &str| Text(sql.replace("otpgate_", prefix).into());
        Self {
            load: text("SELECT key, revision, expires_at, owner, value FROM otpgate_records WHERE key = $1"),
            create: text(
                "INSERT INTO otpgate_records (key, revision, expires_at, owner, value) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (key) DO NOTHING",
            ),
            update: text(
                "UPDATE otpgate_records SET revision = $2, expires_at = $3, owner = $4, value = $5
                 WHERE key = $1 AND revision = $6",
            ),
            delete: text("DELETE FROM otpgate_records WHERE key = $1 AND revision = $2"),
            total: text("SELECT total FROM otpgate_counters WHERE key = $1"),
            add: text(
                "INSERT INTO otpgate_counters AS c (key, total, expires_at) VALUES ($1, $2, $3)
                 ON CONFLICT (key) DO UPDATE SET total = c.total + excluded.total RETURNING total",
            ),
            owned: text(
                "SELECT key, revision, expires_at, owner, value FROM otpgate_records
                 WHERE owner = $1 AND key > $2 ORDER BY key LIMIT $3",
            ),
            drop_owned: text("DELETE FROM otpgate_records WHERE owner = $1"),
            // MATERIALIZED: a plan that asked the inner query again would remove more than the limit. The lock looks again at
            // the newest version of a row, so that none is taken that was renewed meanwhile.
            sweep_records: text(
                "WITH gone AS MATERIALIZED (SELECT key FROM otpgate_records WHERE expires_at < $1
                 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
                 DELETE FROM otpgate_records AS r USING gone WHERE r.key = gone.key",
            ),
            sweep_counters: text(
                "WITH gone AS MATERIALIZED (SELECT key FROM otpgate_counters WHERE expires_at < $1
                 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
                 DELETE FROM otpgate_counters AS c USING gone WHERE c.key = gone.key",
            ),
            channel: format!("{prefix}revoked"),
        }
    }
}
