//! Handing messages over in the background: after the answer is decided, with retries, until what they carry ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select;

use super::outbox::Kept;
use super::{Caller, Inner};
use crate::flow::{cause, outbox};
use crate::record::Audience;
use crate::{
    Code, CodeMail, CodeSms, DeliveryError, Event, EventKind, Identifier, IdentifierKind, MailPurpose, Profile,
    Refusal, Tenant, Timestamp, User, UserId,
};

/// Deliveries under way at a time; without an outbox one more is given up at once and told by an event.
pub(super) const MOST_DELIVERIES: usize = 1_024;

/// A code or reset token on its way.
pub(super) struct Parcel {
    pub(super) purpose: MailPurpose,
    pub(super) code: Code,
    pub(super) expires_at: Timestamp,
    pub(super) life: Duration,
}

/// Whom a parcel is for.
pub(super) enum Addressee {
    User(Box<User>),
    /// Whoever has the mailbox, to become a user.
    Newcomer,
}

/// Hands a parcel to the mailer, detached. Without an addressee the same task is started and has nothing to do. With an outbox the
/// message, or a decoy of its size, is in the store when this returns: what is acknowledged then is not lost.
///
/// It is of `subject`, and goes to `channel`: the identifier itself, or where a code for a user name was asked to go.
pub(super) async fn hand_over(
    inner: &Arc<Inner>,
    caller: &Caller,
    subject: [u8; 8],
    channel: &Identifier,
    addressee: Option<Addressee>,
    parcel: Parcel,
) -> Result<(), Refusal> {
    let user = addressee.as_ref().and_then(Addressee::user);
    let facts = Facts {
        tenant: caller.tenant.clone(),
        profile: caller.profile,
        user: user.map(|u| u.id.clone()),
        subject,
        address: caller.address,
    };
    let until = parcel.expires_at;
    let message = addressee.as_ref().and_then(|addressee| Message::of(caller, channel, addressee, parcel));
    let (errand, permit) = (Errand { facts, message, until }, inner.deliveries.try_acquire_arc());
    let kept = inner.keep(&errand, permit.is_some()).await?;
    let (inner, runtime) = (Arc::clone(inner), Arc::clone(&inner.runtime));
    runtime.spawn(Box::pin(async move {
        let given_up = |cause: &str| {
            inner.tell_delivery(EventKind::CodeUndelivered, &errand.facts, Some(cause.to_owned()));
        };
        match (&errand.message, permit, addressee) {
            (Some(_), Some(_permit), _) => inner.run(errand, kept).await,
            // It waits for whoever looks into the outbox.
            (Some(_), None, _) if kept.is_some() => {}
            (Some(_), None, _) => given_up("too many deliveries are under way"),
            (None, _, addressee) => {
                if addressee.is_some() {
                    given_up("the user has no such address or number");
                }
                if let Some(decoy) = kept {
                    inner.discard(&decoy).await;
                }
            }
        }
    }));
    Ok(())
}

impl Addressee {
    /// Whom a code for this audience goes to; nobody for a decoy.
    pub(super) fn of(audience: Audience, user: Option<User>) -> Option<Self> {
        match audience {
            Audience::Newcomer => Some(Self::Newcomer),
            Audience::User | Audience::Nobody => user.map(|user| Self::User(Box::new(user))),
        }
    }

    fn user(&self) -> Option<&User> {
        match self {
            Self::User(user) => Some(user),
            Self::Newcomer => None,
        }
    }
}

/// A message with all that a try and its events need, wherever it is made. Without a message it is a decoy.
pub(super) struct Errand {
    pub(super) facts: Facts,
    pub(super) message: Option<Message>,
    pub(super) until: Timestamp,
}

/// What the events of a delivery say besides what became of it.
pub(super) struct Facts {
    pub(super) tenant: Tenant,
    pub(super) profile: Profile,
    pub(super) user: Option<UserId>,
    pub(super) subject: [u8; 8],
    pub(super) address: Option<IpAddr>,
}

