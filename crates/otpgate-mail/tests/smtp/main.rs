//! The SMTP mailer against a server on loopback that is well, ill, slow, hostile or gone.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod bytes;
mod engine;
mod pool;
mod replies;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::time::Duration;

use otpgate_core::{DeliveryError, Mailer as _};
use otpgate_mail::{SmtpBuilder, SmtpMailer, Templates};

use support::{mail_to, smtp_server::SmtpServer};

const FROM: &str = "Example <login@example.com>";

fn builder(url: &str) -> SmtpBuilder {
    SmtpMailer::builder(url, FROM, Templates::new("Example").unwrap())
}

fn mailer(server: &SmtpServer) -> SmtpMailer {
    builder(&server.url()).build().unwrap()
}

/// For servers that hang: the wait is over soon, and long enough for one that answers on a busy machine.
fn hasty(server: &SmtpServer) -> SmtpMailer {
    builder(&server.url()).timeout(Duration::from_secs(1)).build().unwrap()
}

async fn send(mailer: &SmtpMailer) -> Result<(), DeliveryError> {
    mailer.send(&mail_to("ada@example.com")).await
}
