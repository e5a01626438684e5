//! What is asked of a gateway, as an HTTP server understands it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Form, FromRequest as _, Json, Request};
use axum::http::Method;
use otpgate_core::SmsSender as _;
use otpgate_mail::{HttpSms, Templates};
use otpgate_testkit::SetClock;

use crate::support::gateway::{Asked, HttpGateway};
use crate::support::sms_to;
use crate::{ACCOUNT, TO, send, templates, twilio, webhook};

const TEXT: &str =
    "012345 is your sign-in code for Example. It expires in 5 minutes. Do not pass it on.\n\n@example.com #012345";

/// The fields, read by axum's own extractor.
async fn form(asked: &Asked) -> BTreeMap<String, String> {
    let request = Request::post("/").header("content-type", asked.header("content-type"));
    Form::from_request(request.body(asked.body.clone().into()).unwrap(), &()).await.map(|Form(form)| form).unwrap()
}

async fn json(asked: &Asked) -> serde_json::Value {
    let request = Request::post("/").header("content-type", asked.header("content-type"));
    Json::from_request(request.body(asked.body.clone().into()).unwrap(), &()).await.map(|Json(json)| json).unwrap()
}

#[tokio::test]
async fn twilio_gets_the_form_of_its_api() {
    for (from, field) in
        [("+15550000000", "From"), ("Example", "From"), ("MG00000000000000000000000000000002", "MessagingServiceSid")]
    {
        let gateway = HttpGateway::answering(201).await;
        send(&twilio(&gateway.url(), from).build().unwrap()).await.unwrap();
        let [asked] = &gateway.asked()[..] else { panic!("not one request") };
        assert_eq!(asked.method, Method::POST);
        assert_eq!(asked.uri, format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
        assert_eq!(asked.header("host"), gateway.address.to_string());
        // "AC..01:hunter2-token" in base64.
        let basic = "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTpodW50ZXIyLXRva2Vu";
        assert_eq!(asked.header("authorization"), basic);
        let want = [("To", TO), (field, from), ("Body", TEXT)];
        assert_eq!(form(asked).await, want.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }
}

#[tokio::test]
async fn an_api_key_and_a_base_with_a_path_are_used() {
    let gateway = HttpGateway::answering(201).await;
    let sms = twilio(&format!("{}/like-twilio/", gateway.url()), "Example").api_key("SK1", "key").build().unwrap();
    send(&sms).await.unwrap();
    let asked = &gateway.asked()[0];
    assert_eq!(asked.uri, format!("/like-twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
    assert_eq!(asked.header("authorization"), "Basic U0sxOmtleQ==");
}

#[tokio::test]
async fn a_webhook_gets_json_and_a_bearer_token() {
    let gateway = HttpGateway::answering(202).await;
    send(&webhook(&format!("{}/hooks/sms?v=1", gateway.url())).build().unwrap()).await.unwrap();
    let [asked] = &gateway.asked()[..] else { panic!("not one request") };
    assert_eq!((asked.method.clone(), asked.uri.as_str()), (Method::POST, "/hooks/sms?v=1"));
    assert_eq!(asked.header("authorization"), "Bearer hunter2-token");
    assert_eq!(asked.header("otpgate-signature"), "");
    assert_eq!(json(asked).await, serde_json::json!({ "to": TO, "body": TEXT }));
    // Nothing about the user beyond the number and the text.
    let mut names: Vec<_> = asked.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "content-length", "content-type", "host", "user-agent"]);
}

#[tokio::test]
async fn a_signature_is_over_the_time_and_the_body() {
    let gateway = HttpGateway::answering(200).await;
    let secret = [7_u8; 32];
    let sms = HttpSms::webhook(&gateway.url(), templates())
        .signed(secret)
        .clock(Arc::new(SetClock::default()))
        .build()
        .unwrap();
    send(&sms).await.unwrap();
    let asked = &gateway.asked()[0];
    assert_eq!(asked.header("authorization"), "");
    // HMAC-SHA-256 of "1767225600.<body>" with 32 bytes of 7, made with another implementation.
    let body = r#"{"to":"+15550000001","body":"012345 is your sign-in code for Example. It expires in 5 minutes. Do not pass it on.\n\n@example.com #012345"}"#;
    assert_eq!(asked.body, body);
    assert_eq!(
        asked.header("otpgate-signature"),
        "t=1767225600,v1=8bd90e1cd77a1fa5ce6ca732a2c8380a0bb072bba1423ec694f01b663a17dbb1"
    );
}

#[tokio::test]
async fn q50_hostile_words_stay_inside_their_field() {
    let words = "{code} \"}},{{\"to\":\"+1900\" & To=+1900 %0d%0a \r\n\r\nPOST / HTTP/1.1 + = ; ü";
    let templates = Templates::builder("Example").sms(words).insecure_without_sms_domain().build().unwrap();
    let want = words.replace("{code}", "012345").replace("{{", "{").replace("}}", "}").replace("\r\n", "\n");
    let gateway = HttpGateway::answering(200).await;
    let hook = HttpSms::webhook(&gateway.url(), templates.clone()).bearer("t").build().unwrap();
    let form_sender = HttpSms::twilio(ACCOUNT, "t", "Example", templates).base_url(&gateway.url());
    send(&hook).await.unwrap();
    send(&form_sender.build().unwrap()).await.unwrap();
    let asked = gateway.asked();
    assert_eq!(json(&asked[0]).await, serde_json::json!({ "to": TO, "body": want }));
    let fields = form(&asked[1]).await;
    assert_eq!((fields.len(), fields["To"].as_str(), &fields["Body"]), (3, TO, &want));
}

#[tokio::test]
async fn a_number_that_is_none_makes_no_request() {
    let gateway = HttpGateway::answering(200).await;
    let sms = webhook(&gateway.url()).build().unwrap();
    for to in ["", "+", "+1\r\n5550000001", "+15550000001,+15550000002", "ada@example.com"] {
        assert!(!sms.send(&sms_to(to)).await.unwrap_err().is_temporary(), "{to:?}");
    }
    assert_eq!(gateway.asked().len(), 0);
    sms.send(&sms_to("+1 (555) 000-0001")).await.unwrap();
    assert_eq!(json(&gateway.asked()[0]).await["to"], TO);
}
