//! Forged, mutated and mistaken tokens: none passes, each is answered by the one constant 401.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};

use super::list;
use crate::wire::people::{A, B};
use crate::wire::setup::ED25519;
use crate::wire::{LOGIN, Request, World};

list![
    a69_no_algorithm_is_no_signature,
    a70_a_key_verifies_its_own_algorithm_only,
    a71_a_kid_is_looked_up_and_nothing_else,
    a72_no_header_brings_its_own_key,
    a73_a74_every_claim_is_required_typed_and_exact,
    a75_no_token_passes_for_another_kind,
    a76_a_token_has_one_spelling,
    a77_signatures_that_prove_nothing_are_refused,
    w049_the_answer_to_every_bad_token_is_one_constant,
];

fn b64(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn part(token: &str, n: usize) -> Map<String, Value> {
    let text = token.split('.').nth(n).and_then(|p| URL_SAFE_NO_PAD.decode(p).ok()).unwrap_or_default();
    match serde_json::from_slice(&text) {
        Ok(Value::Object(map)) => map,
        _ => panic!("part {n} of {token} is no object"),
    }
}

fn tail(token: &str) -> &str {
    token.rsplit('.').next().unwrap_or_default()
}

fn with(map: &Map<String, Value>, name: &str, value: Value) -> Value {
    let mut map = map.clone();
    map.insert(name.to_owned(), value);
    Value::Object(map)
}

/// Each is refused as a session and as a credential of the standard routes, by one constant answer; the good one stays good.
async fn all_refused(w: &World, good: &str, bad: impl IntoIterator<Item = String>) {
    let constant = w.me("x.y.z").await;
    constant.fails(401, "Not authenticated");
    for token in bad {
        assert_eq!(w.me(&token).await, constant, "{token}");
        w.log_out(&token).await.fails(401, "Not authenticated");
    }
    w.me(good).await.has(200);
}

async fn a69_no_algorithm_is_no_signature(w: &World) {
    let good = w.log_in(A).await.access;
    let (head, claims) = (part(&good, 0), good.split('.').nth(1).unwrap_or_default().to_owned());
    let mut bad = vec!["..".to_owned(), ".".into(), "...".into(), format!("..{}", tail(&good)), format!("{claims}..")];
    for alg in ["none", "None", "NONE", "nOnE", "", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256"] {
        let head = b64(&with(&head, "alg", json!(alg)));
        bad.push(format!("{head}.{claims}."));
        bad.push(format!("{head}.{claims}.{}", tail(&good)));
        bad.push(format!("{head}.{claims}"));
    }
    let stripped = good.rsplit_once('.').map_or(String::new(), |(start, _)| start.to_owned());
    bad.extend([stripped.clone(), format!("{stripped}.")]);
    let mut headless = head.clone();
    headless.remove("alg");
    bad.push(format!("{}.{claims}.{}", b64(&Value::Object(headless)), tail(&good)));
    all_refused(w, &good, bad).await;
}

async fn a70_a_key_verifies_its_own_algorithm_only(w: &World) {
    let w = &w.another(|s| s.ed25519().gate(|g| g.jwks("/jwks.json"))).await;
    let good = w.log_in(A).await.access;
    let jwks = w.call(Request::new("GET", "/jwks.json")).await;
    let public = URL_SAFE_NO_PAD.decode(jwks.at("/keys/0/x")).unwrap_or_default();
    assert_eq!(public.len(), 32, "{jwks}");
    let (head, claims) = (part(&good, 0), Value::Object(part(&good, 1)));
    let kid = head.get("kid").and_then(Value::as_str).map(str::to_owned);
    // What everybody knows, the public key in each spelling, is tried as the secret of an HMAC.
    let spellings =
        [public.clone(), jwks.at("/keys/0/x").into_bytes(), jwks.body.clone(), STANDARD.encode(&public).into_bytes()];
    let mut bad = Vec::new();
    for secret in spellings {
        for alg in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let head = Header { kid: kid.clone(), typ: Some("at+jwt".into()), ..Header::new(alg) };
            bad.push(jsonwebtoken::encode(&head, &claims, &EncodingKey::from_secret(&secret)).unwrap_or_default());
        }
    }
    assert!(bad.iter().all(|t| t.split('.').count() == 3));
    // A token of a deployment that signs by the ring's HMAC keys is nothing here, and the reverse.
    let hmac = w.node(|s| s).await;
    let theirs = hmac.log_in(A).await.access;
    bad.push(theirs.clone());
    all_refused(w, &good, bad).await;
    all_refused(&hmac, &theirs, [good]).await;
}

