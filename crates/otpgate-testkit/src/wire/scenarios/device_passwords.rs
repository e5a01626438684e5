//! Q20, R41, A116: passwords from devices that have logged in before.

use otpgate_http::Identity;
use serde_json::json;

use super::list;
use crate::wire::people::{A, B};
use crate::wire::{LOGIN, Reply, Request, World, other_than};

list![
    q20_a_known_device_signs_in_while_strangers_guess_the_password,
    q20_a_known_device_signs_in_through_the_lock_of_platform_and_opens_it,
    q20_a_first_proof_hands_out_a_token_that_is_good,
    a116_a_device_has_its_own_wrong_passwords_and_a_stranger_s_token_none,
];

const PASSWORD: &str = "correct horse battery staple";
const HEADER: &str = "otpgate-device";

async fn world(w: &World) -> World {
    let w = w.another(|s| s.platform().engine(|e| e).identity(Identity::passwords)).await;
    w.set_password(A, PASSWORD).await;
    w
}

async fn known(w: &World, email: &str) -> String {
    let code = w.send(email).await;
    let reply = w.guess(email, &code).await;
    reply.has(200).header(HEADER).map(str::to_owned).unwrap_or_else(|| panic!("no device token: {reply}"))
}

fn at_identity(password: &str) -> Request {
    Request::json(LOGIN, &json!({ "email": A, "password": password, "isOTP": false }))
}

fn at_platform(w: &World, password: &str) -> Request {
    let body = json!({ "email": A, "password": password, "PlatformId": w.tenant().as_str() });
    Request::json("/api/user/signin", &body)
}

/// Signs in with the right password in each profile that has them, with this device token or none.
async fn sign_in_everywhere(w: &World, token: Option<&str>) -> [bool; 3] {
    let with = |request: Request| match token {
        Some(token) => request.header(HEADER, token),
        None => request,
    };
    w.move_on();
    let of_flow = json!({ "identifierType": "EMAIL", "identifierValue": A, "brand": w.tenant().as_str() });
    let opened = w.call(with(Request::json("/auth/v1/web/token/generate", &of_flow))).await;
    let mut validate = of_flow;
    validate["sessionId"] = json!(opened.at("/user/sessionId"));
    validate["password"] = json!(PASSWORD);
    let in_flow = w.call(with(Request::json("/auth/v1/web/password/validate", &validate))).await;
    [
        w.call(with(at_identity(PASSWORD))).await.status == 200,
        w.call(with(at_platform(w, PASSWORD))).await.status == 200,
        in_flow.value()["status"]["success"] == json!(true),
    ]
}

async fn q20_a_known_device_signs_in_while_strangers_guess_the_password(w: &World) {
    let w = &world(w).await;
    let token = known(w, A).await;
    for _ in 0..w.rounds(3) {
        for _ in 0..2 {
            for n in 0..10 {
                w.move_on();
                w.call(at_identity(&format!("a guess {n}"))).await.has(401);
            }
            assert_eq!(sign_in_everywhere(w, None).await, [false; 3], "strangers have spent the hour");
            assert_eq!(sign_in_everywhere(w, Some(&token)).await, [true; 3]);
            w.advance(3_600);
        }
        assert_eq!(sign_in_everywhere(w, None).await, [false; 3], "and the day: a device opens no window");
        assert_eq!(sign_in_everywhere(w, Some(&token)).await, [true; 3]);
        w.advance(24 * 3_600);
        assert_eq!(sign_in_everywhere(w, None).await, [true; 3]);
    }
}

async fn q20_a_known_device_signs_in_through_the_lock_of_platform_and_opens_it(w: &World) {
    let w = &world(w).await;
    let token = known(w, A).await;
    for n in 0..5 {
        w.move_on();
        w.call(at_platform(w, &format!("a guess {n}"))).await.has(401);
    }
    w.move_on();
    w.call(at_platform(w, PASSWORD)).await.has(401);
    w.call(at_platform(w, PASSWORD).header(HEADER, token.clone())).await.has(200);
    w.call(at_platform(w, PASSWORD)).await.has(200);
    // Its own wrong ones lock nobody.
    for _ in 0..6 {
        w.move_on();
        w.call(at_platform(w, "not the one").header(HEADER, token.clone())).await.has(401);
    }
    w.move_on();
    w.call(at_platform(w, PASSWORD)).await.has(200);
}

async fn q20_a_first_proof_hands_out_a_token_that_is_good(w: &World) {
    const NEW: &str = "signed-up@example.com";
    let w = &w.another(|s| s.platform()).await;
    w.sign_up("70", NEW).await;
    w.set_password(NEW, PASSWORD).await;
    let token = known(w, NEW).await;
    // The code that it asks for is its own.
    let ask = Request::json(crate::wire::SEND, &json!({ "email": NEW }));
    w.call(ask.header(HEADER, token.clone())).await.has(200);
    let code = w.code_for(NEW).await;
    w.guess(NEW, &code).await.has(401);
    w.call(w.guess_of(NEW, &code).header(HEADER, token)).await.has(200);
}

async fn a116_a_device_has_its_own_wrong_passwords_and_a_stranger_s_token_none(w: &World) {
    let w = &world(w).await;
    let (token, of_b) = (known(w, A).await, known(w, B).await);
    let guess = async |token: &str, password: &str| -> Reply {
        w.move_on();
        w.call(at_identity(password).header(HEADER, token)).await
    };
    for _ in 0..10 {
        guess(&token, "not the one").await.has(401);
    }
    guess(&token, PASSWORD).await.has(401);
    assert_eq!(sign_in_everywhere(w, None).await, [true; 3], "nobody else's budget is touched");
    // A token of one's own account is none at another's: what it guesses is what strangers guess.
    for _ in 0..10 {
        guess(&of_b, "not the one").await.has(401);
    }
    guess(&of_b, PASSWORD).await.has(401);
    assert_eq!(sign_in_everywhere(w, None).await, [false; 3]);
    // Codes have their own ten.
    w.advance(60);
    let ask = Request::json(crate::wire::SEND, &json!({ "email": A }));
    w.call(ask.header(HEADER, token.clone())).await.has(200);
    let code = w.code_for(A).await;
    w.call(w.guess_of(A, &other_than(&code)).header(HEADER, token.clone())).await.has(401);
    w.call(w.guess_of(A, &code).header(HEADER, token)).await.has(200);
}
