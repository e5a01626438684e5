//! The hardened policy and the tenant's breaker, as flows meet them.

use otpgate_core::Breaker;
use otpgate_core::policy::PolicyBuilder;
use serde_json::json;

use super::{Client, MOBILE, PASSWORD, ROSA, engine_with};
use crate::wire::people::A;
use crate::wire::scenarios::list;
use crate::wire::{World, other_than};

list![q01_hardened_codes_of_flows_are_eight_digits, q22_a_breaker_that_refuses_is_1518];

async fn q01_hardened_codes_of_flows_are_eight_digits(w: &World) {
    let w = &engine_with(w, |s| s.policy(PolicyBuilder::hardened)).await;
    let client = Client::web(w, ROSA);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    assert!(code.len() == 8 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
    for ill_formed in ["123456", "ABCDEFGH", "1234567O"] {
        client.validate(w, &flow, ill_formed).await.refuses(1506);
    }
    // As a number it is padded to eight.
    let number: u64 = code.parse().unwrap_or_default();
    client.validate(w, &flow, number).await.succeeds();
}

async fn q22_a_breaker_that_refuses_is_1518(w: &World) {
    let policy = |p: PolicyBuilder| p.insecure_without_send_limits().breaker(Breaker::Refuse { per_hour: 6 });
    let w = &engine_with(w, |s| {
        s.policy(policy).gate(|g| g.challenge(|h| h.get("x-captcha").is_some_and(|v| v == "passed")))
    })
    .await;
    // Guesses of another profile count too: three there and three here.
    let other = w.send(A).await;
    w.miss(A, &other, 3).await;
    let client = Client::mobile(w, MOBILE);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    for _ in 0..3 {
        client.validate(w, &flow, other_than(&code)).await.refuses(1506);
    }
    let refused = client.validate(w, &flow, code.as_str()).await;
    refused.refuses(1518).with("retry-after", "3600");
    assert_eq!(client.validate(w, &flow, other_than(&code)).await, refused);
    let unknown = Client::mobile(w, super::NO_MOBILE);
    let decoy = unknown.open(w).await;
    unknown.ask(w, "otp/generate", json!({ "sessionId": decoy })).await.succeeds();
    assert_eq!(unknown.validate(w, &decoy, "000000").await, refused);
    let by_password = json!({ "sessionId": flow, "password": PASSWORD });
    assert_eq!(client.ask(w, "password/validate", by_password).await, refused);
    let passed = client.request("otp/validate", &json!({ "sessionId": flow, "otp": code }));
    w.call(passed.header("x-captcha", "passed")).await.succeeds();
}
