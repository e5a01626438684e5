//! The settings are the library's: each of a few is seen on the wire.

mod outbox;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use serde_json::json;

use crate::driver::{MailServer, Place, SECRET, Server, bare};

const USERS: &str = r#"[
    {"id": 1, "tenant": "123", "email": "ada@example.com", "phone": "+4915112345678"},
    {"id": 2, "tenant": "bank", "email": "ada@example.com"},
    {"id": 3, "tenant": "123", "phone": "+4366412345678"}
]"#;
const ADA: &str = "ada@example.com";

#[test]
fn a_tenant_with_a_policy_of_its_own_has_other_codes() {
    let mut place = Place::with_users("axum", "memory", "[tenants.bank]\nhardened = true\n", USERS);
    let server = place.start();
    let mut code = |tenant: &str| {
        server.post("/api/user/signin-otp", &json!({ "email": ADA, "PlatformId": tenant })).expect(200);
        place.code()
    };
    assert_eq!((code("123").len(), code("bank").len()), (6, 8));
}

#[test]
fn an_unknown_address_of_a_named_domain_becomes_a_user() {
    let config = "registration = \"on_first_code\"\nregistration_domains = [\"Example.com\"]\n";
    let mut place = Place::with_users("actix", "memory", config, USERS);
    let server = place.start();
    server.ask("eve@elsewhere.example").expect(200);
    server.ask("grace@example.com").expect(200);
    let code = place.code();
    assert_eq!(place.mails().len(), 1, "the other domain gets no mail");
    let token = server.log_in("grace@example.com", &code).expect(200).data("token");
    server.me("auth-token", &token).expect(200);
}

#[test]
fn tokens_come_in_cookies_and_as_bearer_where_the_settings_say_so() {
    let config =
        "bearer = true\n[cookies]\nprofile = \"platform\"\nsame_site = \"lax\"\n[platform]\nprefix = \"/v2\"\n";
    let mut place = Place::with_users("axum", "memory", config, USERS);
    let server = place.start();
    let ask = |path: &str, more: serde_json::Value| {
        let mut body = json!({ "email": ADA, "PlatformId": "123" });
        more.as_object().into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        server.send("POST", path, &[("sec-fetch-site", "same-origin")], &body.to_string()).expect(200)
    };
    ask("/v2/api/user/signin-otp", json!({}));
    let answer = ask("/v2/api/user/verify-otp", json!({ "otp": place.code() }));
    let token = answer.body["token"].as_str().unwrap();
    let line = answer.head.lines().find(|line| line.starts_with("set-cookie: __host-token=")).unwrap();
    assert!(line.contains("samesite=lax"), "{line}");
    for (name, value) in [("authorization", format!("Bearer {token}")), ("cookie", format!("__Host-token={token}"))] {
        server.send("GET", "/me", &[(name, &value)], "").expect(200);
    }
}

#[test]
fn mail_goes_to_the_mail_server_that_is_named() {
    let mail = MailServer::start(true);
    let place = Place::with_users("axum", "memory", "[mail]\nfrom = \"Example <login@example.com>\"\n", USERS);
    let server = Server::start(with_outlet(&place, &["--mail", &mail.url]));
    server.ask(ADA).expect(200);
    let (to, code) = mail.next();
    assert_eq!(to, ADA);
    server.log_in(ADA, &code).expect(200);
}

/// The server with the users and settings of the place, and an outlet of the test's own.
fn with_outlet(place: &Place, options: &[&str]) -> Command {
    let mut command = bare();
    command.args(["--listen", "127.0.0.1:0"]).args(options).env("OTPGATE_SECRET", SECRET);
    command.arg("--users").arg(place.path("users.json")).arg("--config").arg(place.path("config.toml"));
    command.stderr(Stdio::null());
    command
}

#[test]
fn sms_go_to_the_gateway_that_is_named_and_to_no_other_country() {
    let (address, request) = one_request();
    let config = "[sms]\ncountries = [\"+49\"]\ndomain = \"example.com\"\n";
    let place = Place::with_users("actix", "memory", config, USERS);
    let mut command = with_outlet(&place, &["--framework", "actix", "--sms", &format!("http://{address}/sms")]);
    command.env("OTPGATE_SMS_TOKEN", "a secret token");
    let server = Server::start(command);
    // What is not to be sent goes first: the gateway takes one request, and it is the other.
    for number in ["+4366412345678", "+4915112345678"] {
        let mut body =
            json!({ "identifierType": "MOBILE", "identifierValue": number, "brand": "123", "deviceId": "d1" });
        let flow = server.post("/auth/v1/token/generate", &body).expect(200).body["user"]["sessionId"].clone();
        body["sessionId"] = flow;
        server.post("/auth/v1/otp/generate", &body).expect(200);
    }
    let request = request.join().unwrap();
    assert!(request.starts_with("POST /sms ") && request.contains("a secret token"), "{request}");
    assert!(request.contains("+4915112345678") && request.contains("@example.com #"), "{request}");
}

/// A gateway on this machine for one SMS, and the request that it got.
fn one_request() -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut got = Vec::new();
        let mut some = [0; 4096];
        // The body is one JSON object, which ends with its brace.
        while !got.ends_with(b"}") {
            let n = stream.read(&mut some).unwrap();
            got.extend_from_slice(&some[..n]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        String::from_utf8(got).unwrap()
    });
    (address, served)
}
