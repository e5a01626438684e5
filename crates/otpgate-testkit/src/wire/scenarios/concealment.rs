//! What is known and what is not, answered alike on every route that conceals; and a reset that races what it ends.

use serde_json::{Value, json};

use super::list;
use crate::StoreOp;
use crate::wire::people::A;
use crate::wire::{REFRESH, Reply, Request, SEND, Tokens, World};

list![
    q42_w010_w061_w077_known_and_unknown_are_answered_byte_for_byte_alike;
    racing: i10_a80_a_reset_wins_against_all_that_the_old_password_opened
];

const HOUR: u64 = 3_600;
const OLD: &str = "correct horse battery staple";
const NEW: &str = "a new long passphrase";
/// As long as [`A`], and nobody's.
const X: &str = "x@example.com";
/// The number of [`A`], and nobody's.
const PHONES: [&str; 2] = ["+4915112345678", "+4915187654321"];
/// Every route that is asked for an identifier and does not say whether it is somebody's.
const ROUTES: usize = 17;

/// A reply in which what was echoed, and what is random for everybody, has a name in its place.
fn plain(reply: &Reply, name: &str) -> (u16, Vec<(String, String)>, String) {
    let mut body = reply.text().replace(name, "NAME");
    for random in [reply.at("/auth/token"), reply.at("/user/sessionId")] {
        if !random.is_empty() {
            body = body.replace(&random, &"R".repeat(random.len()));
        }
    }
    (reply.status, reply.headers.clone(), body)
}

/// What a route answered, and what it asked of the store meanwhile, by kind.
type Seen = (Reply, [u64; 6]);

async fn ask(w: &World, path: &str, body: &Value) -> Seen {
    let calls = || StoreOp::ALL.map(|op| w.store().calls(op));
    let before = calls();
    let reply = w.call(Request::json(path, body)).await;
    w.runtime().idle().await;
    let after = calls();
    (reply, std::array::from_fn(|i| after[i] - before[i]))
}

/// A request for a credential of each kind and a wrong guess at it, in `identity` and `platform`.
async fn by_address(w: &World, email: &str) -> Vec<Seen> {
    let platform = w.tenant().as_str();
    let login = w.path(crate::wire::LOGIN);
    w.move_on();
    let mut seen = vec![ask(w, &w.path(SEND), &json!({ "email": email })).await];
    let wrong = wrong_code(w);
    seen.push(ask(w, &login, &json!({ "email": email, "password": wrong, "isOTP": true })).await);
    seen.push(ask(w, &login, &json!({ "email": email, "password": "not the one", "isOTP": false })).await);
    let mut platform_asks = async |route: &str, mut body: Value| {
        body["email"] = email.into();
        body["PlatformId"] = platform.into();
        seen.push(ask(w, &format!("/api/user/{route}"), &body).await);
    };
    platform_asks("signin", json!({ "password": "not the one" })).await;
    platform_asks("signin-otp", json!({})).await;
    platform_asks("verify-otp", json!({ "otp": wrong_code(w) })).await;
    platform_asks("forgot-password", json!({})).await;
    seen
}

/// The same within a flow of `engine`.
async fn by_flow(w: &World, routes: &str, kind: &str, value: &str) -> Vec<Seen> {
    let mut body = json!({ "identifierType": kind, "identifierValue": value, "brand": w.tenant().as_str() });
    body["deviceId"] = "a device".into();
    let mut seen: Vec<Seen> = Vec::new();
    let with = |fields: Value, flow: &Value| {
        let mut body = body.clone();
        body["sessionId"] = flow.clone();
        fields.as_object().into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        body
    };
    let flow = Value::Null;
    seen.push(ask(w, &format!("{routes}/token/generate"), &with(json!({}), &flow)).await);
    let flow = Value::from(seen[0].0.at("/user/sessionId"));
    seen.push(ask(w, &format!("{routes}/otp/generate"), &with(json!({}), &flow)).await);
    let wrong = json!({ "otp": wrong_code(w) });
    seen.push(ask(w, &format!("{routes}/otp/validate"), &with(wrong, &flow)).await);
    seen.push(ask(w, &format!("{routes}/password/validate"), &with(json!({ "password": "not the one" }), &flow)).await);
    let kept = json!({ "password": NEW, "confirmPassword": NEW });
    seen.push(ask(w, &format!("{routes}/password/forget"), &with(kept, &flow)).await);
    seen
}

/// A code that was never sent; the same for the known address and the unknown one.
fn wrong_code(w: &World) -> String {
    let free = (0..10).map(|n| n.to_string().repeat(6)).find(|code| !w.mailer().any(|mail| mail.code == *code));
    free.unwrap_or_default()
}

