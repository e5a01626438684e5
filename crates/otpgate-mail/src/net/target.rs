//! A URL taken apart, so that its secrets live apart from what may be shown.

use std::fmt;

use otpgate_core::ConfigError;
use url::Url;

use super::refused;

/// Where to connect to, and as whom.
pub(crate) struct Target {
    pub(crate) scheme: String,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) login: Option<Login>,
}

/// A user name and a password. `Debug` shows neither.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Target {
    /// Reads `scheme://user:password@host:port/path`. No error repeats any of it.
    pub(crate) fn parse(url: &str) -> Result<Self, ConfigError> {
        // The parser would drop tabs and line ends without a word.
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(refused("the URL holds white space or a control character"));
        }
        let url = Url::parse(url).map_err(|_| refused("the URL cannot be read"))?;
        let host =
            url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let named = host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:".contains(c));
        if host.is_empty() || !named || url.port() == Some(0) {
            return Err(refused("the URL names no host by its ASCII name or its IP address"));
        }
        if url.fragment().is_some() {
            return Err(refused("the URL has a part after `#`; write `%23` for a `#` in a password"));
        }
        Ok(Self {
            scheme: url.scheme().to_owned(),
            host,
            port: url.port(),
            path: url.path().to_owned(),
            query: url.query().map(ToOwned::to_owned),
            login: Login::of(&url)?,
        })
    }

    /// Whether the host can only be this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl Login {
    fn of(url: &Url) -> Result<Option<Self>, ConfigError> {
        let (user, password) = (decoded(url.username())?, url.password().map(decoded).transpose()?);
        match (user.is_empty(), password) {
            (true, None) => Ok(None),
            (false, Some(password)) if !password.is_empty() => Ok(Some(Self { user, password })),
            _ => Err(refused("the URL must name both a user and a password, or neither")),
        }
    }
}

/// Undoes the percent signs; nothing that would end a line of a protocol is taken.
fn decoded(text: &str) -> Result<String, ConfigError> {
    let unreadable = || refused("the user or the password of the URL is not percent-encoded UTF-8 on one line");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let (pair, after) = after.split_at_checked(2).ok_or_else(unreadable)?;
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let (high, low) = (digit(pair[0]).ok_or_else(unreadable)?, digit(pair[1]).ok_or_else(unreadable)?);
        bytes.push(high * 16 + low);
        rest = after;
    }
    let text = String::from_utf8(bytes).map_err(|_| unreadable())?;
    if text.chars().any(char::is_control) { Err(unreadable()) } else { Ok(text) }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let t = Target::parse("smtps://mail%40ex.com:p%2Fw%3A%C3%BC@Mail.Example.com:465").unwrap();
        assert_eq!((t.scheme.as_str(), t.host.as_str(), t.port), ("smtps", "mail.example.com", Some(465)));
        let login = t.login.unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("mail@ex.com", "p/w:ü"));
        assert_eq!(format!("{login:?}"), "Login(..)");
        for (url, host, loopback) in [
            ("smtp://[::1]:25", "::1", true),
            ("smtp://127.0.0.2", "127.0.0.2", true),
            ("smtp+starttls://localhost", "localhost", true),
            ("smtp://localhost.example.com", "localhost.example.com", false),
            ("smtp://10.0.0.1", "10.0.0.1", false),
            ("smtp://127.0.0.1.example.com", "127.0.0.1.example.com", false),
        ] {
            let t = Target::parse(url).unwrap();
            assert_eq!((t.host.as_str(), t.is_loopback(), t.login.is_none()), (host, loopback, true), "{url}");
        }
    }

    #[test]
    fn q53_no_error_repeats_the_password() {
        let urls = [
            "smtps://user:hunter2",
            "smtps://user:hunter2@",
            "smtps://user:hunter2@:465",
            "smtps://user:hunter2@host:0",
            "smtps://user:hunter2@host:99999",
            "smtps://user:hunter2%0d%0aQUIT@host",
            "smtps://user:hunter2%ff@host",
            "smtps://user:hunter2%2@host",
            "smtps://user:hunter2%zz@host",
            "smtps://user:hunter2\r\n@host",
            "smtps://user:hunter2#@host",
            "smtps://:hunter2@host",
            "smtps://user@host",
            "smtps://user:@host",
            "smtps://user:hunter2@ho%20st",
            "smtps://user:hunter2@höst",
            "user:hunter2@host",
            "hunter2",
        ];
        for url in urls {
            let error = Target::parse(url).map(|_| ()).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("hunter") && !said.contains("host:"), "{url}: {said}");
        }
    }
}
