//! What the routes can do, apart from any wire.

use std::time::Duration;

use otpgate_core::engine::{LoggedIn, Renewed};
use otpgate_core::secret::RefreshToken;
use otpgate_core::{Identifier, Refusal};

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Operation {
    /// Is this address free?
    CheckAvailability(Identifier),
    /// Send a code; `echo` is the address as it was written.
    SendCode { identifier: Identifier, echo: String },
    /// Log in with a code.
    VerifyCode { identifier: Identifier, code: String },
    /// Exchange a refresh token.
    Refresh(RefreshToken),
    /// End the session whose token came with the request.
    LogOut,
}

/// What was done.
#[derive(Debug)]
pub(crate) enum Done {
    Availability { is_free: bool },
    CodeSent { echo: String },
    LoggedIn(Box<LoggedIn>),
    Renewed(Renewed),
    LoggedOut,
}

/// Why nothing was done. Exhaustive on purpose, like [`Refusal`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The body is not one JSON object, or broke off.
    Json,
    /// A field is missing, of another type, or not valid.
    Field(&'static str),
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
            Self::Refused(Refusal::TooMany { retry_after }) => Some(retry_after),
            Self::Refused(Refusal::Unavailable) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