/// So many pairs for each route, in a deployment of their own.
async fn pairs(w: &World, rounds: usize) {
    let w = &w.another(|s| s.identity(otpgate_http::Identity::passwords).platform().engine(|e| e)).await;
    w.set_password(A, OLD).await;
    w.change_user(A, |user| user.phone = Some(PHONES[0].to_owned())).await;
    let mut refused = 0;
    for n in 0..rounds {
        // Some rounds come so fast that limits, locks and closed slots are met too.
        w.advance(if n % 7 < 3 { 60 } else { 3 * HOUR });
        let mut known = by_address(w, A).await;
        let mut unknown = by_address(w, X).await;
        for (routes, kind, names) in [("/auth/v1", "MOBILE", PHONES), ("/auth/v1/web", "EMAIL", [A, X])] {
            w.advance(1);
            known.extend(by_flow(w, routes, kind, names[0]).await);
            unknown.extend(by_flow(w, routes, kind, names[1]).await);
        }
        assert_eq!((known.len(), unknown.len()), (ROUTES, ROUTES));
        for ((known, work), (unknown, same_work)) in known.iter().zip(&unknown) {
            let [known_name, unknown_name] = if known.text().contains(PHONES[0]) { PHONES } else { [A, X] };
            assert_eq!(plain(known, known_name), plain(unknown, unknown_name), "round {n}");
            assert_eq!(work, same_work, "round {n}: {known}");
            refused += usize::from(known.header("retry-after").is_some());
        }
    }
    assert!(refused > 0, "no limit was met");
    assert!(w.mails().await.iter().all(|m| [A, PHONES[0]].contains(&&*m.to)));
}

async fn q42_w010_w061_w077_known_and_unknown_are_answered_byte_for_byte_alike(w: &World) {
    let mut left = w.few_rounds(200, 1_000);
    while left > 0 {
        // Not all in one: a mailbox of thousands makes the kit slow.
        let now = left.min(100);
        pairs(w, now).await;
        left -= now;
    }
}

/// What of an answer may be of use: its tokens.
fn opened(reply: &Reply) -> Vec<String> {
    let tokens = [reply.at("/data/token"), reply.at("/token")];
    tokens.into_iter().filter(|token| reply.status == 200 && !token.is_empty()).collect()
}

async fn i10_a80_a_reset_wins_against_all_that_the_old_password_opened(w: &World) {
    let w = &w.another(|s| s.platform().real_chance().policy(|p| p.insecure_without_send_limits())).await;
    let platform = w.tenant().as_str();
    let sign_in = |password: &str| {
        Request::json("/api/user/signin", &json!({ "email": A, "password": password, "PlatformId": platform }))
    };
    let (mut granted, mut refused) = (0, 0);
    for _ in 0..w.few_rounds(16, 40) {
        w.advance(25 * HOUR);
        w.set_password(A, OLD).await;
        w.move_on();
        let (held, signed_in) = (w.log_in(A).await, w.call(sign_in(OLD)).await.at("/token"));
        let forgot = Request::json("/api/user/forgot-password", &json!({ "email": A, "PlatformId": platform }));
        w.call(forgot).await.has(200);
        let token = w.code_for(A).await;
        let code = w.send(A).await;

        let mut race =
            vec![Request::json("/api/user/reset-password", &json!({ "token": token, "password": NEW })), sign_in(OLD)];
        let refresh = Request::json(&w.path(REFRESH), &json!({ "refreshToken": held.refresh }));
        let renew = Request::post("/api/user/refresh", "").header("token", &*signed_in);
        race.extend(std::iter::repeat_n(refresh, 25));
        race.extend(std::iter::repeat_n(renew, 25));
        race.extend(std::iter::repeat_n(sign_in(OLD), 24));
        race.extend(std::iter::repeat_n(w.guess_of(A, &code), 24));
        // Each from an address of its own: the limits by address are no part of this.
        let race: Vec<_> = race
            .into_iter()
            .map(|request| {
                w.move_on();
                request.from(w.peer())
            })
            .collect();
        assert_eq!(race.len(), 100);
        let replies = w.burst(race).await;
        replies[0].has(200);

        // Whatever the old credentials opened or renewed beside the reset is dead now.
        let mut tokens = vec![held.access, signed_in];
        for reply in &replies[1..] {
            let got = opened(reply);
            (granted, refused) = (granted + got.len(), refused + usize::from(got.is_empty()));
            tokens.extend(got);
            let refresh = reply.at("/data/refreshToken");
            if !refresh.is_empty() {
                w.move_on();
                w.refresh(&refresh).await.has(401);
            }
        }
        for token in tokens {
            w.me(&token).await.has(401);
            w.call(Request::new("GET", "/me").header("token", &*token)).await.has(401);
        }
        w.move_on();
        w.guess(A, &code).await.has(401);
        // The old password was tried so often that no password is compared now: tomorrow one is.
        w.advance(25 * HOUR);
        w.call(sign_in(OLD)).await.has(401);
        w.call(sign_in(NEW)).await.has(200);
        Tokens::of(&w.guess(A, &w.send(A).await).await);
    }
    assert!(granted > 0 && refused > 0, "nothing raced: {granted} granted, {refused} refused");
}
