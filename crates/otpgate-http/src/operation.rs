//! What the routes can do, apart from any wire.

use std::time::Duration;

use otpgate_core::engine::{FlowClaim, FlowOpened, LoggedIn, NewFlow, Renewed, TypedCode};
use otpgate_core::secret::{AccessToken, DeviceToken, RefreshToken, SessionKey};
use otpgate_core::{Code, Identifier, Password, Refusal, User};

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Is this address free?
    CheckAvailability(Identifier),
    /// Sign in with a password.
    SignIn { identifier: Identifier, password: Password },
    /// Mail a reset token.
    AskReset(Identifier),
    /// Set a password by a reset token.
    ResetPassword { token: Code, password: Password },
    /// The user whose token came with the request.
    Status,
    /// A new access token for the session whose token came with the request.
    Renew,
    /// Send a code; `echo` is the address as it was written.
    SendCode { identifier: Identifier, echo: String },
    /// Log in with a code.
    VerifyCode { identifier: Identifier, code: Code },
    /// Exchange a refresh token.
    Refresh(RefreshToken),
    /// End the session whose token came with the request.
    LogOut,
    /// Open a flow; whether the brand has passwords.
    OpenFlow { new: NewFlow, passwords: bool },
    /// Send a code within a flow.
    SendFlowCode(FlowClaim),
    /// Finish a flow by its code.
    VerifyFlow { claim: FlowClaim, code: TypedCode },
    /// Finish a flow by a password.
    SignInFlow { claim: FlowClaim, password: Password },
    /// Keep a password until the flow's code validates.
    PendPassword { claim: FlowClaim, password: Password },
    /// Change the password of the session whose token is in the body.
    ChangePassword { claim: FlowClaim, token: AccessToken, old: Password, new: Password },
    /// A new access token for a key.
    Regenerate { claim: FlowClaim, key: SessionKey },
    /// A new access token for one that has ended a short while ago.
    Exchange { claim: FlowClaim, token: AccessToken },
    /// End the session whose token is in the body.
    Expire { claim: FlowClaim, token: AccessToken },
}

impl Operation {
    /// Whether it counts its request against the address among its own writes ([`otpgate_core::engine::Caller::counts`]).
    pub(crate) fn counts_itself(&self) -> bool {
        match self {
            Self::SendCode { .. } | Self::VerifyCode { .. } | Self::Refresh(_) => true,
            Self::CheckAvailability(_)
            | Self::SignIn { .. }
            | Self::AskReset(_)
            | Self::ResetPassword { .. }
            | Self::Status
            | Self::Renew
            | Self::LogOut
            | Self::OpenFlow { .. }
            | Self::SendFlowCode(_)
            | Self::VerifyFlow { .. }
            | Self::SignInFlow { .. }
            | Self::PendPassword { .. }
            | Self::ChangePassword { .. }
            | Self::Regenerate { .. }
            | Self::Exchange { .. }
            | Self::Expire { .. } => false,
        }
    }
}

/// What was done.
#[derive(Debug)]
pub(crate) enum Done {
    Availability { is_free: bool },
    CodeSent { echo: String, expires_in: Duration },
    LoggedIn(Box<LoggedIn>),
    Renewed(Renewed),
    LoggedOut,
    Status(Box<User>),
    Reissued { access: AccessToken, user: Box<User> },
    ResetAsked,
    PasswordSet,
    FlowOpened(Box<FlowOpened>),
}

impl Done {
    /// The device token that was issued, if one was.
    pub(crate) fn device(&self) -> Option<&DeviceToken> {
        match self {
            Self::LoggedIn(done) => done.device.as_ref(),
            Self::Renewed(_)
            | Self::Reissued { .. }
            | Self::Availability { .. }
            | Self::CodeSent { .. }
            | Self::LoggedOut
            | Self::Status(_)
            | Self::ResetAsked
            | Self::PasswordSet
            | Self::FlowOpened(_) => None,
        }
    }

    /// The access token that was issued, if one was.
    pub(crate) fn access(&self) -> Option<&AccessToken> {
        match self {
            Self::LoggedIn(done) => Some(&done.access),
            Self::Renewed(done) => Some(&done.access),
            Self::Reissued { access, .. } => Some(access),
            // The token that a flow opens with opens nothing.
            Self::Availability { .. }
            | Self::CodeSent { .. }
            | Self::LoggedOut
            | Self::Status(_)
            | Self::ResetAsked
            | Self::PasswordSet
            | Self::FlowOpened(_) => None,
        }
    }
}

/// Why nothing was done. Exhaustive on purpose, like [`Refusal`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The body is not JSON, or broke off.
    Json,
    /// The body is JSON and not one object.
    NotAnObject,
    /// What is wrong with the request, by the profile's own number.
    Numbered(u16),
    /// What is missing, of another type or not valid: a field's name, or the profile's own sentence.
    Invalid(&'static str),
    /// The tenant that the request names is not known.
    UnknownTenant,
    /// The body is too large.
    TooLarge,
    /// The body is not JSON by its headers.
    MediaType,
    /// The path has other methods.
    Method,
    /// More than one credential.
    ManyCredentials,
    /// The server was set up without the client's address.
    NoPeer,
    /// The core refused.
    Refused(Refusal),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Fault {
    /// How long to wait, for a refusal that says so.
    pub(crate) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Refused(
                Refusal::TooMany { retry_after }
                | Refusal::TooManyCodes { retry_after }
                | Refusal::BreakerOpen { retry_after }
                | Refusal::FlowsLocked { retry_after },
            ) => Some(retry_after),
            Self::Refused(Refusal::Unavailable) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
