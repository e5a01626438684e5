//! What an attacker tries with flows, and with all profiles at once: budgets, values of the wrong kind, tokens that are guessed.

use otpgate_core::policy::PolicyBuilder;
use serde_json::{Value, json};

use super::{Client, MOBILE, OTHER_PASSWORD, PASSWORD, ROSA, engine, engine_with};
use crate::StoreOp;
use crate::wire::scenarios::list;
use crate::wire::{Reply, Request, Setup, Tokens, World, other_than};

list![
    a16_another_device_for_each_flow_brings_no_new_budget,
    a25_tokens_that_are_guessed_cost_the_same_each_and_are_limited_by_address,
    a39_what_a_client_says_of_an_answer_counts_for_nothing,
    a114_nothing_that_the_server_made_is_good_for_anything_else,
    a115_a_reset_token_dies_with_every_other_way_to_a_new_password,
    i13_an_address_has_one_cap_of_messages_over_all_routes,
];

const HOUR: u64 = 3_600;

fn everything(setup: Setup) -> Setup {
    setup.platform().single_process().policy(PolicyBuilder::insecure_without_send_limits)
}

async fn a16_another_device_for_each_flow_brings_no_new_budget(w: &World) {
    let w = &engine_with(w, |s| s.policy(PolicyBuilder::insecure_without_send_limits)).await;
    // Five wrong codes kill a flow, and ten in an hour are all there are, whatever says it is another device.
    let brand = w.tenant().as_str().to_uppercase();
    for device in ["one", "two"] {
        w.move_on();
        let client = Client::mobile(w, MOBILE).with(&json!({ "deviceId": device, "brand": brand }));
        let flow = client.open(w).await;
        let code = client.code(w, &flow).await;
        for _ in 0..5 {
            client.validate(w, &flow, other_than(&code)).await.refuses(1506);
        }
    }
    for client in
        [Client::mobile(w, MOBILE).with(&json!({ "deviceId": "three" })), Client::mobile(w, MOBILE).other_set()]
    {
        w.move_on();
        let flow = client.open(w).await;
        let code = client.code(w, &flow).await;
        client.validate(w, &flow, code).await.refuses(1506);
    }
    w.advance(HOUR);
    Client::mobile(w, MOBILE).log_in(w).await.succeeds();
}

/// Sends requests of one kind until one is refused for their number, from one address: how many were not, each of which asked
/// the same of the store.
async fn until_refused(w: &World, mut made_up: impl FnMut(usize) -> Request) -> usize {
    w.move_on();
    let (calls, mut usual) = (|| StoreOp::ALL.map(|op| w.store().calls(op)), None);
    for n in 0..200 {
        let before = calls();
        let reply = w.call(made_up(n)).await;
        w.runtime().idle().await;
        let after = calls();
        let asked: [u64; 6] = std::array::from_fn(|i| after[i] - before[i]);
        if reply.status == 429 {
            // Nothing is written any more, and no more read than the address's own record and what it names beside it.
            assert!(asked[0] <= 2 && asked[1..].iter().all(|calls| *calls == 0), "{asked:?}: {reply}");
            return n;
        }
        assert!(reply.status == 401 || reply.value()["status"]["success"] == Value::Bool(false), "{reply}");
        assert_eq!(*usual.get_or_insert(asked), asked, "the {n}th: {reply}");
        assert!(asked.iter().sum::<u64>() <= 6, "{asked:?}");
    }
    panic!("no limit was met")
}

async fn a25_tokens_that_are_guessed_cost_the_same_each_and_are_limited_by_address(w: &World) {
    let w = &engine_with(w, everything).await;
    w.set_password(ROSA, PASSWORD).await;
    let client = Client::mobile(w, MOBILE);
    let (tokens, done, flow) = (w.log_in(ROSA).await, client.log_in(w).await, client.open(w).await);
    w.forgot(ROSA).await.has(200);
    let reset = w.code_for(ROSA).await;

    // Of the right form, and anybody's guess: some digits of each are not those of the good one.
    let spelled = |good: &str, n: usize| {
        let (at, other) = (good.len() - 10, format!("{n:04x}"));
        let other = if other == good[at..at + 4] { "ffff" } else { &*other };
        format!("{}{other}{}", &good[..at], &good[at + 4..])
    };
    let guess = |path: &str, body: Value| Request::json(path, &body);
    let resets = |n| guess("/api/user/reset-password", json!({ "token": spelled(&reset, n), "password": PASSWORD }));
    assert_eq!(until_refused(w, resets).await, 5);
    let refreshes = |n| guess(&w.path(crate::wire::REFRESH), json!({ "refreshToken": spelled(&tokens.refresh, n) }));
    assert_eq!(until_refused(w, refreshes).await, 30);
    let key = done.at("/auth/key");
    let keys = |n| client.request("token/regenerate", &json!({ "key": spelled(&key, n) }));
    assert_eq!(until_refused(w, keys).await, 30);
    let flows = |n| client.request("otp/validate", &json!({ "sessionId": spelled(&flow, n), "otp": "000000" }));
    assert_eq!(until_refused(w, flows).await, 100);
    // The good ones are as good as before.
    w.move_on();
    w.refresh(&tokens.refresh).await.has(200);
    client.ask(w, "token/regenerate", json!({ "key": key })).await.succeeds();
    let code = client.code(w, &flow).await;
    client.validate(w, &flow, code).await.succeeds();
    w.reset(&reset, OTHER_PASSWORD).await.has(200);
}

