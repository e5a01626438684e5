//! W025-W041: logging in with a code.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::list;
use crate::wire::people::{A, A_ID, B, BANNED, PENDING};
use crate::wire::{LOGIN, Reply, Request, Tokens, World, other_than};

list![
    w025_the_right_code_logs_in,
    w026_login_needs_an_email,
    w027_login_needs_the_code_as_a_string,
    w028_is_otp_has_to_be_a_boolean,
    w029_is_otp_false_never_logs_in,
    w030_a_login_answers_with_exactly_the_documented_keys,
    w031_the_token_is_a_jwt_whose_signature_verifies,
    w032_the_organization_is_the_users_default_one,
    w034_a_code_works_once,
    w035_a_code_logs_in_its_own_address_only,
    w036_codes_with_leading_zeros_log_in,
    w037_a_wrong_code_is_401_without_a_token,
    w038_the_third_wrong_guess_asks_for_a_new_code,
    w039_a_new_code_has_three_fresh_tries,
    w041_both_tokens_are_secrets_and_the_store_knows_neither,
    a33_no_step_can_be_skipped,
    a34_is_otp_is_never_taken_for_something_else,
    r43_a_right_code_of_a_banned_or_pending_user_is_403,
];

async fn w025_the_right_code_logs_in(w: &World) {
    let code = w.send(A).await;
    let body = json!({ "email": A, "password": code, "isOTP": true });
    let reply = w.call(Request::json(LOGIN, &body)).await;
    let tokens = Tokens::of(&reply);
    w.me(&tokens.access).await.has(200);
}

async fn w026_login_needs_an_email(w: &World) {
    let code = w.send(A).await;
    for email in [None, Some(json!(null)), Some(json!(5)), Some(json!("")), Some(json!("a")), Some(json!([A, B]))] {
        let mut body = json!({ "password": code, "isOTP": true });
        if let Some(email) = email {
            body["email"] = email;
        }
        w.post(LOGIN, body.to_string()).await.fails(400, "Invalid request: email");
    }
    w.guess(A, &code).await.has(200);
}

async fn w027_login_needs_the_code_as_a_string(w: &World) {
    let code = w.send(A).await;
    let number: Value = code.trim_start_matches('0').parse::<u64>().map_or(Value::Null, Value::from);
    for password in
        [None, Some(json!(null)), Some(number), Some(json!(true)), Some(json!([code])), Some(json!({ "": code }))]
    {
        let mut body = json!({ "email": A, "isOTP": true });
        if let Some(password) = password {
            body["password"] = password;
        }
        w.post(LOGIN, body.to_string()).await.fails(400, "Invalid request: password");
    }
    let otp = json!({ "email": A, "otp": code, "isOTP": true });
    w.post(LOGIN, otp.to_string()).await.fails(400, "Invalid request: password");
    w.guess(A, &code).await.has(200);
}

async fn w028_is_otp_has_to_be_a_boolean(w: &World) {
    let code = w.send(A).await;
    for is_otp in
        [None, Some(json!("true")), Some(json!(1)), Some(json!(null)), Some(json!([true])), Some(json!("True"))]
    {
        let mut body = json!({ "email": A, "password": code });
        if let Some(is_otp) = is_otp {
            body["isOTP"] = is_otp;
        }
        w.post(LOGIN, body.to_string()).await.fails(400, "Invalid request: isOTP");
    }
    let other = json!({ "email": A, "password": code, "isOtp": true });
    w.post(LOGIN, other.to_string()).await.fails(400, "Invalid request: isOTP");
    w.guess(A, &code).await.has(200);
}

async fn w029_is_otp_false_never_logs_in(w: &World) {
    let code = w.send(A).await;
    for password in [code.as_str(), "a password", "000000"] {
        let body = json!({ "email": A, "password": password, "isOTP": false });
        w.post(LOGIN, body.to_string()).await.fails(400, "Invalid request: isOTP");
    }
    w.guess(A, &code).await.has(200);
}

