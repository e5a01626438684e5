//! W009-W024: codes that are sent.

use std::time::Duration;

use otpgate_core::{Disclosure, EventKind};
use otpgate_http::GENERIC_SENT_TEXT;
use serde_json::json;

use super::list;
use crate::StoreOp;
use crate::wire::people::{A, B, BANNED, MIXED, MIXED_STORED, NOBODY};
use crate::wire::{Request, SEND, World, has_word};

list![
    w009_an_available_address_gets_no_mail_and_no_login,
    w010_known_and_unknown_are_answered_alike,
    w011_unknown_addresses_cost_the_same_work,
    w012_a_code_request_answers_with_the_same_email,
    w013_a_code_request_needs_an_address,
    w014_one_mail_to_the_stored_address_holds_the_code,
    w015_a_code_request_needs_no_authentication,
    w016_only_json_in_utf_8_is_taken,
    w017_the_client_cooldown_is_a_setting_of_60_seconds,
    w018_a_second_code_can_be_asked_for_after_30_seconds,
    w019_a_cooldown_is_kept_to_the_millisecond,
    w020_three_codes_a_minute_and_the_third_still_works,
    w021_a_new_code_ends_the_one_before,
    w022_a_code_lives_to_the_last_millisecond_and_no_longer,
    w023_the_life_of_a_code_is_a_setting_and_stated_in_the_mail,
    w024_an_undeliverable_mail_is_retried_and_leaks_nothing,
    w024_a_late_mail_of_a_replaced_code_does_not_log_in,
    a92_a_refusing_or_hanging_mailer_changes_no_answer,
];

fn sent(email: &str) -> String {
    format!(r#"{{"status":true,"data":{{"email":"{email}"}},"message":"OK"}}"#)
}

async fn w009_an_available_address_gets_no_mail_and_no_login(w: &World) {
    assert_eq!(w.check(NOBODY).await.value()["data"]["isAvailableEmail"], json!(true));
    w.ask_code(NOBODY).await.is(200, &sent(NOBODY));
    assert!(w.mails().await.is_empty());
    w.guess(NOBODY, "000000").await.fails(401, "Invalid or expired code");
    let reveal = w.another(|s| s.policy(|p| p.disclosure(Disclosure::Reveal))).await;
    reveal.ask_code(NOBODY).await.fails(404, "User not found");
    assert!(reveal.mails().await.is_empty());
    reveal.guess(NOBODY, "000000").await.has(401);
    reveal.log_in(A).await;
}

async fn w010_known_and_unknown_are_answered_alike(w: &World) {
    assert_eq!(GENERIC_SENT_TEXT, "If this email is registered, you will receive a code.");
    for _ in 0..4 {
        let (known, mut unknown) = (w.ask_code(A).await, w.ask_code(NOBODY).await);
        unknown.body = unknown.text().replace(NOBODY, A).into_bytes();
        assert_eq!(known, unknown);
    }
    w.ask_code(A).await.has(429);
}

async fn w011_unknown_addresses_cost_the_same_work(w: &World) {
    let work = || StoreOp::ALL.map(|op| w.store().calls(op));
    let mut spent = Vec::new();
    for email in [A, NOBODY, BANNED, B, "other@example.org"] {
        let before = work();
        w.ask_code(email).await.has(200);
        w.guess(email, "0000000").await.has(400);
        w.mails().await;
        let after = work();
        spent.push(std::array::from_fn::<u64, 6, _>(|i| after[i] - before[i]));
    }
    assert!(spent.windows(2).all(|s| s[0] == s[1]), "store calls by kind: {spent:?}");
    // The mailer is not waited for: the answer is there while it hangs.
    w.mailer().hang();
    w.ask_code(A).await.has(200);
}

async fn w012_a_code_request_answers_with_the_same_email(w: &World) {
    w.ask_code(A).await.is(200, &sent(A));
    w.ask_code("A@Example.COM").await.is(200, &sent("A@Example.COM"));
}

async fn w013_a_code_request_needs_an_address(w: &World) {
    let bodies = [
        json!({}),
        json!({ "email": null }),
        json!({ "email": 1 }),
        json!({ "email": false }),
        json!({ "email": [A, B] }),
        json!({ "email": {} }),
        json!({ "email": "" }),
        json!({ "email": "nope" }),
        json!({ "Email": A }),
    ];
    for body in bodies {
        w.post(SEND, body.to_string()).await.fails(400, "Invalid request: email");
    }
    assert!(w.mails().await.is_empty());
}

async fn w014_one_mail_to_the_stored_address_holds_the_code(w: &World) {
    let reply = w.ask_code(MIXED).await;
    let mails = w.mails().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, MIXED_STORED);
    let code = &mails[0].code;
    assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
    assert!(!has_word(&reply.to_string(), code), "{reply}");
    w.guess(MIXED, code).await.has(200);
}

