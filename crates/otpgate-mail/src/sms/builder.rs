//! The settings of the HTTP sender.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use otpgate_core::{Clock, ConfigError, SystemClock};

use super::gateway::Gateway;
use super::http_sms::{HttpSms, Shape};
use crate::address;
use crate::net::{Endpoint, Login, Roots, Target, Tls, refused};
use crate::templates::Templates;

/// Below the 30 s that the engine gives one try, so that the error says what it was.
const TIMEOUT: Duration = Duration::from_secs(20);
const LEAST_SECRET: usize = 32;
const TWILIO: &str = "https://api.twilio.com";

/// Sets up an [`HttpSms`].
#[must_use]
pub struct HttpSmsBuilder {
    url: String,
    kind: Kind,
    login: Option<Login>,
    bearer: Option<String>,
    secret: Option<Vec<u8>>,
    templates: Templates,
    insecure_plaintext: bool,
    timeout: Duration,
    roots: Roots,
    clock: Arc<dyn Clock>,
}

enum Kind {
    Twilio { account: String, from: String },
    Webhook,
}

impl HttpSmsBuilder {
    fn new(url: &str, kind: Kind, login: Option<Login>, templates: Templates) -> Self {
        Self {
            url: url.to_owned(),
            kind,
            login,
            bearer: None,
            secret: None,
            templates,
            insecure_plaintext: false,
            timeout: TIMEOUT,
            roots: Roots::default(),
            clock: Arc::new(SystemClock),
        }
    }

    pub(super) fn twilio(account: &str, token: &str, from: &str, templates: Templates) -> Self {
        let login = Login { user: account.to_owned(), password: token.to_owned() };
        let kind = Kind::Twilio { account: account.to_owned(), from: from.to_owned() };
        Self::new(TWILIO, kind, Some(login), templates)
    }

    pub(super) fn webhook(url: &str, templates: Templates) -> Self {
        Self::new(url, Kind::Webhook, None, templates)
    }

    /// Where Twilio's API, or one of its shape, is: a regional host for example. Only for [`HttpSms::twilio`].
    pub fn base_url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    /// Authenticates with an API key instead of the account's token. Only for [`HttpSms::twilio`].
    pub fn api_key(mut self, sid: &str, secret: &str) -> Self {
        self.login = Some(Login { user: sid.to_owned(), password: secret.to_owned() });
        self
    }

    /// Sends `Authorization: Bearer` with this token. Only for [`HttpSms::webhook`].
    pub fn bearer(mut self, token: &str) -> Self {
        self.bearer = Some(token.to_owned());
        self
    }