async fn w030_a_login_answers_with_exactly_the_documented_keys(w: &World) {
    let code = w.send(A).await;
    let reply = w.guess(A, &code).await;
    let Tokens { access, refresh } = Tokens::of(&reply);
    let want = format!(
        concat!(
            r#"{{"status":true,"data":{{"token":"{access}","refreshToken":"{refresh}","#,
            r#""user":{{"_id":"{id}","id":"{id}","email":"a@example.com","status":"active"}},"#,
            r#""roles":["admin","editor"],"organizationId":"org-1"}},"message":"OK"}}"#,
        ),
        access = access,
        refresh = refresh,
        id = A_ID,
    );
    reply.is(200, &want);
    // Ids are strings though the directory has a number's text, and no roles are an empty array.
    let code = w.send(B).await;
    let reply = w.guess(B, &code).await.value();
    assert_eq!(reply["data"]["user"], json!({ "_id": "2", "id": "2", "email": B, "status": "active" }));
    assert_eq!(reply["data"]["roles"], json!([]));
}

async fn w031_the_token_is_a_jwt_whose_signature_verifies(w: &World) {
    let w = &w.another(|s| s.ed25519().gate(|g| g.jwks("/.well-known/jwks.json"))).await;
    let token = w.log_in(A).await.access;
    assert_eq!(token.split('.').count(), 3);
    let keys = w.call(Request::new("GET", "/.well-known/jwks.json")).await;
    keys.has(200).with("content-type", "application/jwk-set+json");
    let keys: JwkSet = serde_json::from_slice(&keys.body).unwrap_or(JwkSet { keys: Vec::new() });
    let Some(Ok(key)) = keys.keys.first().map(DecodingKey::from_jwk) else { panic!("no key: {keys:?}") };
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.set_audience(&["otpgate"]);
    rules.set_issuer(&["otpgate"]);
    let claims = match jsonwebtoken::decode::<Value>(&token, &key, &rules) {
        Ok(told) => told.claims,
        Err(error) => panic!("the signature does not verify: {error}"),
    };
    let now = w.now().seconds();
    for (name, want) in [
        ("sub", json!(A_ID)),
        ("tenant", json!("default")),
        ("profile", json!("identity")),
        ("iat", json!(now)),
        ("nbf", json!(now - 60)),
        ("exp", json!(now + 900)),
    ] {
        assert_eq!(claims[name], want, "{name}");
    }
    let head = token.split('.').next().and_then(|h| URL_SAFE_NO_PAD.decode(h).ok()).unwrap_or_default();
    let head: Value = serde_json::from_slice(&head).unwrap_or_default();
    assert_eq!((&head["typ"], &head["alg"]), (&json!("at+jwt"), &json!("EdDSA")));
}

async fn w032_the_organization_is_the_users_default_one(w: &World) {
    for (email, organization) in [(A, "org-1"), (B, "org-3")] {
        let code = w.send(email).await;
        let reply = w.guess(email, &code).await;
        assert_eq!(reply.at("/data/organizationId"), organization);
        let me = w.me(&reply.at("/data/token")).await;
        assert_eq!(me.at("/organization"), organization);
    }
}

async fn w034_a_code_works_once(w: &World) {
    let code = w.send(A).await;
    let first = Tokens::of(&w.guess(A, &code).await);
    for _ in 0..5 {
        w.guess(A, &code).await.fails(401, "Invalid or expired code");
    }
    w.me(&first.access).await.has(200);
    // Nor does it come back with a new one that is asked for.
    let next = w.send(A).await;
    w.guess(A, &code).await.has(401);
    w.guess(A, &next).await.has(200);
}

async fn w035_a_code_logs_in_its_own_address_only(w: &World) {
    let code = w.send(A).await;
    let own = w.send(B).await;
    assert_ne!(code, own);
    w.guess(B, &code).await.fails(401, "Invalid or expired code");
    let reply = w.guess(A, &code).await;
    assert_eq!(reply.at("/data/user/email"), A);
    assert_eq!(w.guess(B, &own).await.at("/data/user/email"), B);
}

async fn w036_codes_with_leading_zeros_log_in(w: &World) {
    let w = &w.another(|s| s.policy(|p| p.insecure_without_send_limits())).await;
    for _ in 0..500 {
        w.move_on();
        let code = w.send(A).await;
        if !code.starts_with('0') {
            continue;
        }
        let short = code.trim_start_matches('0');
        w.guess(A, short).await.fails(400, "Invalid request: password");
        w.guess(A, &code).await.has(200);
        return;
    }
    panic!("of 500 codes none begins with a zero");
}

async fn w037_a_wrong_code_is_401_without_a_token(w: &World) {
    let code = w.send(A).await;
    let wrong = w.guess(A, &other_than(&code)).await;
    wrong.fails(401, "Invalid or expired code");
    // Wrong, expired, used, never sent: one answer.
    assert_eq!(w.guess(B, &code).await, wrong);
    w.guess(A, &code).await.has(200);
    assert_eq!(w.guess(A, &code).await, wrong);
    let code = w.send(A).await;
    w.advance(300);
    assert_eq!(w.guess(A, &code).await, wrong);
}