async fn w015_a_code_request_needs_no_authentication(w: &World) {
    w.call(Request::json(SEND, &json!({ "email": A }))).await.has(200);
    // Nor does a dead token in the client's storage hinder it.
    w.call(Request::json(SEND, &json!({ "email": A })).token("expired.or.forged")).await.has(200);
    assert_eq!(w.mails().await.len(), 2);
}

async fn w016_only_json_in_utf_8_is_taken(w: &World) {
    let typed =
        |kind: &str| Request::json(SEND, &json!({ "email": A })).without("content-type").header("content-type", kind);
    for good in ["application/json; charset=utf-8", "application/json;charset=\"UTF-8\"", "Application/JSON"] {
        w.call(typed(good)).await.has(200);
    }
    for bad in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", ""] {
        w.call(typed(bad)).await.fails(415, "Unsupported media type");
    }
    w.call(typed("application/json; charset=utf-16")).await.fails(415, "Unsupported media type");
    w.call(typed("application/json").header("content-type", "text/plain")).await.has(415);
    w.call(typed("application/json").header("content-encoding", "gzip")).await.has(415);
    w.call(typed("x").without("content-type")).await.fails(415, "Unsupported media type");
    w.advance(60);
    for bad in ["", "{", "nope", "[]", "null", "\"a@example.com\"", "{\"email\":\"a@example.com\"}x", "\u{feff}{}"] {
        w.post(SEND, bad).await.fails(400, "Invalid request: body");
    }
    assert_eq!(w.mails().await.len(), 3);
}

async fn w017_the_client_cooldown_is_a_setting_of_60_seconds(w: &World) {
    assert_eq!(w.gate().engine().policy(w.tenant()).client_cooldown(), Duration::from_secs(60));
    let own = w.another(|s| s.policy(|p| p.resend_cooldown(Duration::from_secs(45)))).await;
    assert_eq!(own.gate().engine().policy(own.tenant()).client_cooldown(), Duration::from_secs(45));
}

async fn w018_a_second_code_can_be_asked_for_after_30_seconds(w: &World) {
    let first = w.send(A).await;
    w.advance(30);
    let second = w.send(A).await;
    assert_ne!(first, second);
    w.guess(A, &second).await.has(200);
}

async fn w019_a_cooldown_is_kept_to_the_millisecond(w: &World) {
    let own = w.another(|s| s.policy(|p| p.resend_cooldown(Duration::from_secs(45)))).await;
    let code = own.send(A).await;
    own.ask_code(A).await.fails(429, "Too many requests").with("retry-after", "45");
    own.advance_ms(30_500);
    own.ask_code(A).await.fails(429, "Too many requests").with("retry-after", "15");
    own.advance_ms(14_499);
    own.ask_code(A).await.has(429).with("retry-after", "1");
    assert_eq!(own.mails().await.len(), 1);
    // Another address has a cool-down of its own, and an unknown one has one too.
    own.send(B).await;
    own.ask_code(NOBODY).await.has(200);
    own.ask_code(NOBODY).await.has(429).with("retry-after", "45");
    own.advance_ms(1);
    let next = own.send(A).await;
    own.guess(A, &code).await.has(401);
    own.guess(A, &next).await.has(200);
    // By default there is none.
    w.send(A).await;
    w.send(A).await;
}

async fn w020_three_codes_a_minute_and_the_third_still_works(w: &World) {
    w.send(A).await;
    w.advance(10);
    w.send(A).await;
    let third = w.send(A).await;
    w.ask_code(A).await.fails(429, "Too many requests").with("retry-after", "50");
    w.ask_code(" A@EXAMPLE.com").await.has(429);
    assert_eq!(w.mails().await.len(), 3);
    // The limit is the address's and not the client's.
    w.move_on();
    w.ask_code(A).await.has(429);
    w.send(B).await;
    w.advance_ms(49_999);
    w.ask_code(A).await.has(429).with("retry-after", "1");
    w.guess(A, &third).await.has(200);
    w.advance_ms(1);
    w.send(A).await;
    w.ask_code(A).await.has(429).with("retry-after", "10");
}

