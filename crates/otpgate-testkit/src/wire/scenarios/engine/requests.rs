//! What a body has to look like, how often one may come, and what a failure is in HTTP.

use std::time::Duration;

use otpgate_core::StoreErrorKind;
use serde_json::{Value, json};

use super::{Client, MOBILE, NAME, NO_MOBILE, ROSA, engine, engine_with};
use crate::Failure;
use crate::wire::scenarios::list;
use crate::wire::{Request, World, other_than};

list![
    w100_w102_both_sets_of_routes_stand_and_take_post_alone,
    w103_w154_a_hundred_requests_a_minute_and_address,
    w104_an_array_of_one_to_twenty_is_an_array_of_answers,
    w105_w107_w119_what_is_missing_is_1519_and_another_type_1546,
    w113_a_code_is_a_text_of_digits_or_a_whole_number,
    w121_w147_failures_are_told_in_the_body_or_by_the_status_too,
    w146_bodies_of_older_apps_are_read,
    r27_a_store_that_fails_is_503_and_grants_nothing,
];

async fn w100_w102_both_sets_of_routes_stand_and_take_post_alone(w: &World) {
    let w = &engine(w).await;
    let client = Client::mobile(w, MOBILE);
    for client in [client.clone(), client.other_set()] {
        for operation in [
            "token/generate",
            "otp/generate",
            "otp/validate",
            "token/regenerate",
            "password/validate",
            "password/forget",
            "password/change",
        ] {
            w.call(Request::new("GET", &client.path(operation))).await.refuses_as(405, 405).with("allow", "POST");
            client.ask(w, operation, json!({ "brand": null })).await.refuses(1519);
        }
        let expire = client.path("token/expire");
        w.call(Request::new("GET", &expire)).await.refuses_as(405, 405).with("allow", "POST, DELETE");
    }
}

async fn w103_w154_a_hundred_requests_a_minute_and_address(w: &World) {
    let w = &engine(w).await;
    let client = Client::web(w, ROSA);
    for _ in 0..100 {
        client.validate(w, "P-none", "000000").await.refuses(1505);
    }
    client.validate(w, "P-none", "000000").await.refuses_as(429, 429).with("retry-after", "60");
    client.other_set().ask(w, "token/generate", json!({})).await.refuses_as(429, 429);
    // What ends a session, and what is counted by its failures, is not counted here.
    client.ask(w, "token/expire", json!({ "token": "x" })).await.refuses(1531);
    client.ask(w, "token/regenerate", json!({ "key": "x" })).await.refuses(1597);
    w.move_on();
    client.validate(w, "P-none", "000000").await.refuses(1505);
    for _ in 0..30 {
        client.ask(w, "token/regenerate", json!({ "key": "x" })).await.refuses(1597);
    }
    client.ask(w, "token/regenerate", json!({ "key": "x" })).await.refuses_as(429, 429);
}

async fn w104_an_array_of_one_to_twenty_is_an_array_of_answers(w: &World) {
    let w = &engine(w).await;
    let client = Client::web(w, ROSA);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    let item = |otp: Value| client.with(&json!({ "sessionId": flow, "otp": otp })).ids;
    let send = |items: Value| w.call(Request::json("/auth/v1/web/otp/validate", &items));
    let numbers = |reply: &Value| {
        let items = reply.as_array().cloned().unwrap_or_default();
        items.iter().map(|i| i["status"]["code"].clone()).collect::<Vec<_>>()
    };
    // In order, each by itself: wrong, no code at all, no object, right, used.
    let items = json!([item(json!(other_than(&code))), item(json!("12")), 7, item(json!(code)), item(json!(code))]);
    let reply = send(items).await.has(200).value();
    assert_eq!(numbers(&reply), [json!(1506), json!(1506), json!(1519), json!(200), json!(1505)]);
    w.gateway(reply[3]["auth"]["token"].as_str().unwrap_or_default(), &[]).await.has(200);
    assert_eq!(numbers(&send(json!([item(json!("1"))])).await.value()).len(), 1);
    let many = |n: usize| Value::Array(vec![item(json!("000000")); n]);
    assert_eq!(numbers(&send(many(20)).await.value()).len(), 20);
    // Neither too many nor none is anything, nor an array elsewhere.
    for items in [many(21), json!([])] {
        send(items).await.refuses(1519);
    }
    for operation in ["token/generate", "otp/generate", "password/validate", "token/expire"] {
        w.call(Request::json(&client.path(operation), &json!([client.ids]))).await.refuses(1519);
    }
    // Twice the size of any other body, and no more.
    let padded = |bytes: usize| {
        let item = client.with(&json!({ "sessionId": flow, "otp": "000000", "padding": "" })).ids;
        let rest = bytes - item.to_string().len();
        Request::json(
            "/auth/v1/web/otp/validate",
            &client.with(&json!({ "sessionId": flow, "otp": "000000", "padding": "x".repeat(rest) })).ids,
        )
    };
    w.call(padded(16 * 1024)).await.refuses(1505);
    w.call(padded(16 * 1024 + 1)).await.refuses_as(413, 413);
    let long = json!({ "padding": "x".repeat(8 * 1024) });
    client.ask(w, "otp/generate", long).await.refuses_as(413, 413);
    for body in [&b"{"[..], br#"[{"otp":"1","otp":"2"}]"#, b"[[[[[[[[[[]]]]]]]]]]"] {
        w.call(Request::post("/auth/v1/web/otp/validate", body)).await.refuses_as(400, 400);
    }
    for body in [&b"null"[..], b"1", b"\"x\""] {
        w.call(Request::post("/auth/v1/web/otp/validate", body)).await.refuses(1519);
    }
    let text = Request::new("POST", "/auth/v1/web/otp/validate").header("content-type", "text/plain").body("{}");
    w.call(text).await.refuses_as(415, 415);
}

