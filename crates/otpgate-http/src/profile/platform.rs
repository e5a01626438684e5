//! Profile `platform`: `/api/user/..`, header `token`, bare objects and `{error}`.

use http::{HeaderName, Method, StatusCode};
use otpgate_core::policy::Bucket;
use otpgate_core::{Code, Identifier, Password, Profile, Refusal, Tenant, User};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Asked, BodyUse, RouteName, Table, route};
use crate::Reply;
use crate::operation::{Done, Fault, Operation};

const LIMITED: &[Bucket] = &[Bucket::Platform];

pub(crate) static TABLE: Table = Table {
    profile: Profile::Platform,
    carrier: HeaderName::from_static("token"),
    base: "/api/user",
    routes: &[
        route(RouteName::SignIn, Method::POST, "/signin", LIMITED, BodyUse::Json, |body, _| {
            const WANTED: &str = "Email and password are required";
            let [email, password] = wanted(body, ["email", "password"], WANTED)?;
            let operation = Operation::SignIn { identifier: address(email)?, password: Password::typed(password) };
            Ok(Asked::of(platform_id(body)?, operation))
        }),
        route(RouteName::SendCode, Method::POST, "/signin-otp", LIMITED, BodyUse::Json, |body, _| {
            let [email] = wanted(body, ["email"], "Email is required")?;
            let operation = Operation::SendCode { identifier: address(email)?, echo: String::new() };
            Ok(Asked::of(platform_id(body)?, operation))
        }),
        route(RouteName::LogIn, Method::POST, "/verify-otp", LIMITED, BodyUse::Json, |body, _| {
            let [email, code] = wanted(body, ["email", "otp"], "Email and OTP are required")?;
            let operation = Operation::VerifyCode { identifier: address(email)?, code: Code::new(code) };
            Ok(Asked::of(platform_id(body)?, operation))
        }),
        route(RouteName::LogOut, Method::POST, "/signout", &[], BodyUse::Ignored, |_, _| {
            Ok(Asked::by_token(Operation::LogOut))
        }),
        route(RouteName::Status, Method::GET, "/status", &[], BodyUse::Ignored, |_, _| {
            Ok(Asked::by_token(Operation::Status))
        }),
        route(RouteName::Refresh, Method::POST, "/refresh", &[], BodyUse::Ignored, |_, _| {
            Ok(Asked::by_token(Operation::Renew))
        }),
        route(RouteName::AskReset, Method::POST, "/forgot-password", LIMITED, BodyUse::Json, |body, _| {
            let [email] = wanted(body, ["email"], "Email is required")?;
            Ok(Asked::of(platform_id(body)?, Operation::AskReset(address(email)?)))
        }),
        route(RouteName::ResetPassword, Method::POST, "/reset-password", LIMITED, BodyUse::Json, |body, _| {
            let [token, password] = wanted(body, ["token", "password"], "Token and password are required")?;
            let operation = Operation::ResetPassword { token: Code::new(token), password: Password::typed(password) };
            Ok(Asked::by_token(operation))
        }),
    ],
    counts_malformed: true,
    encode: |done, _| encode(done),
    refuse: |fault, _| refuse(fault),
    agrees: None,
};

/// Texts that are there and not blank, or the sentence that asks for them.
fn wanted<'a, const N: usize>(
    body: &'a Map<String, Value>,
    fields: [&str; N],
    sentence: &'static str,
) -> Result<[&'a str; N], Fault> {
    let mut texts = [""; N];
    for (text, field) in texts.iter_mut().zip(fields) {
        *text = match body.get(field) {
            Some(Value::String(text)) if !text.trim().is_empty() => text,
            None | Some(Value::Null | Value::String(_)) => return Err(Fault::Invalid(sentence)),
            Some(_) => return Err(Fault::Invalid(INVALID)),
        };
    }
    Ok(texts)
}

const INVALID: &str = "Invalid request";

fn address(text: &str) -> Result<Identifier, Fault> {
    Identifier::email(text).map_err(|_| Fault::Invalid(INVALID))
}

