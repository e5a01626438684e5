//! What is known and what is not, answered alike on every route that conceals; and a reset that races what it ends.

use serde_json::{Value, json};

use super::list;
use crate::wire::people::A;
use crate::wire::{REFRESH, Reply, Request, SEND, World};

list![
    q42_w010_w061_w077_known_and_unknown_are_answered_byte_for_byte_alike;
    racing: i10_a80_a_reset_wins_against_all_that_the_old_password_opened
];

const HOUR: u64 = 3_600;
const OLD: &str = "correct horse battery staple";
const NEW: &str = "a new long passphrase";
/// As long as [`A`], and nobody's.
const X: &str = "x@example.com";

/// A reply in which what was echoed, and what is random for everybody, has a name in its place.
fn plain(reply: &Reply, email: &str) -> (u16, Vec<(String, String)>, String) {
    let mut body = reply.text().replace(email, "EMAIL");
    for random in [reply.at("/auth/token"), reply.at("/user/sessionId")] {
        if !random.is_empty() {
            body = body.replace(&random, &"R".repeat(random.len()));
        }
    }
    (reply.status, reply.headers.clone(), body)
}

/// A request for a credential of each kind and a wrong guess at it, in `identity` and `platform`.
async fn by_address(w: &World, email: &str) -> Vec<Reply> {
    let platform = w.tenant().as_str();
    let ask = |path: String, body: Value| w.call(Request::json(&path, &body));
    let api = |route: &str| format!("/api/user/{route}");
    w.move_on();
    let mut replies = vec![ask(w.path(SEND), json!({ "email": email })).await];
    replies.push(w.guess(email, &wrong_code(w).await).await);
    replies
        .push(ask(api("signin"), json!({ "email": email, "password": "not the one", "PlatformId": platform })).await);
    replies.push(ask(api("signin-otp"), json!({ "email": email, "PlatformId": platform })).await);
    let wrong = wrong_code(w).await;
    replies.push(ask(api("verify-otp"), json!({ "email": email, "otp": wrong, "PlatformId": platform })).await);
    replies.push(ask(api("forgot-password"), json!({ "email": email, "PlatformId": platform })).await);
    replies
}

/// The same within a flow.
async fn by_flow(w: &World, email: &str) -> Vec<Reply> {
    let ids = json!({ "identifierType": "EMAIL", "identifierValue": email, "brand": w.tenant().as_str() });
    let ask = async |route: &str, fields: Value| {
        let mut body = ids.clone();
        fields.as_object().into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        w.call(Request::json(&format!("/auth/v1/web/{route}"), &body)).await
    };
    let opened = ask("token/generate", json!({})).await;
    let flow = opened.at("/user/sessionId");
    let mut replies = vec![opened, ask("otp/generate", json!({ "sessionId": flow })).await];
    let wrong = wrong_code(w).await;
    replies.push(ask("otp/validate", json!({ "sessionId": flow, "otp": wrong })).await);
    replies.push(ask("password/validate", json!({ "sessionId": flow, "password": "not the one" })).await);
    let kept = json!({ "sessionId": flow, "password": NEW, "confirmPassword": NEW });
    replies.push(ask("password/forget", kept).await);
    replies
}

/// No code that was sent of late; the same for the known address and the unknown one.
async fn wrong_code(w: &World) -> String {
    let codes: Vec<String> =
        w.mails().await.into_iter().rev().map(|m| m.code).filter(|c| c.len() == 6).take(4).collect();
    let free = (0..10).map(|n| n.to_string().repeat(6)).find(|code| !codes.contains(code));
    free.unwrap_or_default()
}

async fn q42_w010_w061_w077_known_and_unknown_are_answered_byte_for_byte_alike(w: &World) {
    let w = &w.another(|s| s.platform().engine(|e| e)).await;
    w.set_password(A, OLD).await;
    let mut refused = 0;
    for n in 0..w.rounds(100) {
        // Some rounds come so fast that limits, locks and closed slots are met too.
        w.advance(if n % 7 < 3 { 60 } else { 3 * HOUR });
        let mut pairs = vec![(by_address(w, A).await, by_address(w, X).await)];
        w.advance(1);
        pairs.push((by_flow(w, A).await, by_flow(w, X).await));
        for (known, unknown) in pairs.iter().flat_map(|(known, unknown)| known.iter().zip(unknown)) {
            assert_eq!(plain(known, A), plain(unknown, X), "round {n}");
            refused += usize::from(known.header("retry-after").is_some());
        }
    }
    assert!(refused > 0, "no limit was met");
    assert!(w.mails().await.iter().all(|m| m.to == A));
}

async fn i10_a80_a_reset_wins_against_all_that_the_old_password_opened(w: &World) {
    let w = &w.another(|s| s.platform().real_chance().policy(|p| p.insecure_without_send_limits())).await;
    for _ in 0..w.rounds(40) {
        w.advance(25 * HOUR);
        w.set_password(A, OLD).await;
        w.move_on();
        let held = w.log_in(A).await;
        let platform = w.tenant().as_str();
        let forgot = Request::json("/api/user/forgot-password", &json!({ "email": A, "PlatformId": platform }));
        w.call(forgot).await.has(200);
        let token = w.code_for(A).await;
        let reset = Request::json("/api/user/reset-password", &json!({ "token": token, "password": NEW }));
        let sign_in =
            Request::json("/api/user/signin", &json!({ "email": A, "password": OLD, "PlatformId": platform }));
        let refresh = Request::json(&w.path(REFRESH), &json!({ "refreshToken": held.refresh }));
        let mut race = vec![reset];
        race.extend(std::iter::repeat_n(refresh, 4));
        race.extend(std::iter::repeat_n(sign_in.clone(), 3));
        w.move_on();
        let replies = w.burst(race).await;
        replies[0].has(200);
        // Whatever the old credentials opened or renewed beside the reset is dead now.
        let header = |token: String| Request::new("GET", "/me").header("token", token);
        w.me(&held.access).await.has(401);
        for renewed in replies[1..5].iter().filter(|r| r.status == 200) {
            w.me(&renewed.at("/data/token")).await.has(401);
            w.refresh(&renewed.at("/data/refreshToken")).await.has(401);
        }
        for opened in replies[5..].iter().filter(|r| r.status == 200) {
            w.call(header(opened.at("/token"))).await.has(401);
        }
        w.move_on();
        w.call(sign_in).await.has(401);
    }
}
