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
            load: text("SELECT id, revision, expires_at, owner, value FROM otpgate_records WHERE id = ?"),
            create: text("INSERT INTO otpgate_records (revision, expires_at, owner, value, id) VALUES (?, ?, ?, ?, ?)"),
            update: text(
                "UPDATE otpgate_records SET revision = ?, expires_at = ?, owner = ?, value = ?
                 WHERE id = ? AND revision = ?",
            ),
            delete: text("DELETE FROM otpgate_records WHERE id = ? AND revision = ?"),
            total: text("SELECT total FROM otpgate_counters WHERE id = ?"),
            // MySQL has no RETURNING: the total comes back as the insert id of the statement itself.
            add: text(
                "INSERT INTO otpgate_counters (id, total, expires_at) VALUES (?, LAST_INSERT_ID(?), ?)
                 ON DUPLICATE KEY UPDATE total = LAST_INSERT_ID(total + ?)",
            ),
            owned: text(
                "SELECT id, revision, expires_at, owner, value FROM otpgate_records
                 WHERE owner = ? AND id > ? ORDER BY id LIMIT ?",
            ),
            drop_owned: text("DELETE FROM otpgate_records WHERE owner = ?"),
            sweep_records: text("DELETE FROM otpgate_records WHERE expires_at < ? ORDER BY expires_at LIMIT ?"),
            sweep_counters: text("DELETE FROM otpgate_counters WHERE expires_at < ? ORDER BY expires_at LIMIT ?"),
        }
    }
}