/// `PlatformId`, capital P: a text or a whole number.
fn platform_id(body: &Map<String, Value>) -> Result<Tenant, Fault> {
    let text = match body.get("PlatformId") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return Err(Fault::Invalid(INVALID)),
    };
    Tenant::new(text).map_err(|_| Fault::Invalid(INVALID))
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    #[serde(rename_all = "camelCase")]
    Sent {
        message: &'static str,
        expires_in: u64,
    },
    Session {
        token: String,
        user: ShownUser,
    },
    Status {
        authenticated: bool,
        user: ShownUser,
    },
    Message {
        message: &'static str,
    },
    Error {
        error: String,
    },
}

#[derive(Serialize)]
struct ShownUser {
    id: Value,
    email: String,
    name: String,
    role: String,
    status: String,
}

impl From<User> for ShownUser {
    fn from(user: User) -> Self {
        let text = user.id.as_str();
        // An integer where the text is one in its one spelling, else the text.
        let number = text.parse::<i64>().ok().filter(|n| n.to_string() == text);
        let id = number.map_or_else(|| Value::from(text), Value::from);
        let email = user.email.unwrap_or_default();
        Self { id, email, name: user.name, role: user.role, status: user.status }
    }
}

fn encode(done: Done) -> Reply {
    let body = match done {
        Done::CodeSent { expires_in, .. } => {
            Body::Sent { message: "OTP sent successfully", expires_in: expires_in.as_secs() }
        }
        Done::LoggedIn(done) => Body::Session { token: done.access.expose().to_owned(), user: done.user.into() },
        Done::Reissued { access, user } => Body::Session { token: access.expose().to_owned(), user: (*user).into() },
        Done::Status(user) => Body::Status { authenticated: true, user: (*user).into() },
        Done::LoggedOut => Body::Message { message: "Successfully signed out" },
        Done::ResetAsked => Body::Message { message: "Password reset instructions sent" },
        Done::PasswordSet => Body::Message { message: "Password successfully reset" },
        // No route of this profile does these.
        Done::Availability { .. } | Done::Renewed(_) | Done::FlowOpened(_) => {
            return refuse(Fault::Refused(Refusal::Defect));
        }
    };
    Reply::json(StatusCode::OK, &body)
}

/// Every error of the profile: its status and its text.
fn refuse(fault: Fault) -> Reply {
    let (status, text) = match fault {
        Fault::Invalid(sentence) => (StatusCode::BAD_REQUEST, sentence),
        Fault::Json
        | Fault::NotAnObject
        | Fault::ManyCredentials
        | Fault::UnknownTenant
        | Fault::Refused(Refusal::MalformedCode | Refusal::WeakPassword) => (StatusCode::BAD_REQUEST, INVALID),
        Fault::Refused(Refusal::WrongCode | Refusal::BurntCode | Refusal::WrongPassword) => {
            (StatusCode::UNAUTHORIZED, "Invalid credentials")
        }
        Fault::Refused(Refusal::WrongToken) => (StatusCode::UNAUTHORIZED, "Invalid or expired token"),
        Fault::Refused(Refusal::NotAuthenticated) => (StatusCode::UNAUTHORIZED, "Unauthorized"),
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
    Reply::json(status, &Body::Error { error: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use otpgate_core::UserId;

    use super::*;

    #[test]
    fn w059_an_id_is_an_integer_where_its_text_is_one() {
        let id = |text: &str| ShownUser::from(User::new(UserId::new(text).unwrap())).id;
        assert_eq!(id("1"), Value::from(1));
        assert_eq!(id("-9223372036854775808"), Value::from(i64::MIN));
        for text in ["01", "+1", "1.0", "1e3", "9223372036854775808", "a1", " 1"] {
            assert_eq!(id(text), Value::from(text));
        }
    }

    #[test]
    fn bodies_are_written_key_by_key_as_the_page_has_them() {
        let body = |reply: Reply| String::from_utf8(reply.body().to_vec()).unwrap();
        let sent = Done::CodeSent { echo: String::new(), expires_in: std::time::Duration::from_secs(300) };
        assert_eq!(body(encode(sent)), r#"{"message":"OTP sent successfully","expiresIn":300}"#);
        let mut user = User::new(UserId::new("1").unwrap());
        (user.email, user.name) = (Some("john@example.com".into()), "John Doe".into());
        assert_eq!(
            body(encode(Done::Status(Box::new(user)))),
            r#"{"authenticated":true,"user":{"id":1,"email":"john@example.com","name":"John Doe","role":"user","status":"active"}}"#
        );
        assert_eq!(body(refuse(Fault::Invalid("Email is required"))), r#"{"error":"Email is required"}"#);
    }
}