async fn a71_a_kid_is_looked_up_and_nothing_else(w: &World) {
    let good = w.log_in(A).await.access;
    let (head, rest) = (part(&good, 0), good.split_once('.').map_or("", |(_, rest)| rest).to_owned());
    let odd = [
        json!("../../dev/null"),
        json!("' OR 1=1 --"),
        json!("https://evil.example/key"),
        json!(""),
        json!("x".repeat(3_000)),
        json!([head["kid"]]),
        json!({ "kid": head["kid"] }),
        json!(null),
        json!(0),
        json!("AAAAAAAAAAA"),
    ];
    let mut bad: Vec<String> = odd.into_iter().map(|kid| format!("{}.{rest}", b64(&with(&head, "kid", kid)))).collect();
    let mut without = head.clone();
    without.remove("kid");
    bad.push(format!("{}.{rest}", b64(&Value::Object(without))));
    bad.push(format!("{}.{rest}", "A".repeat(60_000)));
    all_refused(w, &good, bad).await;
}

/// Signs what it is given with the world's own Ed25519 key.
fn signed(head: &Value, claims: &Value) -> String {
    let Ok(key) = EncodingKey::from_ed_pem(ED25519.as_bytes()) else { panic!("no key") };
    let text = format!("{}.{}", b64(head), b64(claims));
    match jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::EdDSA) {
        Ok(signature) => format!("{text}.{signature}"),
        Err(error) => panic!("{error}"),
    }
}

async fn a72_no_header_brings_its_own_key(w: &World) {
    let w = &w.another(|s| s.ed25519()).await;
    let good = w.log_in(A).await.access;
    let (head, claims) = (part(&good, 0), Value::Object(part(&good, 1)));
    let genuine = signed(&Value::Object(head.clone()), &claims);
    w.me(&genuine).await.has(200);
    // Even under a good signature: nothing of this belongs in a token of ours.
    let mut bad = Vec::new();
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("typ", json!("JWT")),
        ("typ", json!("dpop+jwt")),
        ("typ", json!(null)),
        ("alg", json!("none")),
        ("alg", json!("ES256")),
    ] {
        bad.push(signed(&with(&head, name, value), &claims));
    }
    // And an own key in the header, with a signature that only that key would verify.
    let forged = "A".repeat(86);
    for (name, value) in [
        ("jwk", json!({ "kty": "OKP", "crv": "Ed25519", "x": "A".repeat(43) })),
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert.pem")),
        ("x5c", json!(["AAAA"])),
    ] {
        bad.push(format!("{}.{}.{forged}", b64(&with(&head, name, value)), b64(&claims)));
    }
    all_refused(w, &good, bad).await;
}

async fn a73_a74_every_claim_is_required_typed_and_exact(w: &World) {
    let w = &w.another(|s| s.ed25519()).await;
    let good = w.log_in(A).await.access;
    let other = part(&w.log_in(B).await.access, 1);
    let (head, claims) = (Value::Object(part(&good, 0)), part(&good, 1));
    w.me(&signed(&head, &Value::Object(claims.clone()))).await.has(200);
    let now = w.now().seconds();
    let mut bad = Vec::new();
    for name in claims.keys() {
        let mut less = claims.clone();
        less.remove(name);
        bad.push(signed(&head, &Value::Object(less)));
        for odd in [json!(null), json!([claims[name]]), json!({}), json!(true), json!(-1.5), json!(1e308)] {
            bad.push(signed(&head, &with(&claims, name, odd)));
        }
        // Any text is a name for one token; nothing is looked up by it.
        if name == "jti" {
            continue;
        }
        bad.push(signed(&head, &with(&claims, name, json!(""))));
        if claims[name].is_string() {
            bad.push(signed(
                &head,
                &with(&claims, name, json!(format!("{}/", claims[name].as_str().unwrap_or_default()))),
            ));
        } else {
            bad.push(signed(&head, &with(&claims, name, json!(claims[name].to_string()))));
        }
    }
    for (name, value) in [
        ("exp", json!(now)),
        ("exp", json!(now - 1)),
        ("exp", json!(-1)),
        ("exp", json!(i64::MIN)),
        ("nbf", json!(now + 1)),
        ("nbf", json!(i64::MAX)),
        ("iat", json!(now + 61)),
        ("aud", json!(["otpgate"])),
        ("aud", json!("OTPGATE")),
        ("iss", json!("https://otpgate")),
        ("tenant", json!("t2")),
        ("profile", json!("platform")),
        ("sub", other["sub"].clone()),
        ("sid", other["sid"].clone()),
        ("sid", json!("00000000-0000-4000-8000-000000000000")),
    ] {
        bad.push(signed(&head, &with(&claims, name, value)));
    }
    all_refused(w, &good, bad).await;
}

