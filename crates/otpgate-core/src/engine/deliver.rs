//! Handing messages over in the background: after the answer is decided, with retries, until what they carry ends.

use std::sync::Arc;
use std::time::Duration;

use super::{About, Caller, Inner};
use crate::{
    Code, CodeMail, CodeSms, DeliveryError, EventKind, Identifier, IdentifierKind, MailPurpose, Timestamp, User,
};

/// Deliveries under way at a time; one more is given up at once and told by an event.
pub(super) const MOST_DELIVERIES: usize = 1_024;

/// How long one try may take.
const TRY_DEADLINE: Duration = Duration::from_secs(30);

/// Pauses between tries, in seconds.
const PAUSES: [u64; 5] = [1, 5, 15, 60, 120];

/// A code or reset token on its way.
pub(super) struct Parcel {
    pub(super) purpose: MailPurpose,
    pub(super) code: Code,
    pub(super) expires_at: Timestamp,
    pub(super) life: Duration,
}

/// Hands a parcel to the mailer, detached. For an unknown user the same task is started and has nothing to do.
///
/// It goes to `channel`: the identifier itself, or where a code for a user name was asked to go.
pub(super) fn hand_over(
    inner: &Arc<Inner>,
    caller: &Caller,
    identifier: &Identifier,
    channel: &Identifier,
    user: Option<User>,
    parcel: Parcel,
) {
    hand_to(inner, caller, identifier, channel, user.map(|u| Addressee::User(Box::new(u))), parcel);
}

/// Whom a parcel is for.
pub(super) enum Addressee {
    User(Box<User>),
    /// Whoever has the mailbox, to become a user.
    Newcomer,
}

/// As [`hand_over`], where the addressee need not be a user yet.
pub(super) fn hand_to(
    inner: &Arc<Inner>,
    caller: &Caller,
    identifier: &Identifier,
    channel: &Identifier,
    addressee: Option<Addressee>,
    parcel: Parcel,
) {
    let (inner, caller) = (Arc::clone(inner), caller.clone());
    let (identifier, channel) = (identifier.clone(), channel.clone());
    let permit = inner.deliveries.try_acquire_arc();
    let runtime = Arc::clone(&inner.runtime);
    runtime.spawn(Box::pin(async move {
        let Some(addressee) = addressee else { return };
        let expires_at = parcel.expires_at;
        let delivered = match (permit, Message::of(&caller, &channel, &addressee, parcel)) {
            (Some(_permit), Some(message)) => deliver(&inner, &message, expires_at).await,
            _ => false,
        };
        let user = addressee.user().map(|u| &u.id);
        let about = About { caller: &caller, identifier: Some(&identifier), user, session: None };
        inner.tell(if delivered { EventKind::CodeDelivered } else { EventKind::CodeUndelivered }, about, None);
    }));
}

impl Addressee {
    fn user(&self) -> Option<&User> {
        match self {
            Self::User(user) => Some(user),
            Self::Newcomer => None,
        }
    }
}

/// A message on the channel of its identifier, to the spelling that the directory stored and never to the submitted one.
enum Message {
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
}

/// Tries until the message is handed over, refused for good, or of no use any more.
async fn deliver(inner: &Inner, message: &Message, expires_at: Timestamp) -> bool {
    for pause in PAUSES.into_iter().map(|s| Some(Duration::from_secs(s))).chain([None]) {
        match inner.within(TRY_DEADLINE, message.send(inner)).await {
            Some(Ok(())) => return true,
            Some(Err(error)) if !error.is_temporary() => return false,
            _ => {}
        }
        match pause {
            Some(pause) if inner.clock.now().plus(pause) < expires_at => inner.runtime.sleep(pause).await,
            _ => return false,
        }
    }
    false
}
