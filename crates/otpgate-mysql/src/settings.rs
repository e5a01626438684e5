use otpgate_core::ConfigError;
use sqlx::mysql::MySqlConnection;

use crate::error::failed;

/// What the server and the pool's sessions are set to.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    flush_log: i64,
    log_bin: i64,
    sync_binlog: i64,
    read_only: i64,
    autocommit: i64,
    sql_mode: String,
}

impl Settings {
    pub(crate) async fn read(connection: &mut MySqlConnection) -> Result<Self, ConfigError> {
        let text = "SELECT CAST(@@GLOBAL.innodb_flush_log_at_trx_commit AS SIGNED), CAST(@@GLOBAL.log_bin AS SIGNED),
                           CAST(@@GLOBAL.sync_binlog AS SIGNED), CAST(@@GLOBAL.read_only AS SIGNED),
                           CAST(@@SESSION.autocommit AS SIGNED), CAST(@@SESSION.sql_mode AS CHAR)";
        let unread = failed("the server's settings could not be read");
        let row: (i64, i64, i64, i64, i64, String) =
            sqlx::query_as(text).fetch_one(connection).await.map_err(unread)?;
        let (flush_log, log_bin, sync_binlog, read_only, autocommit, sql_mode) = row;
        Ok(Self { flush_log, log_bin, sync_binlog, read_only, autocommit, sql_mode })
    }

    /// Why the store cannot work at all.
    pub(crate) fn contradicts(&self) -> Option<&'static str> {
        if self.read_only != 0 {
            return Some(
                "the server is `read_only`: a replica answers with what was true a moment ago, and takes no writes. \
                 Connect to the primary",
            );
        }
        if self.autocommit == 0 {
            return Some(
                "with `autocommit = 0` a write is answered before its commit: set `autocommit = 1` for the server, or in \
                 the pool's `after_connect`",
            );
        }
        let strict = |mode: &str| mode == "STRICT_TRANS_TABLES" || mode == "STRICT_ALL_TABLES";
        if !self.sql_mode.split(',').any(strict) {
            return Some(
                "without strict mode a value that does not fit is cut and written: add STRICT_TRANS_TABLES to `sql_mode` \
                 for the server, or in the pool's `after_connect`",
            );
        }
        None
    }

    /// Why an acknowledged write could be lost, with what to set.
    pub(crate) fn loses(&self) -> Option<&'static str> {
        // MariaDB's 3 writes even more.
        if self.flush_log != 1 && self.flush_log != 3 {
            return Some(
                "an acknowledged write can be lost, and a used code come back: set \
                 `innodb_flush_log_at_trx_commit = 1` for the server",
            );
        }
        // After a loss of power, what the binary log does not have is rolled back.
        if self.log_bin != 0 && self.sync_binlog != 1 {
            return Some(
                "the binary log is on and not written with each commit, so that a power cut can take acknowledged writes \
                 along: set `sync_binlog = 1` for the server",
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_judged() {
        let good = Settings {
            flush_log: 1,
            log_bin: 1,
            sync_binlog: 1,
            read_only: 0,
            autocommit: 1,
            sql_mode: "NO_ZERO_DATE,STRICT_TRANS_TABLES,PIPES_AS_CONCAT".into(),
        };
        let told = |settings: Settings| settings.contradicts().or_else(|| settings.loses()).unwrap_or("good");
        for (settings, names) in [
            (good.clone(), "good"),
            (Settings { flush_log: 3, ..good.clone() }, "good"),
            (Settings { log_bin: 0, sync_binlog: 0, ..good.clone() }, "good"),
            (Settings { sql_mode: "STRICT_ALL_TABLES".into(), ..good.clone() }, "good"),
            (Settings { flush_log: 2, ..good.clone() }, "innodb_flush_log_at_trx_commit"),
            (Settings { flush_log: 0, ..good.clone() }, "innodb_flush_log_at_trx_commit"),
            (Settings { sync_binlog: 0, ..good.clone() }, "sync_binlog"),
            (Settings { sync_binlog: 100, ..good.clone() }, "sync_binlog"),
            (Settings { read_only: 1, ..good.clone() }, "read_only"),
            (Settings { autocommit: 0, ..good.clone() }, "autocommit"),
            (Settings { sql_mode: String::new(), ..good.clone() }, "STRICT_TRANS_TABLES"),
            (Settings { sql_mode: "ANSI".into(), ..good }, "STRICT_TRANS_TABLES"),
        ] {
            let text = told(settings.clone());
            assert!(text.contains(names), "{settings:?}: {text}");
        }
    }
}
