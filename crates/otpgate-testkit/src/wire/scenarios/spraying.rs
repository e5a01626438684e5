//! Guessing at many accounts: the hardened policy, policies by tenant, the tenant's breaker, the hundredth failure.

use std::collections::BTreeSet;

use otpgate_core::policy::PolicyBuilder;
use otpgate_core::{Breaker, EventKind, Policy, Tenant};
use serde_json::json;

use super::list;
use crate::wire::people::{A, B, NOBODY};
use crate::wire::{Request, SEND, World, other_than};

list![
    q01_hardened_codes_are_eight_characters_typed_in_either_case,
    q45_hardened_passwords_have_fifteen_characters,
    r31_each_tenant_goes_by_its_own_policy,
    a06_q22_sixty_one_accounts_from_one_address,
    a06_q22_a_breaker_refuses_right_and_wrong_known_and_unknown_alike,
    q22_a_breaker_counts_over_nodes_and_profiles_and_opens_again,
    q22_a_passed_challenge_goes_on_while_the_breaker_refuses,
    q22_a_known_device_goes_on_while_the_breaker_refuses,
    q22_by_default_the_breaker_only_tells,
    r32_the_hundredth_failure_closes_and_a_reset_opens,
];

const HOUR: u64 = 3_600;
const TOO_MANY: &str = "Too many requests";
const WRONG: &str = "Invalid or expired code";

fn tenant(name: &str) -> Tenant {
    match Tenant::new(name) {
        Ok(tenant) => tenant,
        Err(error) => panic!("{name}: {error}"),
    }
}

fn refuse(per_hour: u64) -> impl Fn(PolicyBuilder) -> PolicyBuilder + Copy {
    move |p: PolicyBuilder| p.insecure_without_send_limits().breaker(Breaker::Refuse { per_hour })
}

/// One wrong guess at each of so many accounts, each from an address of its own.
async fn spray(w: &World, accounts: std::ops::Range<u8>) {
    let here = w.peer();
    for i in accounts {
        w.come_from([198, 51, 100, i].into());
        let email = format!("sprayed{i}@example.com");
        w.ask_code(&email).await.has(200);
        w.guess(&email, "000000").await.has(401);
    }
    w.come_from(here);
}

fn told(w: &World, kind: EventKind) -> usize {
    w.events().all().iter().filter(|e| e.kind == kind).count()
}

async fn q01_hardened_codes_are_eight_characters_typed_in_either_case(w: &World) {
    let w = &w.another(|s| s.platform().policy(PolicyBuilder::hardened)).await;
    let code = w.send(A).await;
    assert!(code.len() == 8 && code.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()), "{code}");
    assert!(!code.contains(['I', 'L', 'O', 'U']), "{code}");
    // Of the wrong length or alphabet: no guess, whatever number of them.
    for ill_formed in ["123456", "1234567U", "1234-5678", "ABCDEFGHJ", ""] {
        assert_ne!(w.guess(A, ill_formed).await.status, 200, "{ill_formed}");
    }
    let mistyped = code.strip_prefix('0').map_or_else(|| format!("0{}", &code[1..]), |rest| format!("1{rest}"));
    w.guess(A, &mistyped).await.fails(401, WRONG);
    w.guess(A, &code.to_ascii_lowercase()).await.has(200);
    w.guess(A, &code).await.fails(401, WRONG);
    let ask = json!({ "email": B, "PlatformId": w.tenant().as_str() });
    w.call(Request::json("/api/user/signin-otp", &ask)).await.has(200);
    let code = w.code_for(B).await.replace('0', "o").replace('1', "l");
    let verify = json!({ "email": B, "otp": code, "PlatformId": w.tenant().as_str() });
    w.call(Request::json("/api/user/verify-otp", &verify)).await.has(200);
}

async fn q45_hardened_passwords_have_fifteen_characters(w: &World) {
    let w = &w.another(|s| s.platform().policy(PolicyBuilder::hardened)).await;
    let ask = json!({ "email": A, "PlatformId": w.tenant().as_str() });
    w.call(Request::json("/api/user/forgot-password", &ask)).await.has(200);
    let token = w.code_for(A).await;
    let reset =
        |password: &str| Request::json("/api/user/reset-password", &json!({ "token": token, "password": password }));
    w.call(reset("fourteen chars")).await.has(400);
    w.call(reset("fifteen signs..")).await.has(200);
}

