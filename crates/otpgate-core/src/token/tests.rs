use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::MasterSecret;

const NOW: i64 = 1_700_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn secrets(text: &str) -> Secrets {
    Secrets::new(MasterSecret::new(text).unwrap())
}

fn tokens() -> Tokens {
    Tokens::new(&secrets("a secret for tests of 32 bytes or more"), &TokenSettings::default()).unwrap()
}

fn ed25519() -> SigningKey {
    let der = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap().to_pkcs8v1().unwrap();
    SigningKey::ed25519_pem(&pem("PRIVATE KEY", der.as_ref())).unwrap()
}

fn es256() -> SigningKey {
    let signing = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    SigningKey::es256_pem(&pem("PRIVATE KEY", &on_curve(signing))).unwrap()
}

fn on_curve(signing: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm) -> Vec<u8> {
    let rng = aws_lc_rs::rand::SystemRandom::new();
    aws_lc_rs::signature::EcdsaKeyPair::generate_pkcs8(signing, &rng).unwrap().as_ref().to_vec()
}

fn pem(tag: &str, der: &[u8]) -> Vec<u8> {
    pem::encode(&pem::Pem::new(tag, der)).into_bytes()
}

#[test]
fn a_key_of_another_kind_is_refused_when_it_is_read() {
    let p256 = on_curve(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING);
    let p384 = on_curve(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING);
    let ed = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap().to_pkcs8v1().unwrap();
    let ed = ed.as_ref();
    assert!(SigningKey::es256_pem(&pem("PRIVATE KEY", &p256)).is_ok());
    for der in [ed, &p384, &p256[1..], b"", &[0; 48]] {
        assert!(SigningKey::es256_pem(&pem("PRIVATE KEY", der)).is_err(), "{der:?}");
    }
    assert!(SigningKey::ed25519_pem(&pem("PRIVATE KEY", ed)).is_ok());
    for der in [&p256[..], &ed[1..], b"", &[0; 48]] {
        assert!(SigningKey::ed25519_pem(&pem("PRIVATE KEY", der)).is_err(), "{der:?}");
    }
    for tag in ["EC PRIVATE KEY", "PUBLIC KEY", "CERTIFICATE", "ENCRYPTED PRIVATE KEY"] {
        assert!(SigningKey::ed25519_pem(&pem(tag, ed)).is_err(), "{tag}");
        assert!(SigningKey::es256_pem(&pem(tag, &p256)).is_err(), "{tag}");
    }
    assert!(SigningKey::ed25519_pem(ed).is_err() && SigningKey::ed25519_pem(b"no key").is_err());
}

fn asymmetric(keys: Vec<SigningKey>) -> Tokens {
    let settings = TokenSettings { keys, ..TokenSettings::default() };
    Tokens::new(&secrets("a secret for tests of 32 bytes or more"), &settings).unwrap()
}

fn mint(tokens: &Tokens) -> String {
    tokens.mint_at(NOW * 1_000, 900)
}

impl Tokens {
    fn mint_at(&self, millis: i64, seconds: u64) -> String {
        let (user, tenant) = (UserId::new("u-1").unwrap(), Tenant::new("t").unwrap());
        let issued_at = Timestamp::from_millis(millis);
        let grant = Grant {
            user: &user,
            tenant: &tenant,
            profile: Profile::Identity,
            session: SessionId::from_random([1; 16]),
            jti: [2; 16],
            issued_at,
            expires_at: issued_at.plus(std::time::Duration::from_secs(seconds)),
        };
        self.mint(grant).unwrap().expose().to_owned()
    }
}

fn part(token: &str, i: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(i).unwrap()).unwrap()).unwrap()
}

