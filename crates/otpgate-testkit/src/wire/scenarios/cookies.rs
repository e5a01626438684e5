//! W097, W054, Q40, A38, R36: the token in a cookie.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use otpgate_http::{Cookies, LegacyCookie, Platform};
use serde_json::json;

use super::list;
use crate::Failure;
use crate::wire::people::{A, B};
use crate::wire::setup::ok;
use crate::wire::{Reply, Request, World};
use otpgate_core::StoreErrorKind;

list![
    w097_the_token_is_taken_from_header_cookie_and_signed_cookie_each_switchable,
    w054_log_out_clears_the_cookie_and_renewal_sets_it_anew,
    q40_a_login_sets_one_guarded_cookie_for_the_life_of_its_token,
    q40_no_cookie_is_set_or_read_unless_the_host_says_so,
    r36_a_cookie_acts_on_every_route_only_for_pages_of_our_own,
    r36_a_cookie_of_one_profile_is_guarded_on_the_routes_of_another,
    a38_another_site_logs_nobody_in,
    a67_two_cookies_or_a_cookie_and_a_header_are_never_a_silent_choice,
];

const KEY: &[u8] = b"the cookie key of an older server";
const FETCH: &str = "sec-fetch-site";
const ORIGIN: &str = "https://app.example.com";

/// A world whose profile `platform` has these cookies.
async fn with(w: &World, cookies: Cookies) -> World {
    w.another(|s| s.platform_as(Platform::new().cookies(cookies)).sets_cookies()).await
}

/// A request of a page of our own, by a browser with this cookie line.
fn page(method: &str, path: &str, cookie: &str) -> Request {
    Request::new(method, path).header("cookie", cookie).header(FETCH, "same-origin")
}

fn set_cookies(reply: &Reply) -> Vec<&str> {
    reply.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, line)| line.as_str()).collect()
}

impl World {
    /// The request that logs in at `platform` by a code.
    async fn otp_login(&self, email: &str) -> Request {
        self.move_on();
        let tenant = self.tenant().as_str();
        let ask = json!({ "email": email, "PlatformId": tenant });
        self.call(Request::json("/api/user/signin-otp", &ask)).await.has(200);
        let otp = self.code_for(email).await;
        Request::json("/api/user/verify-otp", &json!({ "email": email, "otp": otp, "PlatformId": tenant }))
    }

    /// An access token, logged in by a client that is no browser.
    async fn platform_token(&self, email: &str) -> String {
        let login = self.otp_login(email).await;
        let reply = self.call(login).await;
        assert!(set_cookies(reply.has(200)).is_empty(), "a client without `Sec-Fetch-Site` gets no cookie: {reply}");
        reply.at("/token")
    }
}

async fn w097_the_token_is_taken_from_header_cookie_and_signed_cookie_each_switchable(w: &World) {
    let signed = |token: &str| {
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY), token.as_bytes());
        format!("s%3A{token}.{}", STANDARD_NO_PAD.encode(mac).replace('+', "%2B").replace('/', "%2F"))
    };
    let rows = [
        (Cookies::new(), [true, true, false, false]),
        (Cookies::new().without_header(), [false, true, false, false]),
        (Cookies::new().legacy_cookie(LegacyCookie::plain()), [true, true, true, false]),
        (Cookies::new().legacy_cookie(ok(LegacyCookie::signed(KEY))), [true, true, false, true]),
        (Cookies::new().without_header().legacy_cookie(ok(LegacyCookie::either(KEY))), [false, true, true, true]),
        (
            Cookies::new().legacy_cookie(ok(LegacyCookie::signed(b"a key that is not that of the server"))),
            [true, true, false, false],
        ),
    ];
    for (cookies, taken) in rows {
        let w = &with(w, cookies).await;
        let token = w.platform_token(A).await;
        let ways = [
            ("token", token.clone()),
            ("cookie", format!("a=b; __Host-token={token}")),
            ("cookie", format!("token={token}; c=d")),
            ("cookie", format!("token={}", signed(&token))),
        ];
        for ((name, value), taken) in ways.into_iter().zip(taken) {
            let status = if taken { 200 } else { 401 };
            for path in ["/me", "/api/user/status"] {
                w.call(Request::new("GET", path).header(name, value.clone())).await.has(status);
            }
        }
    }
}

