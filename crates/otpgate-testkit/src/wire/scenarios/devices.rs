//! Q20, R05, R32, R44, A94, A113, A116: devices that have logged in before.

use otpgate_core::Tenant;
use otpgate_core::policy::Window;
use serde_json::json;

use super::list;
use crate::wire::people::{A, B, NOBODY};
use crate::wire::setup::ok;
use crate::wire::{Reply, Request, SEND, World, nth_other, other_than};

list![
    q20_a_known_device_logs_in_through_every_day_of_a_lock_attack,
    q20_a_known_device_opens_the_lock_of_platform_and_r32_the_closed_address,
    q20_a_device_token_comes_with_a_login_and_with_nothing_else,
    q20_the_cookie_of_a_device_is_set_and_read_where_the_host_wants_it,
    a113_a_burnt_send_budget_does_not_keep_a_known_device_out,
    a94_a_stranger_does_not_replace_the_code_of_a_known_device,
    r05_a_device_has_its_own_tries_guesses_and_sends_and_five_have_them_at_a_time,
    a116_a_token_of_somebody_else_or_made_up_is_as_good_as_none,
    a89_a_device_token_tells_nobody_who_is_registered,
    r44_a_reset_ends_device_tokens_and_log_out_does_not;
    racing: i1_racing_right_codes_of_one_device_open_one_session
];

const DAY: u64 = 24 * 3_600;
const WRONG: &str = "Invalid or expired code";
const BURNT: &str = "Too many failed attempts. Request a new code.";
const PASSWORD: &str = "correct horse battery staple";

/// A device of profile `identity`: what it keeps, and where it asks.
struct Device<'a> {
    w: &'a World,
    email: &'static str,
    token: String,
}

impl<'a> Device<'a> {
    /// One that has just logged in.
    async fn known(w: &'a World, email: &'static str) -> Device<'a> {
        let code = w.send(email).await;
        let reply = w.guess(email, &code).await;
        Self::with(w, email, device_of(reply.has(200)))
    }

    fn with(w: &'a World, email: &'static str, token: String) -> Device<'a> {
        Self { w, email, token }
    }

    async fn ask(&self) -> Reply {
        self.w.move_on();
        let ask = Request::json(SEND, &json!({ "email": self.email }));
        self.w.call(ask.header("otpgate-device", self.token.clone())).await
    }

    fn guess_of(&self, code: &str) -> Request {
        self.w.guess_of(self.email, code).header("otpgate-device", self.token.clone())
    }

    async fn guess(&self, code: &str) -> Reply {
        self.w.move_on();
        self.w.call(self.guess_of(code)).await
    }

    async fn log_in(&self) -> Reply {
        self.ask().await.has(200);
        let code = self.w.code_for(self.email).await;
        self.guess(&code).await
    }
}

#[track_caller]
fn device_of(reply: &Reply) -> String {
    reply.header("otpgate-device").map(str::to_owned).unwrap_or_else(|| panic!("no device token: {reply}"))
}

/// Which device a token is of: its id, without the time of the login.
fn id_of(token: &str) -> &str {
    &token[..21]
}

/// Wrong guesses by strangers from new addresses, with a new code whenever one may be sent, until `wrong` were made.
async fn attack(w: &World, email: &str, wrong: u32) {
    let mut code = String::from("000000");
    for n in 0..wrong {
        w.move_on();
        if n % 3 == 0 && w.ask_code(email).await.status == 200 {
            code = w.code_for(email).await;
        }
        w.guess(email, &nth_other(&code, u64::from(n % 3) + 1)).await.has(401);
        w.advance(25);
    }
}

