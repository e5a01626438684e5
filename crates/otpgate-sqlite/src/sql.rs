use std::sync::Arc;

use sqlx::AssertSqlSafe;

use crate::group::TOGETHER;

/// The statements of one namespace. Those for many rows exist for each power of two and are filled up with NULL keys, so that a
/// connection keeps all of them prepared.
#[derive(Debug)]
pub(crate) struct Sql {
    pub(crate) prefix: String,
    pub(crate) create: Text,
    pub(crate) update: Text,
    pub(crate) delete: Text,
    pub(crate) owned: Text,
    pub(crate) drop_owned: Text,
    pub(crate) sweep_records: Text,
    pub(crate) sweep_counters: Text,
    pub(crate) load: ForMany,
    pub(crate) revisions: ForMany,
    pub(crate) put: ForMany,
    pub(crate) remove: ForMany,
    pub(crate) totals: ForMany,
    pub(crate) add: ForMany,
}

/// One statement. Made of our own words and a namespace that was checked; values are always bound.
#[derive(Clone, Debug)]
pub(crate) struct Text(Arc<str>);

impl Text {
    pub(crate) fn safe(&self) -> AssertSqlSafe<Arc<str>> {
        AssertSqlSafe(Arc::clone(&self.0))
    }
}

/// One statement for each power of two.
#[derive(Debug)]
pub(crate) struct ForMany(Vec<Text>);

impl ForMany {
    /// The statement for `n` rows, and how many rows it has room for.
    pub(crate) fn of(&self, n: usize) -> (AssertSqlSafe<Arc<str>>, usize) {
        debug_assert!((1..=TOGETHER).contains(&n), "{n} rows");
        let power = n.clamp(1, TOGETHER).next_power_of_two();
        (self.0[power.trailing_zeros() as usize].safe(), power)
    }
}

impl Sql {
    /// The statements for tables that begin with `prefix`.
    pub(crate) fn new(prefix: String) -> Self {
        let text = |sql: &str| Text(sql.replace("otpgate_", &prefix).into());
        let many = |before: &str, row: &str, after: &str| {
            let sizes = (0..=TOGETHER.ilog2()).map(|power| 1 << power);
            ForMany(sizes.map(|n| text(&format!("{before}{}{after}", vec![row; n].join(",")))).collect())
        };
        Self {
            create: text(
                "INSERT INTO otpgate_records (key, revision, expires_at, owner, value) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (key) DO NOTHING",
            ),
            update: text(
                "UPDATE otpgate_records SET revision = ?, expires_at = ?, owner = ?, value = ?
                 WHERE key = ? AND revision = ?",
            ),
            delete: text("DELETE FROM otpgate_records WHERE key = ? AND revision = ?"),
            owned: text(
                "SELECT key, revision, expires_at, owner, value FROM otpgate_records
                 WHERE owner = ? AND key > ? ORDER BY key LIMIT ?",
            ),
            drop_owned: text("DELETE FROM otpgate_records WHERE owner = ?"),
            sweep_records: text(
                "DELETE FROM otpgate_records WHERE rowid IN
                 (SELECT rowid FROM otpgate_records WHERE expires_at < ? ORDER BY expires_at LIMIT ?)",
            ),
            sweep_counters: text(
                "DELETE FROM otpgate_counters WHERE key IN
                 (SELECT key FROM otpgate_counters WHERE expires_at < ? ORDER BY expires_at LIMIT ?)",
            ),
            load: many("SELECT key, revision, expires_at, owner, value FROM otpgate_records WHERE key IN (", "?", ")"),
            revisions: many("SELECT key, revision FROM otpgate_records WHERE key IN (", "?", ")"),
            put: many(
                "INSERT INTO otpgate_records (key, revision, expires_at, owner, value) SELECT * FROM (VALUES ",
                "(?,?,?,?,?)",
                ") WHERE column1 IS NOT NULL ON CONFLICT (key) DO UPDATE SET revision = excluded.revision,
                 expires_at = excluded.expires_at, owner = excluded.owner, value = excluded.value",
            ),
            remove: many("DELETE FROM otpgate_records WHERE key IN (", "?", ")"),
            totals: many("SELECT key, total FROM otpgate_counters WHERE key IN (", "?", ")"),
            add: many(
                "INSERT INTO otpgate_counters (key, total, expires_at) SELECT * FROM (VALUES ",
                "(?,?,?)",
                ") WHERE column1 IS NOT NULL ON CONFLICT (key) DO UPDATE SET total = total + excluded.total
                 RETURNING key, total",
            ),
            prefix,
        }
    }
}