async fn w021_a_new_code_ends_the_one_before(w: &World) {
    let (first, second) = (w.send(A).await, w.send(A).await);
    assert_ne!(first, second);
    w.guess(A, &first).await.fails(401, "Invalid or expired code");
    w.guess(A, &second).await.has(200);
    // A code never works after a newer one, not even when the newer one is used or gone.
    w.guess(A, &first).await.has(401);
    w.advance(60);
    let (old, newer) = (w.send(A).await, w.send(A).await);
    w.advance(300);
    w.guess(A, &newer).await.has(401);
    w.guess(A, &old).await.has(401);
}

async fn w022_a_code_lives_to_the_last_millisecond_and_no_longer(w: &World) {
    for (millis, status) in [(299_999, 200), (300_000, 401), (300_001, 401)] {
        let own = w.another(|s| s).await;
        let code = own.send(A).await;
        own.advance_ms(millis);
        let reply = own.guess(A, &code).await;
        assert_eq!(reply.status, status, "after {millis} ms: {reply}");
        if status == 401 {
            reply.fails(401, "Invalid or expired code");
        }
    }
}

async fn w023_the_life_of_a_code_is_a_setting_and_stated_in_the_mail(w: &World) {
    w.send(A).await;
    assert_eq!(w.mails().await[0].expires_at, w.now().plus(Duration::from_secs(300)));
    let own = w.another(|s| s.policy(|p| p.code_ttl(Duration::from_secs(120)))).await;
    let code = own.send(A).await;
    assert_eq!(own.mails().await[0].expires_at, own.now().plus(Duration::from_secs(120)));
    own.advance_ms(119_999);
    own.guess(A, &code).await.has(200);
    let code = own.send(A).await;
    own.advance(120);
    own.guess(A, &code).await.has(401);
}

async fn w024_an_undeliverable_mail_is_retried_and_leaks_nothing(w: &World) {
    w.mailer().refuse_temporarily();
    w.ask_code(A).await.is(200, &sent(A));
    w.runtime().sleeping(Duration::from_secs(1)).await;
    assert_eq!((w.mailer().attempts(), w.mailer().count()), (1, 0));
    w.advance(1);
    w.runtime().sleeping(Duration::from_secs(5)).await;
    assert_eq!(w.mailer().attempts(), 2);
    w.mailer().accept();
    w.advance(5);
    let code = w.code_for(A).await;
    w.guess(A, &code).await.has(200);
    // What could not be delivered counts like any other: this one and two more.
    w.mailer().refuse_permanently();
    w.ask_code(A).await.has(200);
    w.ask_code(A).await.has(200);
    w.mails().await;
    assert_eq!((w.mailer().attempts(), w.mailer().count()), (5, 1), "what is refused for good is not tried again");
    w.ask_code(A).await.has(429);
    let undelivered = w.events().all().iter().filter(|e| e.kind == EventKind::CodeUndelivered).count();
    assert_eq!(undelivered, 2);
    // It is not tried beyond the code's life.
    w.advance(60);
    w.mailer().refuse_temporarily();
    w.ask_code(A).await.has(200);
    for pause in [1, 5, 15, 60, 120] {
        w.runtime().sleeping(Duration::from_secs(pause)).await;
        w.advance(pause);
    }
    w.runtime().idle().await;
    assert_eq!((w.mailer().attempts(), w.mailer().count()), (11, 1));
}

async fn w024_a_late_mail_of_a_replaced_code_does_not_log_in(w: &World) {
    w.mailer().refuse_temporarily();
    w.ask_code(A).await.has(200);
    w.runtime().sleeping(Duration::from_secs(1)).await;
    w.mailer().accept();
    w.ask_code(A).await.has(200);
    let newer = w.mailer().next().await.code;
    w.advance(1);
    let late = w.mailer().next().await.code;
    assert_eq!(w.mails().await.len(), 2);
    assert_ne!(late, newer);
    w.guess(A, &late).await.fails(401, "Invalid or expired code");
    w.guess(A, &newer).await.has(200);
}

async fn a92_a_refusing_or_hanging_mailer_changes_no_answer(w: &World) {
    let usual = w.ask_code(A).await;
    w.mailer().refuse_permanently();
    assert_eq!(w.ask_code(A).await, usual);
    w.mailer().hang();
    assert_eq!(w.ask_code(A).await, usual);
    w.mailer().refuse_temporarily();
    w.ask_code(B).await.is(200, &sent(B));
    w.ask_code(NOBODY).await.is(200, &sent(NOBODY));
}
