//! The settings of the SMTP mailer.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use otpgate_core::{Clock, ConfigError, SystemClock};
use tokio::sync::Semaphore;

use super::SmtpMailer;
use super::line::{Line, Security};
use crate::message::Letterhead;
use crate::net::{Endpoint, Roots, Target, Tls, refused};
use crate::templates::Templates;

/// Below the 30 s that the engine gives one try, so that the error says what it was.
const TIMEOUT: Duration = Duration::from_secs(25);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const CONNECTIONS: usize = 8;

/// Sets up an [`SmtpMailer`].
#[must_use]
pub struct SmtpBuilder {
    url: String,
    from: String,
    templates: Templates,
    insecure_plaintext: bool,
    hello: Option<String>,
    timeout: Duration,
    idle_timeout: Duration,
    connections: usize,
    roots: Roots,
    clock: Arc<dyn Clock>,
}

impl SmtpBuilder {
    pub(super) fn new(url: &str, from: &str, templates: Templates) -> Self {
        Self {
            url: url.to_owned(),
            from: from.to_owned(),
            templates,
            insecure_plaintext: false,
            hello: None,
            timeout: TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            connections: CONNECTIONS,
            roots: Roots::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Lets `smtp://` go to another machine without TLS: whoever is on the way reads every code and the password.
    ///
    /// Only for a network that something else keeps secret, such as a tunnel between two containers.
    pub fn insecure_plaintext(mut self) -> Self {
        self.insecure_plaintext = true;
        self
    }

    /// The name that this machine says in `EHLO`; without this it is the domain of the sender.
    pub fn hello_name(mut self, name: &str) -> Self {
        self.hello = Some(name.to_owned());
        self
    }

    /// How long one try may take in all, waiting for a free connection included; 25 s without this, and at most 30 s are of
    /// use.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many connections may be open at a time, 8 without this; and how long one is kept without work, 30 s without this.
    pub fn connections(mut self, most: usize, idle_timeout: Duration) -> Self {
        (self.connections, self.idle_timeout) = (most, idle_timeout);
        self
    }

    /// Also trusts the authorities of this PEM text.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.own.push(pem.into());
        self
    }

    /// Trusts those of [`root_certificates`](Self::root_certificates) and no others.
    pub fn only_own_roots(mut self) -> Self {
        self.roots.only_own = true;
        self
    }

    /// Another clock for the mails' dates; without this it is the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks everything; connects to nothing.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Name`](otpgate_core::ConfigErrorKind::Name) for a URL of another kind, plain SMTP to another
    /// machine, a sender that is not one plain address, a name for `EHLO` that is no host's, no known root certificate, or
    /// a timeout or number of connections of zero. No error repeats the URL.
    pub fn build(self) -> Result<SmtpMailer, ConfigError> {
        let letterhead = Letterhead::new(&self.from, self.templates)?;
        let hello = self.hello.unwrap_or_else(|| letterhead.domain().to_owned());
        let letter = |c: char| c.is_ascii_alphanumeric() || "-.[]:".contains(c);
        if hello.is_empty() || hello.len() > 255 || !hello.chars().all(letter) {
            return Err(refused("the name for EHLO must be the name of a host"));
        }
        if self.timeout.is_zero() || !(1..=1024).contains(&self.connections) {
            return Err(refused("a timeout above zero and 1 to 1024 connections are taken"));
        }
        let target = Target::parse(&self.url)?;
        if !matches!(target.path.as_str(), "" | "/") || target.query.is_some() {
            return Err(refused("the URL of a mail server ends after the port; write `%2F` for a `/` in a password"));
        }
        let tls = || Tls::to(&target.host, &self.roots);
        let (security, port) = match target.scheme.as_str() {
            "smtps" => (Security::Tls(tls()?), 465),
            "smtp+starttls" => (Security::StartTls(tls()?), 587),
            "smtp" if target.is_loopback() || self.insecure_plaintext => (Security::Plain, 25),
            "smtp" => {
                return Err(refused(
                    "`smtp://` has no TLS and goes to this machine only; use `smtps://` or `smtp+starttls://`",
                ));
            }
            _ => return Err(refused("the URL must begin with `smtps://`, `smtp+starttls://` or `smtp://`")),
        };
        let loopback_only = matches!(security, Security::Plain) && !self.insecure_plaintext;
        let line = Line {
            endpoint: Endpoint { host: target.host, port: target.port.unwrap_or(port), loopback_only },
            security,
            login: target.login,
            hello,
            idle_timeout: self.idle_timeout,
            permits: Semaphore::new(self.connections),
            idle: Mutex::default(),
        };
        Ok(SmtpMailer { letterhead, clock: self.clock, timeout: self.timeout, line })
    }
}

impl fmt::Debug for SmtpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpBuilder(..)")
    }
}