    /// Signs each request with this secret of 32 bytes or more. Only for [`HttpSms::webhook`].
    pub fn signed(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Lets `http://` go to another machine: whoever is on the way reads every code and the token.
    ///
    /// Only for a network that something else keeps secret, such as a tunnel between two containers.
    pub fn insecure_plaintext(mut self) -> Self {
        self.insecure_plaintext = true;
        self
    }

    /// How long one try may take in all; 20 s without this, and at most 30 s are of use.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
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

    /// Another clock for the signatures; without this it is the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks everything; connects to nothing.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Name`](otpgate_core::ConfigErrorKind::Name) for templates that say nothing of a domain
    /// ([`TemplatesBuilder::sms_domain`](crate::TemplatesBuilder::sms_domain)), a URL of another kind or with a password, plain HTTP
    /// to another machine, an account, sender or token that cannot be one, a secret that is too short, a webhook without
    /// authentication, no known root certificate, or a timeout of zero. No error repeats the URL or a secret.
    pub fn build(self) -> Result<HttpSms, ConfigError> {
        self.templates.expect_for_sms()?;
        if self.timeout.is_zero() {
            return Err(refused("a timeout above zero is taken"));
        }
        let target = Target::parse(&self.url)?;
        if target.login.is_some() {
            return Err(refused("a user and a password do not belong into the URL of an SMS gateway"));
        }
        let (shape, authorization, path) = match &self.kind {
            Kind::Twilio { account, from } => {
                if self.bearer.is_some() || self.secret.is_some() || target.query.is_some() {
                    return Err(refused("bearer tokens, signatures and queries are for webhooks"));
                }
                let path = format!("{}/2010-04-01/Accounts/{account}/Messages.json", target.path.trim_end_matches('/'));
                (twilio_shape(account, from)?, Some(basic(self.login.as_ref())?), path)
            }
            Kind::Webhook => {
                if self.login.is_some() || (self.bearer.is_none() && self.secret.is_none()) {
                    return Err(refused("a webhook takes a bearer token, a signature, or both"));
                }
                let query = target.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
                (Shape::Json, self.bearer.as_deref().map(bearer).transpose()?, format!("{}{query}", target.path))
            }
        };
        let signing = self.secret.as_deref().map(signing_key).transpose()?;
        let gateway = gateway(&target, &path, self.insecure_plaintext, &self.roots)?;
        let Self { templates, timeout, clock, .. } = self;
        Ok(HttpSms { gateway, shape, authorization, signing, templates, timeout, clock })
    }
}

fn gateway(target: &Target, path: &str, insecure: bool, roots: &Roots) -> Result<Gateway, ConfigError> {
    let (tls, port) = match target.scheme.as_str() {
        "https" => (Some(Tls::to(&target.host, roots)?), 443),
        "http" if target.is_loopback() || insecure => (None, 80),
        "http" => return Err(refused("`http://` has no TLS and goes to this machine only; use `https://`")),
        _ => return Err(refused("the URL must begin with `https://`")),
    };
    let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    let host = target.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    let unusable = || refused("the URL of the SMS gateway cannot be used");
    Ok(Gateway {
        endpoint: Endpoint {
            host: target.host.clone(),
            port: target.port.unwrap_or(port),
            loopback_only: tls.is_none() && !insecure,
        },
        tls,
        host: HeaderValue::try_from(host).map_err(|_| unusable())?,
        target: path.parse().map_err(|_| unusable())?,
    })
}

fn twilio_shape(account: &str, from: &str) -> Result<Shape, ConfigError> {
    if account.is_empty() || account.len() > 64 || !account.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(refused("the account is letters and digits, `AC` and 32 more at Twilio"));
    }
    let service = from.len() == 34 && from.starts_with("MG") && from.chars().all(|c| c.is_ascii_alphanumeric());
    if service {
        return Ok(Shape::Form("MessagingServiceSid", from.to_owned()));
    }
    // A short code, or a name of up to eleven letters, digits and spaces as networks show it.
    let name = (1..=11).contains(&from.len()) && from.trim() == from;
    let name = name && from.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ');
    match address::phone(from) {
        Ok(number) => Ok(Shape::Form("From", number)),
        Err(_) if name => Ok(Shape::Form("From", from.to_owned())),
        Err(_) => Err(refused("the sender is a number, a name of up to 11 letters, or the id of a messaging service")),
    }
}

fn basic(login: Option<&Login>) -> Result<HeaderValue, ConfigError> {
    let fits = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    // A colon would end the user's name.
    let login = login.filter(|login| fits(&login.user) && fits(&login.password) && !login.user.contains(':'));
    let login = login.ok_or_else(|| refused("the account's token or the API key is empty or no text"))?;
    secret(&format!("Basic {}", STANDARD.encode(format!("{}:{}", login.user, login.password))))
}

fn bearer(token: &str) -> Result<HeaderValue, ConfigError> {
    if token.trim().is_empty() {
        return Err(refused("the bearer token is empty"));
    }
    secret(&format!("Bearer {token}"))
}

fn secret(value: &str) -> Result<HeaderValue, ConfigError> {
    let mut value =
        HeaderValue::try_from(value).map_err(|_| refused("a token holds a character that no header takes"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn signing_key(secret: &[u8]) -> Result<hmac::Key, ConfigError> {
    if secret.len() < LEAST_SECRET {
        return Err(refused(format!("the secret for signatures must have {LEAST_SECRET} bytes or more")));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, secret))
}

impl fmt::Debug for HttpSmsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpSmsBuilder(..)")
    }
}
