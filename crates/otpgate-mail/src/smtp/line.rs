//! Connections to one mail server: made, kept for a while, and given one message after another.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lettre::Message;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Response, Severity};
use tokio::sync::Semaphore;

use super::failure::{Failure, Step};
use super::starttls;
use super::wire::{Allowance, Wire};
use crate::net::{Endpoint, Login, Socket, Tls};

/// How long a server that refused a message may take to say good-bye.
const GOODBYE: Duration = Duration::from_secs(1);

/// How the line is kept from being read.
#[derive(Clone)]
pub(super) enum Security {
    /// Not at all.
    Plain,
    /// TLS from the first byte.
    Tls(Tls),
    /// TLS after STARTTLS, or nothing.
    StartTls(Tls),
}

/// A pool of connections.
///
/// Not lettre's: that one keeps a connection whose delivery was dropped half-way, and the next message's commands would
/// then meet the answers to this one's, so that a code can end at two people. Here a connection comes back only after the
/// server took a whole message, and with any other end it is closed.
pub(super) struct Line {
    pub(super) endpoint: Endpoint,
    pub(super) security: Security,
    pub(super) login: Option<Login>,
    pub(super) hello: String,
    pub(super) idle_timeout: Duration,
    pub(super) permits: Semaphore,
    pub(super) idle: Mutex<Vec<Open>>,
}

/// A connection on which the server waits for the next message.
pub(super) struct Open {
    talk: AsyncSmtpConnection,
    allowance: Allowance,
    since: Instant,
}

impl Line {
    /// Hands the message to the server, over a kept connection or a new one.
    pub(super) async fn deliver(&self, message: &Message) -> Result<(), Failure> {
        let _permit = self.permits.acquire().await.map_err(|_| Failure::other(Step::Connect, "the pool is closed"))?;
        let mut open = match self.kept().await {
            Some(open) => open,
            None => self.open().await?,
        };
        match hand_over(&mut open.talk, message).await {
            Ok(()) => {
                open.since = Instant::now();
                self.idle().push(open);
                Ok(())
            }
            Err(failure) => {
                // Politeness, within bounds; the result of the delivery stands.
                let _ = tokio::time::timeout(GOODBYE, open.talk.abort()).await;
                Err(failure)
            }
        }
    }

    /// A kept connection that still answers.
    async fn kept(&self) -> Option<Open> {
        loop {
            let mut open = self.idle().pop()?;
            open.allowance.renew();
            if open.since.elapsed() <= self.idle_timeout && open.talk.test_connected().await {
                return Some(open);
            }
        }
    }

    async fn open(&self) -> Result<Open, Failure> {
        let mut stream = self.endpoint.dial().await.map_err(|e| Failure::io(Step::Connect, &e))?;
        let (socket, ahead): (_, &[u8]) = match &self.security {
            Security::Plain => (Socket::Plain(stream), b""),
            Security::Tls(tls) => (tls.wrap(stream).await.map_err(Failure::tls)?, b""),
            Security::StartTls(tls) => {
                starttls::ask(&mut stream, &self.hello).await?;
                // The server greets once, and it did so in clear; lettre waits for a greeting.
                (tls.wrap(stream).await.map_err(Failure::tls)?, b"220 TLS\r\n")
            }
        };
        let allowance = Allowance::default();
        allowance.renew();
        let wire = Wire::new(socket, ahead, allowance.clone());
        let hello = ClientId::Domain(self.hello.clone());
        let mut talk = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello)
            .await
            .map_err(|e| Failure::of(Step::Ehlo, &e))?;
        if let Some(login) = &self.login {
            let credentials = Credentials::new(login.user.clone(), login.password.clone());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            if talk.server_info().get_auth_mechanism(&mechanisms).is_none() {
                return Err(Failure::other(Step::Auth, "the mail server offers neither PLAIN nor LOGIN"));
            }
            done(Step::Auth, talk.auth(&mechanisms, &credentials).await)?;
        }
        Ok(Open { talk, allowance, since: Instant::now() })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Answer = Result<Response, lettre::transport::smtp::Error>;

async fn hand_over(talk: &mut AsyncSmtpConnection, message: &Message) -> Result<(), Failure> {
    let envelope = message.envelope();
    done(Step::Mail, talk.command(Mail::new(envelope.from().cloned(), Vec::new())).await)?;
    for to in envelope.to() {
        done(Step::Rcpt, talk.command(Rcpt::new(to.clone(), Vec::new())).await)?;
    }
    let go_on = talk.command(Data).await.map_err(|e| Failure::of(Step::Data, &e))?;
    // Anything but 354 and the server takes the message for commands.
    Failure::unless(Step::Data, &go_on, Severity::PositiveIntermediate)?;
    done(Step::Body, talk.message(&message.formatted()).await)
}

fn done(step: Step, answer: Answer) -> Result<(), Failure> {
    let reply = answer.map_err(|e| Failure::of(step, &e))?;
    Failure::unless(step, &reply, Severity::PositiveCompletion)
}
