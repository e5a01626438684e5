//! W042-W045: refresh tokens.

use serde_json::json;

use super::list;
use crate::wire::people::{A, A_ID, B};
use crate::wire::{REFRESH, Tokens, World};
use otpgate_core::EventKind;

list![
    w042_a_refresh_token_gets_a_new_jwt_when_the_old_one_has_expired,
    w043_a_refresh_works_before_expiry_too,
    w044_a_used_refresh_token_ends_the_session,
    w044_a_lost_reply_can_be_asked_for_again_within_ten_seconds,
    w044_no_grandparent_is_forgiven,
    w045_a_bad_refresh_token_is_401_and_ends_nothing,
    w045_an_expired_or_revoked_refresh_token_is_401,
    r10_a_refresh_reads_the_user_anew,
    a82_a_stolen_refresh_token_ends_the_session_of_both,
    r07_refresh_needs_the_token_as_a_string,
];

async fn w042_a_refresh_token_gets_a_new_jwt_when_the_old_one_has_expired(w: &World) {
    let old = w.log_in(A).await;
    w.advance_ms(899_999);
    w.me(&old.access).await.has(200);
    w.advance_ms(1);
    w.me(&old.access).await.fails(401, "Not authenticated");
    let reply = w.refresh(&old.refresh).await;
    let new = Tokens::of(&reply);
    let body = format!(
        r#"{{"status":true,"data":{{"token":"{}","refreshToken":"{}"}},"message":"OK"}}"#,
        new.access, new.refresh
    );
    reply.is(200, &body);
    assert!(new.access != old.access && new.refresh != old.refresh);
    w.me(&new.access).await.has(200);
    w.advance_ms(899_999);
    w.me(&new.access).await.has(200);
    w.advance_ms(1);
    w.me(&new.access).await.has(401);
}

async fn w043_a_refresh_works_before_expiry_too(w: &World) {
    let old = w.log_in(A).await;
    w.advance(890);
    let new = Tokens::of(&w.refresh(&old.refresh).await);
    // The old access token is the same session's and lives to its own end.
    w.me(&old.access).await.has(200);
    w.advance(10);
    w.me(&old.access).await.has(401);
    w.me(&new.access).await.has(200);
    // At once after the login as well.
    let fresh = w.log_in(A).await;
    w.refresh(&fresh.refresh).await.has(200);
}

async fn w044_a_used_refresh_token_ends_the_session(w: &World) {
    let first = w.log_in(A).await;
    let bystander = w.log_in(A).await;
    let second = Tokens::of(&w.refresh(&first.refresh).await);
    w.advance_ms(10_000);
    w.refresh(&first.refresh).await.fails(401, "Not authenticated");
    w.refresh(&second.refresh).await.fails(401, "Not authenticated");
    w.me(&first.access).await.has(401);
    w.me(&second.access).await.has(401);
    w.me(&bystander.access).await.has(200);
    w.refresh(&bystander.refresh).await.has(200);
    assert_eq!(w.events().all().iter().filter(|e| e.kind == EventKind::RefreshReused).count(), 1);
}

async fn w044_a_lost_reply_can_be_asked_for_again_within_ten_seconds(w: &World) {
    let first = w.log_in(A).await;
    let second = Tokens::of(&w.refresh(&first.refresh).await);
    w.advance_ms(9_999);
    for _ in 0..3 {
        let again = Tokens::of(&w.refresh(&first.refresh).await);
        assert_eq!(again.refresh, second.refresh, "the same successor");
        w.me(&again.access).await.has(200);
    }
    let third = Tokens::of(&w.refresh(&second.refresh).await);
    w.refresh(&third.refresh).await.has(200);
    // Turned off, there is no second chance.
    let strict = w.another(|s| s.policy(|p| p.refresh_grace(std::time::Duration::ZERO))).await;
    let first = strict.log_in(A).await;
    let second = Tokens::of(&strict.refresh(&first.refresh).await);
    strict.refresh(&first.refresh).await.has(401);
    strict.refresh(&second.refresh).await.has(401);
}

async fn w044_no_grandparent_is_forgiven(w: &World) {
    let first = w.log_in(A).await;
    let second = Tokens::of(&w.refresh(&first.refresh).await);
    let third = Tokens::of(&w.refresh(&second.refresh).await);
    w.refresh(&first.refresh).await.fails(401, "Not authenticated");
    for dead in [&second, &third] {
        w.refresh(&dead.refresh).await.has(401);
        w.me(&dead.access).await.has(401);
    }
}

