//! Codes of flows: what they open, how long they live, how often they may be guessed and sent.

use std::time::Duration;

use otpgate_core::Disclosure;
use otpgate_core::policy::{FlowPolicy, Window};
use serde_json::{Value, json};

use super::{Client, DEVICE, MOBILE, NAME, NO_MOBILE, ROSA, engine, engine_with};
use crate::wire::people::{A, BANNED, NOBODY};
use crate::wire::scenarios::list;
use crate::wire::{World, other_than};

list![
    w120_w122_w124_w129_w130_w131_w132_a_code_opens_a_session_on_either_set,
    w114_a_code_goes_to_the_number_the_address_or_where_a_user_name_has_one,
    w115_w118_five_wrong_codes_kill_the_flow,
    w116_a_lock_holds_over_all_flows_where_the_host_wants_one,
    w117_wrong_codes_far_apart_start_a_new_count,
    w123_w136_lives_are_exact,
    w134_w135_a_flow_opens_with_a_token_that_opens_nothing,
    w137_w138_how_many_codes_and_how_long_they_are,
    r2_an_unknown_number_is_answered_like_a_known_one,
    r29_under_reveal_what_is_documented_is_told,
    r23_the_vendor_s_newest_shape_by_choice,
    r39_q58_budgets_are_shared_and_codes_are_not,
    r43_who_may_not_is_1502,
    a36_the_flow_s_id_is_nothing_after_it;
    racing: w133_a_flow_is_finished_once
];

async fn w120_w122_w124_w129_w130_w131_w132_a_code_opens_a_session_on_either_set(w: &World) {
    let w = &engine(w).await;
    for client in [Client::mobile(w, MOBILE), Client::web(w, ROSA)] {
        let flow = client.open(w).await;
        let code = client.code(w, &flow).await;
        let body = client.validate(w, &flow, code).await.succeeds();
        let names =
            |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        assert_eq!(names(&body), ["auth", "status", "user"]);
        assert_eq!(names(&body["auth"]), ["key", "token"]);
        let (token, key) = (&body["auth"]["token"], &body["auth"]["key"]);
        assert!(token.is_string() && key.is_string() && token != key, "{body}");
        let user = &body["user"];
        assert_eq!(names(user), ["appRegistered", "role", "sessionId", "userRegisteredForPassword"]);
        assert_eq!(user["appRegistered"], json!(true));
        assert_eq!((&user["role"], &user["userRegisteredForPassword"]), (&json!("USER"), &json!(false)));
        let handle = user["sessionId"].as_str().unwrap_or_default();
        assert!(handle.starts_with("S-") && handle.len() == 38 && handle[2..] != flow[2..], "{handle}");
        w.gateway(token.as_str().unwrap_or_default(), &[]).await.has(200);
        w.gateway(handle, &[]).await.refuses_as(401, 1529);
        w.gateway(&handle[2..], &[]).await.refuses_as(401, 1529);
    }
}

async fn w114_a_code_goes_to_the_number_the_address_or_where_a_user_name_has_one(w: &World) {
    let w = &engine(w).await;
    let by_name = |place: Value| {
        Client::web(w, ROSA).with(&json!({ "identifierType": "USERNAME", "identifierValue": NAME })).with(&place)
    };
    let rows = [
        (Client::mobile(w, MOBILE), "+15550109999"),
        (Client::web(w, ROSA), ROSA),
        (by_name(json!({ "mobile": MOBILE })), "+15550109999"),
        (by_name(json!({ "email": ROSA })), ROSA),
    ];
    for (client, to) in rows {
        let before = w.mails().await.len();
        let flow = client.open(w).await;
        let code = client.code(w, &flow).await;
        let sent = w.mails().await;
        assert_eq!((sent.len(), sent.last().map(|m| m.to.clone())), (before + 1, Some(to.to_owned())));
        client.validate(w, &flow, code).await.succeeds();
    }
    // A place that is not the user's gets nothing, and the answer does not tell.
    for place in [json!({ "mobile": NO_MOBILE }), json!({ "email": A })] {
        let client = by_name(place);
        let before = w.mails().await.len();
        let flow = client.open(w).await;
        client.ask(w, "otp/generate", json!({ "sessionId": flow })).await.succeeds();
        assert_eq!(w.mails().await.len(), before);
        w.advance(61);
    }
    w.advance(3_600);
    by_name(json!({})).ask(w, "token/generate", json!({})).await.refuses(1540);
}

