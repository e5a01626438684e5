//! Tricks with addresses, over every route that takes one: the stored address gets the mail, or nobody.

use serde_json::json;

use super::list;
use crate::wire::people::{A, MIXED, MIXED_STORED};
use crate::wire::{AVAILABILITY, LOGIN, SEND, World};

list![
    a14_every_spelling_shares_one_counter,
    a43_case_and_white_space_make_no_second_account,
    a44_no_look_alike_is_folded_into_another_address,
    a45_a47_exotic_letters_and_white_space_are_refused,
    a46_a_homoglyph_domain_is_never_the_other,
    a48_tags_and_dots_are_not_folded,
    a49_lists_quotes_and_literals_are_refused,
    a50_long_addresses_are_refused_and_never_cut,
    a51_nul_surrogates_and_broken_utf_8_are_refused,
    a52_no_character_means_anything_to_the_store,
    a55_odd_domains_are_refused,
];

/// Refused by every route that takes an address; nothing is mailed.
async fn refused(w: &World, emails: &[&str]) {
    for email in emails {
        w.move_on();
        let body = json!({ "email": email, "password": "000000", "isOTP": true }).to_string();
        for path in [AVAILABILITY, SEND, LOGIN] {
            w.post(path, body.clone()).await.fails(400, "Invalid request: email");
        }
    }
    assert!(w.mails().await.is_empty());
}

/// Taken as other people's addresses, or refused; A gets no mail and the code of A works for none of them.
async fn never_a(w: &World, emails: &[&str]) {
    let code = w.send(A).await;
    for email in emails {
        w.move_on();
        let asked = w.ask_code(email).await;
        assert!([200, 400].contains(&asked.status), "{email:?}: {asked}");
        let body = json!({ "email": email, "password": code, "isOTP": true }).to_string();
        w.post(LOGIN, body).await.has(if asked.status == 200 { 401 } else { 400 });
        if asked.status == 200 {
            assert_eq!(w.check(email).await.value()["data"]["isAvailableEmail"], json!(true), "{email:?}");
        }
    }
    assert_eq!(w.mails().await.len(), 1);
    w.guess(A, &code).await.has(200);
}

async fn a14_every_spelling_shares_one_counter(w: &World) {
    let spellings =
        ["a@example.com", "A@example.com", "a@EXAMPLE.com", " a@example.com ", "A@Example.Com", "\ta@example.com"];
    let code = w.send(A).await;
    for (i, email) in spellings.iter().cycle().take(3).enumerate() {
        w.move_on();
        let reply = w.guess(email, &crate::wire::nth_other(&code, i as u64 + 1)).await;
        reply.has(401);
        assert_eq!(reply.at("/message") == "Invalid or expired code", i < 2, "{reply}");
    }
    w.guess(A, &code).await.has(401);
    for (email, status) in spellings.iter().skip(1).zip([200, 200, 429, 429, 429]) {
        w.ask_code(email).await.has(status);
    }
}

async fn a43_case_and_white_space_make_no_second_account(w: &World) {
    for spelling in ["A@EXAMPLE.COM", " a@example.com\r\n"] {
        let code = {
            w.ask_code(spelling).await.has(200);
            w.code_for(A).await
        };
        assert_eq!(w.guess(spelling, &code).await.at("/data/user/email"), A);
    }
    assert!(w.mails().await.iter().all(|m| m.to == A), "mail goes to the stored spelling");
    w.ask_code(&MIXED.to_uppercase()).await.has(200);
    let code = w.code_for(MIXED_STORED).await;
    assert_eq!(w.guess(MIXED, &code).await.at("/data/user/email"), MIXED_STORED);
}

async fn a44_no_look_alike_is_folded_into_another_address(w: &World) {
    let alike = [
        "ａ@example.com",
        "ª@example.com",
        "a@exampłe.com",
        "a@ｅxample.com",
        "a@example。com",
        "A\u{30a}@example.com",
    ];
    never_a(w, &alike).await;
    never_a(
        &w.another(|s| s).await,
        &["ı@example.com", "ſ@example.com", "K@example.com", "ß@example.com", "ﬁ@example.com"],
    )
    .await;
}

async fn a45_a47_exotic_letters_and_white_space_are_refused(w: &World) {
    let odd = [
        "a\u{200b}@example.com",
        "\u{200e}a@example.com",
        "a\u{ad}@example.com",
        "\u{feff}a@example.com",
        "a@example.com\u{a0}",
        "\u{2003}a@example.com",
        "a\u{202e}@example.com",
        "jose\u{301}@example.com",
        "josé@example.com",
        "a @example.com",
        "a@ example.com",
        "a@exam ple.com",
        "a\t@example.com",
        "a@example.com\u{85}",
        "a@example.com\u{b}",
    ];
    refused(w, &odd).await;
}

