//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::bail;
use clap::{Parser, ValueEnum};

/// A login server: one-time codes and sessions over HTTP.
///
/// The secret comes from the environment: OTPGATE_SECRET, and for a rotation OTPGATE_SECRET_ANCHOR (the secret that the
/// deployment began with) and OTPGATE_SECRET_ACCEPT (further ones whose codes and tokens still hold, comma-separated).
#[derive(Debug, Parser)]
#[command(name = "otpgate-server", version)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,

    /// The web framework that serves
    #[arg(long, value_enum, default_value = "axum")]
    pub(crate) framework: Framework,

    /// Where state is kept: `memory` or `sqlite:PATH`, with `?namespace=NAME` to share one database
    #[arg(long, value_name = "URL", default_value = "memory")]
    pub(crate) store: StoreUrl,

    /// Where mail goes: `console` or `dir:PATH`, one .eml file each
    #[arg(long, value_name = "OUTLET", default_value = "console")]
    pub(crate) mail: Outlet,

    /// Where SMS go: `console` or `dir:PATH`, one JSON file each; not at all without this
    #[arg(long, value_name = "OUTLET")]
    pub(crate) sms: Option<Outlet>,

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

/// A store and the part of it that is this deployment's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreUrl {
    pub(crate) place: Place,
    pub(crate) namespace: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    Sqlite(PathBuf),
}

impl FromStr for StoreUrl {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> anyhow::Result<Self> {
        let (place, query) = url.split_once('?').map_or((url, None), |(place, query)| (place, Some(query)));
        let namespace = match query.map(|query| query.split_once('=')) {
            None => None,
            Some(Some(("namespace", name))) if !name.is_empty() => Some(name.to_owned()),
            Some(_) => bail!("behind the `?` of a store stands `namespace=NAME` and nothing else"),
        };
        let place = match place.split_once(':') {
            None if place == "memory" => Place::Memory,
            Some(("sqlite", path)) if !path.is_empty() => Place::Sqlite(path.into()),
            _ => bail!("`{place}` is no store that this build knows: it knows `memory` and `sqlite:PATH`"),
        };
        Ok(Self { place, namespace })
    }
}

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outlet {
    Console,
    Dir(PathBuf),
}

impl FromStr for Outlet {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text.split_once(':') {
            None if text == "console" => Ok(Self::Console),
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Dir(path.into())),
            _ => bail!("`{text}` is no outlet that this build knows: it knows `console` and `dir:PATH`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn stores_and_outlets_are_read_or_named() {
        let sqlite = |path: &str, namespace: Option<&str>| StoreUrl {
            place: Place::Sqlite(path.into()),
            namespace: namespace.map(str::to_owned),
        };
        for (url, want) in [
            ("memory", StoreUrl { place: Place::Memory, namespace: None }),
            ("sqlite:a/b.db", sqlite("a/b.db", None)),
            ("sqlite:/a:b.db?namespace=shop", sqlite("/a:b.db", Some("shop"))),
        ] {
            assert_eq!(url.parse::<StoreUrl>().unwrap(), want);
        }
        for url in ["", "memory:", "sqlite", "sqlite:", "oracle://x", "sqlite:a?b=c", "sqlite:a?namespace="] {
            url.parse::<StoreUrl>().unwrap_err();
        }
        assert!("oracle://x".parse::<StoreUrl>().unwrap_err().to_string().contains("sqlite:PATH"));
        assert_eq!("console".parse::<Outlet>().unwrap(), Outlet::Console);
        assert_eq!("dir:mail".parse::<Outlet>().unwrap(), Outlet::Dir("mail".into()));
        for outlet in ["", "dir", "dir:", "smtp://x"] {
            assert!(outlet.parse::<Outlet>().unwrap_err().to_string().contains("dir:PATH"));
        }
    }
}