async fn q20_a_known_device_logs_in_through_every_day_of_a_lock_attack(w: &World) {
    let device = Device::known(w, A).await;
    for _ in 0..w.rounds(20) {
        // Twenty wrong guesses from twenty addresses, in two hours since ten fit one.
        for _ in 0..2 {
            w.advance(3_600);
            attack(w, A, 10).await;
        }
        w.move_on();
        w.advance(3_600);
        let code = w.send(A).await;
        w.guess(A, &code).await.fails(401, WRONG);
        let reply = device.log_in().await;
        assert_eq!(id_of(&device_of(reply.has(200))), id_of(&device.token), "the same device");
        w.advance(DAY);
    }
    // What is documented for everybody else: a day of waiting.
    let code = w.send(A).await;
    w.guess(A, &code).await.has(200);
}

async fn q20_a_known_device_opens_the_lock_of_platform_and_r32_the_closed_address(w: &World) {
    let platform = &w.another(|s| s.platform()).await;
    let of_identity = Device::known(platform, A).await;
    let (ask, tenant) = (json!({ "email": A, "PlatformId": platform.tenant().as_str() }), platform.tenant());
    let verify = |otp: &str| {
        let body = json!({ "email": A, "otp": otp, "PlatformId": tenant.as_str() });
        Request::json("/api/user/verify-otp", &body)
    };
    let wrong = r#"{"error":"Invalid credentials"}"#;
    for _ in 0..5 {
        platform.move_on();
        platform.call(Request::json("/api/user/signin-otp", &ask)).await.has(200);
        let code = platform.code_for(A).await;
        platform.call(verify(&other_than(&code))).await.is(401, wrong);
        platform.advance(30);
    }
    platform.move_on();
    platform.call(Request::json("/api/user/signin-otp", &ask)).await.has(200);
    let open = platform.code_for(A).await;
    platform.call(verify(&open)).await.is(401, wrong);
    // One token for one person, whichever profile it came from.
    let with = |request: Request| request.header("otpgate-device", of_identity.token.clone());
    platform.call(with(Request::json("/api/user/signin-otp", &ask))).await.has(200);
    let own = platform.code_for(A).await;
    let reply = platform.call(with(verify(&own))).await;
    assert_eq!(id_of(&device_of(reply.has(200))), id_of(&of_identity.token));
    platform.call(verify(&open)).await.has(200);

    let closing = &w.another(|s| s.policy(|p| p.max_consecutive_failures(6))).await;
    let device = Device::known(closing, A).await;
    attack(closing, A, 6).await;
    closing.advance(30 * DAY);
    closing.move_on();
    let code = closing.send(A).await;
    closing.guess(A, &code).await.fails(401, WRONG);
    device.log_in().await.has(200);
    closing.guess(A, &code).await.has(200);
}

async fn q20_a_device_token_comes_with_a_login_and_with_nothing_else(w: &World) {
    let w = &w.another(|s| s.platform()).await;
    w.set_password(A, PASSWORD).await;
    let none = |reply: Reply| assert!(reply.header("otpgate-device").is_none(), "{reply}");
    none(w.ask_code(A).await);
    let code = w.code_for(A).await;
    none(w.guess(A, &other_than(&code)).await);
    let first = w.guess(A, &code).await;
    let refreshed = w.refresh(&first.at("/data/refreshToken")).await;
    none(w.me(&refreshed.at("/data/token")).await);
    none(w.log_out(&refreshed.at("/data/token")).await);
    none(refreshed);
    let sign_in = |password: &str| {
        let body = json!({ "email": A, "password": password, "PlatformId": w.tenant().as_str() });
        Request::json("/api/user/signin", &body)
    };
    none(w.call(sign_in("wrong password")).await);
    let second = w.call(sign_in(PASSWORD)).await;
    assert_ne!(id_of(&device_of(&second)), id_of(&device_of(&first)), "another device");
    // A password proves the person as well as a code: its device is known to codes.
    Device::with(w, A, device_of(&second)).log_in().await.has(200);
    let off = &w.another(|s| s.policy(otpgate_core::policy::PolicyBuilder::without_known_devices)).await;
    let code = off.send(A).await;
    none(off.guess(A, &code).await);
}

