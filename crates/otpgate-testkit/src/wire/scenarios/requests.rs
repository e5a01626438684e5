//! Requests that are none: wrong methods, paths, types and forms. None of them is compared, counted or mailed.

use serde_json::{Value, json};

use super::list;
use crate::wire::people::{A, A_ID, B};
use crate::wire::{AVAILABILITY, LOGIN, LOGOUT, REFRESH, ROUTES, Reply, Request, SEND, Tokens, World, other_than};

list![
    a17_a_path_that_is_not_quite_ours_is_not_ours,
    a28_one_address_is_one_string,
    a56_only_the_exact_digits_are_a_code,
    a57_a_code_is_a_string_and_nothing_else,
    a58_a59_no_number_or_foreign_digit_is_a_code,
    a60_a_long_code_is_refused_before_any_work,
    a62_a_key_twice_is_refused,
    a63_other_fields_have_no_effect,
    a64_deep_and_large_bodies_are_refused,
    a65_what_is_not_one_json_object_is_refused,
    a66_other_methods_are_405_with_allow,
    w155_bodies_over_8_kib_are_413,
];

fn login(password: &Value) -> String {
    json!({ "email": A, "password": password, "isOTP": true }).to_string()
}

/// After all that the code still has its three tries.
async fn still_fresh(w: &World, code: &str) {
    w.move_on();
    w.miss(A, code, 2).await;
    Tokens::of(&w.guess(A, code).await);
    assert_eq!(w.mails().await.len(), 1);
}

async fn a17_a_path_that_is_not_quite_ours_is_not_ours(w: &World) {
    let code = w.send(A).await;
    let paths = [
        "/identity/user/login/",
        "//identity/user/login",
        "/identity//user/login",
        "/identity/user/%6cogin",
        "/identity/user/log%69n",
        "/identity%2Fuser/login",
        "/identity/./user/login",
        "/identity/x/../user/login",
        "/IDENTITY/user/login",
        "/identity/user/login.json",
        "/identity/user/login;x=1",
        "/identity/user",
        "/user/login",
    ];
    for path in paths {
        for password in [&code, &other_than(&code)] {
            w.call(Request::post(path, login(&json!(password)))).await.has(404);
        }
    }
    // A query is no part of the path.
    for _ in 0..2 {
        w.call(Request::post("/identity/user/login?x=1", login(&json!(other_than(&code))))).await.has(401);
    }
    w.guess(A, &code).await.has(200);
}

async fn a28_one_address_is_one_string(w: &World) {
    let bodies = [
        json!({ "email": [A, B] }),
        json!({ "email": [A] }),
        json!({ "email": format!("{A},{B}") }),
        json!({ "email": format!("{A};{B}") }),
        json!({ "email": format!("{A} {B}") }),
        json!({ "email": { "0": A } }),
    ];
    for body in bodies {
        w.post(SEND, body.to_string()).await.fails(400, "Invalid request: email");
    }
    let form = Request::new("POST", SEND).header("content-type", "application/x-www-form-urlencoded");
    w.call(form.body(format!("email={A}&email={B}"))).await.has(415);
    assert!(w.mails().await.is_empty());
    let code = w.send(A).await;
    let both = json!({ "email": [B, A], "password": code, "isOTP": true });
    w.post(LOGIN, both.to_string()).await.fails(400, "Invalid request: email");
    w.guess(A, &code).await.has(200);
}

async fn refused_as_no_code(w: &World, passwords: impl IntoIterator<Item = Value>) {
    let code = w.send(A).await;
    for password in passwords {
        w.post(LOGIN, login(&password)).await.fails(400, "Invalid request: password");
    }
    still_fresh(w, &code).await;
}

