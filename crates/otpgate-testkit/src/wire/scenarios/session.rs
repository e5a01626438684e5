//! W033, W046, W050-W057: sessions in use, on routes of the host.

use serde_json::json;

use super::list;
use crate::wire::people::{A, A_ID, B};
use crate::wire::{AVAILABILITY, LOGIN, LOGOUT, REFRESH, ROUTES, Request, SEND, Tokens, World};

list![
    w033_the_organization_header_chooses_among_the_users_own,
    w046_no_secret_is_in_an_error,
    w055_all_routes_stand_under_a_prefix,
    w056_the_token_header_is_read_in_any_case_and_never_twice,
    w057_the_vendors_other_headers_disturb_nothing,
    a36_a_presented_session_ends_with_a_new_login,
    a67_two_credentials_are_never_a_silent_choice,
    a83_the_claim_decides_the_tenant_and_not_a_header,
    a85_the_oldest_of_too_many_sessions_ends,
    a87_a_token_in_the_query_is_not_read,
    r11_bearer_is_read_when_the_host_turns_it_on,
    r35_an_absent_credential_is_told_from_a_bad_one,
];

fn me_at(organization: &str) -> String {
    format!(r#"{{"userId":"{A_ID}","tenant":"default","organization":"{organization}","roles":["admin","editor"]}}"#)
}

async fn w033_the_organization_header_chooses_among_the_users_own(w: &World) {
    let token = w.log_in(A).await.access;
    let me = |organization: &str| Request::new("GET", "/me").token(&token).header("organization-id", organization);
    w.me(&token).await.is(200, &me_at("org-1"));
    w.call(me("org-1")).await.is(200, &me_at("org-1"));
    w.call(me("org-2")).await.is(200, &me_at("org-2"));
    for foreign in ["org-3", "ORG-1", "org-1 x", "", "org-1,org-2", "*"] {
        w.call(me(foreign)).await.fails(403, "Forbidden");
    }
    w.call(me("org-1").header("organization-id", "org-1")).await.fails(403, "Forbidden");
    w.call(me("org-1").header("organization-id", "org-3")).await.fails(403, "Forbidden");
    w.call(Request::new("GET", "/maybe").token(&token).header("organization-id", "org-3"))
        .await
        .fails(403, "Forbidden");
    // It is nothing without a session.
    w.call(Request::new("GET", "/me").header("organization-id", "org-1")).await.fails(401, "Not authenticated");
    // The default organisation counts though the list of organisations leaves it out.
    let token = w.log_in(B).await.access;
    let me = |organization: &str| Request::new("GET", "/me").token(&token).header("organization-id", organization);
    w.call(me("org-3")).await.has(200);
    w.call(me("org-1")).await.fails(403, "Forbidden");
}

async fn w046_no_secret_is_in_an_error(w: &World) {
    let tokens = w.log_in(A).await;
    let code = w.send(A).await;
    let secrets = [tokens.access.as_str(), &tokens.refresh, &code];
    let bad = [
        w.post(LOGIN, format!(r#"{{"email":"{A}","password":"{code}"}}"#)).await,
        w.post(LOGIN, format!(r#"{{"email":"{A}","password":"{code}x","isOTP":true}}"#)).await,
        w.post(LOGIN, format!(r#"{{"email":"{code}","password":"{code}","isOTP":true}}"#)).await,
        w.post(REFRESH, format!(r#"{{"refreshToken":"{}x"}}"#, tokens.refresh)).await,
        w.post(REFRESH, format!(r#"{{"refresh":"{}"}}"#, tokens.refresh)).await,
        w.post(REFRESH, format!(r#"["{}"]"#, tokens.refresh)).await,
        w.log_out(&format!("{}x", tokens.access)).await,
        w.me(&format!("{}x", tokens.access)).await,
        w.call(Request::new("GET", "/me").token(&tokens.access).header("organization-id", "x")).await,
    ];
    for reply in bad {
        assert!(reply.status >= 400, "{reply}");
        assert!(secrets.iter().all(|s| !reply.to_string().contains(s)), "{reply}");
    }
    let told = format!("{:?} {:?} {:?}", w.events().all(), w.gate(), w.gate().engine());
    assert!(secrets.iter().all(|s| !told.contains(s)), "{told}");
}

async fn w055_all_routes_stand_under_a_prefix(w: &World) {
    let w = &w.another(|s| s.identity(|i| i.prefix("/api/outer-bridge"))).await;
    assert_eq!(w.path(SEND), "/api/outer-bridge/identity/user/otp/email");
    w.check(A).await.has(200);
    let tokens = w.log_in(A).await;
    let tokens = Tokens::of(&w.refresh(&tokens.refresh).await);
    w.me(&tokens.access).await.has(200);
    w.log_out(&tokens.access).await.has(200);
    for route in ROUTES {
        w.call(Request::post(route, "{}")).await.has(404);
    }
    let own = w.another(|s| s.identity(|i| i.prefix("/x").refresh_path("/auth/renew"))).await;
    let tokens = own.log_in(A).await;
    let renew = Request::json("/x/auth/renew", &json!({ "refreshToken": tokens.refresh }));
    own.call(renew).await.has(200);
    own.call(Request::post(&own.path(REFRESH), "{}")).await.has(404);
}

async fn w056_the_token_header_is_read_in_any_case_and_never_twice(w: &World) {
    let token = w.log_in(A).await.access;
    for name in ["auth-token", "Auth-Token", "AUTH-TOKEN"] {
        w.call(Request::new("GET", "/me").header(name, token.as_str())).await.has(200);
    }
    let twice = Request::new("GET", "/me").token(&token).token(&token);
    w.call(twice).await.fails(401, "Not authenticated");
    let twice = Request::post(LOGOUT, "{}").token(&token).token(&token);
    w.call(twice).await.fails(400, "Invalid request: auth-token");
    let listed = format!("{token}, {token}");
    w.me(&listed).await.has(401);
    w.me(&token).await.has(200);
}

async fn w057_the_vendors_other_headers_disturb_nothing(w: &World) {
    let dressed = |request: Request| {
        request
            .header("x-aui-client", "AUI")
            .header("x-aui-environment", "staging")
            .header("x-aui-origin", "stores")
            .header("account-id", "acc-1")
            .header("organization-id", "org-unknown")
            .header("x-trace-id", "3f0c8a3e-8f0e-4b7e-9d55-0c2c8f4d1a11")
    };
    w.call(dressed(Request::json(AVAILABILITY, &json!({ "email": A })))).await.has(200);
    w.call(dressed(Request::json(SEND, &json!({ "email": A })))).await.has(200);
    let code = w.code_for(A).await;
    let tokens = Tokens::of(&w.call(dressed(w.guess_of(A, &code))).await);
    let renew = Request::json(REFRESH, &json!({ "refreshToken": tokens.refresh }));
    let tokens = Tokens::of(&w.call(dressed(renew)).await);
    w.call(dressed(Request::post(LOGOUT, "{}").token(&tokens.access))).await.has(200);
}

async fn a36_a_presented_session_ends_with_a_new_login(w: &World) {
    let old = w.log_in(A).await;
    let other = w.log_in(B).await;
    let code = w.send(A).await;
    let body = json!({ "email": A, "password": code, "isOTP": true, "sessionId": "chosen", "sid": "chosen" });
    let new = Tokens::of(&w.call(Request::json(LOGIN, &body).token(&old.access)).await);
    w.me(&old.access).await.has(401);
    w.refresh(&old.refresh).await.has(401);
    w.me(&new.access).await.has(200);
    let sid = |token: &str| token.split('.').next().unwrap_or_default().to_owned();
    assert_ne!(sid(&old.refresh), sid(&new.refresh), "a new login has a new session");
    // A failed login ends nothing, and a bad token hinders no login.
    w.call(w.guess_of(A, "000000").token(&new.access)).await.has(401);
    w.me(&new.access).await.has(200);
    let code = w.send(A).await;
    Tokens::of(&w.call(w.guess_of(A, &code).token("x.y.z")).await);
    w.me(&other.access).await.has(200);
}

async fn a67_two_credentials_are_never_a_silent_choice(w: &World) {
    let w = &w.another(|s| s.gate(otpgate_http::GateBuilder::bearer)).await;
    let (a, b) = (w.log_in(A).await.access, w.log_in(B).await.access);
    let bearer = |token: &str| format!("Bearer {token}");
    for (one, two) in [(&a, &b), (&a, &a)] {
        let both = Request::new("GET", "/me").token(one).header("authorization", bearer(two));
        w.call(both).await.fails(401, "Not authenticated");
        let twice =
            Request::new("GET", "/me").header("authorization", bearer(one)).header("authorization", bearer(two));
        w.call(twice).await.fails(401, "Not authenticated");
        let out = Request::post(LOGOUT, "{}").token(one).header("authorization", bearer(two));
        w.call(out).await.fails(400, "Invalid request: auth-token");
    }
    // Nor is a wrong pair a login: the standard routes that read no token refuse it as well.
    let code = w.send(A).await;
    w.call(w.guess_of(A, &code).token(&a).token(&b)).await.has(400);
    w.guess(A, &code).await.has(200);
    for token in [&a, &b] {
        w.me(token).await.has(200);
    }
}

async fn a83_the_claim_decides_the_tenant_and_not_a_header(w: &World) {
    let Ok(tenant) = otpgate_core::Tenant::new("t2") else { panic!("no tenant") };
    let two = w.node(|s| s.tenant(tenant)).await;
    let (here, there) = (w.log_in(A).await, two.log_in(A).await);
    let me =
        |token: &str| Request::new("GET", "/me").token(token).header("organization-id", "t2").header("tenant", "t2");
    w.call(me(&here.access)).await.fails(403, "Forbidden");
    let told = |token: &str| Request::new("GET", "/me").token(token);
    assert_eq!(w.call(told(&here.access)).await.at("/tenant"), "default");
    assert_eq!(two.call(told(&there.access)).await.at("/tenant"), "t2");
    // A refresh token belongs to its tenant's routes.
    two.refresh(&here.refresh).await.fails(401, "Not authenticated");
    w.refresh(&there.refresh).await.fails(401, "Not authenticated");
    w.refresh(&here.refresh).await.has(200);
    two.refresh(&there.refresh).await.has(200);
}

async fn a85_the_oldest_of_too_many_sessions_ends(w: &World) {
    let w = &w.another(|s| s.policy(|p| p.insecure_without_send_limits())).await;
    let mut all = Vec::new();
    for _ in 0..23 {
        w.move_on();
        w.advance(1);
        all.push(w.log_in(A).await);
    }
    for (i, tokens) in all.iter().enumerate() {
        let status = if i < 3 { 401 } else { 200 };
        w.me(&tokens.access).await.has(status);
    }
    w.refresh(&all[0].refresh).await.has(401);
    w.log_in(B).await;
    w.refresh(&all[3].refresh).await.has(200);
}

async fn a87_a_token_in_the_query_is_not_read(w: &World) {
    let tokens = w.log_in(A).await;
    for name in ["auth-token", "token", "access_token", "authToken", "authorization"] {
        let path = format!("/me?{name}={}", tokens.access);
        w.call(Request::new("GET", &path)).await.fails(401, "Not authenticated");
    }
    let code = w.send(A).await;
    let path = format!("{LOGIN}?email={A}&password={code}&isOTP=true");
    w.call(Request::post(&path, "{}")).await.fails(400, "Invalid request: email");
    w.guess(A, &code).await.has(200);
}

async fn r11_bearer_is_read_when_the_host_turns_it_on(w: &World) {
    let token = w.log_in(A).await.access;
    let bearer =
        |scheme: &str, token: &str| Request::new("GET", "/me").header("authorization", format!("{scheme}{token}"));
    w.call(bearer("Bearer ", &token)).await.fails(401, "Not authenticated");
    w.me(&format!("Bearer {token}")).await.has(401);
    // Without the switch the header is the host's own and no credential of ours.
    w.call(bearer("Basic ", "x").token(&token)).await.has(200);
    let open = w.another(|s| s.gate(otpgate_http::GateBuilder::bearer)).await;
    let token = open.log_in(A).await.access;
    open.call(bearer("Bearer ", &token)).await.has(200);
    open.call(bearer("bearer ", &token)).await.has(200);
    open.me(&token).await.has(200);
    for (scheme, token) in [("Bearer  ", token.as_str()), ("Bearer ", "x"), ("Bearer ", "")] {
        open.call(bearer(scheme, token)).await.fails(401, "Not authenticated");
    }
    open.call(bearer("Basic ", "x").token(&token)).await.has(200);
    let out = Request::post(LOGOUT, "{}").header("authorization", format!("Bearer {token}"));
    open.call(out).await.has(200);
    open.me(&token).await.has(401);
}

async fn r35_an_absent_credential_is_told_from_a_bad_one(w: &World) {
    let token = w.log_in(A).await.access;
    let maybe = Request::new("GET", "/maybe");
    w.call(maybe.clone()).await.is(200, r#"{"userId":null}"#);
    w.call(maybe.clone().token(&token)).await.is(200, &format!(r#"{{"userId":"{A_ID}"}}"#));
    for bad in ["", "x", "a.b.c"] {
        w.call(maybe.clone().token(bad)).await.fails(401, "Not authenticated");
    }
    w.call(maybe.header("auth-token", vec![0xff, 0xfe])).await.fails(401, "Not authenticated");
    w.call(Request::new("GET", "/me")).await.fails(401, "Not authenticated").with("cache-control", "no-store");
    w.call(Request::json("/me", &json!({})).token(&token)).await.is(200, &me_at("org-1"));
}
