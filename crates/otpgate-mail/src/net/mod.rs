//! Connections to a mail server or an SMS gateway.

mod socket;
mod target;
mod tls;

pub(crate) use socket::{Endpoint, Socket};
pub(crate) use target::{Login, Target};
pub(crate) use tls::{Roots, Tls};

use otpgate_core::{ConfigError, ConfigErrorKind};

/// An error of settings that repeats nothing of a URL: it may hold a password.
pub(crate) fn refused(text: impl Into<String>) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Name, text)
}