async fn a39_what_a_client_says_of_an_answer_counts_for_nothing(w: &World) {
    let w = &engine(w).await;
    w.set_password(ROSA, PASSWORD).await;
    let client = Client::mobile(w, MOBILE);
    let opened = client.ask(w, "token/generate", json!({})).await;
    let (view, flow) = (opened.at("/auth/token"), opened.at("/user/sessionId"));
    let code = client.code(w, &flow).await;
    client.validate(w, &flow, other_than(&code)).await.refuses(1506);
    // A client that takes the failure for a success goes on, and says so in every field that a success has.
    let client = client.with(&json!({
        "status": { "success": true, "code": 200, "message": "SUCCESS" }, "verified": true, "otpVerified": true,
        "auth": { "token": view, "key": view }, "user": { "role": "USER", "sessionId": flow }, "role": "USER",
    }));
    w.gateway(&view, &[]).await.refuses_as(401, 1529);
    client.ask(w, "token/regenerate", json!({ "key": view })).await.refuses(1597);
    client.ask(w, "token/regenerate", json!({ "expiredToken": view })).await.refuses(1519);
    client.ask(w, "token/expire", json!({ "token": view })).await.refuses(1531);
    let change = json!({
        "token": view, "password": PASSWORD, "newPassword": OTHER_PASSWORD, "confirmPassword": OTHER_PASSWORD,
    });
    client.ask(w, "password/change", change).await.refuses(1523);
    // What a flow keeps for its end takes no effect without the code that ends it.
    let forget = json!({ "sessionId": flow, "password": OTHER_PASSWORD, "confirmPassword": OTHER_PASSWORD });
    client.ask(w, "password/forget", forget).await.succeeds();
    let by_password = |password: &str| json!({ "sessionId": flow, "password": password });
    client.ask(w, "password/validate", by_password(OTHER_PASSWORD)).await.refuses(1528);
    client.validate(w, &flow, other_than(&code)).await.refuses(1506);
    client.ask(w, "password/validate", by_password(PASSWORD)).await.succeeds();
    // The same in `identity`: what the body claims beside a wrong code is not read.
    let code = w.send(ROSA).await;
    let claimed = json!({
        "email": ROSA, "password": other_than(&code), "isOTP": true, "status": true, "message": "OK",
        "data": { "user": { "email": ROSA }, "token": view },
    });
    w.call(Request::json(&w.path(crate::wire::LOGIN), &claimed)).await.fails(401, "Invalid or expired code");
    w.guess(ROSA, &code).await.has(200);
}

/// A claim of an access token.
fn claim(token: &str, name: &str) -> String {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap_or_default();
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&text).unwrap_or_default();
    claims[name].as_str().unwrap_or_default().to_owned()
}

async fn a114_nothing_that_the_server_made_is_good_for_anything_else(w: &World) {
    let unlimited = |p: PolicyBuilder| p.insecure_without_send_limits().insecure_without_guess_limits();
    let w = &engine_with(w, |s| s.platform().policy(unlimited)).await;
    w.set_password(ROSA, PASSWORD).await;
    let client = Client::mobile(w, MOBILE);
    let code = w.send(ROSA).await;
    let logged_in = w.guess(ROSA, &code).await;
    let tokens = Tokens::of(&logged_in);
    let device = logged_in.header("otpgate-device").map(str::to_owned).unwrap_or_default();
    let done = client.log_in(w).await;
    let opened = client.ask(w, "token/generate", json!({})).await;
    let flow = opened.at("/user/sessionId");
    w.forgot(ROSA).await.has(200);
    let reset = w.code_for(ROSA).await;
    let (live, in_flow) = (w.send(ROSA).await, client.code(w, &flow).await);
    // (what it is, the value, the one slot that it is for).
    let made = [
        ("access token", tokens.access.clone(), "session"),
        ("refresh token", tokens.refresh.clone(), "refresh"),
        ("session id", claim(&tokens.access, "sid"), ""),
        ("token id", claim(&tokens.access, "jti"), ""),
        ("device token", device, ""),
        ("token of engine", done.at("/auth/token"), "session"),
        ("key of engine", done.at("/auth/key"), "key"),
        ("handle of a session", done.at("/user/sessionId"), ""),
        ("token of an open flow", opened.at("/auth/token"), ""),
        ("flow", flow.clone(), "flow"),
        ("flow's bare id", flow[2..].to_owned(), ""),
        ("reset token", reset.clone(), "reset"),
        ("code", live.clone(), "code"),
        ("code of a flow", in_flow.clone(), "flow's code"),
    ];
    for (what, value, its_own) in &made {
        assert!(!value.is_empty(), "{what}");
        w.move_on();
        let refused = |slot: &str, reply: &Reply| {
            let good = reply.status == 200 && reply.value()["status"]["success"] != Value::Bool(false);
            assert!(!good, "a {what} as a {slot}: {reply}");
        };
        if !["code", "code of a flow"].contains(what) {
            refused("code", &w.guess(ROSA, value).await);
            refused("code of platform", &w.verify_otp(ROSA, value).await);
            refused("code of a flow", &client.validate(w, &flow, value.as_str()).await);
        }
        refused("password", &w.sign_in(ROSA, value).await);
        if *its_own != "reset" {
            refused("reset token", &w.reset(value, OTHER_PASSWORD).await);
        }
        if *its_own != "refresh" {
            refused("refresh token", &w.refresh(value).await);
        }
        if *its_own != "session" {
            refused("session", &w.me(value).await);
            refused("session of engine", &w.gateway(value, &[]).await);
            refused("session of platform", &w.status(value).await);
        }
        if *its_own != "key" {
            refused("key", &client.ask(w, "token/regenerate", json!({ "key": value })).await);
        }
        if *its_own != "flow" {
            refused("flow", &client.ask(w, "otp/generate", json!({ "sessionId": value })).await);
        }
    }
    // And each is still good for what it is for.
    w.move_on();
    w.guess(ROSA, &live).await.has(200);
    client.validate(w, &flow, in_flow).await.succeeds();
    w.refresh(&tokens.refresh).await.has(200);
    client.ask(w, "token/regenerate", json!({ "key": done.at("/auth/key") })).await.succeeds();
    w.reset(&reset, OTHER_PASSWORD).await.has(200);
}