async fn w054_log_out_clears_the_cookie_and_renewal_sets_it_anew(w: &World) {
    let w = &with(w, Cookies::new().legacy_cookie(LegacyCookie::plain())).await;
    let old = w.platform_token(A).await;
    // A browser that comes with the cookie of an older server leaves with ours alone.
    let renewed = w.call(page("POST", "/api/user/refresh", &format!("token={old}"))).await;
    let token = renewed.has(200).at("/token");
    let [own, legacy] = set_cookies(&renewed)[..] else { panic!("two lines: {renewed}") };
    assert!(own.starts_with(&format!("__Host-token={token}; HttpOnly; ")), "{renewed}");
    assert_eq!(legacy, "token=; Path=/; Max-Age=0");

    let cleared = ["__Host-token=; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=0", "token=; Path=/; Max-Age=0"];
    let cookie = format!("__Host-token={token}");
    let out = w.call(page("POST", "/api/user/signout", &cookie)).await;
    assert_eq!(set_cookies(out.has(200)), cleared);
    w.call(Request::new("GET", "/me").header("cookie", cookie.clone())).await.has(401);
    // A dead one is put away too, since the page cannot; not while the store fails, when it may be alive.
    let again = w.call(page("POST", "/api/user/signout", &cookie)).await;
    assert_eq!(set_cookies(again.has(401)), cleared);
    let alive = w.platform_token(A).await;
    w.store().fail_all(Failure::Refuse(StoreErrorKind::Unavailable));
    let failed = w.call(page("POST", "/api/user/signout", &format!("__Host-token={alive}"))).await;
    assert!(set_cookies(failed.has(503)).is_empty());
    w.store().heal();
}

async fn q40_a_login_sets_one_guarded_cookie_for_the_life_of_its_token(w: &World) {
    let strict = &with(w, Cookies::new()).await;
    let reply = strict.call(strict.otp_login(A).await.header(FETCH, "same-origin")).await;
    let token = reply.has(200).at("/token");
    let line = format!("__Host-token={token}; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=2592000");
    assert_eq!(set_cookies(&reply), [line]);
    let lax = &with(w, Cookies::new().lax()).await;
    let reply = lax.call(lax.otp_login(A).await.header(FETCH, "none")).await;
    assert!(set_cookies(&reply)[0].contains("; SameSite=Lax; Secure; Path=/; "), "{reply}");
    // A wrong code sets nothing, and `identity`'s token lives a quarter of an hour.
    let wrong = json!({ "email": A, "otp": "000000", "PlatformId": lax.tenant().as_str() });
    lax.move_on();
    let reply = lax.call(Request::json("/api/user/verify-otp", &wrong).header(FETCH, "same-origin")).await;
    assert!(set_cookies(reply.has(401)).is_empty());
    let identity = &w.another(|s| s.identity(|i| i.cookies(Cookies::new())).sets_cookies()).await;
    let code = identity.send(A).await;
    let reply = identity.call(identity.guess_of(A, &code).header(FETCH, "same-origin")).await;
    assert!(set_cookies(reply.has(200))[0].ends_with("; Max-Age=900"), "{reply}");
    let renew = json!({ "refreshToken": reply.at("/data/refreshToken") });
    let renewed = identity.call(Request::json(crate::wire::REFRESH, &renew).header(FETCH, "same-origin")).await;
    assert!(set_cookies(renewed.has(200))[0].starts_with(&format!("__Host-token={}; ", renewed.at("/data/token"))));
    let out = page("POST", crate::wire::LOGOUT, &format!("__Host-token={}", renewed.at("/data/token")));
    assert!(set_cookies(identity.call(out).await.has(200))[0].ends_with("; Max-Age=0"));
}

async fn q40_no_cookie_is_set_or_read_unless_the_host_says_so(w: &World) {
    // Every scenario without `sets_cookies` checks that none is set.
    let w = &w.another(|s| s.platform()).await;
    let login = w.otp_login(A).await.header(FETCH, "same-origin");
    let token = w.call(login).await.has(200).at("/token");
    for cookie in [format!("__Host-token={token}"), format!("token={token}")] {
        w.call(Request::new("GET", "/me").header("cookie", cookie)).await.has(401);
    }
    // Nor does the guard stand in the way of pages elsewhere that bring the token themselves.
    let status = Request::new("POST", "/me").header("token", token).header(FETCH, "cross-site");
    w.call(status).await.has(200);
}

