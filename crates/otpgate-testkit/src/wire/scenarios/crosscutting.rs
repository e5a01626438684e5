//! W148-W157: what holds across the routes.

use otpgate_core::Tenant;
use serde_json::json;

use super::list;
use crate::wire::people::{A, B};
use crate::wire::{AVAILABILITY, LOGIN, LOGOUT, REFRESH, Request, SEND, Tokens, World, has_word, other_than};

list![
    w148_every_limit_is_exact_at_its_edge,
    w151_both_frameworks_give_one_transcript,
    w149_the_store_holds_no_code,
    w150_a_code_of_one_tenant_is_wrong_in_another,
    w153_every_answer_forbids_caching,
    w154_every_429_names_whole_seconds,
    w157_unrelated_users_share_nothing,
    a29_i17_two_tenants_on_one_store_are_two_worlds,
    a40_no_answer_holds_a_code,
    a86_a_clock_set_back_revives_nothing,
    a89_a_thousand_known_and_unknown_pairs_are_answered_alike,
    r38_preflights_go_to_the_host,
    w054_what_a_client_forgets_after_logout_is_a_list,
];

fn tenant(name: &str) -> Tenant {
    match Tenant::new(name) {
        Ok(tenant) => tenant,
        Err(error) => panic!("{name}: {error}"),
    }
}

async fn w148_every_limit_is_exact_at_its_edge(w: &World) {
    // (what is done at first, when it is tried, what comes out): at one millisecond before, and at the edge.
    for (before, status) in [(1, 429), (0, 200)] {
        let sends = w.another(|s| s).await;
        for _ in 0..3 {
            sends.send(A).await;
        }
        sends.advance_ms(60_000 - before);
        sends.ask_code(A).await.has(status);

        let hour = w.another(|s| s).await;
        for _ in 0..5 {
            hour.move_on();
            hour.send(A).await;
            hour.send(A).await;
            hour.advance(60);
        }
        hour.advance_ms(3_300_000 - before);
        hour.ask_code(A).await.has(status);

        let day = w.another(|s| s).await;
        for _ in 0..2 {
            for _ in 0..5 {
                day.move_on();
                day.send(A).await;
                day.send(A).await;
                day.advance(60);
            }
            day.advance(3_300);
        }
        day.advance_ms(22 * 3_600_000 - before);
        day.ask_code(A).await.has(status);
    }
    for (millis, status) in [(299_999, 200), (300_000, 401)] {
        let code = w.another(|s| s).await;
        let right = code.send(A).await;
        code.advance_ms(millis);
        code.guess(A, &right).await.has(status);
    }
    for (millis, status) in [(899_999, 200), (900_000, 401)] {
        let access = w.another(|s| s).await;
        let token = access.log_in(A).await.access;
        access.advance_ms(millis);
        access.me(&token).await.has(status);
        // Issued within a second, although the claims of time have whole ones.
        access.advance_ms(400 + 900_000 - millis);
        let token = access.log_in(A).await.access;
        access.advance_ms(millis);
        access.me(&token).await.has(status);
    }
    for (millis, status) in [(9_999, 200), (10_000, 401)] {
        let grace = w.another(|s| s).await;
        let first = grace.log_in(A).await;
        grace.refresh(&first.refresh).await.has(200);
        grace.advance_ms(millis);
        grace.refresh(&first.refresh).await.has(status);
    }
}

/// Every answer of every scenario that does not race is compared between the frameworks; here is one of each kind.
async fn w151_both_frameworks_give_one_transcript(w: &World) {
    for path in [AVAILABILITY, SEND, LOGIN, REFRESH, LOGOUT] {
        w.move_on();
        w.post(path, "{").await.has(400);
        w.post(path, "x".repeat(9_000)).await.has(413);
        w.call(Request::post(path, "{}").without("content-type").header("content-type", "text/plain")).await.has(415);
        w.call(Request::new("PUT", path)).await.has(405).with("allow", "POST");
    }
    let tokens = w.log_in(A).await;
    w.me(&tokens.access).await.has(200);
    w.me("no token").await.has(401);
    w.call(Request::new("GET", "/elsewhere")).await.has(404);
    w.log_out(&tokens.access).await.has(200);
}