async fn a56_only_the_exact_digits_are_a_code(w: &World) {
    let code = w.send(A).await;
    let (head, tail) = code.split_at(3);
    let spellings = [
        format!("0{code}"),
        format!("{code}0"),
        format!(" {code}"),
        format!("{code} "),
        format!("{head} {tail}"),
        format!("{head}-{tail}"),
        format!("+{code}"),
        format!("{code}\n"),
        format!("{code}\u{0}"),
        format!("\"{code}\""),
        code[1..].to_owned(),
        format!("{code}{code}"),
    ];
    for spelling in spellings {
        w.post(LOGIN, login(&json!(spelling))).await.fails(400, "Invalid request: password");
    }
    still_fresh(w, &code).await;
}

async fn a57_a_code_is_a_string_and_nothing_else(w: &World) {
    let many: Vec<String> = (0..500).map(|n| format!("{n:06}")).collect();
    let code = w.send(A).await;
    let confused = [
        json!(many),
        json!([code]),
        json!({ "$ne": null }),
        json!({ "$in": [code] }),
        json!({ "$gt": "" }),
        json!({ "$regex": ".*" }),
        json!(true),
        json!(null),
        json!(""),
        json!({}),
        json!([]),
    ];
    for password in confused {
        w.post(LOGIN, login(&password)).await.fails(400, "Invalid request: password");
    }
    still_fresh(w, &code).await;
}

async fn a58_a59_no_number_or_foreign_digit_is_a_code(w: &World) {
    let texts = [
        "1e5",
        "12e004",
        "123456.0",
        "0x1E24",
        "0b1010",
        "1_0000",
        "-12345",
        "+12345",
        "NaN",
        "１２３４５６",
        "١٢٣٤٥٦",
        "¹²³⁴⁵⁶",
        "1️⃣2️⃣3️⃣",
        "𝟏𝟐𝟑𝟒𝟓𝟔",
        "१२३४५६",
    ];
    let numbers = [json!(123_456), json!(-1), json!(1.5), json!(9_007_199_254_740_993_u64), json!(0)];
    refused_as_no_code(w, texts.iter().map(|t| json!(t)).chain(numbers)).await;
}

async fn a60_a_long_code_is_refused_before_any_work(w: &World) {
    let code = w.send(A).await;
    let calls = w.store().all_calls();
    w.post(LOGIN, login(&json!("1".repeat(1_000_000)))).await.fails(413, "Payload too large");
    assert_eq!(w.store().all_calls(), calls);
    w.post(LOGIN, login(&json!("1".repeat(8_000)))).await.fails(400, "Invalid request: password");
    still_fresh(w, &code).await;
}