async fn w105_w107_w119_what_is_missing_is_1519_and_another_type_1546(w: &World) {
    let w = &engine(w).await;
    let client = Client::mobile(w, MOBILE);
    let flow = client.open(w).await;
    let rest = |more: Value| {
        let mut all = json!({ "sessionId": flow });
        for (name, value) in more.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        all
    };
    let rows = [
        ("token/generate", rest(json!({})), vec![]),
        ("otp/generate", rest(json!({})), vec!["sessionId"]),
        ("otp/validate", rest(json!({ "otp": "123456" })), vec!["deviceId", "sessionId", "otp"]),
        ("password/validate", rest(json!({ "password": "x" })), vec!["deviceId", "sessionId", "password"]),
        (
            "password/forget",
            rest(json!({ "password": "x", "confirmPassword": "x" })),
            vec!["deviceId", "sessionId", "password", "confirmPassword"],
        ),
        (
            "password/change",
            rest(json!({ "token": "x", "password": "x", "newPassword": "y", "confirmPassword": "y" })),
            vec!["deviceId", "token", "password", "newPassword", "confirmPassword"],
        ),
        ("token/regenerate", rest(json!({ "key": "x" })), vec!["deviceId", "key"]),
        ("token/expire", rest(json!({ "token": "x" })), vec!["token"]),
    ];
    let before = w.mails().await.len();
    for (operation, all, own) in rows {
        for field in own.into_iter().chain(["identifierType", "identifierValue", "brand"]) {
            let whole = client.with(&all);
            let mut missing = whole.clone();
            missing.ids.as_object_mut().map(|ids| ids.remove(field));
            w.call(Request::json(&client.path(operation), &missing.ids)).await.refuses(1519);
            for bad in [json!(null), json!(""), json!(" \t"), json!(true), json!([]), json!({ "$gt": "" })] {
                let mut wrong = whole.clone();
                wrong.ids[field] = bad;
                w.call(Request::json(&client.path(operation), &wrong.ids)).await.refuses(1519);
            }
            w.move_on();
        }
        for kind in ["PHONE", "mobile", "MOBILE ", "FACEBOOK"] {
            client
                .ask(w, operation, client.with(&all).with(&json!({ "identifierType": kind })).ids)
                .await
                .refuses(1546);
        }
        // What is no identifier of its kind.
        for (kind, value) in [("MOBILE", "rosa"), ("EMAIL", MOBILE), ("EMAIL", "a@x,b@y"), ("USERNAME", "a\u{202e}b")] {
            let ids = json!({ "identifierType": kind, "identifierValue": value, "email": ROSA });
            client.ask(w, operation, client.with(&all).with(&ids).ids).await.refuses(1519);
        }
    }
    assert_eq!(w.mails().await.len(), before, "what is not valid sends nothing");
    let whole = Client::web(w, ROSA).with(&json!({ "identifierType": "USERNAME", "identifierValue": NAME }));
    whole.ask(w, "token/generate", json!({})).await.refuses(1540);
    whole.ask(w, "token/generate", json!({ "mobile": NO_MOBILE })).await.succeeds();
}

