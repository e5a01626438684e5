//! W100-W147: profile `engine`.

mod accounts;
mod attacks;
mod bindings;
mod codes;
mod devices;
mod passwords;
mod renewals;
mod requests;
mod sms;
mod spraying;

use otpgate_core::{User, UserId};
use serde_json::{Value, json};

use crate::wire::run::Scenario;
use crate::wire::setup::ok;
use crate::wire::{Reply, Request, Setup, World};

pub(super) fn list() -> Vec<Scenario> {
    [
        requests::list(),
        codes::list(),
        bindings::list(),
        passwords::list(),
        renewals::list(),
        sms::list(),
        spraying::list(),
        devices::list(),
        accounts::list(),
        attacks::list(),
    ]
    .concat()
}

/// The mobile number of [`ROSA`].
const MOBILE: &str = "15550109999";
/// Known by number, address and name; registered in the app.
const ROSA: &str = "rosa@example.com";
/// The user name of [`ROSA`].
const NAME: &str = "rosa.l";
/// A mobile number of nobody.
const NO_MOBILE: &str = "15550100000";
const DEVICE: &str = "Mozilla/5.0 (a whole user agent; \u{e4})";
const PASSWORD: &str = "correct horse battery staple";
const OTHER_PASSWORD: &str = "a new long passphrase";

/// A world with profile `engine` for its tenant as the one brand.
async fn engine(w: &World) -> World {
    engine_with(w, |s| s).await
}

async fn engine_with(w: &World, change: impl FnOnce(Setup) -> Setup) -> World {
    let w = w.another(|s| change(s.engine(|e| e))).await;
    let user = User {
        verified: true,
        email: Some(ROSA.into()),
        phone: Some(format!("+{MOBILE}")),
        username: Some(NAME.into()),
        app_registered: true,
        ..User::new(ok(UserId::new("rosa")))
    };
    w.add_user(&user).await;
    w
}

/// One of the two sets of routes, with what every request of a client says.
#[derive(Clone, Debug)]
struct Client {
    web: bool,
    ids: Value,
}

impl Client {
    /// An app on a device, of the person with this mobile number.
    fn mobile(w: &World, number: &str) -> Self {
        let ids = json!({
            "identifierType": "MOBILE", "identifierValue": number, "brand": w.tenant().as_str(), "deviceId": DEVICE
        });
        Self { web: false, ids }
    }

    /// A web page, of the person with this address.
    fn web(w: &World, email: &str) -> Self {
        let ids = json!({ "identifierType": "EMAIL", "identifierValue": email, "brand": w.tenant().as_str() });
        Self { web: true, ids }
    }

    /// Another client, with these fields in the place of its own; `null` takes one away.
    fn with(&self, fields: &Value) -> Self {
        let mut other = self.clone();
        for (name, value) in fields.as_object().into_iter().flatten() {
            match value {
                Value::Null => drop(other.ids.as_object_mut().and_then(|ids| ids.remove(name))),
                value => other.ids[name] = value.clone(),
            }
        }
        other
    }

    /// The same on the other set of routes.
    fn other_set(&self) -> Self {
        Self { web: !self.web, ids: self.ids.clone() }
    }

    fn path(&self, operation: &str) -> String {
        format!("/auth/v1/{}{operation}", if self.web { "web/" } else { "" })
    }

    /// The request of an operation with these fields beside those of the client.
    fn request(&self, operation: &str, fields: &Value) -> Request {
        Request::json(&self.path(operation), &self.with(fields).ids)
    }

    async fn ask(&self, w: &World, operation: &str, fields: Value) -> Reply {
        w.call(self.request(operation, &fields)).await
    }

    /// Opens a flow and gives its id.
    async fn open(&self, w: &World) -> String {
        self.open_with(w, json!({})).await
    }

    async fn open_with(&self, w: &World, fields: Value) -> String {
        let opened = self.ask(w, "token/generate", fields).await;
        opened.succeeds();
        opened.at("/user/sessionId")
    }

    /// Has a code sent within a flow and reads it.
    async fn code(&self, w: &World, flow: &str) -> String {
        self.ask(w, "otp/generate", json!({ "sessionId": flow })).await.succeeds();
        let newest = w.mails().await.pop().map(|m| m.code);
        newest.unwrap_or_else(|| panic!("no code was sent"))
    }

    async fn validate(&self, w: &World, flow: &str, otp: impl Into<Value>) -> Reply {
        self.ask(w, "otp/validate", json!({ "sessionId": flow, "otp": otp.into() })).await
    }

    /// Logs in by a code.
    async fn log_in(&self, w: &World) -> Reply {
        let flow = self.open(w).await;
        let code = self.code(w, &flow).await;
        self.validate(w, &flow, code).await
    }
}

impl Reply {
    /// Asserts a success and gives its body.
    #[track_caller]
    fn succeeds(&self) -> Value {
        let body = self.has(200).value();
        assert_eq!(body["status"], json!({ "success": true, "code": 200, "message": "SUCCESS" }), "{self}");
        body
    }

    /// Asserts a failure with this number: nothing but a status that is none of success.
    #[track_caller]
    fn refuses(&self, code: u16) -> &Self {
        self.refuses_as(200, code)
    }

    #[track_caller]
    fn refuses_as(&self, status: u16, code: u16) -> &Self {
        let body = self.has(status).value();
        assert_eq!((&body["status"]["success"], &body["status"]["code"]), (&json!(false), &json!(code)), "{self}");
        assert!(body["status"]["message"].is_string() && body["status"].as_object().is_some_and(|s| s.len() == 3));
        assert_eq!(body.as_object().map(|b| b.len()), Some(1), "{self}");
        self
    }
}

impl World {
    /// The host's route, with a token in this profile's header and what a gateway sends along.
    async fn gateway(&self, token: &str, beside: &[(&str, &str)]) -> Reply {
        let request = Request::new("GET", "/me").header("cap_authorization", token);
        self.call(beside.iter().fold(request, |r, (name, value)| r.header(name, *value))).await
    }
}