async fn w115_w118_five_wrong_codes_kill_the_flow(w: &World) {
    let w = &engine(w).await;
    let client = Client::mobile(w, MOBILE);
    let flow = client.open(w).await;
    let first = client.code(w, &flow).await;
    for _ in 0..3 {
        client.validate(w, &flow, other_than(&first)).await.refuses(1506);
    }
    // Another code replaces the first, and refills nothing.
    let code = client.code(w, &flow).await;
    if first != code {
        client.validate(w, &flow, first).await.refuses(1506);
    }
    let wrong = other_than(&code);
    while client.validate(w, &flow, wrong.clone()).await.value()["status"]["code"] == json!(1506) {}
    for otp in [code, wrong] {
        client.validate(w, &flow, otp).await.refuses(1518);
    }
    client.ask(w, "otp/generate", json!({ "sessionId": flow })).await.refuses(1518);
    client.log_in(w).await.succeeds();
    let strict = FlowPolicy { max_tries: 1, ..FlowPolicy::default() };
    let w = &engine_with(w, |s| s.policy(|p| p.flows(strict))).await;
    let client = Client::mobile(w, MOBILE);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    client.validate(w, &flow, other_than(&code)).await.refuses(1506);
    client.validate(w, &flow, code).await.refuses(1518);
}

async fn w116_a_lock_holds_over_all_flows_where_the_host_wants_one(w: &World) {
    let flows = FlowPolicy { lock: Some(Duration::from_secs(1_800)), max_tries: 2, ..FlowPolicy::default() };
    let w = &engine_with(w, |s| s.policy(|p| p.flows(flows))).await;
    let client = Client::web(w, ROSA);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    for _ in 0..2 {
        client.validate(w, &flow, other_than(&code)).await.refuses(1506);
    }
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    client.validate(w, &flow, code.clone()).await.refuses(1518).with("retry-after", "1800");
    // Another person's flows are free, and the lock ends by itself.
    Client::web(w, A).log_in(w).await.succeeds();
    w.advance(1_200);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    w.advance(599);
    client.validate(w, &flow, code.clone()).await.refuses(1518).with("retry-after", "1");
    w.advance(1);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    client.validate(w, &flow, code).await.succeeds();
}

async fn w117_wrong_codes_far_apart_start_a_new_count(w: &World) {
    let flows = FlowPolicy { life: Duration::from_secs(86_400), max_tries: 2, ..FlowPolicy::default() };
    let w = &engine_with(w, |s| s.policy(|p| p.flows(flows))).await;
    let client = Client::web(w, ROSA);
    for (pause, second) in [(1_801, 1506), (1_800, 1518)] {
        let flow = client.open(w).await;
        let code = client.code(w, &flow).await;
        client.validate(w, &flow, other_than(&code)).await.refuses(1506);
        w.advance(pause);
        let code = client.code(w, &flow).await;
        client.validate(w, &flow, other_than(&code)).await.refuses(1506);
        let last = client.validate(w, &flow, other_than(&code)).await;
        last.refuses(second);
        w.advance(86_400);
    }
}

async fn w123_w136_lives_are_exact(w: &World) {
    let w = &engine(w).await;
    let client = Client::mobile(w, MOBILE);
    let done = client.log_in(w).await;
    let token = done.at("/auth/token");
    w.advance(899);
    w.gateway(&token, &[]).await.has(200);
    w.advance(1);
    w.gateway(&token, &[]).await.refuses_as(401, 1529);
    // A flow lives for 15 minutes, and its code for 10 or as long as its flow.
    for (before_code, after_code, number) in [(0, 599, 200), (0, 600, 1506), (400, 499, 200), (400, 500, 1505)] {
        let flow = client.open(w).await;
        w.advance(before_code);
        let code = client.code(w, &flow).await;
        w.advance(after_code);
        let reply = client.validate(w, &flow, code).await;
        assert_eq!(reply.value()["status"]["code"], json!(number), "{before_code} {after_code}: {reply}");
        w.advance(3_600);
    }
}

