//! Why something was refused: stable machine reasons, apart from words and statuses.

use std::time::Duration;

use crate::IdentifierKind;

/// Why an operation was refused. Exhaustive on purpose: a new reason must fail to compile in every profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The text has not the form of a code; it was not compared and not counted.
    MalformedCode,
    /// The code is wrong, expired, used, of another purpose, or the budget of guesses is spent.
    WrongCode,
    /// The code met too many wrong guesses; a new one has to be asked for.
    BurntCode,
    /// The password is wrong, or may not be tried now.
    WrongPassword,
    /// The password may not be set: too short, too long or too common.
    WeakPassword,
    /// The reset token is wrong, used, replaced or expired.
    WrongToken,
    /// The flow that a request names is unknown, ended or finished.
    UnknownFlow,
    /// The flow, token or key is of another tenant.
    ForeignTenant,
    /// The flow, token or key is of another device, or of none.
    ForeignDevice,
    /// The flow, token or key is of another identifier than the one of this kind that was named.
    ForeignIdentifier(IdentifierKind),
    /// No code was asked for.
    NoCode,
    /// The flow has met too many wrong passwords.
    FlowSpent,
    /// The flows of the identifier are locked for so long.
    FlowsLocked {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The new password is the old one.
    SamePassword,
    /// The user has no password yet; said under [`crate::Disclosure::Reveal`] only.
    NoPassword,
    /// The key is wrong or has ended.
    WrongKey,
    /// The token cannot be exchanged for another.
    NotRenewable,
    /// The token has ended.
    ExpiredToken,
    /// The identifier was sent as many codes as it may be; it may have another after this time.
    TooManyCodes {
        /// How long to wait.
        retry_after: Duration,
    },
    /// A limit is reached; it opens again after this time.
    TooMany {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The tenant has met too many wrong guesses, and its breaker refuses: nothing was compared. It may open after this time.
    BreakerOpen {
        /// How long to wait.
        retry_after: Duration,
    },
    /// There is no such user; said under [`crate::Disclosure::Reveal`] only.
    UnknownUser,
    /// No session came with the request, or not a good one.
    NotAuthenticated,
    /// The session is good, and its person has proven themselves too long ago for this (RFC 9470).
    NotFresh,
    /// The person is known, and may not.
    Forbidden,
    /// The store or the directory failed: nothing was granted and no check was skipped.
    Unavailable,
    /// A defect of ours; told without detail.
    Defect,
}

impl Refusal {
    /// The stable name of the reason, for events and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MalformedCode => "malformed_code",
            Self::WrongCode => "wrong_code",
            Self::BurntCode => "burnt_code",
            Self::WrongPassword => "wrong_password",
            Self::WeakPassword => "weak_password",
            Self::WrongToken => "wrong_token",
            Self::UnknownFlow => "unknown_flow",
            Self::ForeignTenant => "foreign_tenant",
            Self::ForeignDevice => "foreign_device",
            Self::ForeignIdentifier(_) => "foreign_identifier",
            Self::NoCode => "no_code",
            Self::FlowSpent => "flow_spent",
            Self::FlowsLocked { .. } => "flows_locked",
            Self::SamePassword => "same_password",
            Self::NoPassword => "no_password",
            Self::WrongKey => "wrong_key",
            Self::NotRenewable => "not_renewable",
            Self::ExpiredToken => "expired_token",
            Self::TooManyCodes { .. } => "too_many_codes",
            Self::TooMany { .. } => "too_many",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::UnknownUser => "unknown_user",
            Self::NotAuthenticated => "not_authenticated",
            Self::NotFresh => "not_fresh",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
            Self::Defect => "defect",
        }
    }
}