async fn w045_a_bad_refresh_token_is_401_and_ends_nothing(w: &World) {
    let tokens = w.log_in(A).await;
    let parts: Vec<&str> = tokens.refresh.split('.').collect();
    let [sid, n, mac] = parts[..] else { panic!("not sid.n.mac: {}", tokens.refresh) };
    let other = w.log_in(B).await.refresh;
    let other_mac = other.rsplit('.').next().unwrap_or_default();
    let flipped: String = mac.chars().rev().collect();
    let bad = [
        String::new(),
        "nonsense".into(),
        format!("{sid}.{n}.{other_mac}"),
        format!("{sid}.{n}.{flipped}"),
        format!("{sid}.2.{mac}"),
        format!("{sid}.0.{mac}"),
        format!("{sid}.01.{mac}"),
        format!("{sid}.+1.{mac}"),
        format!("{sid}.4294967296.{mac}"),
        format!("{sid}.{n}.{mac}="),
        format!("{sid}.{n}.{mac}."),
        format!(" {}", tokens.refresh),
        format!("{}\n", tokens.refresh),
        format!("{sid}.{n}"),
        format!("{sid}.{n}."),
        "x".repeat(4_000),
    ];
    for token in bad {
        w.refresh(&token).await.fails(401, "Not authenticated");
    }
    // Who knows a session's id cannot end it.
    w.me(&tokens.access).await.has(200);
    w.refresh(&tokens.refresh).await.has(200);
}

async fn w045_an_expired_or_revoked_refresh_token_is_401(w: &World) {
    const DAY: u64 = 86_400;
    let idle = w.log_in(A).await;
    w.advance_ms(14 * DAY * 1_000 - 1);
    let kept = Tokens::of(&w.refresh(&idle.refresh).await);
    w.advance(14 * DAY);
    w.refresh(&kept.refresh).await.fails(401, "Not authenticated");
    w.advance_ms(1);
    // However often it is used, after 30 days it is over, and no access token lives longer.
    let mut tokens = w.log_in(B).await;
    for _ in 0..2 {
        w.advance(10 * DAY);
        tokens = Tokens::of(&w.refresh(&tokens.refresh).await);
    }
    w.advance(10 * DAY - 60);
    tokens = Tokens::of(&w.refresh(&tokens.refresh).await);
    w.advance_ms(59_999);
    w.me(&tokens.access).await.has(200);
    w.advance_ms(1);
    w.me(&tokens.access).await.has(401);
    w.refresh(&tokens.refresh).await.fails(401, "Not authenticated");
    let revoked = w.log_in(A).await;
    w.log_out(&revoked.access).await.has(200);
    w.refresh(&revoked.refresh).await.fails(401, "Not authenticated");
}

async fn r10_a_refresh_reads_the_user_anew(w: &World) {
    let first = w.log_in(A).await;
    let (directory, tenant) = (w.directory().users(), w.tenant());
    let Ok(id) = otpgate_core::UserId::new(A_ID) else { panic!("no id") };
    let Ok(Some(mut user)) = otpgate_core::Directory::get(directory, tenant, &id).await else { panic!("no user") };
    user.roles = vec!["reader".into()];
    user.organization = "org-9".into();
    assert!(directory.replace(tenant, &user).await.is_ok());
    assert_eq!(w.me(&first.access).await.value()["roles"], json!(["admin", "editor"]));
    let second = Tokens::of(&w.refresh(&first.refresh).await);
    let me = w.me(&second.access).await.value();
    assert_eq!((&me["roles"], &me["organization"]), (&json!(["reader"]), &json!("org-9")));
    // Whoever may have no sessions any more gets no new token, and 403 since the token is good.
    user.admitted = false;
    assert!(directory.replace(tenant, &user).await.is_ok());
    w.refresh(&second.refresh).await.fails(403, "Forbidden");
}

async fn a82_a_stolen_refresh_token_ends_the_session_of_both(w: &World) {
    let victim = w.log_in(A).await;
    let thief = Tokens::of(&w.refresh(&victim.refresh).await);
    let thief = Tokens::of(&w.refresh(&thief.refresh).await);
    w.refresh(&victim.refresh).await.fails(401, "Not authenticated");
    for tokens in [&victim, &thief] {
        w.me(&tokens.access).await.has(401);
        w.refresh(&tokens.refresh).await.has(401);
    }
    assert!(w.events().all().iter().any(|e| e.kind == EventKind::RefreshReused), "somebody can be told");
}

async fn r07_refresh_needs_the_token_as_a_string(w: &World) {
    for body in
        [json!({}), json!({ "refreshToken": null }), json!({ "refreshToken": 1 }), json!({ "refresh_token": "x" })]
    {
        w.post(REFRESH, body.to_string()).await.fails(400, "Invalid request: refreshToken");
    }
}