async fn w038_the_third_wrong_guess_asks_for_a_new_code(w: &World) {
    const BURNT: &str = "Too many failed attempts. Request a new code.";
    let code = w.send(A).await;
    let wrong = other_than(&code);
    w.guess(A, &wrong).await.fails(401, "Invalid or expired code");
    w.guess(A, &wrong).await.fails(401, "Invalid or expired code");
    w.guess(A, &wrong).await.fails(401, BURNT);
    w.guess(A, &code).await.fails(401, BURNT);
    w.guess(A, &wrong).await.fails(401, BURNT);
    // Two wrong ones leave the right one good, and the number is a setting.
    let two = w.another(|s| s).await;
    let code = two.send(A).await;
    two.miss(A, &code, 2).await;
    two.guess(A, &code).await.has(200);
    let one = w.another(|s| s.policy(|p| p.max_tries(1))).await;
    let code = one.send(A).await;
    one.guess(A, &other_than(&code)).await.fails(401, BURNT);
    one.guess(A, &code).await.fails(401, BURNT);
}

async fn w039_a_new_code_has_three_fresh_tries(w: &World) {
    let burnt = w.send(A).await;
    w.miss(A, &burnt, 3).await;
    let code = w.send(A).await;
    w.miss(A, &code, 2).await;
    w.guess(A, &code).await.has(200);
    // The send limit goes on counting: that were two.
    w.send(A).await;
    w.ask_code(A).await.has(429);
}

async fn w041_both_tokens_are_secrets_and_the_store_knows_neither(w: &World) {
    let Tokens { access, refresh } = w.log_in(A).await;
    assert_ne!(access, refresh);
    let next = Tokens::of(&w.refresh(&refresh).await);
    assert!(w.written().count() > 0);
    for token in [&access, &refresh, &next.access, &next.refresh] {
        assert!(!w.written().holds(token.as_bytes()), "the store holds a token");
        let secret = token.rsplit('.').next().unwrap_or_default();
        assert!(!w.written().holds(secret.as_bytes()), "the store holds a token's secret part");
        let bytes = URL_SAFE_NO_PAD.decode(secret).unwrap_or_default();
        assert!(bytes.len() >= 32 && !w.written().holds(&bytes), "the store holds a token's secret bytes");
    }
    // Neither is taken for the other.
    w.me(&refresh).await.has(401);
    w.refresh(&access).await.fails(401, "Not authenticated");
}

async fn a33_no_step_can_be_skipped(w: &World) {
    // Verifying without a code sent, with anything that some comparison might call equal to nothing.
    for password in ["000000", "123456", "111111", "999999"] {
        w.guess(A, password).await.fails(401, "Invalid or expired code");
    }
    for password in [json!(""), json!(null), json!({ "$gt": "" }), json!([]), json!("null"), json!("undefined")] {
        let body = json!({ "email": A, "password": password, "isOTP": true });
        w.post(LOGIN, body.to_string()).await.fails(400, "Invalid request: password");
    }
    for token in ["", "null", "undefined", "..", ".1.", "e30.e30.e30"] {
        w.refresh(token).await.fails(401, "Not authenticated");
        w.me(token).await.has(401);
        w.log_out(token).await.fails(401, "Not authenticated");
    }
    let code = w.send(A).await;
    w.guess(A, &code).await.has(200);
}

async fn a34_is_otp_is_never_taken_for_something_else(w: &World) {
    let code = w.send(A).await;
    // More than three: neither counts as a guess.
    for is_otp in [json!(false), json!("true"), json!(1), json!(0), json!(null), json!({}), json!([])] {
        let body = json!({ "email": A, "password": other_than(&code), "isOTP": is_otp });
        w.post(LOGIN, body.to_string()).await.fails(400, "Invalid request: isOTP");
    }
    w.guess(A, &code).await.has(200);
}

async fn r43_a_right_code_of_a_banned_or_pending_user_is_403(w: &World) {
    for email in [BANNED, PENDING] {
        let code = w.send(email).await;
        w.guess(email, &other_than(&code)).await.fails(401, "Invalid or expired code");
        let reply: Reply = w.guess(email, &code).await;
        reply.fails(403, "Forbidden");
        // The code is used up all the same.
        w.guess(email, &code).await.fails(401, "Invalid or expired code");
    }
}
