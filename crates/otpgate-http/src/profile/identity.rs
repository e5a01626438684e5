//! Profile `identity`: `/identity/user/..`, header `auth-token`, bodies `{status, data?, message}`.

use http::{HeaderName, Method, StatusCode};
use otpgate_core::policy::Bucket;
use otpgate_core::secret::RefreshToken;
use otpgate_core::{Code, Identifier, Password, Profile, Refusal, User};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Asked, BodyUse, RouteName, Table, Wants, route, text};
use crate::Reply;
use crate::operation::{Done, Fault, Operation};

pub(crate) static TABLE: Table = Table {
    profile: Profile::Identity,
    carrier: HeaderName::from_static("auth-token"),
    base: "/identity/user",
    routes: &[
        route(
            RouteName::CheckAvailability,
            Method::POST,
            "/email/check-availability",
            &[Bucket::Identity, Bucket::Availability],
            BodyUse::Json,
            |body, _| Ok(Asked::by_token(Operation::CheckAvailability(email(body)?))),
        ),
        route(RouteName::SendCode, Method::POST, "/otp/email", &[Bucket::Identity], BodyUse::Json, |body, _| {
            let echo = text(body, "email")?.to_owned();
            Ok(Asked::by_token(Operation::SendCode { identifier: email(body)?, echo }))
        }),
        route(RouteName::LogIn, Method::POST, "/login", &[Bucket::Identity], BodyUse::Json, login),
        route(RouteName::Refresh, Method::POST, "/refresh-token", &[], BodyUse::Json, |body, _| {
            let token = RefreshToken::presented(text(body, "refreshToken")?);
            Ok(Asked::by_token(Operation::Refresh(token)))
        }),
        route(RouteName::LogOut, Method::POST, "/logout", &[], BodyUse::Optional, |_, _| {
            Ok(Asked::by_token(Operation::LogOut))
        }),
    ],
    counts_malformed: false,
    encode: |done, _| encode(done),
    refuse: |fault, _| refuse(fault),
    agrees: None,
};

fn email(body: &Map<String, Value>) -> Result<Identifier, Fault> {
    Identifier::email(text(body, "email")?).map_err(|_| Fault::Invalid("email"))
}

/// `isOTP` says which credential `password` is: there is no way from a code to a password or back.
fn login(body: &Map<String, Value>, wants: &Wants) -> Result<Asked, Fault> {
    let (identifier, credential) = (email(body)?, text(body, "password")?);
    match body.get("isOTP") {
        Some(Value::Bool(true)) => {
            Ok(Asked::by_token(Operation::VerifyCode { identifier, code: Code::new(credential) }))
        }
        Some(Value::Bool(false)) if wants.passwords => {
            Ok(Asked::by_token(Operation::SignIn { identifier, password: Password::typed(credential) }))
        }
        _ => Err(Fault::Invalid("isOTP")),
    }
}

