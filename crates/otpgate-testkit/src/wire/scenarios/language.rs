//! Which language a message is in: the user's, else the client's, and no answer tells.

use super::list;
use crate::wire::people::{A, NOBODY};
use crate::wire::{Reply, Request, World};

list![
    the_client_s_language_chooses_the_words_of_the_mail,
    the_user_s_own_language_wins,
    a97_nothing_that_a_client_writes_as_its_language_reaches_a_message,
    a89_no_answer_depends_on_a_language,
    the_mail_of_a_reset_is_in_the_reader_s_language,
];

async fn ask(w: &World, email: &str, language: &[u8]) -> Reply {
    w.move_on();
    w.advance(86_400);
    let body = serde_json::json!({ "email": email }).to_string();
    w.call(Request::post(&w.path(crate::wire::SEND), body).header("accept-language", language)).await
}

/// The languages that the newest mail names.
async fn named(w: &World) -> Option<String> {
    w.mails().await.pop().and_then(|mail| mail.locale)
}

async fn the_client_s_language_chooses_the_words_of_the_mail(w: &World) {
    w.ask_code(A).await.has(200);
    assert_eq!(named(w).await, None);
    for (line, want) in [("de", "de"), ("en;q=0.5, de-AT", "de-at,en"), ("fr-CH, fr;q=0.9, *;q=0.1", "fr-ch,fr")] {
        ask(w, A, line.as_bytes()).await.has(200);
        assert_eq!(named(w).await.as_deref(), Some(want), "{line}");
    }
}

async fn the_user_s_own_language_wins(w: &World) {
    w.change_user(A, |a| a.locale = Some("pt-BR".to_owned())).await;
    ask(w, A, b"de").await.has(200);
    assert_eq!(named(w).await.as_deref(), Some("pt-BR"));
    w.change_user(A, |a| a.locale = None).await;
    ask(w, A, b"de").await.has(200);
    assert_eq!(named(w).await.as_deref(), Some("de"));
}

async fn a97_nothing_that_a_client_writes_as_its_language_reaches_a_message(w: &World) {
    let long = "x".repeat(4_000);
    for line in
        ["*", "xyzzy-", "de;q=x", "<script>alert(1)</script>", "{code}", "../../etc/passwd", "=?utf-8?q?a?=", &long]
    {
        ask(w, A, line.as_bytes()).await.has(200);
        assert_eq!(named(w).await, None, "{line}");
    }
    ask(w, A, b"\xff\xfe").await.has(200);
    assert_eq!(named(w).await, None);
    ask(w, A, b"{x}, a\tb, de").await.has(200);
    assert_eq!(named(w).await.as_deref(), Some("de"));
}

async fn a89_no_answer_depends_on_a_language(w: &World) {
    let plain = ask(w, A, b"").await;
    plain.has(200);
    for line in ["de", "fr, en", "garbage;", "*"] {
        assert_eq!(ask(w, A, line.as_bytes()).await, plain, "{line}");
        let mut unknown = ask(w, NOBODY, line.as_bytes()).await;
        unknown.body = unknown.text().replace(NOBODY, A).into_bytes();
        assert_eq!(unknown, plain, "{line}");
    }
}

async fn the_mail_of_a_reset_is_in_the_reader_s_language(w: &World) {
    let w = w.another(|s| s.platform()).await;
    let body = serde_json::json!({ "email": A, "PlatformId": w.tenant().as_str() });
    let request = Request::json("/api/user/forgot-password", &body).header("accept-language", "ja, en;q=0.1");
    w.call(request).await.has(200);
    assert_eq!(named(&w).await.as_deref(), Some("ja,en"));
}
