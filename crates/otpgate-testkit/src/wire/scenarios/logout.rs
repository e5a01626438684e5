//! W047-W053: logging out, and the other ends of a session.

use serde_json::json;

use super::list;
use crate::wire::people::{A, B};
use crate::wire::{LOGOUT, REFRESH, Request, Tokens, World};

list![
    w047_logout_answers_200_without_data,
    w048_a_logout_body_is_an_empty_object_or_nothing,
    w049_logout_without_a_good_token_is_401,
    w050_after_logout_the_token_is_refused_everywhere_at_once,
    w051_after_logout_the_refresh_token_is_refused,
    w052_logout_ends_the_present_session_only,
    w053_a_session_ends_without_logout_too,
    a78_after_logout_other_nodes_refuse_the_token_too,
    a84_nobody_logs_another_session_out,
    q35_all_sessions_end_when_the_host_says_so,
];

async fn w047_logout_answers_200_without_data(w: &World) {
    let token = w.log_in(A).await.access;
    w.log_out(&token).await.is(200, r#"{"status":true,"message":"OK"}"#);
}

async fn w048_a_logout_body_is_an_empty_object_or_nothing(w: &World) {
    let logout = |token: &str| Request::new("POST", LOGOUT).token(token);
    let [a, b, c] = [w.log_in(A).await.access, w.log_in(A).await.access, w.log_in(A).await.access];
    w.call(logout(&a).header("content-type", "application/json").body("{}")).await.has(200);
    w.call(logout(&b)).await.has(200);
    w.call(logout(&c).header("content-type", "application/json")).await.has(200);
    let d = w.log_in(B).await.access;
    for bad in ["[]", "null", "{", "x"] {
        w.call(logout(&d).header("content-type", "application/json").body(bad))
            .await
            .fails(400, "Invalid request: body");
    }
    w.call(logout(&d).body("{}")).await.fails(415, "Unsupported media type");
    w.me(&d).await.has(200);
    let extra = logout(&d).header("content-type", "application/json").body(r#"{"reason":"tired"}"#);
    w.call(extra).await.has(200);
    w.me(&d).await.has(401);
}

async fn w049_logout_without_a_good_token_is_401(w: &World) {
    let constant = w.post(LOGOUT, "{}").await;
    constant.fails(401, "Not authenticated");
    let gone = w.log_in(A).await.access;
    w.log_out(&gone).await.has(200);
    let expired = w.log_in(A).await.access;
    w.advance(900);
    let mut forged = w.log_in(A).await.access;
    forged.replace_range(forged.len() - 4.., "AAAA");
    for token in [gone.as_str(), &expired, &forged, "", "x", "a.b.c", "Bearer x"] {
        assert_eq!(w.log_out(token).await, constant, "{token}");
    }
}

async fn w050_after_logout_the_token_is_refused_everywhere_at_once(w: &World) {
    let token = w.log_in(A).await.access;
    w.me(&token).await.has(200);
    w.log_out(&token).await.has(200);
    w.me(&token).await.fails(401, "Not authenticated");
    w.call(Request::json("/me", &json!({})).token(&token)).await.fails(401, "Not authenticated");
    w.call(Request::new("GET", "/maybe").token(&token)).await.fails(401, "Not authenticated");
    w.log_out(&token).await.fails(401, "Not authenticated");
    // And it stays so, also when the tombstone is gone.
    for _ in 0..3 {
        w.advance(86_400);
        w.me(&token).await.has(401);
    }
}

async fn w051_after_logout_the_refresh_token_is_refused(w: &World) {
    let tokens = w.log_in(A).await;
    let next = Tokens::of(&w.refresh(&tokens.refresh).await);
    w.log_out(&next.access).await.has(200);
    // The one before it too, though it is within its grace.
    w.refresh(&tokens.refresh).await.fails(401, "Not authenticated");
    w.refresh(&next.refresh).await.fails(401, "Not authenticated");
}

async fn w052_logout_ends_the_present_session_only(w: &World) {
    let (phone, laptop, other) = (w.log_in(A).await, w.log_in(A).await, w.log_in(B).await);
    w.log_out(&phone.access).await.has(200);
    w.me(&phone.access).await.has(401);
    for kept in [&laptop, &other] {
        w.me(&kept.access).await.has(200);
        w.refresh(&kept.refresh).await.has(200);
    }
}

async fn w053_a_session_ends_without_logout_too(w: &World) {
    const DAY: u64 = 86_400;
    let tokens = w.log_in(A).await;
    w.advance(900);
    w.me(&tokens.access).await.has(401);
    w.advance(14 * DAY - 900);
    w.refresh(&tokens.refresh).await.has(401);
    // The host's own numbers are kept to the millisecond.
    let brief = w
        .another(|s| {
            s.policy(|p| {
                let profile = otpgate_core::Profile::Identity;
                let seconds = std::time::Duration::from_secs;
                p.access_ttl(profile, seconds(10))
                    .session_idle(profile, seconds(20))
                    .session_absolute(profile, seconds(30))
            })
        })
        .await;
    let mut tokens = brief.log_in(A).await;
    brief.advance_ms(9_999);
    brief.me(&tokens.access).await.has(200);
    brief.advance_ms(10_000);
    brief.me(&tokens.access).await.has(401);
    tokens = Tokens::of(&brief.refresh(&tokens.refresh).await);
    brief.advance_ms(10_000);
    // 29.999 s after the login: one last millisecond.
    brief.refresh(&tokens.refresh).await.has(200);
    let idle = brief.log_in(B).await;
    brief.advance_ms(20_000);
    brief.refresh(&idle.refresh).await.has(401);
}

async fn a78_after_logout_other_nodes_refuse_the_token_too(w: &World) {
    let other = w.node(|s| s).await;
    let tokens = w.log_in(A).await;
    other.me(&tokens.access).await.has(200);
    w.log_out(&tokens.access).await.has(200);
    w.advance(1);
    other.me(&tokens.access).await.has(401);
    other.refresh(&tokens.refresh).await.has(401);
    let tokens = other.log_in(A).await;
    w.me(&tokens.access).await.has(200);
    let next = Tokens::of(&w.refresh(&tokens.refresh).await);
    other.me(&next.access).await.has(200);
}

async fn a84_nobody_logs_another_session_out(w: &World) {
    let (mine, yours) = (w.log_in(A).await, w.log_in(B).await);
    let sid = yours.refresh.split('.').next().unwrap_or_default().to_owned();
    let body =
        json!({ "sid": sid, "sessionId": sid, "auth-token": yours.access, "refreshToken": yours.refresh, "email": B });
    w.call(Request::json(LOGOUT, &body).token(&mine.access)).await.has(200);
    w.me(&mine.access).await.has(401);
    w.me(&yours.access).await.has(200);
    let path = format!("{LOGOUT}?sessionId={sid}&auth-token={}", yours.access);
    w.call(Request::post(&path, "{}")).await.fails(401, "Not authenticated");
    w.call(Request::post(&format!("{LOGOUT}/{sid}"), "{}").token(&yours.access)).await.has(404);
    w.call(Request::json(REFRESH, &json!({ "refreshToken": mine.refresh, "sid": sid }))).await.has(401);
    w.me(&yours.access).await.has(200);
}

async fn q35_all_sessions_end_when_the_host_says_so(w: &World) {
    let (one, two, other) = (w.log_in(A).await, w.log_in(A).await, w.log_in(B).await);
    let code = w.send(A).await;
    let caller = otpgate_core::engine::Caller::new(otpgate_core::Profile::Identity, w.tenant().clone());
    let Ok(id) = otpgate_core::UserId::new(crate::wire::people::A_ID) else { panic!("no id") };
    assert!(w.gate().engine().revoke_all(&caller, &id).await.is_ok());
    for tokens in [&one, &two] {
        w.me(&tokens.access).await.has(401);
        w.refresh(&tokens.refresh).await.has(401);
    }
    // An open code dies too (R44).
    w.guess(A, &code).await.fails(401, "Invalid or expired code");
    w.me(&other.access).await.has(200);
    w.advance(60);
    let again = w.log_in(A).await;
    w.me(&again.access).await.has(200);
}
