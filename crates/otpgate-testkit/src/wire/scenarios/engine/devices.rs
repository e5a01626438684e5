//! Q20, R05, A94, A113, A116: known devices in flows.

use otpgate_core::Breaker;
use otpgate_core::policy::{FlowPolicy, PolicyBuilder, Window};
use serde_json::{Value, json};

use super::{Client, MOBILE, PASSWORD, ROSA, engine, engine_with};
use crate::wire::people::A;
use crate::wire::scenarios::list;
use crate::wire::{Reply, Request, World, other_than};

list![
    q20_a_known_device_finishes_its_flows_through_every_day_of_an_attack,
    q20_a_lock_of_flows_does_not_lock_a_known_device,
    q20_a_flow_s_login_makes_the_device_known_to_other_profiles,
    q20_the_token_of_a_login_that_ends_what_was_before_it_is_good,
    a113_a_burnt_send_budget_does_not_keep_a_known_device_out_of_its_flow,
    r05_a_flow_of_a_known_device_goes_on_with_its_token_alone,
    a116_a_token_of_somebody_else_or_made_up_is_as_good_as_none_in_a_flow,
    q22_a_known_device_goes_on_in_its_flow_while_the_breaker_refuses;
    racing: i1_racing_right_codes_of_a_known_device_s_flow_open_one_session
];

const DAY: u64 = 24 * 3_600;

/// A client that has logged in before, and sends what it was given then.
struct Known<'a> {
    w: &'a World,
    client: Client,
    token: String,
}