async fn w149_the_store_holds_no_code(w: &World) {
    for email in [A, B, A, B] {
        let code = w.send(email).await;
        w.miss(email, &code, 1).await;
        w.guess(email, &code).await.has(200);
        assert!(!w.written().holds(code.as_bytes()), "the store holds a code");
        assert!(!w.written().holds(other_than(&code).as_bytes()), "the store holds a guess");
        for bytes in [code.parse::<u32>().unwrap_or(0).to_be_bytes(), code.parse::<u32>().unwrap_or(0).to_le_bytes()] {
            // Four bytes turn up by chance once in ten thousand kilobytes; a number kept in clear is there at once.
            assert!(!w.written().holds(&[&bytes[..], &bytes[..]].concat()));
        }
    }
    assert!(w.written().count() >= 12);
}

async fn w150_a_code_of_one_tenant_is_wrong_in_another(w: &World) {
    let two = w.node(|s| s.tenant(tenant("t2"))).await;
    let here = w.send(A).await;
    two.guess(A, &here).await.fails(401, "Invalid or expired code");
    let there = two.send(A).await;
    assert_ne!(here, there);
    // Nor while the other tenant has a code of its own.
    two.guess(A, &here).await.fails(401, "Invalid or expired code");
    w.guess(A, &there).await.fails(401, "Invalid or expired code");
    assert_eq!(w.me(&w.guess(A, &here).await.at("/data/token")).await.at("/tenant"), "default");
    assert_eq!(two.me(&two.guess(A, &there).await.at("/data/token")).await.at("/tenant"), "t2");
    // The node of the same tenant takes it, once.
    let twin = w.node(|s| s).await;
    let code = w.send(A).await;
    twin.guess(A, &code).await.has(200);
    w.guess(A, &code).await.has(401);
}

async fn w153_every_answer_forbids_caching(w: &World) {
    let tokens = w.log_in(A).await;
    let seen = [
        w.check(A).await,
        w.ask_code(A).await,
        w.guess(A, "000000").await,
        w.refresh(&tokens.refresh).await,
        w.refresh("x").await,
        w.post(SEND, "{").await,
        w.post(SEND, "x".repeat(9_000)).await,
        w.call(Request::new("GET", SEND)).await,
        w.call(Request::new("POST", SEND).body("{}")).await,
        w.log_out("x").await,
        w.me("x").await,
        w.call(Request::new("GET", "/me")).await,
        w.call(Request::new("GET", "/me").token(&tokens.access).header("organization-id", "x")).await,
        w.log_out(&tokens.access).await,
    ];
    for reply in seen {
        reply.with("cache-control", "no-store").with("x-content-type-options", "nosniff");
        assert_eq!(reply.header("content-type"), Some("application/json"), "{reply}");
    }
    // The host's own answers are the host's own.
    let good = w.log_in(A).await.access;
    assert_eq!(w.me(&good).await.header("cache-control"), None);
}

async fn w154_every_429_names_whole_seconds(w: &World) {
    for _ in 0..3 {
        w.ask_code(A).await.has(200);
    }
    for (millis, wait) in [(0, "60"), (1, "60"), (998, "60"), (1, "59"), (58_000, "1"), (999, "1")] {
        w.advance_ms(millis);
        w.ask_code(A).await.has(429).with("retry-after", wait);
    }
    w.advance_ms(1);
    w.ask_code(A).await.has(200);
    for _ in 0..10 {
        w.check(A).await.has(200);
    }
    w.check(A).await.has(429).with("retry-after", "60");
    for _ in 0..30 {
        w.refresh("x").await.has(401);
    }
    w.refresh("x").await.has(429).with("retry-after", "60");
}

async fn w157_unrelated_users_share_nothing(w: &World) {
    let bystander = w.log_in(B).await;
    let of_b = w.send(B).await;
    w.move_on();
    // A's sends, tries, budget and sessions are used up.
    for _ in 0..3 {
        let code = w.send(A).await;
        w.miss(A, &code, 3).await;
    }
    w.ask_code(A).await.has(429);
    w.guess(A, "000000").await.has(401);
    w.move_on();
    w.me(&bystander.access).await.has(200);
    w.refresh(&bystander.refresh).await.has(200);
    w.miss(B, &of_b, 2).await;
    w.guess(B, &of_b).await.has(200);
    w.send(B).await;
    // The same address in another tenant is somebody else.
    let two = w.node(|s| s.tenant(tenant("t2"))).await;
    two.log_in(A).await;
}

