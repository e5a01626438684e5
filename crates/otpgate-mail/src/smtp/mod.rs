//! Mail over SMTP.

mod builder;
mod failure;
mod line;
mod starttls;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use otpgate_core::{Clock, CodeMail, ConfigError, DeliveryError, Mailer};

use self::line::{Line, Security};
use crate::message::{Letterhead, random_hex};
use crate::pattern::Letter;
use crate::templates::Templates;

pub use self::builder::SmtpBuilder;

/// Hands each mail to one mail server by SMTP (RFC 5321), over TLS, on connections that are kept for a while.
///
/// | URL | means | default port |
/// |---|---|---|
/// | `smtps://user:password@host` | TLS from the first byte; prefer it | 465 |
/// | `smtp+starttls://user:password@host` | TLS by STARTTLS; a server that does not offer it gets nothing | 587 |
/// | `smtp://localhost` | no TLS, to this machine only | 25 |
///
/// In user and password, write what has a meaning in URLs as percent signs: `p@ss/word` is `p%40ss%2Fword`. Neither is
/// shown by `Debug` or repeated in an error. The server's certificate must be for the host's name.
///
/// What the server refuses for good (5xx to `MAIL`, `RCPT`, `DATA` or the message) is a permanent error; all else is
/// temporary: 4xx, a lost connection, a failed handshake or log-in. Errors hold the server's code and none of its words.
/// A connection that is lost after the message was sent and before it was acknowledged is a temporary error too, so that a
/// mail may come twice, and never not at all.
///
/// It needs tokio's network and timers when it sends, and nothing when it is built. Do not turn on lettre's own `tracing`
/// feature: it logs every line of the conversation, codes and passwords included.
///
/// ```
/// use otpgate_mail::{SmtpMailer, Templates};
///
/// # fn main() -> Result<(), otpgate_core::ConfigError> {
/// # let url = "smtp://localhost:25";
/// // let url = "smtps://user:password@mail.example.com";
/// let mailer = SmtpMailer::from_url(url, "Example <login@example.com>", Templates::new("Example")?)?;
/// # let _ = mailer;
/// # Ok(())
/// # }
/// ```
pub struct SmtpMailer {
    letterhead: Letterhead,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    line: Line,
}

impl SmtpMailer {
    /// A mailer with the defaults of [`SmtpBuilder`]. `from` is `login@example.com` or `Example <login@example.com>`.
    ///
    /// # Errors
    /// As [`SmtpBuilder::build`].
    pub fn from_url(url: &str, from: &str, templates: Templates) -> Result<Self, ConfigError> {
        Self::builder(url, from, templates).build()
    }

    /// Everything that can be set.
    pub fn builder(url: &str, from: &str, templates: Templates) -> SmtpBuilder {
        SmtpBuilder::new(url, from, templates)
    }

    async fn deliver(&self, letter: Letter<'_>) -> Result<(), DeliveryError> {
        let id = random_hex().map_err(DeliveryError::temporary)?;
        let message = self.letterhead.message(letter, self.clock.now(), &id)?;
        match tokio::time::timeout(self.timeout, self.line.deliver(&message)).await {
            Ok(delivered) => delivered.map_err(Into::into),
            Err(_) => Err(DeliveryError::temporary("the mail server did not take the message in time")),
        }
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &CodeMail) -> Result<(), DeliveryError> {
        self.deliver(mail.into()).await
    }
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let security = match self.line.security {
            Security::Plain => "none",
            Security::Tls(_) => "TLS",
            Security::StartTls(_) => "STARTTLS",
        };
        f.debug_struct("SmtpMailer")
            .field("host", &self.line.endpoint.host)
            .field("port", &self.line.endpoint.port)
            .field("security", &security)
            .finish_non_exhaustive()
    }
}
