use otpgate_core::{ConfigError, ConfigErrorKind, StoreError, StoreErrorKind};
use sqlx::mysql::MySqlDatabaseError;

/// What to tell core about an error of the server or of the pool.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match number(&error) {
        // ER_DISK_FULL, ER_RECORD_FILE_FULL
        Some(1021 | 1114) => StoreError::new(StoreErrorKind::Full),
        // ER_WARN_DATA_OUT_OF_RANGE, ER_DATA_TOO_LONG, ER_NET_PACKET_TOO_LARGE
        Some(1264 | 1406 | 1153) => StoreError::new(StoreErrorKind::Invalid),
        _ => StoreError::unavailable(error),
    }
}

/// Whether the server has undone the statement because of others, so that the same one may be sent again: ER_LOCK_DEADLOCK,
/// ER_LOCK_WAIT_TIMEOUT, and ER_CHECKREAD of MariaDB's snapshot isolation. Each statement is a transaction of its own, so that
/// nothing of it is left in any of these cases.
pub(crate) fn undone_by_others(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(1213 | 1205 | 1020))
}

/// ER_DUP_ENTRY: the only unique key that a record has is its own.
pub(crate) fn is_taken(error: &sqlx::Error) -> bool {
    number(error) == Some(1062)
}

fn number(error: &sqlx::Error) -> Option<u16> {
    Some(error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

/// A setting that does not hold.
pub(crate) fn refused(text: impl Into<String>) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Backend, format!("MySQL: {}", text.into()))
}

/// The server could not be asked.
pub(crate) fn failed(text: &str) -> impl Fn(sqlx::Error) -> ConfigError + '_ {
    move |error| refused(text).because(error)
}