async fn a29_i17_two_tenants_on_one_store_are_two_worlds(w: &World) {
    // Names that would meet if keys were glued together.
    let one = w.node(|s| s.tenant(tenant("a:b"))).await;
    let two = w.node(|s| s.tenant(tenant("a"))).await;
    let (left, right) = (one.log_in(A).await, two.log_in(A).await);
    let code = one.send(A).await;
    two.guess(A, &code).await.fails(401, "Invalid or expired code");
    for _ in 0..3 {
        two.move_on();
        let spent = two.send(A).await;
        two.miss(A, &spent, 2).await;
        two.advance(60);
    }
    one.move_on();
    one.guess(A, &code).await.has(200);
    // An end in one is none in the other: the same user id is two users.
    two.log_out(&right.access).await.has(200);
    one.me(&left.access).await.has(200);
    two.me(&right.access).await.has(401);
    let caller = otpgate_core::engine::Caller::new(otpgate_core::Profile::Identity, two.tenant().clone());
    let Ok(id) = otpgate_core::UserId::new(crate::wire::people::A_ID) else { panic!("no id") };
    assert!(two.gate().engine().revoke_all(&caller, &id).await.is_ok());
    one.me(&left.access).await.has(200);
}

async fn a40_no_answer_holds_a_code(w: &World) {
    let mut replies = vec![w.ask_code(A).await, w.ask_code(A).await];
    replies.push(w.call(Request::json(SEND, &json!({ "email": A, "returnCode": true, "debug": true }))).await);
    replies.push(w.ask_code(A).await);
    replies.push(w.check(A).await);
    let codes: Vec<String> = w.mails().await.into_iter().map(|m| m.code).collect();
    replies.push(w.guess(A, &codes[0]).await);
    replies.push(w.guess(A, &format!("{}x", codes[2])).await);
    replies.push(w.guess(A, &codes[2]).await);
    for reply in replies {
        assert!(codes.iter().all(|code| !has_word(&reply.to_string(), code)), "{reply}");
    }
}

async fn a86_a_clock_set_back_revives_nothing(w: &World) {
    let start = w.now();
    let code = w.send(A).await;
    let token = w.log_in(B).await.access;
    w.advance(900);
    w.guess(A, &code).await.has(401);
    w.me(&token).await.has(401);
    w.set_clock(start);
    w.guess(A, &code).await.fails(401, "Invalid or expired code");
    w.me(&token).await.fails(401, "Not authenticated");
    // And limits do not open by it.
    w.advance(1_000);
    for _ in 0..3 {
        w.send(A).await;
    }
    w.set_clock(start);
    w.ask_code(A).await.has(429);
}

async fn a89_a_thousand_known_and_unknown_pairs_are_answered_alike(w: &World) {
    let alike = |known: &crate::wire::Reply, unknown: &crate::wire::Reply, email: &str| {
        assert_eq!(known.to_string(), unknown.to_string().replace(email, A), "{email}");
    };
    for i in 0..w.rounds(1_000) {
        let email = format!("{}{i}@example.com", char::from(b'b' + u8::try_from(i % 20).unwrap_or(0)));
        w.move_on();
        let (known, unknown) = (w.ask_code(A).await, w.ask_code(&email).await);
        alike(&known, &unknown, &email);
        known.has(200);
        for guess in ["00000", "000000", "111111", "222222", "333333"] {
            alike(&w.guess(A, guess).await, &w.guess(&email, guess).await, &email);
        }
        w.advance(3 * 3_600 * 24);
        if i % 20 == 19 {
            // Else the hundredth wrong guess in a row shuts A, and the ever new others not.
            w.log_in(A).await;
            w.advance(3 * 3_600 * 24);
        }
    }
}

async fn r38_preflights_go_to_the_host(w: &World) {
    let preflight = |path: &str| {
        Request::new("OPTIONS", path)
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", "POST")
    };
    // The host here has no CORS layer and no such route.
    for path in [SEND, LOGOUT, AVAILABILITY] {
        assert_eq!(w.call_raw(preflight(path)).await.status, 404);
        w.call(Request::new("OPTIONS", path).header("origin", "https://app.example.com")).await.has(405);
    }
}

async fn w054_what_a_client_forgets_after_logout_is_a_list(w: &World) {
    let tokens = w.log_in(A).await;
    let listed = otpgate_http::FORGET_AFTER_LOGOUT;
    assert_eq!(listed, ["auth-token", "refreshToken", "account-id", "organization-id"]);
    // Deleting them is what is left to do: the server takes none of them any more, and sets no cookie to clear.
    let reply = w.log_out(&tokens.access).await;
    assert_eq!(reply.header("set-cookie"), None);
    w.me(&tokens.access).await.has(401);
    w.refresh(&tokens.refresh).await.has(401);
    let _ = Tokens::of(&w.guess(A, &w.send(A).await).await);
}
