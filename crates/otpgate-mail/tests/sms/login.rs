//! A login with the code that a gateway received, read as a phone reads it (Q13).

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use otpgate_core::engine::Parts;
use otpgate_core::{Engine, MasterSecret, Secrets, Sms, SmsRules, StoreDirectory, Tenant, User, UserId};
use otpgate_http::{Body, Engine as EngineProfile, Gate, Profiles, TokioRuntime};
use otpgate_mail::{HttpSms, Templates};
use otpgate_memory::MemoryStore;
use serde_json::{Value, json};

use crate::support::gateway::HttpGateway;
use crate::{TO, TOKEN};

/// What is opened on one host and must not be offered on another.
const HOST: &str = "login.shop-42.example";

struct Shop {
    gate: Gate,
}

impl Shop {
    async fn sending_to(gateway: &HttpGateway, rules: &str) -> Self {
        let secrets = Secrets::new(MasterSecret::new(*b"32 unpredictable bytes, please!!").unwrap());
        let store = MemoryStore::new();
        let users = StoreDirectory::new(store.clone(), &secrets);
        let mut ada = User::new(UserId::new("1").unwrap());
        ada.phone = Some(TO.to_owned());
        assert!(users.add(&Tenant::default(), &ada).await.unwrap());
        let words = Templates::builder("Shop 42").sms_domain(HOST).build().unwrap();
        let sender = HttpSms::webhook(&gateway.url(), words).bearer(TOKEN).build().unwrap();
        let mailer = otpgate_mail::ConsoleMailer::to(std::io::sink());
        let runtime = Arc::new(TokioRuntime::default());
        let mut parts = Parts::new(secrets, Arc::new(store), Arc::new(users), Arc::new(mailer), runtime);
        parts.sms = Some(Sms::new(sender, SmsRules::builder().allow(rules).build().unwrap()));
        let profiles = Profiles::builder().engine(EngineProfile::new([Tenant::default()])).build().unwrap();
        Self { gate: Gate::builder(Engine::new(parts), profiles).build().unwrap() }
    }

    /// What an app on ada's phone asks, with these fields besides those that it always sends; the `user` and `auth` of the answer.
    async fn ask(&self, operation: &str, fields: Value) -> Value {
        let mut body = json!({
            "identifierType": "MOBILE", "identifierValue": TO, "deviceId": "d", "brand": Tenant::default().as_str()
        });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let route = self.gate.route(&Method::POST, &format!("/auth/v1/{operation}"), &headers).unwrap();
        let body = Body::Whole(body.to_string().into());
        let reply = self.gate.answer(route, &headers, Some([192, 0, 2, 1].into()), body).await;
        let answer: Value = serde_json::from_slice(reply.body()).unwrap();
        assert_eq!(answer["status"]["code"], 200, "{answer}");
        answer
    }

    /// Asks for a code and gives the flow.
    async fn ask_for_code(&self) -> Value {
        let flow = self.ask("token/generate", json!({})).await["user"]["sessionId"].clone();
        self.ask("otp/generate", json!({ "sessionId": flow })).await;
        flow
    }
}

/// The text of the one SMS that came.
async fn text(gateway: &HttpGateway) -> String {
    while gateway.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    let [asked] = &gateway.asked()[..] else { panic!("not one SMS") };
    let sms: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(sms["to"], TO);
    sms["body"].as_str().unwrap().to_owned()
}

/// The host and the code of a domain-bound SMS, by the rule of its format: the last line alone, `@host #code`.
fn bound(text: &str) -> Option<(&str, &str)> {
    let last = text.rsplit('\n').next()?;
    let (host, code) = last.strip_prefix('@')?.split_once(" #")?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    let fits = (6..=8).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    (host.chars().all(plain) && fits).then_some((host, code))
}

#[tokio::test]
async fn q13_a_phone_finds_the_host_and_the_code_that_logs_in_there_in_the_last_line() {
    let gateway = HttpGateway::answering(200).await;
    let shop = Shop::sending_to(&gateway, "+1").await;
    let flow = shop.ask_for_code().await;
    let text = text(&gateway).await;
    let (host, code) = bound(&text).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(host, HOST);
    // One SMS, and nothing in it that a phone would make a link of.
    assert!(text.is_ascii() && text.len() <= 160, "{text}");
    assert!(!text.contains("://") && !text.contains("www.") && !text.contains("?"), "{text}");
    assert_eq!(text.matches(code).count(), 2, "in the words and in the last line: {text}");
    let done = shop.ask("otp/validate", json!({ "sessionId": flow, "otp": code })).await;
    assert!(done["auth"]["token"].as_str().is_some_and(|token| token.len() > 20), "{done}");
}

#[tokio::test]
async fn q12_a_country_that_is_not_named_makes_no_request() {
    let gateway = HttpGateway::answering(200).await;
    let elsewhere = Shop::sending_to(&gateway, "+49").await;
    elsewhere.ask_for_code().await;
    let here = Shop::sending_to(&gateway, "+1").await;
    let flow = here.ask_for_code().await;
    let text = text(&gateway).await;
    let (_, code) = bound(&text).unwrap();
    here.ask("otp/validate", json!({ "sessionId": flow, "otp": code })).await;
    assert_eq!(gateway.asked().len(), 1);
}
