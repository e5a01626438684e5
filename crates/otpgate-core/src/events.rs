//! What happened, for audit and alarms.

use std::net::IpAddr;
use std::sync::Arc;

use crate::{Profile, Refusal, SessionId, Tenant, Timestamp, UserId};

/// One outcome of authentication. Holds no code, token, password, and no identifier in clear.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// In which tenant.
    pub tenant: Tenant,
    /// Over which profile.
    pub profile: Option<Profile>,
    /// The user, where one was found.
    pub user: Option<UserId>,
    /// A keyed digest of the identifier: equal for equal identifiers, useless without the secret.
    pub subject: Option<[u8; 8]>,
    /// The session, where there is one.
    pub session: Option<SessionId>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
    /// Why it was refused, if it was.
    pub refusal: Option<Refusal>,
    /// What a sender said of a delivery that failed, in one line for operators. Addresses, longer numbers and the code are taken out;
    /// what else stands there is the sender's to answer for.
    pub cause: Option<String>,
}

/// What an [`Event`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A code was asked for.
    CodeRequested,
    /// A message was handed over.
    CodeDelivered,
    /// A try to hand a message over failed, and another will follow.
    DeliveryRetried,
    /// A message could not be handed over, for good or until its code ended.
    CodeUndelivered,
    /// The outbox had no place for a message, which is sent all the same and would be lost with this process.
    OutboxFull,
    /// A code was tried.
    LoggedIn,
    /// A session was refreshed.
    Refreshed,
    /// A refresh token was used a second time; its session was ended.
    RefreshReused,
    /// A session was ended.
    LoggedOut,
    /// All sessions of a user were ended.
    LoggedOutEverywhere,
    /// All sessions of a user but one were ended.
    LoggedOutElsewhere,
    /// A password reset was asked for.
    ResetRequested,
    /// A password was set by a reset token.
    PasswordReset,
    /// The tenant's send valve refused a code.
    SendValveClosed,
    /// Wrong codes and passwords of the tenant have reached this number within an hour.
    WrongGuesses {
        /// A power of ten from 100.
        per_hour: u64,
    },
    /// The tenant's breaker refused a guess.
    BreakerRefused,
    /// So many wrong codes in a row that the identifier takes none any more, until a reset or the host opens it.
    IdentifierClosed,
    /// An unknown address proved itself and became a user.
    Registered,
    /// An address was proven for the first time: passwords and sessions from before were discarded.
    UnprovenDiscarded,
    /// The host disabled a user.
    Disabled,
    /// The host let a user in again.
    Enabled,
    /// The host changed a user; everything open was ended.
    UserChanged,
    /// The host opened the lock of an identifier.
    Unlocked,
    /// The host erased a user.
    Forgotten,
}

impl EventKind {
    /// The number of an event that has one.
    const fn per_hour(self) -> Option<u64> {
        match self {
            Self::WrongGuesses { per_hour } => Some(per_hour),
            _ => None,
        }
    }

    /// The stable name, for logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CodeRequested => "code_requested",
            Self::CodeDelivered => "code_delivered",
            Self::DeliveryRetried => "delivery_retried",
            Self::CodeUndelivered => "code_undelivered",
            Self::OutboxFull => "outbox_full",
            Self::LoggedIn => "logged_in",
            Self::Refreshed => "refreshed",
            Self::RefreshReused => "refresh_reused",
            Self::LoggedOut => "logged_out",
            Self::LoggedOutEverywhere => "logged_out_everywhere",
            Self::LoggedOutElsewhere => "logged_out_elsewhere",
            Self::ResetRequested => "reset_requested",
            Self::PasswordReset => "password_reset",
            Self::SendValveClosed => "send_valve_closed",
            Self::WrongGuesses { .. } => "wrong_guesses",
            Self::BreakerRefused => "breaker_refused",
            Self::IdentifierClosed => "identifier_closed",
            Self::Registered => "registered",
            Self::UnprovenDiscarded => "unproven_discarded",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::UserChanged => "user_changed",
            Self::Unlocked => "unlocked",
            Self::Forgotten => "forgotten",
        }
    }
}

/// Takes events; called after the write that made them true has committed.
///
/// # Contract
/// 1. `record` returns at once: it queues or counts, and does not wait for I/O.
pub trait EventSink: Send + Sync + 'static {
    /// Takes one event.
    fn record(&self, event: &Event);
}

impl<T: EventSink + ?Sized> EventSink for Arc<T> {
    fn record(&self, event: &Event) {
        (**self).record(event);
    }
}

impl<T: EventSink + ?Sized> EventSink for Box<T> {
    fn record(&self, event: &Event) {
        (**self).record(event);
    }
}

/// Writes events as `tracing` records of target `otpgate::audit`: refusals and failed deliveries at `WARN`, the rest at
/// `INFO`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingEvents;

impl EventSink for TracingEvents {
    fn record(&self, event: &Event) {
        // Fields are worked out in their places: where nobody listens, none of them is.
        macro_rules! write_at {
            ($level:ident) => {
                tracing::$level!(
                    target: "otpgate::audit",
                    event = event.kind.name(),
                    per_hour = event.kind.per_hour(),
                    tenant = event.tenant.as_str(),
                    profile = event.profile.map(Profile::name),
                    user = event.user.as_ref().map(UserId::as_str),
                    subject = event.subject.map(|s| format!("{:016x}", u64::from_be_bytes(s))),
                    session = event.session.map(|s| s.to_string()),
                    address = event.address.map(|a| a.to_string()),
                    refusal = event.refusal.map(Refusal::name),
                    cause = event.cause.as_deref(),
                )
            };
        }
        if event.refusal.is_some() || event.cause.is_some() { write_at!(warn) } else { write_at!(info) }
    }
}