async fn q20_the_cookie_of_a_device_is_set_and_read_where_the_host_wants_it(w: &World) {
    let w = &w.another(|s| s.gate(otpgate_http::GateBuilder::device_cookie).sets_cookies()).await;
    let code = w.send(A).await;
    let reply = w.guess(A, &code).await;
    let token = device_of(reply.has(200));
    let line = format!("otpgate-device={token}; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=31536000");
    reply.with("set-cookie", &line);
    attack(w, A, 10).await;
    w.move_on();
    let with = |request: Request| request.header("cookie", format!("theme=dark; otpgate-device={token}"));
    w.call(with(Request::json(SEND, &json!({ "email": A })))).await.has(200);
    let code = w.code_for(A).await;
    w.guess(A, &code).await.has(401);
    w.call(with(w.guess_of(A, &code))).await.has(200);
    // It is no credential: no session comes of it, and two of them refuse nothing.
    w.call(with(Request::new("GET", "/me"))).await.has(401);
    w.call(with(with(Request::new("GET", "/maybe")))).await.has(200);
}

async fn a113_a_burnt_send_budget_does_not_keep_a_known_device_out(w: &World) {
    let device = Device::known(w, A).await;
    let mut sent = 1;
    for _ in 0..24 * 6 {
        w.move_on();
        sent += usize::from(w.ask_code(A).await.status == 200);
        w.advance(60);
    }
    assert_eq!(sent, 20);
    w.ask_code(A).await.has(429);
    let reply = device.log_in().await;
    assert_eq!(id_of(&device_of(reply.has(200))), id_of(&device.token));
    // What a device was sent counts among all mails; nothing else than its own limit refuses it.
    w.ask_code(A).await.has(429);
    for _ in 0..4 {
        device.log_in().await.has(200);
    }
    device.ask().await.has(429).with("retry-after", "86400");
    assert_eq!(w.mails().await.len(), 25);
    w.advance(DAY);
    device.log_in().await.has(200);
}

async fn a94_a_stranger_does_not_replace_the_code_of_a_known_device(w: &World) {
    let device = Device::known(w, A).await;
    device.ask().await.has(200);
    let own = w.code_for(A).await;
    let open = w.send(A).await;
    // Each meets its own code and leaves the other's alone.
    w.guess(A, &own).await.fails(401, WRONG);
    device.guess(&open).await.fails(401, WRONG);
    w.miss(A, &open, 2).await;
    w.guess(A, &open).await.fails(401, BURNT);
    device.guess(&own).await.has(200);
    device.guess(&own).await.fails(401, WRONG);
}

async fn r05_a_device_has_its_own_tries_guesses_and_sends_and_five_have_them_at_a_time(w: &World) {
    let w = &w.another(|s| s.policy(|p| p.sends([Window::new(1_000, 60)]))).await;
    let device = Device::known(w, A).await;
    for round in 0..4 {
        device.ask().await.has(200);
        let code = w.code_for(A).await;
        for n in 1..=3 {
            let compared = round < 3 || n == 1;
            let word = if compared && n == 3 { BURNT } else { WRONG };
            device.guess(&nth_other(&code, n)).await.fails(401, word);
        }
        let word = if round < 3 { BURNT } else { WRONG };
        device.guess(&code).await.fails(401, word);
    }
    device.ask().await.has(200);
    device.ask().await.has(429);
    // Nobody else's budget is touched by it.
    let open = w.send(A).await;
    w.guess(A, &open).await.has(200);
    // Five at a time: with one in use, four of six more get a slot and two meet the open one.
    let mut own = 0;
    for _ in 0..6 {
        let another = Device::known(w, A).await;
        another.ask().await.has(200);
        let code = w.code_for(A).await;
        // A guess without the token meets the open slot: right there only if the code went there.
        own += usize::from(w.guess(A, &code).await.status == 401);
    }
    assert_eq!(own, 4);
    w.advance(DAY);
    device.log_in().await.has(200);
}

