//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// A login server: one-time codes and sessions over HTTP.
///
/// The secret comes from the environment: OTPGATE_SECRET, and for a rotation OTPGATE_SECRET_ANCHOR (the secret that the
/// deployment began with) and OTPGATE_SECRET_ACCEPT (further ones whose codes and tokens still hold, comma-separated). A URL with
/// a password belongs there too: OTPGATE_STORE, OTPGATE_BUS and OTPGATE_MAIL stand for the options of these names.
#[derive(Parser)]
#[command(name = "otpgate-server", version)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,

    /// The web framework that serves
    #[arg(long, value_enum, default_value = "axum")]
    pub(crate) framework: Framework,

    // Texts, and read later: clap's own errors repeat what they refuse, and a URL may hold a password.
    /// Where state is kept: `memory`, `sqlite:PATH`, `postgres://..`, `mysql://..` or `redis://..`, with `?namespace=NAME` to
    /// share one database
    #[arg(long, value_name = "URL", env = "OTPGATE_STORE", hide_env_values = true, default_value = "memory")]
    pub(crate) store: String,

    /// How nodes tell each other at once that a session has ended: `store` (PostgreSQL, Redis), `redis://..`, or `none` for within
    /// a second; `store` where it can
    #[arg(long, value_name = "URL", env = "OTPGATE_BUS", hide_env_values = true)]
    pub(crate) bus: Option<String>,

    /// Where mail goes: `console`, `dir:PATH` for one .eml file each, or a mail server as `smtps://..`
    #[arg(long, value_name = "OUTLET", env = "OTPGATE_MAIL", hide_env_values = true, default_value = "console")]
    pub(crate) mail: String,

    /// Where SMS go: `console`, `dir:PATH` for one JSON file each, `twilio:ACCOUNT` or a webhook as `https://..`; not at all
    /// without this
    #[arg(long, value_name = "OUTLET")]
    pub(crate) sms: Option<String>,

    /// The users to begin with; those that the store has already stay as they are
    #[arg(long, value_name = "FILE.json")]
    pub(crate) users: Option<PathBuf>,

    /// Further settings
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,

    /// Starts without OTPGATE_SECRET: with a secret of this process, so that all sessions end with it
    #[arg(long)]
    pub(crate) dev: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Framework {
    Axum,
    Actix,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