async fn r31_each_tenant_goes_by_its_own_policy(w: &World) {
    let strict = Policy::hardened();
    let w = &w.another(|s| s.platform().policies(|book| book.tenant(tenant("strict"), strict))).await;
    w.add_tenant("strict").await;
    let z = "z@example.com";
    let ask = |route: &str, platform: &str| {
        Request::json(&format!("/api/user/{route}"), &json!({ "email": z, "PlatformId": platform }))
    };
    w.call(ask("signin-otp", "strict")).await.has(200);
    let code = w.code_for(z).await;
    assert_eq!(code.len(), 8);
    assert_eq!(w.send(A).await.len(), 6, "the usual policy for the others");
    let verify = json!({ "email": z, "otp": code, "PlatformId": "strict" });
    w.call(Request::json("/api/user/verify-otp", &verify)).await.has(200);
    // A reset names no tenant: it goes by its token's.
    w.move_on();
    w.call(ask("forgot-password", "strict")).await.has(200);
    let token = w.code_for(z).await;
    for (password, status) in [("fourteen chars", 400), ("fifteen signs..", 200)] {
        let reset = json!({ "token": token, "password": password });
        w.call(Request::json("/api/user/reset-password", &reset)).await.has(status);
    }
    // A code issued under one policy is none under another, and is not made easier by it.
    let sent = w.send(B).await;
    let changed = w.node(|s| s.platform().policy(PolicyBuilder::hardened)).await;
    assert_ne!(changed.guess(B, &sent).await.status, 200);
    assert_ne!(changed.guess(B, &format!("00{sent}")).await.status, 200);
    w.guess(B, &sent).await.has(200);
}

async fn a06_q22_sixty_one_accounts_from_one_address(w: &World) {
    let w = &w.another(|s| s.policy(PolicyBuilder::insecure_without_send_limits)).await;
    let from: std::net::IpAddr = [198, 51, 100, 9].into();
    let guess = |email: &str| w.guess_of(email, "000000").from(from);
    for i in 0..60 {
        if i % 15 == 0 {
            w.advance(60);
        }
        let email = format!("sprayed{i}@example.com");
        w.ask_code(&email).await.has(200);
        w.call(guess(&email)).await.has(401);
    }
    w.advance(60);
    w.ask_code("sprayed60@example.com").await.has(200);
    w.call(guess("sprayed60@example.com")).await.fails(429, TOO_MANY);
    let right = w.send(A).await;
    w.call(w.guess_of(A, &right).from(from)).await.fails(429, TOO_MANY);
    w.guess(A, &right).await.has(200);
}

