//! W001-W008: is this address free?

use serde_json::json;

use super::list;
use crate::wire::people::{A, BANNED, MIXED, NOBODY};
use crate::wire::{AVAILABILITY, World};

list![
    w001_availability_answers_200_json_for_known_and_unknown,
    w002_availability_refuses_what_is_no_address_without_a_lookup,
    w003_a_registered_address_is_not_available,
    w004_an_unregistered_address_is_available,
    w005_the_availability_envelope_has_no_other_key,
    w006_availability_compares_addresses_as_r40_says,
    w007_availability_sends_no_mail_and_makes_no_code,
    w008_availability_is_limited_by_address_of_the_client,
    a88_availability_can_be_left_out_or_guarded,
];

const TAKEN: &str = r#"{"status":true,"data":{"isAvailableEmail":false},"message":"OK"}"#;
const FREE: &str = r#"{"status":true,"data":{"isAvailableEmail":true},"message":"OK"}"#;

async fn w001_availability_answers_200_json_for_known_and_unknown(w: &World) {
    for email in [A, NOBODY] {
        w.check(email).await.has(200).with("content-type", "application/json");
    }
}

async fn w002_availability_refuses_what_is_no_address_without_a_lookup(w: &World) {
    let (calls, questions) = (w.store().all_calls(), w.directory().questions());
    let bodies = [
        json!({}),
        json!({ "email": null }),
        json!({ "email": 7 }),
        json!({ "email": true }),
        json!({ "email": [A] }),
        json!({ "email": { "$ne": null } }),
        json!({ "email": "" }),
        json!({ "email": " " }),
        json!({ "email": "a" }),
        json!({ "email": "a@" }),
        json!({ "email": "a@example" }),
        json!({ "email": "a b@example.com" }),
        json!({ "EMAIL": A }),
    ];
    for body in bodies {
        w.post(AVAILABILITY, body.to_string()).await.fails(400, "Invalid request: email");
    }
    assert_eq!((w.store().all_calls(), w.directory().questions()), (calls, questions), "nothing was looked up");
    w.check(A).await.has(200);
    assert_eq!(w.directory().questions(), questions + 1);
}

async fn w003_a_registered_address_is_not_available(w: &World) {
    w.check(A).await.is(200, TAKEN);
    w.check(BANNED).await.is(200, TAKEN);
}

async fn w004_an_unregistered_address_is_available(w: &World) {
    w.check(NOBODY).await.is(200, FREE);
    let other = w.another(|s| s.policy(|p| p.disclosure(otpgate_core::Disclosure::Reveal))).await;
    other.check(NOBODY).await.is(200, FREE);
    other.check(A).await.is(200, TAKEN);
}

async fn w005_the_availability_envelope_has_no_other_key(w: &World) {
    let reply = w.check(A).await;
    let keys = |pointer: &str| {
        let value = reply.value();
        value.pointer(pointer).and_then(|v| v.as_object()).map(|o| o.keys().cloned().collect::<Vec<_>>())
    };
    assert_eq!(keys(""), Some(vec!["data".into(), "message".into(), "status".into()]), "{reply}");
    assert_eq!(keys("/data"), Some(vec!["isAvailableEmail".into()]), "{reply}");
    assert!(reply.value()["message"].is_string() && reply.value()["status"] == json!(true));
}

async fn w006_availability_compares_addresses_as_r40_says(w: &World) {
    for same in ["A@EXAMPLE.COM", "  a@example.com", "a@Example.com\t", "\r\na@example.com\n"] {
        w.check(same).await.is(200, TAKEN);
    }
    w.check(MIXED).await.is(200, TAKEN);
    for other in ["a+x@example.com", "a.@example.com", "a@example.org", "aa@example.com", "a@mail.example.com"] {
        let reply = w.check(other).await;
        assert!(reply.status == 400 || reply.text() == FREE, "{other}: {reply}");
    }
}

async fn w007_availability_sends_no_mail_and_makes_no_code(w: &World) {
    w.check(A).await.has(200);
    w.check(NOBODY).await.has(200);
    assert!(w.mails().await.is_empty());
    // A code would burn at the third wrong guess; none is there.
    for _ in 0..4 {
        w.guess(A, "000000").await.fails(401, "Invalid or expired code");
    }
    // Nor did the check count as a send.
    for _ in 0..3 {
        w.send(A).await;
    }
}

async fn w008_availability_is_limited_by_address_of_the_client(w: &World) {
    let here = w.peer();
    for _ in 0..10 {
        w.check(A).await.has(200);
    }
    w.check(A).await.fails(429, "Too many requests").with("retry-after", "60");
    w.check(NOBODY).await.fails(429, "Too many requests").with("retry-after", "60");
    // Its own bucket: the other routes go on, and so do other clients.
    w.ask_code(A).await.has(200);
    w.move_on();
    w.check(A).await.has(200);
    w.come_from(here);
    w.advance_ms(59_999);
    w.check(A).await.fails(429, "Too many requests").with("retry-after", "1");
    w.advance_ms(1);
    for _ in 0..10 {
        w.check(A).await.has(200);
    }
    w.check(A).await.has(429);
}

async fn a88_availability_can_be_left_out_or_guarded(w: &World) {
    let out = w.another(|s| s.identity(otpgate_http::Identity::without_availability)).await;
    out.check(A).await.has(404);
    out.log_in(A).await;
    let guarded =
        w.another(|s| s.identity(|i| i.guard_availability(|h| h.get("x-proof").is_some_and(|v| v == "yes")))).await;
    let refused = guarded.check(A).await;
    refused.fails(403, "Forbidden");
    assert_eq!(guarded.check(NOBODY).await, refused, "whoever may not ask learns nothing");
    let asked = crate::wire::Request::json(AVAILABILITY, &json!({ "email": A })).header("x-proof", "yes");
    guarded.call(asked).await.is(200, TAKEN);
}
