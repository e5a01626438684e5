use otpgate_core::{ConfigError, ConfigErrorKind, StoreError, StoreErrorKind};

/// What to tell core about an error of PostgreSQL or of the pool.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match code(&error).as_deref() {
        // disk_full
        Some("53100") => StoreError::new(StoreErrorKind::Full),
        // check_violation, numeric_value_out_of_range
        Some("23514" | "22003") => StoreError::new(StoreErrorKind::Invalid),
        _ => StoreError::unavailable(error),
    }
}

/// Whether the server has undone the statement because of others, so that the same one may be sent again: a serialization
/// failure (only where the host's pool asks for more than READ COMMITTED), or a deadlock.
pub(crate) fn undone_by_others(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("40001" | "40P01"))
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// A setting that does not hold.
pub(crate) fn refused(text: impl Into<String>) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Backend, format!("PostgreSQL: {}", text.into()))
}

/// The server could not be asked.
pub(crate) fn failed(text: &str) -> impl Fn(sqlx::Error) -> ConfigError + '_ {
    move |error| refused(text).because(error)
}