async fn a116_a_token_of_somebody_else_or_made_up_is_as_good_as_none(w: &World) {
    let device = Device::known(w, A).await;
    let of_b = Device::known(w, B).await;
    let tenant = ok(Tenant::new("other"));
    let there = &w.another(move |s| s.tenant(tenant)).await;
    let of_the_other_tenant = Device::known(there, A).await;
    let mut flipped = device.token.clone().into_bytes();
    flipped[20] = if flipped[20] == b'x' { b'y' } else { b'x' };
    let made_up = [
        of_b.token.clone(),
        of_the_other_tenant.token.clone(),
        String::from_utf8(flipped).unwrap_or_default(),
        format!("{}A", device.token),
        device.token[1..].to_owned(),
        "A".repeat(86),
        String::new(),
        "x".repeat(4_000),
    ];
    // All of them meet the one open code: the third wrong guess burns it, and no fresh token has a fresh budget.
    w.advance(60);
    let code = w.send(A).await;
    for (n, token) in made_up.iter().enumerate() {
        let stranger = Device::with(w, A, token.clone());
        let word = if n < 2 { WRONG } else { BURNT };
        stranger.guess(&nth_other(&code, n as u64 + 1)).await.fails(401, word);
    }
    w.guess(A, &code).await.fails(401, BURNT);
    // Nor does one ask for more codes than anybody may.
    for token in &made_up[..2] {
        Device::with(w, A, token.clone()).ask().await.has(200);
    }
    for token in &made_up {
        Device::with(w, A, token.clone()).ask().await.has(429);
    }
    // Twice is none.
    w.move_on();
    let twice = Request::json(SEND, &json!({ "email": A })).header("otpgate-device", device.token.clone());
    w.call(twice.header("otpgate-device", device.token.clone())).await.has(429);
    device.log_in().await.has(200);
}

async fn a89_a_device_token_tells_nobody_who_is_registered(w: &World) {
    let of_b = Device::known(w, B).await;
    w.advance(60);
    let mut answers = Vec::new();
    for email in [A, NOBODY] {
        let probe = Device::with(w, email, of_b.token.clone());
        let mut said = Vec::new();
        for n in 0..5 {
            said.push(probe.ask().await);
            said.push(probe.guess(&format!("{n:06}")).await);
        }
        let said: Vec<String> = said.iter().map(|reply| reply.to_string().replace(email, "x")).collect();
        answers.push(said);
    }
    assert_eq!(answers[0], answers[1]);
}

async fn r44_a_reset_ends_device_tokens_and_log_out_does_not(w: &World) {
    let w = &w.another(|s| s.platform()).await;
    w.set_password(A, PASSWORD).await;
    let device = Device::known(w, A).await;
    let reply = device.log_in().await;
    w.log_out(&reply.at("/data/token")).await.has(200);
    device.log_in().await.has(200);

    w.advance(3_600);
    w.move_on();
    let forgot = json!({ "email": A, "PlatformId": w.tenant().as_str() });
    w.call(Request::json("/api/user/forgot-password", &forgot)).await.has(200);
    let reset = json!({ "token": w.code_for(A).await, "password": "another long password" });
    w.call(Request::json("/api/user/reset-password", &reset)).await.has(200);
    // As none from here on: what it asks for is the open code.
    device.ask().await.has(200);
    let code = w.code_for(A).await;
    let reply = w.guess(A, &code).await;
    assert_ne!(id_of(&device_of(reply.has(200))), id_of(&device.token));
    let again = device.log_in().await;
    assert_ne!(id_of(&device_of(again.has(200))), id_of(&device.token), "a login makes it known anew");
}

async fn i1_racing_right_codes_of_one_device_open_one_session(w: &World) {
    let device = Device::known(w, A).await;
    for _ in 0..w.rounds(3) {
        device.ask().await.has(200);
        let code = w.code_for(A).await;
        w.move_on();
        let replies = w.burst(vec![device.guess_of(&code); 24]).await;
        assert_eq!(replies.iter().filter(|r| r.status == 200).count(), 1);
    }
}