/// A message on the channel of its identifier, to the spelling that the directory stored and never to the submitted one.
pub(super) enum Message {
    Mail(CodeMail),
    Sms(CodeSms),
}

impl Message {
    /// Nothing when the user has no such address: what was asked for by another's name goes nowhere.
    fn of(caller: &Caller, channel: &Identifier, addressee: &Addressee, parcel: Parcel) -> Option<Self> {
        let tenant = caller.tenant.clone();
        let Parcel { purpose, code, expires_at, life } = parcel;
        let user = addressee.user();
        let locale = user.and_then(|user| user.locale.clone()).or_else(|| caller.locale.clone());
        match channel.kind() {
            IdentifierKind::Email => {
                let to = match user {
                    Some(user) => user.email.clone().filter(|own| Identifier::email(own).as_ref() == Ok(channel))?,
                    None => channel.as_str().to_owned(),
                };
                Some(Self::Mail(CodeMail { purpose, to, tenant, code, expires_at, life, locale }))
            }
            IdentifierKind::Phone => {
                let known = user?.phone.as_deref().is_some_and(|own| Identifier::phone(own).as_ref() == Ok(channel));
                let to = channel.as_str().to_owned();
                known.then(|| Self::Sms(CodeSms { to, tenant, code, expires_at, life, locale }))
            }
            IdentifierKind::Username => None,
        }
    }

    async fn send(&self, inner: &Inner) -> Result<(), DeliveryError> {
        match self {
            Self::Mail(mail) => inner.mailer.send(mail).await,
            Self::Sms(sms) => inner.send_sms(sms).await,
        }
    }

    /// What must not be told of it.
    fn hidden(&self) -> [&str; 2] {
        match self {
            Self::Mail(mail) => [&mail.to, mail.code.expose()],
            Self::Sms(sms) => [&sms.to, sms.code.expose()],
        }
    }
}

impl Inner {
    /// Tries until the message is handed over, refused for good, or of no use any more; then nothing is kept of it.
    pub(super) async fn run(&self, errand: Errand, mut kept: Option<Kept>) {
        let mut failed = kept.as_ref().map_or(0, Kept::failed);
        while let Some(message) = &errand.message {
            let tried = self.within(outbox::TRY, message.send(self)).await;
            let error = match tried.unwrap_or_else(|| Err(DeliveryError::temporary("it took longer than 30 s"))) {
                Ok(()) => {
                    self.tell_delivery(EventKind::CodeDelivered, &errand.facts, None);
                    break;
                }
                Err(error) => error,
            };
            failed = failed.saturating_add(1);
            let cause = Some(cause::told(&error, &message.hidden()));
            let pause = outbox::pause(failed, self.clock.now(), errand.until).filter(|_| error.is_temporary());
            let Some(pause) = pause else {
                self.tell_delivery(EventKind::CodeUndelivered, &errand.facts, cause);
                break;
            };
            self.tell_delivery(EventKind::DeliveryRetried, &errand.facts, cause);
            if !self.wait(kept.as_mut(), pause).await {
                return;
            }
        }
        if let Some(kept) = kept {
            self.discard(&kept).await;
        }
    }

    /// Waits for the next try; false when it is no longer this process's to make.
    async fn wait(&self, kept: Option<&mut Kept>, pause: Duration) -> bool {
        let Some(kept) = kept else {
            self.runtime.sleep(pause).await;
            return true;
        };
        if !self.put_back(kept, pause).await {
            return false;
        }
        // A process that ends leaves it to the others.
        select(std::pin::pin!(self.closing.begun()), self.runtime.sleep(pause)).await;
        !self.closing.has_begun() && self.take_again(kept).await
    }

    pub(super) fn tell_delivery(&self, kind: EventKind, facts: &Facts, cause: Option<String>) {
        self.events.record(&Event {
            kind,
            at: self.clock.now(),
            tenant: facts.tenant.clone(),
            profile: Some(facts.profile),
            user: facts.user.clone(),
            subject: Some(facts.subject),
            session: None,
            address: facts.address,
            refusal: None,
            cause,
        });
    }
}