/// Signs any header and claims with the right HS256 key.
fn resign(tokens: &Tokens, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &tokens.0.signer, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn a_token_says_what_the_house_says() {
    let token = mint(&tokens());
    assert_eq!(part(&token, 0)["typ"], "at+jwt");
    assert_eq!(part(&token, 0)["alg"], "HS256");
    let claims = part(&token, 1);
    assert_eq!(claims["nbf"], NOW - 60);
    assert_eq!(claims["exp"], NOW + 900);
    for name in ["iss", "aud", "sub", "sid", "jti", "tenant", "profile"] {
        assert!(claims[name].is_string(), "{name}");
    }
    assert_eq!(claims.as_object().unwrap().len(), 10);
}

#[test]
fn q26_a_token_lives_to_the_second_without_leeway() {
    let tokens = tokens();
    let token = mint(&tokens);
    let late = tokens.mint_at(NOW * 1_000 + 400, 900);
    for (millis, good) in [(400, true), (900_399, true), (900_400, false)] {
        let at = Timestamp::from_millis(NOW * 1_000 + millis);
        assert_eq!(tokens.verify(&late, at).is_ok(), good, "{millis}");
    }
    let rows = [(-61, false), (-60, true), (0, true), (899, true), (900, false), (901, false)];
    for (after, good) in rows {
        assert_eq!(tokens.verify(&token, at(NOW + after)).is_ok(), good, "{after}");
    }
    assert_eq!(tokens.verify(&token, at(NOW + 900)), Err(Untrusted::Expired));
}

#[test]
fn a69_a77_mutated_tokens_are_refused() {
    let tokens = tokens();
    let good = mint(&tokens);
    let (header, claims) = (part(&good, 0), part(&good, 1));
    let (h, c) = (header.to_string(), claims.to_string());
    assert!(tokens.verify(&resign(&tokens, &h, &c), at(NOW)).is_ok(), "the helper itself signs well");

    let mut bad: Vec<(String, String)> = Vec::new();
    let with = |value: &Value, name: &str, new: Value| {
        let mut value = value.clone();
        value[name] = new;
        value.to_string()
    };
    let without = |value: &Value, name: &str| {
        let mut value = value.clone();
        value.as_object_mut().unwrap().remove(name);
        value.to_string()
    };
    for alg in ["none", "None", "NONE", "nOnE", "HS384", "HS512", "RS256", "ES256", "EdDSA", "PS256", "hs256", ""] {
        bad.push((format!("alg {alg}"), resign(&tokens, &with(&header, "alg", json!(alg)), &c)));
    }
    for kid in [
        json!("../../dev/null"),
        json!("' OR 1=1 --"),
        json!("a".repeat(3_000)),
        json!([header["kid"]]),
        json!(null),
        json!(1),
        json!(""),
        json!("https://evil.example/k"),
    ] {
        bad.push((format!("kid {kid}"), resign(&tokens, &with(&header, "kid", kid), &c)));
    }
    for typ in [json!("JWT"), json!("at+JWT"), json!("rt+jwt"), json!(null), json!("")] {
        bad.push((format!("typ {typ}"), resign(&tokens, &with(&header, "typ", typ), &c)));
    }
    for (name, value) in [
        ("jwk", json!({"kty": "oct", "k": "AAAA"})),
        ("jku", json!("https://evil.example/jwks")),
        ("x5u", json!("https://evil.example")),
        ("x5c", json!(["AAAA"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("cty", json!("JWT")),
        ("zip", json!("DEF")),
        ("x", json!(1)),
    ] {
        bad.push((format!("header {name}"), resign(&tokens, &with(&header, name, value), &c)));
    }
    for name in ["alg", "kid", "typ"] {
        bad.push((format!("no {name}"), resign(&tokens, &without(&header, name), &c)));
    }
    for name in ["iss", "aud", "sub", "sid", "jti", "tenant", "profile", "iat", "nbf", "exp"] {
        bad.push((format!("no {name}"), resign(&tokens, &h, &without(&claims, name))));
        for value in [json!(null), json!(true), json!([]), json!({}), json!(1.5), json!([claims[name]]), json!("")] {
            // An empty `sid`, `sub` or `tenant` is text like any other to the reader of claims, and leads to no session.
            if !(value == json!("") && matches!(name, "sid" | "sub" | "tenant")) {
                bad.push((format!("{name} {value}"), resign(&tokens, &h, &with(&claims, name, value))));
            }
        }
    }
    for name in ["iat", "nbf", "exp"] {
        for value in [json!(claims[name].to_string()), json!(1e308), json!(-1.5), json!(u64::MAX)] {
            bad.push((format!("{name} {value}"), resign(&tokens, &h, &with(&claims, name, value))));
        }
    }
    bad.push(("exp negative".into(), resign(&tokens, &h, &with(&claims, "exp", json!(-1)))));
    bad.push(("nbf later".into(), resign(&tokens, &h, &with(&claims, "nbf", json!(NOW + 1)))));
    for (name, value) in [("iss", "otpgate/"), ("iss", "Otpgate"), ("aud", "staging"), ("profile", "root")] {
        bad.push((format!("{name} {value}"), resign(&tokens, &h, &with(&claims, name, json!(value)))));
    }
    bad.push(("role".into(), resign(&tokens, &h, &with(&claims, "role", json!("admin")))));
    bad.push(("twice exp".into(), resign(&tokens, &h, &c.replacen('{', &format!("{{\"exp\":{},", NOW + 9_999), 1))));
    bad.push(("twice alg".into(), resign(&tokens, &h.replacen('{', "{\"alg\":\"none\",", 1), &c)));
    bad.push(("array claims".into(), resign(&tokens, &h, "[]")));
    bad.push(("no json".into(), resign(&tokens, &h, "exp")));

    let [one, two, three] = [0, 1, 2].map(|i| good.split('.').nth(i).unwrap().to_owned());
    let last = three.chars().last().unwrap();
    // 43 characters carry 258 bits: the last character has two that say nothing, and must be zero.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let sibling = alphabet.chars().nth(alphabet.find(last).unwrap() ^ 1).unwrap();
    let tail = format!("{one}.{two}.{}{sibling}", &three[..three.len() - 1]);
    let padded = URL_SAFE.encode(URL_SAFE_NO_PAD.decode(&three).unwrap());
    for (name, text) in [
        ("empty", String::new()),
        ("dots", "..".into()),
        ("no signature", format!("{one}.{two}.")),
        ("two parts", format!("{one}.{two}")),
        ("four parts", format!("{good}.{three}")),
        ("tail bits", tail),
        ("padding", format!("{one}.{two}.{padded}")),
        ("space before", format!(" {good}")),
        ("space after", format!("{good} ")),
        ("newline", format!("{good}\n")),
        ("bearer", format!("Bearer {good}")),
        ("zero signature", format!("{one}.{two}.{}", "A".repeat(43))),
        ("other claims", format!("{one}.{}.{three}", URL_SAFE_NO_PAD.encode(with(&claims, "sub", json!("admin"))))),
        ("long", format!("{good}{}", "a".repeat(1 << 20))),
        ("standard alphabet", format!("{one}.{two}.{}", three.replace('-', "+").replace('_', "/"))),
    ] {
        if text != good {
            bad.push((name.into(), text));
        }
    }
    // A bit of every byte of the token.
    for i in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[i] ^= 1;
        bad.push((format!("bit of byte {i}"), String::from_utf8(bytes).unwrap()));
    }
    assert!(bad.len() >= 200, "{}", bad.len());
    for (name, token) in bad {
        assert!(tokens.verify(&token, at(NOW)).is_err(), "{name} was accepted");
    }
}

#[test]
fn a70_keys_of_one_algorithm_do_not_verify_another() {
    let (ed, ec) = (asymmetric(vec![ed25519()]), asymmetric(vec![es256()]));
    for tokens in [&ed, &ec] {
        let good = mint(tokens);
        assert!(tokens.verify(&good, at(NOW)).is_ok());
        // HS256 with the public key, as it stands in the JWKS, for a secret.
        let jwks: Value = serde_json::from_str(tokens.jwks().unwrap()).unwrap();
        let mut header = part(&good, 0);
        header["alg"] = json!("HS256");
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), good.split('.').nth(1).unwrap());
        for secret in [
            jwks["keys"][0]["x"].as_str().unwrap().as_bytes().to_vec(),
            URL_SAFE_NO_PAD.decode(jwks["keys"][0]["x"].as_str().unwrap()).unwrap(),
        ] {
            let signature =
                jsonwebtoken::crypto::sign(message.as_bytes(), &EncodingKey::from_secret(&secret), Algorithm::HS256)
                    .unwrap();
            assert!(tokens.verify(&format!("{message}.{signature}"), at(NOW)).is_err());
        }
        // Psychic signature: r = s = 0.
        let (message, _) = good.rsplit_once('.').unwrap();
        assert!(tokens.verify(&format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 64])), at(NOW)).is_err());
    }
    assert!(ed.verify(&mint(&ec), at(NOW)).is_err());
    assert!(tokens().verify(&mint(&ed), at(NOW)).is_err());
}

