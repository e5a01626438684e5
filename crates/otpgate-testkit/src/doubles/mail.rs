use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use otpgate_core::{CodeMail, CodeSms, DeliveryError, Mailer, SmsSender, Tenant, Timestamp};
use tokio::sync::Notify;

/// Keeps what it is given instead of sending it; clones share one box. Can be told to refuse or to hang.
///
/// The codes are kept in clear: a test needs them, nothing else may.
#[derive(Clone, Debug, Default)]
pub struct CaptureMailer(Arc<Outbox>);

/// How a message was to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// By e-mail.
    Mail,
    /// By SMS.
    Sms,
}

/// A message that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// How it was to leave.
    pub channel: Channel,
    /// The recipient.
    pub to: String,
    /// Whose user it is.
    pub tenant: Tenant,
    /// The code in clear.
    pub code: String,
    /// When the code ends.
    pub expires_at: Timestamp,
    /// The languages of its reader.
    pub locale: Option<String>,
}

#[derive(Debug, Default)]
struct Outbox {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    mode: Mode,
    attempts: usize,
    taken: Vec<Captured>,
    read: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Mode {
    #[default]
    Accept,
    Temporary,
    Repeating,
    Permanent,
    Hang,
}

impl CaptureMailer {
    /// An empty box that accepts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on accepts.
    pub fn accept(&self) {
        self.state().mode = Mode::Accept;
    }

    /// From now on refuses as a busy server does: worth another try.
    pub fn refuse_temporarily(&self) {
        self.state().mode = Mode::Temporary;
    }

    /// From now on refuses as a busy server does that repeats what it was given.
    pub fn refuse_repeating(&self) {
        self.state().mode = Mode::Repeating;
    }

    /// From now on refuses for good.
    pub fn refuse_permanently(&self) {
        self.state().mode = Mode::Permanent;
    }

    /// From now on never answers.
    pub fn hang(&self) {
        self.state().mode = Mode::Hang;
    }

    /// Waits for the next message that this method has not returned yet, in the order of arrival.
    pub async fn next(&self) -> Captured {
        loop {
            let arrived = self.0.arrived.notified();
            {
                let mut state = self.state();
                if let Some(message) = state.taken.get(state.read).cloned() {
                    state.read += 1;
                    return message;
                }
            }
            arrived.await;
        }
    }

    /// How many messages were accepted.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state().taken.len()
    }

    /// How many messages were handed over, the refused ones among them.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.state().attempts
    }

    /// All accepted messages, in the order of arrival.
    #[must_use]
    pub fn messages(&self) -> Vec<Captured> {
        self.state().taken.clone()
    }

    /// Whether any accepted message is as `is` says.
    #[must_use]
    pub fn any(&self, is: impl FnMut(&Captured) -> bool) -> bool {
        self.state().taken.iter().any(is)
    }

    /// The codes that were sent to `address`, the newest last.
    #[must_use]
    pub fn codes_for(&self, address: &str) -> Vec<String> {
        self.state().taken.iter().filter(|m| m.to == address).map(|m| m.code.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self, message: Captured) -> Result<(), DeliveryError> {
        let (mode, said) = {
            let mut state = self.state();
            state.attempts += 1;
            let said = format!("421 <{}> not now, said the test of {}", message.to, message.code);
            if matches!(state.mode, Mode::Accept) {
                state.taken.push(message);
            }
            (state.mode, said)
        };
        match mode {
            Mode::Accept => {
                self.0.arrived.notify_waiters();
                Ok(())
            }
            Mode::Temporary => Err(DeliveryError::temporary("421 busy, said the test")),
            Mode::Repeating => Err(DeliveryError::temporary(said)),
            Mode::Permanent => Err(DeliveryError::permanent("550 no such mailbox, said the test")),
            Mode::Hang => pending().await,
        }
    }
}

#[async_trait]
impl Mailer for CaptureMailer {
    async fn send(&self, mail: &CodeMail) -> Result<(), DeliveryError> {
        let CodeMail { to, tenant, code, expires_at, locale, .. } = mail.clone();
        let code = code.expose().to_owned();
        self.take(Captured { channel: Channel::Mail, to, tenant, code, expires_at, locale }).await
    }
}

#[async_trait]
impl SmsSender for CaptureMailer {
    async fn send(&self, sms: &CodeSms) -> Result<(), DeliveryError> {
        let CodeSms { to, tenant, code, expires_at, locale, .. } = sms.clone();
        let code = code.expose().to_owned();
        self.take(Captured { channel: Channel::Sms, to, tenant, code, expires_at, locale }).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn message(to: &str, code: &str) -> Captured {
        Captured {
            channel: Channel::Mail,
            to: to.into(),
            tenant: Tenant::new("t").unwrap(),
            code: code.into(),
            expires_at: Timestamp::NEVER,
            locale: None,
        }
    }

    #[tokio::test]
    async fn what_is_accepted_is_kept_in_order_and_read_once() {
        let mailer = CaptureMailer::new();
        let reader = mailer.clone();
        let (read, ()) = tokio::join!(async { [reader.next().await, reader.next().await] }, async {
            for (to, code) in [("a@x", "1"), ("b@x", "2"), ("a@x", "3")] {
                mailer.take(message(to, code)).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(read, [message("a@x", "1"), message("b@x", "2")]);
        assert_eq!(mailer.codes_for("a@x"), ["1", "3"]);
        assert_eq!(mailer.next().await.code, "3");
        assert_eq!(mailer.next().now_or_never(), None);
        assert_eq!((mailer.count(), mailer.attempts(), mailer.messages().len()), (3, 3, 3));
        assert!(mailer.any(|m| m.code == "2") && !mailer.any(|m| m.code == "4"));
    }

    #[tokio::test]
    async fn it_refuses_and_hangs_when_told() {
        let mailer = CaptureMailer::new();
        mailer.refuse_temporarily();
        assert!(mailer.take(message("a@x", "1")).await.unwrap_err().is_temporary());
        mailer.refuse_permanently();
        assert!(!mailer.take(message("a@x", "2")).await.unwrap_err().is_temporary());
        mailer.hang();
        assert!(mailer.take(message("a@x", "3")).now_or_never().is_none());
        assert_eq!((mailer.count(), mailer.attempts()), (0, 3));
        mailer.accept();
        mailer.take(message("a@x", "4")).await.unwrap();
        assert_eq!(mailer.codes_for("a@x"), ["4"]);
    }
}