async fn w134_w135_a_flow_opens_with_a_token_that_opens_nothing(w: &World) {
    let w = &engine(w).await;
    let mobile = Client::mobile(w, MOBILE);
    for client in
        [mobile.clone(), Client::web(w, ROSA), Client::web(w, NOBODY), mobile.with(&json!({ "deviceId": null }))]
    {
        let body = client.ask(w, "token/generate", json!({})).await.succeeds();
        let (view, flow) = (body["auth"]["token"].as_str(), body["user"]["sessionId"].as_str());
        let flow = flow.unwrap_or_default();
        assert!(flow.starts_with("P-") && flow.len() == 38 && flow.as_bytes()[16] == b'4', "{flow}");
        let user = json!({
            "appRegistered": false, "sessionId": flow, "role": "VIEW", "userRegisteredForPassword": true
        });
        assert_eq!((&body["auth"]["key"], &body["user"]), (&Value::Null, &user));
        let view = view.unwrap_or_default();
        assert_eq!(view.split('.').count(), 3);
        w.gateway(view, &[]).await.refuses_as(401, 1529);
        w.call(crate::wire::Request::new("GET", "/me").token(view)).await.has(401);
        client.ask(w, "token/expire", json!({ "token": view })).await.refuses(1531);
        client.ask(w, "password/change", json!({ "token": view, "password": "x", "newPassword": "y", "confirmPassword": "y", "deviceId": DEVICE })).await.refuses(1523);
    }
    let upper = w.tenant().as_str().to_uppercase();
    mobile.ask(w, "token/generate", json!({ "brand": upper })).await.succeeds();
    mobile.ask(w, "token/generate", json!({ "brand": "other" })).await.refuses(1504);
}