#[test]
fn the_jwks_holds_public_halves_only_and_verifies() {
    let tokens = asymmetric(vec![ed25519(), es256()]);
    let set: JwkSet = serde_json::from_str(tokens.jwks().unwrap()).unwrap();
    assert_eq!(set.keys.len(), 2);
    assert!(!tokens.jwks().unwrap().contains("\"d\""));
    let token = mint(&tokens);
    let kid = part(&token, 0)["kid"].as_str().unwrap().to_owned();
    let key = DecodingKey::from_jwk(set.find(&kid).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_exp = false;
    validation.set_audience(&["otpgate"]);
    jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
    tokens.probe().unwrap();
}

#[test]
fn q39_tokens_roll_over_with_the_ring() {
    let master = |text: &str| MasterSecret::new(text).unwrap();
    let (old, new) = ("an old secret of 32 bytes or more", "the new secret, also long enough!");
    let make = |s: Secrets| Tokens::new(&s, &TokenSettings::default()).unwrap();
    let before = make(Secrets::new(master(old)));
    let step_1 = make(Secrets::new(master(old)).accept(master(new)));
    let step_2 = make(Secrets::new(master(new)).anchored_at(&master(old)).accept(master(old)));
    let after = make(Secrets::new(master(new)).anchored_at(&master(old)));
    let (early, late) = (mint(&step_1), mint(&step_2));
    for ring in [&before, &step_1, &step_2] {
        assert!(ring.verify(&early, at(NOW)).is_ok());
    }
    assert!(step_1.verify(&late, at(NOW)).is_ok(), "a node still at step 1 takes the new tokens");
    assert!(before.verify(&late, at(NOW)).is_err());
    assert!(after.verify(&early, at(NOW)).is_err());
    assert!(after.verify(&late, at(NOW)).is_ok());
}