async fn a115_a_reset_token_dies_with_every_other_way_to_a_new_password(w: &World) {
    for way in ["by itself", "a change", "a flow's code", "another token", "the host"] {
        let w = &engine_with(w, everything).await;
        w.set_password(ROSA, PASSWORD).await;
        let client = Client::web(w, ROSA);
        w.forgot(ROSA).await.has(200);
        let token = w.code_for(ROSA).await;
        let (new, both) =
            ("yet another phrase", json!({ "password": OTHER_PASSWORD, "confirmPassword": OTHER_PASSWORD }));
        match way {
            "by itself" => drop(w.reset(&token, OTHER_PASSWORD).await.has(200)),
            "a change" => {
                let access = client.log_in(w).await.at("/auth/token");
                let change = json!({
                    "token": access, "password": PASSWORD, "newPassword": OTHER_PASSWORD, "confirmPassword": OTHER_PASSWORD,
                });
                client.ask(w, "password/change", change).await.succeeds();
            }
            "a flow's code" => {
                let flow = client.open_with(w, both).await;
                let code = client.code(w, &flow).await;
                client.validate(w, &flow, code).await.succeeds();
            }
            "another token" => {
                w.forgot(ROSA).await.has(200);
                w.reset(&w.code_for(ROSA).await, OTHER_PASSWORD).await.has(200);
            }
            _ => {
                w.set_password(ROSA, OTHER_PASSWORD).await;
                let id = w.user(ROSA).await.id;
                assert!(w.gate().engine().user_changed(w.tenant(), &id, &[]).await.is_ok());
            }
        }
        // Long before its end, and more than once.
        for _ in 0..2 {
            w.reset(&token, new).await.is(401, r#"{"error":"Invalid or expired token"}"#);
        }
        w.sign_in(ROSA, new).await.has(401);
        w.sign_in(ROSA, OTHER_PASSWORD).await.has(200);
    }
}

async fn i13_an_address_has_one_cap_of_messages_over_all_routes(w: &World) {
    let w = &engine_with(w, |s| s.platform()).await;
    let (client, began) = (Client::web(w, ROSA), w.now());
    let mut sent: Vec<u64> = Vec::new();
    // A day of asking on every route in turn, each time from another address: at first as fast as anything is let through.
    for minute in (0..3 * 60).step_by(12).chain((3 * 60..24 * 60).step_by(180)) {
        w.set_clock(began.plus(std::time::Duration::from_secs(minute * 60)));
        for route in 0..4 {
            w.move_on();
            let before = w.mails().await.len();
            match (minute / 12 + route) % 4 {
                0 => drop(w.ask_code(ROSA).await),
                1 => drop(w.ask_otp(ROSA).await),
                2 => drop(w.forgot(ROSA).await),
                _ => {
                    let flow = client.open(w).await;
                    client.ask(w, "otp/generate", json!({ "sessionId": flow })).await;
                }
            }
            let more = w.mails().await.len() - before;
            sent.extend(std::iter::repeat_n(minute, more));
        }
    }
    let most = |span| sent.iter().map(|from| sent.iter().filter(|at| (*from..from + span).contains(*at)).count()).max();
    assert_eq!((most(1), most(60), sent.len()), (Some(3), Some(10), 20));
    assert!(w.mails().await.iter().all(|mail| mail.to == ROSA));
}
