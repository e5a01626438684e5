//! How codes leave: e-mail and SMS.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Code, SmsRules, Tenant, Timestamp};

/// What a mail is for; a mailer has words for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailPurpose {
    /// A code to log in with.
    LogIn,
    /// A token to set a new password with.
    ResetPassword,
}

/// A mail that carries a one-time code or a reset token. What it says is the mailer's templates' affair.
#[derive(Clone, Debug)]
pub struct CodeMail {
    /// What it is for.
    pub purpose: MailPurpose,
    /// The one recipient: the address in the spelling that the directory stored.
    pub to: String,
    /// Whose user it is.
    pub tenant: Tenant,
    /// The code, or the reset token.
    pub code: Code,
    /// When it ends.
    pub expires_at: Timestamp,
    /// How long it lives, counted from when it was made.
    pub life: Duration,
    /// What its reader reads, as [`Caller::locale`](crate::engine::Caller::locale). It chooses among words and is written
    /// nowhere.
    pub locale: Option<String>,
}

/// An SMS that carries a one-time code.
#[derive(Clone, Debug)]
pub struct CodeSms {
    /// The one recipient, in E.164 form.
    pub to: String,
    /// Whose user it is.
    pub tenant: Tenant,
    /// The code.
    pub code: Code,
    /// When the code ends.
    pub expires_at: Timestamp,
    /// How long the code lives, counted from when it was made.
    pub life: Duration,
    /// What its reader reads, as in [`CodeMail`].
    pub locale: Option<String>,
}

/// Sends mail. Called in the background after the answer is decided; its failure is never visible in an answer.
///
/// # Contract
/// 1. `Ok` means handed over: to the next server, to the folder, to the terminal.
/// 2. One message to one recipient, without anything taken from a request but the choice of a language.
/// 3. The code is in the body only, never in the subject, a header, a link or a log.
///
/// # Cancel safety
/// A call that takes longer than 30 s is dropped and counts as [`DeliveryError::temporary`].
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Hands one mail over.
    ///
    /// # Errors
    /// [`DeliveryError`]; a temporary one is tried again until the code ends.
    async fn send(&self, mail: &CodeMail) -> Result<(), DeliveryError>;
}

/// Sends SMS, under the same contract as [`Mailer`].
#[async_trait]
pub trait SmsSender: Send + Sync + 'static {
    /// Hands one SMS over.
    ///
    /// # Errors
    /// [`DeliveryError`]; a temporary one is tried again until the code ends.
    async fn send(&self, sms: &CodeSms) -> Result<(), DeliveryError>;
}

macro_rules! forward_senders {
    ($($pointer:ident),*) => {$(
        #[async_trait]
        impl<T: Mailer + ?Sized> Mailer for $pointer<T> {
            async fn send(&self, mail: &CodeMail) -> Result<(), DeliveryError> {
                (**self).send(mail).await
            }
        }
        #[async_trait]
        impl<T: SmsSender + ?Sized> SmsSender for $pointer<T> {
            async fn send(&self, sms: &CodeSms) -> Result<(), DeliveryError> {
                (**self).send(sms).await
            }
        }
    )*};
}
forward_senders!(Arc, Box);

/// How codes leave by SMS: a sender, and the rules that it stands under. Cheap to clone.
#[derive(Clone)]
pub struct Sms {
    pub(crate) sender: Arc<dyn SmsSender>,
    pub(crate) rules: Option<SmsRules>,
}

impl Sms {
    /// SMS by `sender` to the numbers that `rules` allow, as many as their caps allow.
    #[must_use]
    pub fn new(sender: impl SmsSender, rules: SmsRules) -> Self {
        Self { sender: Arc::new(sender), rules: Some(rules) }
    }

    /// SMS to every number on earth, without a cap. Costs: whoever rents premium numbers and enters them as users earns on each
    /// code that they ask for (SMS pumping), and you pay, up to the send valve of every tenant in every hour.
    #[must_use]
    pub fn insecure_without_rules(sender: impl SmsSender) -> Self {
        Self { sender: Arc::new(sender), rules: None }
    }
}

impl fmt::Debug for Sms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sms").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// A message could not be handed over.
#[derive(Debug)]
pub struct DeliveryError {
    temporary: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl DeliveryError {
    /// Worth another try: a busy server, a lost connection.
    #[must_use]
    pub fn temporary(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { temporary: true, source: Some(source.into()) }
    }

    /// Not worth another try: an address that the server refuses for good.
    #[must_use]
    pub fn permanent(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { temporary: false, source: Some(source.into()) }
    }

    /// Whether another try is worth it.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.temporary { "the message could not be handed over now" } else { "the message was refused" })
    }
}

impl std::error::Error for DeliveryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
