use std::sync::Arc;

use sqlx::AssertSqlSafe;

use crate::group::TOGETHER;

/// The statements of one namespace. Those for many rows exist for powers of two and are filled up with NULL keys, so that a
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
    pub(crate) exists: Text,
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

// Else the largest size of those that go in steps would not have room for all.
const _: () = assert!(TOGETHER.is_power_of_two() && TOGETHER.ilog2().is_multiple_of(STEP as u32));

/// How many powers of two lie between the sizes of a statement that has few.
const STEP: usize = 3;

/// One statement for each of some sizes, with how many rows it has room for, the smallest first.
#[derive(Debug)]
pub(crate) struct ForMany(Vec<(usize, Text)>);

impl ForMany {
    /// The statement for one row.
    pub(crate) fn one(&self) -> AssertSqlSafe<Arc<str>> {
        self.0[0].1.safe()
    }

    /// The text of the statement for `n` rows, and how many rows it has room for; of none, an empty one without.
    pub(crate) fn of(&self, n: usize) -> (&str, usize) {
        debug_assert!(n <= TOGETHER, "{n} rows");
        let fits = || self.0.iter().find(|(room, _)| *room >= n).or(self.0.last());
        (n > 0).then(fits).flatten().map_or(("", 0), |(room, text)| (&text.0, *room))
    }
}

impl Sql {
    /// The statements for tables that begin with `prefix`.
    pub(crate) fn new(prefix: String) -> Self {
        let text = |sql: &str| Text(sql.replace("otpgate_", &prefix).into());
        let sizes = |step: usize, before: &str, row: &str, after: &str| {
            let powers = (0..=TOGETHER.ilog2()).step_by(step).map(|power| 1 << power);
            ForMany(powers.map(|n| (n, text(&format!("{before}{}{after}", vec![row; n].join(","))))).collect())
        };
        let many = |before, row, after| sizes(1, before, row, after);
        // Beside the others in one text: fewer sizes, so that a connection can keep what comes of all together.
        let few = |before, row, after| sizes(STEP, before, row, after);
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
            exists: text("SELECT 1 FROM otpgate_records WHERE key = ?"),
            // What is expected, NULL for no record, is compared with what the join finds, NULL where there is none.
            put: many(
                "INSERT INTO otpgate_records (key, revision, expires_at, owner, value)
                 SELECT column1, column3, column4, column5, column6 FROM (VALUES ",
                "(?,?,?,?,?,?)",
                ") AS next LEFT JOIN otpgate_records AS now ON now.key = next.column1
                 WHERE column1 IS NOT NULL AND now.revision IS column2
                 ON CONFLICT (key) DO UPDATE SET revision = excluded.revision,
                 expires_at = excluded.expires_at, owner = excluded.owner, value = excluded.value
                 RETURNING key",
            ),
            remove: few(
                "DELETE FROM otpgate_records WHERE rowid IN (SELECT now.rowid FROM (VALUES ",
                "(?,?)",
                ") AS gone CROSS JOIN otpgate_records AS now ON now.key = gone.column1 WHERE now.revision = gone.column2)
                 RETURNING key",
            ),
            // Shaped like a record, of no revision, so that both can come in one answer.
            totals: few(
                "SELECT key, NULL AS revision, total AS expires_at, NULL AS owner, NULL AS value FROM otpgate_counters
                 WHERE key IN (",
                "?",
                ")",
            ),
            add: few(
                "INSERT INTO otpgate_counters (key, total, expires_at) SELECT * FROM (VALUES ",
                "(?,?,?)",
                ") WHERE column1 IS NOT NULL ON CONFLICT (key) DO UPDATE SET total = total + excluded.total
                 RETURNING key, total",
            ),
            prefix,
        }
    }
}
