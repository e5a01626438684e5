//! Limits by the client's address, and the tenant's valve.

use std::net::IpAddr;

use otpgate_http::PeerPolicy;
use serde_json::json;

use super::list;
use crate::wire::people::{A, B, NOBODY};
use crate::wire::{LOGIN, LOGOUT, REFRESH, Request, SEND, Tokens, World, other_than};

list![
    r13_thirty_requests_a_minute_over_three_routes,
    r13_refresh_counts_failures_only,
    r13_logout_is_free,
    r31_sixty_wrong_guesses_an_hour_from_one_address,
    r31_a_tenants_send_valve_closes_for_all,
    w152_the_client_is_the_sockets_peer_unless_a_proxy_is_named,
    a10_ipv6_counts_by_64_56_and_48,
    a13_garbage_in_a_forwarding_header_falls_back_to_the_peer,
    w152_without_a_peer_standard_routes_are_500_unless_given_up,
];

fn ip(text: &str) -> IpAddr {
    match text.parse() {
        Ok(address) => address,
        Err(error) => panic!("{text}: {error}"),
    }
}

async fn r13_thirty_requests_a_minute_over_three_routes(w: &World) {
    for i in 0..30 {
        let (reply, status) = match i % 3 {
            0 if i < 27 => (w.check(A).await, 200),
            1 => (w.guess(NOBODY, "000000").await, 401),
            _ => (w.ask_code(&format!("u{i}@example.com")).await, 200),
        };
        reply.has(status);
    }
    let mails = w.mails().await.len();
    for path in [SEND, LOGIN] {
        let body = json!({ "email": A, "password": "000000", "isOTP": true });
        w.post(path, body.to_string()).await.fails(429, "Too many requests").with("retry-after", "60");
    }
    w.check(A).await.has(429);
    assert_eq!(w.mails().await.len(), mails);
    // What is malformed neither counts nor is answered by the limit in this profile.
    w.post(SEND, "{").await.has(400);
    w.advance_ms(59_999);
    w.ask_code(B).await.has(429);
    w.advance_ms(1);
    w.ask_code(B).await.has(200);
}

async fn r13_refresh_counts_failures_only(w: &World) {
    let mut tokens = w.log_in(A).await;
    for _ in 0..40 {
        w.advance(1);
        tokens = Tokens::of(&w.refresh(&tokens.refresh).await);
    }
    for _ in 0..30 {
        w.refresh("x").await.fails(401, "Not authenticated");
    }
    w.refresh("x").await.fails(429, "Too many requests").with("retry-after", "60");
    w.refresh(&tokens.refresh).await.fails(429, "Too many requests");
    w.me(&tokens.access).await.has(200);
    w.move_on();
    let next = Tokens::of(&w.refresh(&tokens.refresh).await);
    w.me(&next.access).await.has(200);
    w.post(REFRESH, "{}").await.has(400);
}

async fn r13_logout_is_free(w: &World) {
    let token = w.log_in(A).await.access;
    for _ in 0..100 {
        w.log_out("x").await.fails(401, "Not authenticated");
    }
    w.log_out(&token).await.has(200);
    w.call(Request::post(LOGOUT, "{}")).await.has(401);
}

async fn r31_sixty_wrong_guesses_an_hour_from_one_address(w: &World) {
    let attacker = ip("198.51.100.7");
    let guess = |email: &str, code: &str| w.guess_of(email, code).from(attacker);
    let right = w.send(A).await;
    let mut victims = Vec::new();
    for i in 0..20 {
        w.move_on();
        let email = format!("victim{i}@example.com");
        w.ask_code(&email).await.has(200);
        victims.push(email);
    }
    for (i, victim) in victims.iter().enumerate() {
        if i % 9 == 8 {
            w.advance(60);
        }
        for _ in 0..3 {
            w.call(guess(victim, "123456")).await.has(401);
        }
    }
    w.advance(60);
    // Right and wrong alike are not compared from there; the code stays good for its owner.
    let wait = "3420";
    w.call(guess(A, &right)).await.fails(429, "Too many requests").with("retry-after", wait);
    w.call(guess(A, &other_than(&right))).await.fails(429, "Too many requests").with("retry-after", wait);
    w.guess(A, &right).await.has(200);
    // A right guess is none of the wrong ones: its owner has not used up anything there.
    w.advance_ms(3_419_999);
    let right = w.send(B).await;
    w.call(guess(B, &right)).await.has(429);
    w.advance_ms(1);
    w.call(guess(B, &right)).await.has(200);
}

async fn r31_a_tenants_send_valve_closes_for_all(w: &World) {
    let w = &w.another(|s| s.policy(|p| p.send_valve_per_hour(4))).await;
    for email in [A, B, NOBODY, "other@example.com"] {
        w.ask_code(email).await.has(200);
    }
    let closed = w.ask_code(A).await;
    closed.fails(429, "Too many requests").with("retry-after", "3600");
    assert_eq!(w.ask_code("third@example.com").await, closed);
    assert!(w.events().all().iter().any(|e| e.kind == otpgate_core::EventKind::SendValveClosed));
    assert_eq!(w.mails().await.len(), 2);
    let code = w.code_for(A).await;
    w.guess(A, &code).await.has(200);
    // Another tenant on the same store goes on.
    let Ok(tenant) = otpgate_core::Tenant::new("t2") else { panic!("no tenant") };
    let two = w.node(|s| s.tenant(tenant).policy(|p| p.send_valve_per_hour(4))).await;
    two.ask_code(A).await.has(200);
    w.advance(2 * 3_600);
    w.ask_code(A).await.has(200);
}

