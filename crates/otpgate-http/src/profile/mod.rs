//! The profiles as tables: routes, and pure functions between the wire and the operations.

pub(crate) mod engine;
pub(crate) mod identity;
pub(crate) mod platform;

use std::fmt;

use http::{HeaderMap, HeaderName, Method};
use otpgate_core::engine::LiveSession;
use otpgate_core::policy::Bucket;
use otpgate_core::{Engine, Profile, Tenant};
use serde_json::{Map, Value};

use crate::Reply;
use crate::builder::Brand;
use crate::operation::{Done, Fault, Operation};

/// What to show a person who asked for a code, whether or not the address is registered (page 1, best practices).
pub const GENERIC_SENT_TEXT: &str = "If this email is registered, you will receive a code.";

/// What a client deletes after a logout: the header values of its later calls and the refresh token (page 1, session
/// termination). The server takes none of the tokens any more; copies on the device are the client's to forget.
pub const FORGET_AFTER_LOGOUT: [&str; 4] = ["auth-token", "refreshToken", "account-id", "organization-id"];

/// The largest body of a request, in bytes.
const LARGEST_BODY: usize = 8 * 1024;

/// One profile.
pub(crate) struct Table {
    pub(crate) profile: Profile,
    /// The header that carries its access token.
    pub(crate) carrier: HeaderName,
    /// Where its routes begin; a prefix may stand before.
    pub(crate) base: &'static str,
    pub(crate) routes: &'static [RouteSpec],
    /// Whether a request counts under its buckets before it is read.
    pub(crate) counts_malformed: bool,
    pub(crate) encode: fn(Done, At<'_>) -> Reply,
    pub(crate) refuse: fn(Fault, At<'_>) -> Reply,
    /// Whether the other headers of a request that is not the gate's say of a session in this profile's carrier what it is
    /// bound to; nothing where the profile knows no such headers.
    pub(crate) agrees: Option<fn(&HeaderMap, &LiveSession, &Engine) -> bool>,
}

/// One route of a profile.
pub(crate) struct RouteSpec {
    pub(crate) name: RouteName,
    pub(crate) method: Method,
    /// What follows the base.
    pub(crate) path: &'static str,
    pub(crate) buckets: &'static [Bucket],
    pub(crate) body: BodyUse,
    pub(crate) decode: fn(&Map<String, Value>, &Wants) -> Result<Asked, Fault>,
}

/// A route as a row of a table.
pub(crate) const fn route(
    name: RouteName,
    method: Method,
    path: &'static str,
    buckets: &'static [Bucket],
    body: BodyUse,
    decode: fn(&Map<String, Value>, &Wants) -> Result<Asked, Fault>,
) -> RouteSpec {
    RouteSpec { name, method, path, buckets, body, decode }
}

/// What a route makes of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyUse {
    /// One JSON object.
    Json,
    /// One JSON object, or an array of some.
    Batch,
    /// One JSON object, or nothing.
    Optional,
    /// It is not looked at.
    Ignored,
}

impl BodyUse {
    /// The largest body, in bytes.
    pub(crate) fn largest(self) -> usize {
        if self == Self::Batch { 2 * LARGEST_BODY } else { LARGEST_BODY }
    }
}

/// The most objects in an array of them.
pub(crate) const LARGEST_BATCH: usize = 20;

/// What the host wants of a profile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wants {
    /// Signing in with passwords.
    pub(crate) passwords: bool,
    /// The brands that `engine` serves.
    pub(crate) brands: Vec<Brand>,
    /// The newest public samples of `engine` in the place of the whole of its page.
    pub(crate) vendor_web_shape: bool,
    /// Statuses of HTTP that tell a failure of `engine`.
    pub(crate) real_statuses: bool,
    /// Codes by SMS.
    pub(crate) sms: bool,
}

/// Where an answer is given: on which route, or on one of the host's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) route: Option<RouteName>,
    pub(crate) wants: &'a Wants,
}

/// What a request asks for, and in which tenant where it says so itself.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) tenant: Option<Tenant>,
    pub(crate) operation: Operation,
}

impl Asked {
    /// In the tenant that the body names.
    pub(crate) fn of(tenant: Tenant, operation: Operation) -> Self {
        Self { tenant: Some(tenant), operation }
    }

    /// In the tenant of the mount, or of the token that came along.
    pub(crate) fn by_token(operation: Operation) -> Self {
        Self { tenant: None, operation }
    }
}

/// Which route it is, for settings that move, guard or leave out one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteName {
    CheckAvailability,
    SendCode,
    LogIn,
    Refresh,
    LogOut,
    SignIn,
    Status,
    AskReset,
    ResetPassword,
    OpenFlow,
    CheckPassword,
    PendPassword,
    ChangePassword,
}

impl RouteName {
    /// Whether the route is of no use without passwords, and not mounted then.
    pub(crate) fn needs_passwords(self) -> bool {
        matches!(self, Self::SignIn | Self::AskReset | Self::ResetPassword)
    }
}

impl Table {
    /// The answer for a fault, with the wait that it names.
    pub(crate) fn refuse(&self, fault: Fault, at: At<'_>) -> Reply {
        (self.refuse)(fault, at).with_retry_after(fault.retry_after())
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.profile.name())
    }
}

/// The string in `field`.
pub(crate) fn text<'a>(body: &'a Map<String, Value>, field: &'static str) -> Result<&'a str, Fault> {
    body.get(field).and_then(Value::as_str).ok_or(Fault::Invalid(field))
}