async fn w137_w138_how_many_codes_and_how_long_they_are(w: &World) {
    let flows = FlowPolicy { sends: Some(Window::new(2, 600)), ..FlowPolicy::default() };
    let w = &engine_with(w, |s| s.policy(|p| p.flows(flows).code_digits(8))).await;
    let client = Client::web(w, ROSA);
    let flow = client.open(w).await;
    assert_eq!(client.code(w, &flow).await.len(), 8);
    let another = client.open(w).await;
    let sent = client.ask(w, "otp/generate", json!({ "sessionId": another })).await;
    sent.is(200, r#"{"status":{"success":true,"code":200,"message":"SUCCESS"}}"#);
    client.ask(w, "otp/generate", json!({ "sessionId": flow })).await.refuses(1534).with("retry-after", "600");
    // Unset, the limits of all profiles are the only ones.
    let w = &engine(w).await;
    let client = Client::web(w, ROSA);
    let flow = client.open(w).await;
    for _ in 0..3 {
        assert_eq!(client.code(w, &flow).await.len(), 6);
    }
    client.ask(w, "otp/generate", json!({ "sessionId": flow })).await.refuses(1534).with("retry-after", "60");
    for sends in [Window::new(0, 600), Window::new(1, 0)] {
        let flows = FlowPolicy { sends: Some(sends), ..FlowPolicy::default() };
        assert!(otpgate_core::Policy::builder().flows(flows).build().is_err(), "1535 is a setting that does not build");
    }
}

async fn w133_a_flow_is_finished_once(w: &World) {
    let w = &engine(w).await;
    let client = Client::mobile(w, MOBILE);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    let request = client.request("otp/validate", &json!({ "sessionId": flow, "otp": code }));
    let replies = w.burst(vec![request; 32]).await;
    let won = replies.iter().filter(|r| r.value()["status"]["success"] == json!(true)).count();
    assert_eq!(won, 1);
    replies.iter().filter(|r| r.value()["status"]["success"] == json!(false)).for_each(|r| {
        r.refuses(1505);
    });
    client.validate(w, &flow, code).await.refuses(1505);
    client.ask(w, "otp/generate", json!({ "sessionId": flow })).await.refuses(1505);
}

async fn r2_an_unknown_number_is_answered_like_a_known_one(w: &World) {
    let w = &engine(w).await;
    let mut told = Vec::new();
    for number in [MOBILE, NO_MOBILE] {
        let client = Client::mobile(w, number);
        let before = w.mails().await.len();
        let flow = client.open(w).await;
        let mut answers = Vec::new();
        answers.push(client.validate(w, &flow, "000000").await);
        answers.push(client.ask(w, "otp/generate", json!({ "sessionId": flow })).await);
        let code = w.mails().await.get(before).map(|m| m.code.clone());
        let wrong = code.as_deref().map_or("000000".to_owned(), other_than);
        for _ in 0..6 {
            answers.push(client.validate(w, &flow, wrong.clone()).await);
        }
        let flow = client.open(w).await;
        for _ in 0..3 {
            answers.push(client.ask(w, "otp/generate", json!({ "sessionId": flow })).await);
        }
        assert_eq!(code.is_some(), number == MOBILE);
        told.push(answers);
    }
    assert_eq!(told[0], told[1]);
}

async fn r29_under_reveal_what_is_documented_is_told(w: &World) {
    let w = &engine_with(w, |s| s.policy(|p| p.disclosure(Disclosure::Reveal))).await;
    let client = Client::mobile(w, MOBILE);
    let user = client.ask(w, "token/generate", json!({})).await.succeeds()["user"].clone();
    assert_eq!((&user["appRegistered"], &user["userRegisteredForPassword"]), (&json!(true), &json!(false)));
    let nobody = Client::mobile(w, NO_MOBILE);
    let flow = nobody.open(w).await;
    nobody.ask(w, "otp/generate", json!({ "sessionId": flow })).await.refuses(1515);
    nobody.ask(w, "password/validate", json!({ "sessionId": flow, "password": "x" })).await.refuses(1515);
    let flow = client.open(w).await;
    client.ask(w, "password/validate", json!({ "sessionId": flow, "password": "x" })).await.refuses(1526);
}

async fn r23_the_vendor_s_newest_shape_by_choice(w: &World) {
    let w = &engine_with(w, |s| s.engine(|e| e.vendor_web_shape())).await;
    let web = Client::web(w, ROSA).log_in(w).await.succeeds();
    assert_eq!((&web["auth"]["key"], &web["user"], web.get("user").is_some()), (&Value::Null, &Value::Null, true));
    let mobile = Client::mobile(w, MOBILE).log_in(w).await.succeeds();
    assert!(mobile["auth"]["key"].is_string());
    let user = json!({
        "appRegistered": true, "sessionId": null, "role": "USER", "userRegisteredForPassword": false
    });
    assert_eq!(mobile["user"], user);
}

async fn r39_q58_budgets_are_shared_and_codes_are_not(w: &World) {
    let w = &engine_with(w, |s| s.platform()).await;
    let client = Client::web(w, A);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    // A code of a flow is none of `identity` or `platform`, nor of another flow.
    w.guess(A, &code).await.fails(401, "Invalid or expired code");
    let other = client.open(w).await;
    client.validate(w, &other, code.clone()).await.refuses(1537);
    let mine = w.send(A).await;
    if mine != code {
        client.validate(w, &flow, mine.clone()).await.refuses(1506);
    }
    // Ten wrong guesses in an hour, wherever: then every verification of the address fails alike.
    let mut left = if mine == code { 10 } else { 9 };
    for _ in 0..3 {
        client.validate(w, &flow, other_than(&code)).await.refuses(1506);
        left -= 1;
    }
    w.miss(A, &mine, 2).await;
    left -= 2;
    let third = client.open(w).await;
    w.advance(61);
    let fresh = client.code(w, &third).await;
    for _ in 0..left {
        client.validate(w, &third, other_than(&fresh)).await.refuses(1506);
    }
    client.validate(w, &third, fresh).await.refuses(1506);
    w.guess(A, &mine).await.has(401);
    Client::web(w, ROSA).log_in(w).await.succeeds();
}

async fn r43_who_may_not_is_1502(w: &World) {
    let w = &engine(w).await;
    let client = Client::web(w, BANNED);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    client.validate(w, &flow, other_than(&code)).await.refuses(1506);
    client.validate(w, &flow, code).await.refuses(1502);
}

async fn a36_the_flow_s_id_is_nothing_after_it(w: &World) {
    let w = &engine(w).await;
    let client = Client::mobile(w, MOBILE);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    let done = client.validate(w, &flow, code.clone()).await;
    assert_ne!(done.at("/user/sessionId")[2..], flow[2..]);
    for operation in ["otp/generate", "otp/validate", "password/validate", "password/forget"] {
        let fields =
            json!({ "sessionId": flow, "otp": code, "password": "long enough", "confirmPassword": "long enough" });
        client.ask(w, operation, fields).await.refuses(1505);
    }
    w.gateway(&flow, &[]).await.refuses_as(401, 1529);
    // A client's own text is never a flow.
    for text in ["P-00000000-0000-4000-8000-000000000000", "S-x", "", "P-"] {
        let reply = client.ask(w, "otp/generate", json!({ "sessionId": text })).await;
        reply.refuses(if text.is_empty() { 1519 } else { 1505 });
    }
}