/// Asks for codes of ever new addresses until one is refused; how many were not.
async fn sends_until_refused(w: &World, mut dress: impl FnMut(Request) -> Request) -> usize {
    for i in 0..400 {
        // A name that was not used before: no identifier's own limit is in the way.
        let email = format!("s{}@example.com", w.store().all_calls());
        let reply = w.call(dress(Request::json(SEND, &json!({ "email": email })))).await;
        if reply.status == 429 {
            return i;
        }
        reply.has(200);
    }
    400
}

async fn w152_the_client_is_the_sockets_peer_unless_a_proxy_is_named(w: &World) {
    let mut n = 0;
    let mut spoofed = |request: Request| {
        n += 1;
        let fake = format!("203.0.113.{}", n % 250);
        ["x-forwarded-for", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip"]
            .iter()
            .fold(request, |r, name| r.header(name, fake.as_str()))
            .header("forwarded", format!("for={fake}"))
    };
    assert_eq!(sends_until_refused(w, &mut spoofed).await, 30);
    let behind = || match PeerPolicy::behind(["192.0.2.0/24"], "x-forwarded-for") {
        Ok(policy) => policy,
        Err(error) => panic!("{error}"),
    };
    // Behind a named proxy the right-most hop that it wrote counts, and what the client wrote before does not.
    let proxied = w.another(|s| s.gate(move |g| g.peers(behind()))).await;
    let via =
        |hops: String| move |r: Request| r.header("x-forwarded-for", hops.as_str()).header("x-real-ip", "9.9.9.9");
    assert_eq!(sends_until_refused(&proxied, via("203.0.113.1".into())).await, 30);
    assert_eq!(sends_until_refused(&proxied, via("8.8.8.8, 203.0.113.1".into())).await, 0);
    assert_eq!(sends_until_refused(&proxied, via("203.0.113.1, 203.0.113.2".into())).await, 30);
    // Two lines are one list.
    let lines = |r: Request| r.header("x-forwarded-for", "203.0.113.9").header("x-forwarded-for", "203.0.113.1");
    assert_eq!(sends_until_refused(&proxied, lines).await, 0);
    // From elsewhere the header is nobody's.
    proxied.come_from(ip("198.51.100.1"));
    assert_eq!(sends_until_refused(&proxied, via("203.0.113.77".into())).await, 30);
}

async fn a10_ipv6_counts_by_64_56_and_48(w: &World) {
    let mut host = 0u16;
    let mut from = |net: &'static str| {
        host += 1;
        let address = ip(&format!("{net}:{host:x}"));
        move |r: Request| r.from(address)
    };
    // A /64 is one client; its /56 has five times as much, its /48 twenty-five times.
    let mut in_64 = 0;
    for i in 0..31 {
        let dress = from("2001:db8:0:100:0:0:0");
        let request = Request::json(SEND, &json!({ "email": format!("v{i}@example.com") }));
        in_64 += usize::from(w.call(dress(request)).await.status == 200);
    }
    assert_eq!(in_64, 30);
    let nets = ["2001:db8:0:101:0:0:0", "2001:db8:0:102:0:0:0", "2001:db8:0:103:0:0:0", "2001:db8:0:104:0:0:0"];
    for net in nets {
        assert_eq!(sends_until_refused(w, from(net)).await, 30, "{net}");
    }
    assert_eq!(sends_until_refused(w, from("2001:db8:0:105:0:0:0")).await, 0, "the /56 is full");
    assert_eq!(sends_until_refused(w, from("2001:db8:0:200:0:0:0")).await, 30, "another /56 of the /48 is not");
    // IPv4 written as IPv6 is the same IPv4.
    assert_eq!(sends_until_refused(w, |r| r.from(ip("::ffff:198.51.100.9"))).await, 30);
    assert_eq!(sends_until_refused(w, |r| r.from(ip("198.51.100.9"))).await, 0);
}

async fn a13_garbage_in_a_forwarding_header_falls_back_to_the_peer(w: &World) {
    let behind = || match PeerPolicy::behind(["192.0.2.1"], "x-forwarded-for") {
        Ok(policy) => policy,
        Err(error) => panic!("{error}"),
    };
    let w = &w.another(|s| s.gate(move |g| g.peers(behind()))).await;
    let garbage = ["unknown", "[::1%25eth0]:99", "203.0.113.5, _hidden", "203.0.113.6,", "1.2.3.4.5", "\u{1f}"];
    let mut n = 0;
    let dress = |r: Request| {
        n += 1;
        r.header("x-forwarded-for", garbage[n % 5])
    };
    assert_eq!(sends_until_refused(w, dress).await, 30);
}

async fn w152_without_a_peer_standard_routes_are_500_unless_given_up(w: &World) {
    let send = || Request::json(SEND, &json!({ "email": A }));
    w.call_as_is(send()).await.fails(500, "Internal server error");
    assert!(w.mails().await.is_empty());
    w.call_as_is(Request::new("GET", "/maybe")).await.has(200);
    let open = w.another(|s| s.gate(otpgate_http::GateBuilder::insecure_without_peer)).await;
    for i in 0..40 {
        let body = json!({ "email": format!("n{i}@example.com") });
        open.call_as_is(Request::json(SEND, &body)).await.has(200);
    }
    // The limits of the identifier hold all the same.
    for status in [200, 200, 200, 429] {
        open.call_as_is(send()).await.has(status);
    }
}