async fn r36_a_cookie_acts_on_every_route_only_for_pages_of_our_own(w: &World) {
    let w = &with(w, Cookies::new().origin(ORIGIN)).await;
    let token = w.platform_token(A).await;
    let cookie = format!("__Host-token={token}");
    let with = |method: &str, path: &str, lines: &[(&str, &str)]| {
        let request = Request::new(method, path).header("cookie", cookie.clone());
        lines.iter().fold(request, |request, (name, value)| request.header(name, *value))
    };
    let own: [&[(&str, &str)]; 5] = [
        &[(FETCH, "same-origin")],
        &[(FETCH, "none")],
        &[(FETCH, "same-origin"), ("origin", "null")],
        &[("origin", ORIGIN)],
        &[(FETCH, "same-site"), ("origin", ORIGIN)],
    ];
    let foreign: [&[(&str, &str)]; 9] = [
        &[],
        &[(FETCH, "cross-site")],
        &[(FETCH, "same-site")],
        &[(FETCH, "same-origin"), (FETCH, "same-origin")],
        &[("origin", "null")],
        &[("origin", "https://evil.example.com")],
        &[("origin", "https://app.example.com.")],
        &[("host", "app.example.com"), ("origin", "http://app.example.com")],
        &[("host", "app.example.com"), ("referer", "https://app.example.com/")],
    ];
    let forbidden = r#"{"error":"Forbidden"}"#;
    for lines in own {
        w.call(with("POST", "/me", lines)).await.has(200);
        w.call(with("POST", "/api/user/refresh", lines)).await.has(200);
    }
    for lines in foreign {
        w.call(with("POST", "/me", lines)).await.is(403, forbidden);
        w.call(with("POST", "/api/user/refresh", lines)).await.is(403, forbidden);
        w.call(with("POST", "/api/user/signout", lines)).await.is(403, forbidden);
        // What changes nothing is not guarded; what becomes a WebSocket is.
        w.call(with("GET", "/me", lines)).await.has(200);
        w.call(with("GET", "/api/user/status", lines)).await.has(200);
        w.call(with("GET", "/me", lines).header("upgrade", "websocket")).await.is(403, forbidden);
        // Nor is a token that a script had to bring.
        let by_header = with("POST", "/me", lines).without("cookie").header("token", token.clone());
        w.call(by_header).await.has(200);
    }
    w.call(with("POST", "/api/user/signout", own[0])).await.has(200);
}

async fn r36_a_cookie_of_one_profile_is_guarded_on_the_routes_of_another(w: &World) {
    let w = &with(w, Cookies::new()).await;
    let token = w.platform_token(A).await;
    let out = Request::post(crate::wire::LOGOUT, "{}").header("cookie", format!("__Host-token={token}"));
    w.call(out.clone()).await.fails(403, "Forbidden");
    w.call(Request::new("GET", "/me").header("token", token)).await.has(200);
    w.call(out.header(FETCH, "same-origin")).await.has(200);
}

async fn a38_another_site_logs_nobody_in(w: &World) {
    let w = &with(w, Cookies::new()).await;
    for line in
        [(FETCH, "cross-site"), (FETCH, "same-site"), ("origin", "https://evil.example.com"), ("origin", "null")]
    {
        // The attacker's own right code, in the victim's browser.
        let login = w.otp_login(B).await;
        let reply = w.call(login.clone().header(line.0, line.1)).await;
        assert!(set_cookies(reply.is(403, r#"{"error":"Forbidden"}"#)).is_empty());
        // A form can send JSON as text only, which is no better.
        let form = login.clone().without("content-type").header("content-type", "text/plain").header(line.0, line.1);
        w.call(form).await.has(403);
        // Nothing was counted, compared or consumed by it, whatever its body holds.
        for _ in 0..6 {
            w.call(Request::post("/api/user/verify-otp", "no JSON").header(line.0, line.1)).await.has(403);
        }
        assert_eq!(set_cookies(w.call(login.header(FETCH, "same-origin")).await.has(200)).len(), 1);
        w.advance(60);
    }
}

async fn a67_two_cookies_or_a_cookie_and_a_header_are_never_a_silent_choice(w: &World) {
    let w = &with(w, Cookies::new().legacy_cookie(LegacyCookie::plain())).await;
    let (a, b) = (w.platform_token(A).await, w.platform_token(B).await);
    let lines = [
        vec![("cookie", format!("__Host-token={a}; __Host-token={b}"))],
        vec![("cookie", format!("__Host-token={a}; __Host-token={a}"))],
        vec![("cookie", format!("__Host-token={a}")), ("cookie", format!("__Host-token={b}"))],
        vec![("cookie", format!("__Host-token={a}; token={b}"))],
        vec![("cookie", format!("__Host-token={a}")), ("token", b.clone())],
        vec![("cookie", format!("token={a}")), ("auth-token", b.clone())],
    ];
    for lines in lines {
        let with = |method: &str, path: &str| {
            let request = Request::new(method, path).header(FETCH, "same-origin");
            lines.iter().fold(request, |request, (name, value)| request.header(name, value.clone()))
        };
        w.call(with("GET", "/me")).await.has(401);
        w.call(with("GET", "/maybe")).await.has(401);
        w.call(with("GET", "/api/user/status")).await.has(400);
        w.call(with("POST", "/api/user/signout")).await.has(400);
    }
    w.call(Request::new("GET", "/me").header("token", a)).await.has(200);
}