async fn a06_q22_a_breaker_refuses_right_and_wrong_known_and_unknown_alike(w: &World) {
    let w = &w.another(|s| s.policy(refuse(10))).await;
    let (a, b) = (w.send(A).await, w.send(B).await);
    w.ask_code(NOBODY).await.has(200);
    spray(w, 0..10).await;
    assert_eq!(told(w, EventKind::BreakerRefused), 0);
    let mut answers = BTreeSet::new();
    for (email, code) in [(A, a.clone()), (A, other_than(&a)), (B, other_than(&b)), (NOBODY, other_than(&b)), (B, b)] {
        let reply = w.guess(email, &code).await;
        reply.fails(429, TOO_MANY);
        answers.insert(reply.to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(told(w, EventKind::BreakerRefused), 5);
    // Another tenant on the same store goes on.
    let two = w.node(|s| s.tenant(tenant("t2")).policy(refuse(10))).await;
    two.log_in(A).await;
}

async fn q22_a_breaker_counts_over_nodes_and_profiles_and_opens_again(w: &World) {
    let w = &w.another(|s| s.platform().policy(refuse(6))).await;
    let other = w.node(|s| s.platform().policy(refuse(6))).await;
    spray(w, 0..3).await;
    spray(&other, 3..5).await;
    let verify = |email: &str, code: &str| {
        Request::json(
            "/api/user/verify-otp",
            &json!({ "email": email, "otp": code, "PlatformId": w.tenant().as_str() }),
        )
    };
    let ask = json!({ "email": NOBODY, "PlatformId": w.tenant().as_str() });
    w.call(Request::json("/api/user/signin-otp", &ask)).await.has(200);
    w.call(verify(NOBODY, "000000")).await.has(401);
    for node in [w, &other] {
        let code = node.send(A).await;
        node.guess(A, &code).await.fails(429, TOO_MANY);
        node.call(verify(A, "000000")).await.is(429, r#"{"error":"Too many requests"}"#);
        let sign_in = json!({ "email": A, "password": "some password", "PlatformId": w.tenant().as_str() });
        node.call(Request::json("/api/user/signin", &sign_in)).await.has(429);
    }
    // A new clock hour is no way round it: the one before counts by the share that a rolling hour still sees.
    w.advance(HOUR);
    let code = w.send(A).await;
    w.guess(A, &code).await.fails(429, TOO_MANY).with("retry-after", "3600");
    w.advance(1);
    w.guess(A, &code).await.has(200);
}

async fn q22_a_passed_challenge_goes_on_while_the_breaker_refuses(w: &World) {
    let w = &w
        .another(|s| s.policy(refuse(5)).gate(|g| g.challenge(|h| h.get("x-captcha").is_some_and(|v| v == "passed"))))
        .await;
    spray(w, 0..5).await;
    let code = w.send(A).await;
    let guess = |code: &str, captcha: &str| w.guess_of(A, code).header("x-captcha", captcha);
    w.call(guess(&code, "failed")).await.fails(429, TOO_MANY);
    w.call(guess(&other_than(&code), "passed")).await.fails(401, WRONG);
    w.call(guess(&code, "passed")).await.has(200);
    // It opens the breaker and nothing else: the tries of a code still hold.
    let code = w.send(A).await;
    for _ in 0..3 {
        w.call(guess(&other_than(&code), "passed")).await.has(401);
    }
    w.call(guess(&code, "passed")).await.has(401);
}

async fn q22_a_known_device_goes_on_while_the_breaker_refuses(w: &World) {
    let w = &w.another(|s| s.policy(refuse(5))).await;
    let code = w.send(A).await;
    let Some(token) = w.guess(A, &code).await.header("otpgate-device").map(str::to_owned) else {
        panic!("no device token");
    };
    spray(w, 0..5).await;
    let ask = Request::json(SEND, &json!({ "email": A })).header("otpgate-device", token.clone());
    w.call(ask).await.has(200);
    let code = w.code_for(A).await;
    let guess = |email: &str, code: &str, token: &str| w.guess_of(email, code).header("otpgate-device", token);
    w.call(guess(A, &code, "made up")).await.fails(429, TOO_MANY);
    // Its token speaks for its own address and for no other.
    let other = w.send(B).await;
    w.call(guess(B, &other, &token)).await.fails(429, TOO_MANY);
    w.call(guess(A, &other_than(&code), &token)).await.fails(401, WRONG);
    w.call(guess(A, &code, &token)).await.has(200);
}

async fn q22_by_default_the_breaker_only_tells(w: &World) {
    let w = &w.another(|s| s.policy(PolicyBuilder::insecure_without_send_limits)).await;
    let alarm = EventKind::WrongGuesses { per_hour: 100 };
    spray(w, 0..99).await;
    assert_eq!(told(w, alarm), 0);
    spray(w, 99..103).await;
    assert_eq!(told(w, alarm), 1);
    w.log_in(A).await;
}

async fn r32_the_hundredth_failure_closes_and_a_reset_opens(w: &World) {
    let few = |p: PolicyBuilder| p.insecure_without_send_limits().lockout(None).max_consecutive_failures(4);
    let w = &w.another(|s| s.platform().policy(few)).await;
    for round in 0..2 {
        let code = w.send(A).await;
        w.miss(A, &code, 2).await;
        assert_eq!(told(w, EventKind::IdentifierClosed), round, "said once, by the last of them");
        w.move_on();
    }
    let code = w.send(A).await;
    w.guess(A, &code).await.fails(401, WRONG);
    w.advance(30 * 24 * HOUR);
    let code = w.send(A).await;
    w.guess(A, &code).await.fails(401, WRONG);
    assert_eq!(told(w, EventKind::IdentifierClosed), 1);
    let ask = json!({ "email": A, "PlatformId": w.tenant().as_str() });
    w.call(Request::json("/api/user/forgot-password", &ask)).await.has(200);
    let reset = json!({ "token": w.code_for(A).await, "password": "correct horse battery staple" });
    w.call(Request::json("/api/user/reset-password", &reset)).await.has(200);
    w.log_in(A).await;
}