async fn a62_a_key_twice_is_refused(w: &World) {
    let code = w.send(A).await;
    let wrong = other_than(&code);
    let bodies = [
        format!(r#"{{"email":"{A}","email":"{B}","password":"{code}","isOTP":true}}"#),
        format!(r#"{{"email":"{A}","password":"{wrong}","password":"{code}","isOTP":true}}"#),
        format!(r#"{{"email":"{A}","password":"{code}","password":"{code}","isOTP":true}}"#),
        format!(r#"{{"email":"{A}","password":"{code}","isOTP":false,"isOTP":true}}"#),
        format!(r#"{{"email":"{A}","e\u006dail":"{A}","password":"{code}","isOTP":true}}"#),
        format!(r#"{{"email":"{A}","password":"{code}","isOTP":true,"x":{{"a":1,"a":2}}}}"#),
    ];
    for body in bodies {
        w.post(LOGIN, body).await.fails(400, "Invalid request: body");
    }
    w.post(SEND, format!(r#"{{"email":"{A}","email":"{A}"}}"#)).await.fails(400, "Invalid request: body");
    still_fresh(w, &code).await;
}

async fn a63_other_fields_have_no_effect(w: &World) {
    let code = w.send(A).await;
    let body = json!({
        "email": A, "password": code, "isOTP": true,
        "Email": B, "EMAIL": B, "userId": "2", "id": "2", "role": "root", "roles": ["root"], "verified": true,
        "purpose": "reset", "organizationId": "org-2", "tenant": "t2", "__proto__": { "role": "root" },
        "constructor": { "prototype": {} }, "status": "active", "_method": "GET",
    });
    let reply = w.post(LOGIN, body.to_string()).await;
    let me = w.me(&Tokens::of(&reply).access).await.value();
    assert_eq!(
        me,
        json!({ "userId": A_ID, "tenant": "default", "organization": "org-1", "roles": ["admin", "editor"] })
    );
    assert_eq!(reply.at("/data/user/email"), A);
}

async fn a64_deep_and_large_bodies_are_refused(w: &World) {
    let code = w.send(A).await;
    let good = login(&json!(code));
    let inside = |x: &str| format!("{},\"x\":{x}}}", good.trim_end_matches('}'));
    for depth in [9, 100, 3_900] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        w.post(LOGIN, inside(&nested)).await.fails(400, "Invalid request: body");
    }
    for path in ROUTES {
        for huge in
            [format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)), "{\"a\":".repeat(40_000), "x".repeat(200_000)]
        {
            let reply = w.post(path, huge).await;
            reply.fails(413, "Payload too large");
        }
        w.post(path, "[".repeat(5_000)).await.fails(400, "Invalid request: body");
        w.post(path, "{\"a\":".repeat(1_500)).await.fails(400, "Invalid request: body");
    }
    let packed = Request::post(LOGIN, good).header("content-encoding", "gzip");
    w.call(packed).await.fails(415, "Unsupported media type");
    still_fresh(w, &code).await;
}

async fn a65_what_is_not_one_json_object_is_refused(w: &World) {
    let code = w.send(A).await;
    let good = login(&json!(code));
    let texts = [
        format!("{good}{good}"),
        format!("{good},"),
        format!("[{good}]"),
        format!("\u{feff}{good}"),
        good.replace('"', "'"),
        good.replace("true", "True"),
        good.replace('}', ",}"),
        format!("{good}\u{0}"),
        format!("// {good}"),
        "\"x\"".into(),
        "0".into(),
    ];
    for text in texts {
        w.post(LOGIN, text).await.fails(400, "Invalid request: body");
    }
    for bytes in [&b"\xff\xfe{\x00}\x00"[..], b"{\"email\":\"\xff@example.com\"}", b"{\"email\":\"\xc0\xaf\"}", b"\x00"]
    {
        for path in ROUTES {
            w.post(path, bytes).await.fails(400, "Invalid request: body");
        }
    }
    // White space around it is fine.
    w.post(LOGIN, format!("\r\n\t {good} \n")).await.has(200);
}

async fn a66_other_methods_are_405_with_allow(w: &World) {
    let code = w.send(A).await;
    for path in ROUTES {
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            let request = Request::json(path, &json!({ "email": A, "password": code, "isOTP": true }));
            let request = Request { method: method.into(), ..request };
            let request = request.header("x-http-method-override", "POST").header("x-method-override", "POST");
            let reply: Reply = w.call(request).await;
            reply.fails(405, "Method not allowed").with("allow", "POST");
        }
    }
    let overridden = Request::post(&format!("{LOGOUT}?_method=DELETE"), "{}").header("x-http-method-override", "GET");
    w.call(overridden).await.fails(401, "Not authenticated");
    still_fresh(w, &code).await;
}

async fn w155_bodies_over_8_kib_are_413(w: &World) {
    let sized = |size: usize, text: String| {
        let body = format!("{text}{}", " ".repeat(size - text.len()));
        assert_eq!(body.len(), size);
        body
    };
    let send = || json!({ "email": A }).to_string();
    w.post(SEND, sized(8_192, send())).await.has(200);
    w.post(SEND, sized(8_193, send())).await.fails(413, "Payload too large");
    assert_eq!(w.mails().await.len(), 1);
    let token = w.log_in(B).await.access;
    for path in [AVAILABILITY, LOGIN, REFRESH, LOGOUT] {
        w.call(Request::post(path, sized(8_193, "{}".into())).token(&token)).await.fails(413, "Payload too large");
        w.call(Request::post(path, sized(200_000, "{}".into())).token(&token)).await.fails(413, "Payload too large");
    }
    w.me(&token).await.has(200);
    w.call(Request::post(LOGOUT, sized(8_192, "{}".into())).token(&token)).await.has(200);
}