impl<'a> Known<'a> {
    async fn by(w: &'a World, client: Client) -> Known<'a> {
        let done = client.log_in(w).await;
        done.succeeds();
        let token = device_of(&done);
        Known { w, client, token }
    }

    fn request(&self, operation: &str, fields: &Value) -> Request {
        self.client.request(operation, fields).header("otpgate-device", self.token.clone())
    }

    async fn ask(&self, operation: &str, fields: Value) -> Reply {
        self.w.call(self.request(operation, &fields)).await
    }

    async fn open(&self) -> String {
        let opened = self.ask("token/generate", json!({})).await;
        opened.succeeds();
        opened.at("/user/sessionId")
    }

    async fn code(&self, flow: &str) -> String {
        self.ask("otp/generate", json!({ "sessionId": flow })).await.succeeds();
        let newest = self.w.mails().await.pop().map(|m| m.code);
        newest.unwrap_or_else(|| panic!("no code was sent"))
    }

    async fn validate(&self, flow: &str, otp: &str) -> Reply {
        self.ask("otp/validate", json!({ "sessionId": flow, "otp": otp })).await
    }

    /// Logs in and expects the token of the same device again.
    async fn log_in(&self) {
        self.w.move_on();
        let flow = self.open().await;
        let code = self.code(&flow).await;
        let done = self.validate(&flow, &code).await;
        done.succeeds();
        assert_eq!(device_of(&done)[..21], self.token[..21], "the same device");
    }
}

#[track_caller]
fn device_of(reply: &Reply) -> String {
    reply.header("otpgate-device").map(str::to_owned).unwrap_or_else(|| panic!("no device token: {reply}"))
}

/// Somebody else, on a device of their own.
fn stranger(w: &World) -> Client {
    Client::mobile(w, MOBILE).with(&json!({ "deviceId": "another" }))
}

/// Wrong guesses by strangers from new addresses, five in a flow.
async fn attack(w: &World, wrong: usize) {
    for n in 0..wrong.div_ceil(5) {
        w.move_on();
        w.advance(30);
        let flow = stranger(w).open(w).await;
        let code = stranger(w).code(w, &flow).await;
        for _ in 0..(wrong - n * 5).min(5) {
            stranger(w).validate(w, &flow, other_than(&code)).await.refuses(1506);
        }
    }
}

async fn q20_a_known_device_finishes_its_flows_through_every_day_of_an_attack(w: &World) {
    let w = &engine(w).await;
    let known = Known::by(w, Client::mobile(w, MOBILE)).await;
    for _ in 0..w.rounds(4) {
        for _ in 0..2 {
            w.advance(3_600);
            attack(w, 10).await;
        }
        w.advance(3_600);
        w.move_on();
        stranger(w).log_in(w).await.refuses(1506);
        // A94: nor does it lose its flow to any number of theirs.
        let own = known.open().await;
        for _ in 0..12 {
            stranger(w).open(w).await;
        }
        let code = known.code(&own).await;
        known.validate(&own, &code).await.succeeds();
        known.log_in().await;
        w.advance(DAY);
    }
    stranger(w).log_in(w).await.succeeds();
}

async fn q20_a_lock_of_flows_does_not_lock_a_known_device(w: &World) {
    let flows = FlowPolicy { lock: Some(std::time::Duration::from_secs(1_800)), ..FlowPolicy::default() };
    let w = &engine_with(w, |s| s.policy(|p| p.flows(flows))).await;
    let known = Known::by(w, Client::mobile(w, MOBILE)).await;
    attack(w, 5).await;
    w.advance(60);
    let flow = stranger(w).open(w).await;
    let code = stranger(w).code(w, &flow).await;
    stranger(w).validate(w, &flow, code).await.refuses(1518);
    known.log_in().await;
    // Its own tries end its flow, and lock neither it nor anybody.
    w.advance(1_800);
    let flow = known.open().await;
    let code = known.code(&flow).await;
    for _ in 0..5 {
        known.validate(&flow, &other_than(&code)).await.refuses(1506);
    }
    known.validate(&flow, &code).await.refuses(1518);
    known.log_in().await;
    stranger(w).log_in(w).await.succeeds();
}

async fn q20_a_flow_s_login_makes_the_device_known_to_other_profiles(w: &World) {
    let w = &engine(w).await;
    w.set_password(ROSA, PASSWORD).await;
    let known = Known::by(w, Client::web(w, ROSA)).await;
    let none = |reply: &Reply| assert!(reply.header("otpgate-device").is_none(), "{reply}");
    let opened = known.ask("token/generate", json!({})).await;
    let flow = opened.at("/user/sessionId");
    let sent = known.ask("otp/generate", json!({ "sessionId": flow })).await;
    let missed = known.validate(&flow, "000000").await;
    let by_password = known.ask("password/validate", json!({ "sessionId": flow, "password": PASSWORD })).await;
    let again = known.ask("token/regenerate", json!({ "key": by_password.at("/auth/key") })).await;
    again.succeeds();
    [&opened, &sent, &missed, &again].into_iter().for_each(none);
    assert_eq!(device_of(&by_password)[..21], known.token[..21]);
    // One token for one person and address: what it asks for over `identity` is the device's own code.
    let with = |request: Request| request.header("otpgate-device", known.token.clone());
    w.advance(60);
    w.call(with(Request::json(crate::wire::SEND, &json!({ "email": ROSA })))).await.has(200);
    let code = w.code_for(ROSA).await;
    w.guess(ROSA, &code).await.has(401);
    w.call(with(w.guess_of(ROSA, &code))).await.has(200);
    // An array has no header for each of its answers, and none at all.
    let flow = known.open().await;
    let code = known.code(&flow).await;
    let item = known.client.with(&json!({ "sessionId": flow, "otp": code })).ids;
    let both = w.call(with(Request::json(&known.client.path("otp/validate"), &json!([item])))).await;
    none(&both);
    assert_eq!(both.has(200).value()[0]["status"]["success"], json!(true), "{both}");
    let off = engine_with(w, |s| s.policy(PolicyBuilder::without_known_devices)).await;
    none(&Client::web(&off, ROSA).log_in(&off).await);
}

async fn q20_the_token_of_a_login_that_ends_what_was_before_it_is_good(w: &World) {
    let w = &engine_with(w, |s| s.platform()).await;
    // Nobody has verified this user, and a password is there: the first code ends everything, older device tokens too.
    w.sign_up("70", "signed-up@example.com").await;
    w.set_password("signed-up@example.com", PASSWORD).await;
    let first = Known::by(w, Client::web(w, "signed-up@example.com")).await;
    first.log_in().await;
    // So does a password that comes with a flow.
    let client = Client::web(w, ROSA);
    let before = Known::by(w, client.clone()).await;
    let flow = client.open_with(w, json!({ "password": PASSWORD, "confirmPassword": PASSWORD })).await;
    let code = client.code(w, &flow).await;
    let done = client.validate(w, &flow, code).await;
    let after = Known { w, client, token: device_of(&done) };
    after.log_in().await;
    w.advance(60);
    let flow = before.open().await;
    // As none: whoever asks goes on with it.
    let code = before.client.code(w, &flow).await;
    before.client.validate(w, &flow, code).await.succeeds();
}

async fn a113_a_burnt_send_budget_does_not_keep_a_known_device_out_of_its_flow(w: &World) {
    let w = &engine_with(w, |s| s.policy(|p| p.sends([Window::new(2, DAY)]))).await;
    let known = Known::by(w, Client::mobile(w, MOBILE)).await;
    let theirs = stranger(w).open(w).await;
    stranger(w).code(w, &theirs).await;
    stranger(w).ask(w, "otp/generate", json!({ "sessionId": theirs })).await.refuses(1534);
    for _ in 0..5 {
        known.log_in().await;
    }
    let flow = known.open().await;
    known.ask("otp/generate", json!({ "sessionId": flow })).await.refuses(1534).with("retry-after", "86400");
    stranger(w).ask(w, "otp/generate", json!({ "sessionId": theirs })).await.refuses(1534);
}

async fn r05_a_flow_of_a_known_device_goes_on_with_its_token_alone(w: &World) {
    let w = &engine_with(w, |s| s.policy(PolicyBuilder::insecure_without_send_limits)).await;
    w.set_password(ROSA, PASSWORD).await;
    let known = Known::by(w, Client::mobile(w, MOBILE)).await;
    let of_another = Known::by(w, Client::web(w, A)).await.token;
    let flow = known.open().await;
    let code = known.code(&flow).await;
    let fields = |operation: &str| match operation {
        "otp/validate" => json!({ "sessionId": flow, "otp": code }),
        _ => json!({ "sessionId": flow, "password": PASSWORD, "confirmPassword": PASSWORD }),
    };
    for operation in ["otp/generate", "otp/validate", "password/validate", "password/forget"] {
        known.client.ask(w, operation, fields(operation)).await.refuses(1505);
        let request = known.client.request(operation, &fields(operation));
        w.call(request.header("otpgate-device", of_another.clone())).await.refuses(1505);
    }
    known.validate(&flow, &code).await.succeeds();
    // What was opened without a token stays open to whoever has it, and is counted as theirs.
    w.advance(DAY);
    let flow = known.client.open(w).await;
    let code = known.code(&flow).await;
    for _ in 0..4 {
        known.validate(&flow, &other_than(&code)).await.refuses(1506);
    }
    attack(w, 6).await;
    known.validate(&flow, &code).await.refuses(1506);
    known.log_in().await;
}

async fn a116_a_token_of_somebody_else_or_made_up_is_as_good_as_none_in_a_flow(w: &World) {
    let w = &engine_with(w, |s| s.policy(PolicyBuilder::insecure_without_send_limits)).await;
    let known = Known::by(w, Client::mobile(w, MOBILE)).await;
    let mut flipped = known.token.clone().into_bytes();
    flipped[20] = if flipped[20] == b'x' { b'y' } else { b'x' };
    let tokens = [
        Known::by(w, Client::web(w, A)).await.token,
        // Her own, by another of her identifiers: its budgets are there.
        Known::by(w, Client::web(w, ROSA)).await.token,
        String::from_utf8(flipped).unwrap_or_default(),
        "A".repeat(86),
    ];
    for n in 0..10 {
        w.move_on();
        let fake = Known { w, client: stranger(w), token: tokens[n % tokens.len()].clone() };
        let flow = fake.open().await;
        let code = fake.code(&flow).await;
        fake.validate(&flow, &other_than(&code)).await.refuses(1506);
    }
    // They had one budget together, which is the strangers'.
    for token in tokens {
        let fake = Known { w, client: stranger(w), token };
        let flow = fake.open().await;
        let code = fake.code(&flow).await;
        fake.validate(&flow, &code).await.refuses(1506);
    }
    known.log_in().await;
}

async fn q22_a_known_device_goes_on_in_its_flow_while_the_breaker_refuses(w: &World) {
    let policy = |p: PolicyBuilder| p.insecure_without_send_limits().breaker(Breaker::Refuse { per_hour: 5 });
    let w = &engine_with(w, |s| s.platform().policy(policy)).await;
    w.set_password(ROSA, PASSWORD).await;
    let known = Known::by(w, Client::mobile(w, MOBILE)).await;
    attack(w, 5).await;
    stranger(w).log_in(w).await.refuses(1518);
    known.log_in().await;
    let flow = known.open().await;
    let fields = json!({ "sessionId": flow, "password": PASSWORD });
    known.ask("password/validate", fields).await.succeeds();
}

async fn i1_racing_right_codes_of_a_known_device_s_flow_open_one_session(w: &World) {
    let w = &engine_with(w, |s| s.real_chance()).await;
    let known = Known::by(w, Client::mobile(w, MOBILE)).await;
    for _ in 0..w.rounds(3) {
        w.move_on();
        let flow = known.open().await;
        let code = known.code(&flow).await;
        let request = known.request("otp/validate", &json!({ "sessionId": flow, "otp": code }));
        let replies = w.burst(vec![request; 32]).await;
        let won = |r: &&Reply| r.value()["status"]["success"] == json!(true);
        assert_eq!(replies.iter().filter(won).count(), 1);
        replies.iter().filter(|r| !won(r)).for_each(|r| {
            r.refuses(1505);
        });
    }
}