#[derive(Serialize)]
struct Envelope<T> {
    status: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
    message: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data {
    #[serde(rename_all = "camelCase")]
    Availability {
        is_available_email: bool,
    },
    Sent {
        email: String,
    },
    #[serde(rename_all = "camelCase")]
    LoggedIn {
        token: String,
        refresh_token: String,
        user: ShownUser,
        roles: Vec<String>,
        organization_id: String,
    },
    #[serde(rename_all = "camelCase")]
    Renewed {
        token: String,
        refresh_token: String,
    },
}

#[derive(Serialize)]
struct ShownUser {
    _id: String,
    id: String,
    email: String,
    status: String,
}

impl From<&User> for ShownUser {
    fn from(user: &User) -> Self {
        let id = user.id.as_str().to_owned();
        Self { _id: id.clone(), id, email: user.email.clone().unwrap_or_default(), status: user.status.clone() }
    }
}

fn encode(done: Done) -> Reply {
    let data = match done {
        Done::Availability { is_free } => Some(Data::Availability { is_available_email: is_free }),
        Done::CodeSent { echo, .. } => Some(Data::Sent { email: echo }),
        Done::LoggedIn(done) => Some(Data::LoggedIn {
            token: done.access.expose().to_owned(),
            refresh_token: done.refresh.expose().to_owned(),
            user: ShownUser::from(&done.user),
            roles: done.user.roles,
            organization_id: done.user.organization,
        }),
        Done::Renewed(done) => Some(Data::Renewed {
            token: done.access.expose().to_owned(),
            refresh_token: done.refresh.expose().to_owned(),
        }),
        Done::LoggedOut => None,
        // No route of this profile does these.
        Done::Status(_) | Done::Reissued { .. } | Done::ResetAsked | Done::PasswordSet | Done::FlowOpened(_) => {
            return refuse(Fault::Refused(Refusal::Defect));
        }
    };
    Reply::json(StatusCode::OK, &Envelope { status: true, data, message: "OK".to_owned() })
}

fn refuse(fault: Fault) -> Reply {
    let (status, message) = words(fault);
    Reply::json(status, &Envelope::<()> { status: false, data: None, message })
}

/// Every error of the profile: its status and its text.
fn words(fault: Fault) -> (StatusCode, String) {
    let (status, text) = match fault {
        Fault::Invalid(field) => return (StatusCode::BAD_REQUEST, format!("Invalid request: {field}")),
        Fault::Json | Fault::NotAnObject | Fault::UnknownTenant => (StatusCode::BAD_REQUEST, "Invalid request: body"),
        Fault::ManyCredentials => (StatusCode::BAD_REQUEST, "Invalid request: auth-token"),
        Fault::Refused(Refusal::MalformedCode | Refusal::WeakPassword) => {
            (StatusCode::BAD_REQUEST, "Invalid request: password")
        }
        Fault::Refused(Refusal::WrongPassword) => (StatusCode::UNAUTHORIZED, "Invalid credentials"),
        Fault::Refused(Refusal::WrongToken) => (StatusCode::UNAUTHORIZED, "Invalid or expired token"),
        Fault::Refused(Refusal::WrongCode) => (StatusCode::UNAUTHORIZED, "Invalid or expired code"),
        Fault::Refused(Refusal::BurntCode) => {
            (StatusCode::UNAUTHORIZED, "Too many failed attempts. Request a new code.")
        }
        Fault::Refused(Refusal::NotAuthenticated) => (StatusCode::UNAUTHORIZED, "Not authenticated"),
        Fault::Refused(Refusal::NotFresh) => (StatusCode::UNAUTHORIZED, "Log in again to continue"),
        Fault::Refused(Refusal::Forbidden) => (StatusCode::FORBIDDEN, "Forbidden"),
        Fault::Refused(Refusal::UnknownUser) => (StatusCode::NOT_FOUND, "User not found"),
        Fault::Method => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
        Fault::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Payload too large"),
        Fault::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type"),
        Fault::Refused(Refusal::TooMany { .. } | Refusal::TooManyCodes { .. } | Refusal::BreakerOpen { .. }) => {
            (StatusCode::TOO_MANY_REQUESTS, "Too many requests")
        }
        Fault::Refused(Refusal::Unavailable) => (StatusCode::SERVICE_UNAVAILABLE, "Service unavailable"),
        // The refusals of flows and their keys, which no route of this profile has.
        Fault::Refused(
            Refusal::UnknownFlow
            | Refusal::ForeignTenant
            | Refusal::ForeignDevice
            | Refusal::ForeignIdentifier(_)
            | Refusal::NoCode
            | Refusal::FlowSpent
            | Refusal::FlowsLocked { .. }
            | Refusal::SamePassword
            | Refusal::NoPassword
            | Refusal::WrongKey
            | Refusal::NotRenewable
            | Refusal::ExpiredToken,
        )
        | Fault::Numbered(_)
        | Fault::NoPeer
        | Fault::Refused(Refusal::Defect) => (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
    };
    (status, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_written_key_by_key_as_the_page_has_them() {
        let body = |reply: Reply| String::from_utf8(reply.body().to_vec()).unwrap();
        let sent = encode(Done::CodeSent { echo: "user@example.com".into(), expires_in: std::time::Duration::ZERO });
        assert_eq!(body(sent), r#"{"status":true,"data":{"email":"user@example.com"},"message":"OK"}"#);
        let free = encode(Done::Availability { is_free: true });
        assert_eq!(body(free), r#"{"status":true,"data":{"isAvailableEmail":true},"message":"OK"}"#);
        assert_eq!(body(encode(Done::LoggedOut)), r#"{"status":true,"message":"OK"}"#);
        assert_eq!(body(refuse(Fault::Invalid("email"))), r#"{"status":false,"message":"Invalid request: email"}"#);
    }
}