async fn a75_no_token_passes_for_another_kind(w: &World) {
    let tokens = w.log_in(A).await;
    let code = w.send(A).await;
    let claims = part(&tokens.access, 1);
    let parts: Vec<String> = tokens.refresh.split('.').map(str::to_owned).collect();
    let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
    let mistaken = [tokens.refresh.clone(), code.clone(), text("sid"), text("jti"), parts[0].clone(), parts[2].clone()];
    all_refused(w, &tokens.access, mistaken.clone()).await;
    for token in mistaken.iter().skip(1).chain([&tokens.access]) {
        w.refresh(token).await.fails(401, "Not authenticated");
    }
    for token in [&tokens.access, &tokens.refresh, &text("sid"), &text("jti")] {
        let body = json!({ "email": A, "password": token, "isOTP": true });
        w.post(LOGIN, body.to_string()).await.fails(400, "Invalid request: password");
    }
    w.guess(A, &code).await.has(200);
}

async fn a76_a_token_has_one_spelling(w: &World) {
    let good = w.log_in(A).await.access;
    let parts: Vec<&str> = good.split('.').collect();
    let [head, claims, mac] = parts[..] else { panic!("{good}") };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    // The last letter of 32 bytes carries two bits that mean nothing.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = mac.chars().next_back().and_then(|c| alphabet.find(c)).unwrap_or_default();
    let twin = alphabet.chars().nth(last ^ 1).unwrap_or_default();
    let spelled = [
        format!("{head}.{claims}.{}{twin}", &mac[..mac.len() - 1]),
        format!("{head}.{claims}.{mac}="),
        format!("{head}.{claims}.{}", URL_SAFE.encode(decoded(mac))),
        format!("{head}=.{claims}.{mac}"),
        format!("{head}.{claims}=.{mac}"),
        format!("{head}. {claims}.{mac}"),
        format!("{head}.{claims}.{mac}.{mac}"),
        format!("{head}.{claims}.{mac}."),
        format!(".{head}.{claims}.{mac}"),
        format!("{head}.{claims}.{}", mac.to_uppercase()),
        format!("{head}.{}.{mac}", claims.to_lowercase()),
        format!("Bearer {good}"),
        format!("\"{good}\""),
        good.replace('.', "%2E"),
    ];
    all_refused(w, &good, spelled.clone()).await;
    w.log_out(&good).await.has(200);
    for token in spelled.iter().chain([&good]) {
        w.me(token).await.has(401);
    }
}

async fn a77_signatures_that_prove_nothing_are_refused(w: &World) {
    let w = &w.another(|s| s.ed25519()).await;
    let good = w.log_in(A).await.access;
    let body = good.rsplit_once('.').map_or("", |(body, _)| body).to_owned();
    let zeros = [0u8; 64];
    let mut one = zeros;
    one[0] = 1;
    let genuine = URL_SAFE_NO_PAD.decode(tail(&good)).unwrap_or_default();
    let mut flipped = genuine.clone();
    flipped[63] ^= 0x80;
    // S + L: the same point, another spelling (RFC 8032, 5.1.7 asks for S < L).
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut malleable = genuine.clone();
    let mut carry = 0u16;
    for (byte, add) in malleable[32..].iter_mut().zip(L) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
    let signatures = [zeros.to_vec(), one.to_vec(), flipped, malleable, genuine[..32].to_vec(), Vec::new()];
    all_refused(w, &good, signatures.map(|s| format!("{body}.{}", URL_SAFE_NO_PAD.encode(s)))).await;
}

async fn w049_the_answer_to_every_bad_token_is_one_constant(w: &World) {
    let constant = w.log_out("x").await;
    constant.fails(401, "Not authenticated");
    let good = w.log_in(A).await.access;
    let bytes = good.as_bytes();
    // Every position of a good token, one letter changed.
    for at in (0..bytes.len()).step_by(7) {
        let mut other = bytes.to_vec();
        other[at] = if other[at] == b'A' { b'B' } else { b'A' };
        let token = String::from_utf8(other).unwrap_or_default();
        assert_eq!(w.log_out(&token).await, constant, "letter {at}");
    }
    w.me(&good).await.has(200);
}