async fn w113_a_code_is_a_text_of_digits_or_a_whole_number(w: &World) {
    let w = &engine_with(w, |s| s.policy(|p| p.insecure_without_send_limits())).await;
    let client = Client::web(w, ROSA);
    let flow = client.open(w).await;
    let mut code = client.code(w, &flow).await;
    for bad in [
        json!("12345"),
        json!("1234567"),
        json!("12345a"),
        json!(" 123456"),
        json!(1_234_567),
        json!(-1),
        json!(1.5),
        json!(1e30),
    ] {
        let reply = client.validate(w, &flow, bad).await;
        reply.refuses(1506);
        assert_eq!(reply.at("/status/message"), "Invalid OTP");
    }
    for bad in [json!(null), json!(""), json!("  "), json!([code]), json!(true), json!({ "otp": code })] {
        client.validate(w, &flow, bad).await.refuses(1519);
    }
    // None of them was counted: five wrong ones are still there. A code with a zero in front is a shorter number.
    for _ in 0..60 {
        if code.starts_with('0') {
            break;
        }
        code = client.code(w, &flow).await;
        w.move_on();
    }
    assert!(code.starts_with('0'), "sixty codes and none with a zero in front");
    let wrong: u64 = other_than(&code).parse().unwrap_or_default();
    for _ in 0..4 {
        client.validate(w, &flow, wrong).await.refuses(1506);
    }
    let number: u64 = code.parse().unwrap_or_default();
    client.validate(w, &flow, number).await.succeeds();
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    client.validate(w, &flow, code).await.succeeds();
}

async fn w121_w147_failures_are_told_in_the_body_or_by_the_status_too(w: &World) {
    let flows = |s: otpgate_core::policy::FlowPolicy| otpgate_core::policy::FlowPolicy {
        sends: Some(otpgate_core::policy::Window { limit: 1, span: Duration::from_secs(60) }),
        ..s
    };
    let real =
        &engine_with(w, |s| s.engine(|e| e.real_statuses()).policy(|p| p.flows(flows(Default::default())))).await;
    let plain = &engine_with(w, |s| s.policy(|p| p.flows(flows(Default::default())))).await;
    for w in [real, plain] {
        let is_real = std::ptr::eq(w, real);
        let status = |status: u16| if is_real { status } else { 200 };
        let client = Client::web(w, ROSA);
        client.ask(w, "token/generate", json!({ "brand": "nobody's" })).await.refuses_as(status(400), 1504);
        client.ask(w, "token/generate", json!({ "identifierValue": null })).await.refuses_as(status(400), 1519);
        client.validate(w, "P-none", "123456").await.refuses_as(status(401), 1505);
        let flow = client.open(w).await;
        client.validate(w, &flow, "123456").await.refuses_as(status(400), 1537);
        let code = client.code(w, &flow).await;
        let wrong = client.validate(w, &flow, other_than(&code)).await;
        wrong.is(status(401), r#"{"status":{"success":false,"code":1506,"message":"Invalid OTP"}}"#);
        let more = client.ask(w, "otp/generate", json!({ "sessionId": flow })).await;
        more.refuses_as(status(429), 1534).with("retry-after", "60");
        client.validate(w, &flow, code).await.succeeds();
        w.call(Request::post("/auth/v1/web/otp/validate", "{")).await.refuses_as(400, 400);
    }
}

async fn w146_bodies_of_older_apps_are_read(w: &World) {
    let w = &engine(w).await;
    let brand = w.tenant().as_str();
    let body = json!({
        "brand": brand, "mobile": MOBILE, "deviceId": "d", "mobile_temp": "0999", "timeStamp": 1, "otp": null, "hash": "h"
    });
    let post = |path: &str, body: &Value| w.call(Request::json(&format!("/auth/v1/{path}"), body));
    let with = |fields: Value| {
        let mut all = body.clone();
        fields.as_object().into_iter().flatten().for_each(|(name, value)| all[name] = value.clone());
        all
    };
    let flow = post("token/generate", &body).await.at("/user/sessionId");
    post("otp/generate?fallbackChannel=SMS", &with(json!({ "sessionId": flow }))).await.succeeds();
    let code = w.code_for(&format!("+{MOBILE}")).await;
    let done = post("otp/validate", &with(json!({ "sessionId": flow, "otp": code }))).await;
    done.succeeds();
    post("token/regenerate", &with(json!({ "key": done.at("/auth/key") }))).await.succeeds();
    post("token/expire", &with(json!({ "token": done.at("/auth/token") }))).await.succeeds();
}

async fn r27_a_store_that_fails_is_503_and_grants_nothing(w: &World) {
    let w = &engine(w).await;
    let client = Client::mobile(w, MOBILE);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    let done = client.log_in(w).await;
    w.store().fail_all(Failure::Refuse(StoreErrorKind::Unavailable));
    client.ask(w, "token/generate", json!({})).await.refuses_as(503, 503);
    client.ask(w, "otp/generate", json!({ "sessionId": flow })).await.refuses_as(503, 503);
    client.validate(w, &flow, code.clone()).await.refuses_as(503, 503);
    client.ask(w, "token/regenerate", json!({ "key": done.at("/auth/key") })).await.refuses_as(503, 503);
    w.gateway(&done.at("/auth/token"), &[]).await.refuses_as(503, 503);
    w.store().heal();
    client.validate(w, &flow, code).await.succeeds();
}