async fn a46_a_homoglyph_domain_is_never_the_other(w: &World) {
    never_a(w, &["a@ехample.com", "а@example.com", "a@xn--xample-2of.com", "a@examp1e.com"]).await;
}

async fn a48_tags_and_dots_are_not_folded(w: &World) {
    never_a(w, &["a+tag@example.com", "a+@example.com", "a.a@example.com", "a-@example.com", "a_@example.com"]).await;
}

async fn a49_lists_quotes_and_literals_are_refused(w: &World) {
    let odd = [
        "\"a b\"@example.com",
        "\"a\"@example.com",
        "\"a\\r\\nRCPT TO:<e@example.com>\"@example.com",
        "a@example.com,b@example.com",
        "a@example.com;b@example.com",
        "<a@example.com>",
        "A <a@example.com>",
        "a@example.com\u{0}@evil.com",
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        "a@example.com%0d%0aBcc:b@example.com",
        "a@example.com\r\nBcc: b@example.com",
        "a\r\n@example.com",
        "mailto:a@example.com",
        "a@example.com>",
        "a@@example.com",
        "a(comment)@example.com",
        "a@example.com (comment)",
        "@relay.example.com:a@example.com",
    ];
    refused(w, &odd).await;
}

async fn a50_long_addresses_are_refused_and_never_cut(w: &World) {
    let local = |n: usize| format!("{}@example.com", "a".repeat(n));
    let total = |n: usize| {
        let mut domain = "d".repeat(60);
        while 2 + domain.len() + 4 < n {
            let rest = n - 2 - domain.len() - 4;
            domain = format!("{}.{domain}", "e".repeat((rest - 1).clamp(1, 60)));
        }
        format!("a@{domain}.com")
    };
    let tail = format!("a@example.com{}", "m".repeat(300));
    let padded = format!("{}a@example.com.evil.org", "x".repeat(64));
    refused(w, &[&local(65), &local(300), &local(4_000), &total(255), &total(400), &tail, &padded]).await;
    w.ask_code(&local(64)).await.has(200);
    assert_eq!(total(254).len(), 254);
    w.ask_code(&total(254)).await.has(200);
    assert!(w.mails().await.is_empty());
}

async fn a51_nul_surrogates_and_broken_utf_8_are_refused(w: &World) {
    refused(w, &["a\u{0}@example.com", "\u{0}a@example.com", "a@example.com\u{0}", "a@exa\u{0}mple.com"]).await;
    for path in [AVAILABILITY, SEND, LOGIN] {
        for body in [
            &br#"{"email":"\ud800@example.com","password":"000000","isOTP":true}"#[..],
            br#"{"email":"a@example.com\udfff","password":"000000","isOTP":true}"#,
            b"{\"email\":\"a\xc3@example.com\",\"password\":\"000000\",\"isOTP\":true}",
            b"{\"email\":\"\xf0\x82\x82\xac@example.com\",\"password\":\"000000\",\"isOTP\":true}",
            b"{\"email\":\"a\x00@example.com\",\"password\":\"000000\",\"isOTP\":true}",
        ] {
            w.post(path, body).await.fails(400, "Invalid request: body");
        }
    }
    assert!(w.mails().await.is_empty());
}

async fn a52_no_character_means_anything_to_the_store(w: &World) {
    let odd = [
        "*@example.com",
        "%@example.com",
        "_@example.com",
        "'@example.com",
        "$gt@example.com",
        "{{7*7}}@example.com",
        "${jndi}@example.com",
        "a'--@example.com",
        "?@example.com",
        "a|b@example.com",
        "'or'1'='1@example.com",
        "${jndi:ldap://x}@example.com",
        "a@example.com*",
        "a@%.com",
        "a@*.com",
    ];
    never_a(w, &odd).await;
}

async fn a55_odd_domains_are_refused(w: &World) {
    let odd = [
        "a@localhost",
        "a@example.com.",
        "a@.example.com",
        "a@example..com",
        "a@-example.com",
        "a@example-.com",
        "a@127.0.0.1",
        "a@::1",
        "a@example.123",
        "a@com",
        ".a@example.com",
        "a.@example.com",
        "a..a@example.com",
    ];
    refused(w, &odd).await;
}
