//! The very bytes that leave (Q14, Q15, Q50, A97; RUSTSEC-2026-0561).

use mail_parser::{MessageParser, MimeHeaders as _};
use otpgate_core::Mailer as _;
use otpgate_mail::{SmtpMailer, Templates};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use crate::support::smtp_server::{Received, SmtpServer};
use crate::support::{CODE, mail_to};
use crate::{FROM, mailer};

const HEADERS: [&str; 8] =
    ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"];

/// What must hold for every message that a server sees, whoever it is to and whatever the brand.
fn check(received: &Received, to: &str) {
    assert_eq!(received.from, "MAIL FROM:<login@example.com>");
    assert_eq!(received.to, [format!("RCPT TO:<{to}>")]);
    let text = std::str::from_utf8(&received.data).unwrap();
    assert!(text.chars().all(|c| c == '\r' || c == '\n' || (' '..='~').contains(&c)), "{text:?}");
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "a bare CR or LF in {text:?}");
    // Stuffed or not: no line of ours begins with a dot, so that nothing depends on the stuffing.
    assert!(text.lines().all(|line| !line.starts_with('.')), "{text}");
    assert!(text.lines().all(|line| line.len() <= 998), "{text}");

    let mail = MessageParser::new().parse(&received.data).unwrap();
    assert_eq!(mail.headers_raw().map(|(name, _)| name).collect::<Vec<_>>(), HEADERS);
    assert!(mail.headers_raw().all(|(_, value)| !value.contains(CODE)));
    assert_eq!(mail.to().unwrap().iter().map(|a| a.address()).collect::<Vec<_>>(), [Some(to)]);
    assert_eq!((mail.text_body_count(), mail.html_body_count(), mail.attachment_count()), (1, 1, 0));
    assert_eq!(mail.parts.len(), 3);
    for part in &mail.parts[1..] {
        assert!(matches!(part.content_transfer_encoding(), Some("quoted-printable" | "base64")));
    }
    for body in [mail.body_text(0).unwrap(), mail.body_html(0).unwrap()] {
        assert_eq!(body.matches(CODE).count(), 1, "{body}");
    }
}

#[tokio::test]
async fn w014_one_mail_with_one_recipient_and_the_code_in_both_bodies() {
    let server = SmtpServer::well().await;
    mailer(&server).send(&mail_to("Ada.L+x@Example.COM")).await.unwrap();
    let [received] = &server.received()[..] else { panic!("not one message") };
    check(received, "Ada.L+x@Example.COM");
    let commands = server.commands();
    assert_eq!(commands[0], "EHLO example.com");
    assert_eq!(&commands[1..], ["MAIL FROM:<login@example.com>", "RCPT TO:<Ada.L+x@Example.COM>", "DATA"]);
}

#[tokio::test]
async fn each_try_has_an_id_of_its_own_that_tells_nothing() {
    let server = SmtpServer::well().await;
    let mailer = mailer(&server);
    for _ in 0..2 {
        mailer.send(&mail_to("ada@example.com")).await.unwrap();
    }
    let ids: Vec<_> = server
        .received()
        .iter()
        .map(|r| MessageParser::new().parse(&r.data).unwrap().message_id().unwrap().to_owned())
        .collect();
    assert_ne!(ids[0], ids[1]);
    assert!(ids.iter().all(|id| id.len() == 32 + "@example.com".len() && id.ends_with("@example.com")), "{ids:?}");
}

/// Runs a property against one server, in the runtime of the test.
fn against_a_server<S: Strategy>(cases: u32, strategy: &S, test: impl AsyncFn(&SmtpServer, S::Value)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(SmtpServer::well());
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let result = runner.run(strategy, |value| {
        runtime.block_on(test(&server, value));
        Ok::<_, TestCaseError>(())
    });
    result.unwrap();
}

#[test]
fn q50_any_recipient_is_one_recipient_or_no_message() {
    let to = prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9.@\"<>,;: +\\r\\n\\x00]{0,40}",
        "[a-z]{1,5}@[a-z]{1,5}[.]com(\\r\\n|\\n|\\r|>|> |,)(RCPT TO:<|DATA|Bcc: )?[a-z]{1,5}@example[.]com",
        "[a-zA-Z0-9.+_-]{1,20}@[a-z0-9.-]{1,20}[.][a-z]{2,6}",
    ];
    against_a_server(400, &to, async |server, to| {
        let (before, commands) = (server.received().len(), server.commands().len());
        match mailer(server).send(&mail_to(&to)).await {
            Ok(()) => {
                let received = server.received();
                assert_eq!(received.len(), before + 1);
                check(&received[before], &to);
                assert_eq!(server.commands().len(), commands + 4);
            }
            Err(error) => {
                assert!(!error.is_temporary(), "{to:?}");
                // Not so much as a connection.
                assert_eq!(server.commands().len(), commands, "{to:?}");
            }
        }
    });
}

#[test]
fn a97_any_brand_is_text_or_refused() {
    let brand = prop_oneof![any::<String>(), "[ -~]{1,64}", "\\PC{1,64}", "[.\\r\\n]{0,3}[a-z. ]{1,40}"];
    against_a_server(400, &brand, async |server, brand: String| {
        let Ok(templates) = Templates::new(&brand) else { return };
        let before = server.received().len();
        let mailer = SmtpMailer::from_url(&server.url(), FROM, templates).unwrap();
        // A brand that holds the code's digits would be counted as the code.
        if brand.contains(CODE) {
            return;
        }
        mailer.send(&mail_to("ada@example.com")).await.unwrap();
        let received = server.received();
        assert_eq!(received.len(), before + 1);
        check(&received[before], "ada@example.com");
    });
}

#[tokio::test]
async fn words_of_dots_arrive_as_they_were_written() {
    let server = SmtpServer::well().await;
    let words = ".\n..\n{code} {life}\n.\nQUIT\n.\n";
    let templates = Templates::builder("Example").text(words).html(words).build().unwrap();
    let mailer = SmtpMailer::from_url(&server.url(), FROM, templates).unwrap();
    mailer.send(&mail_to("ada@example.com")).await.unwrap();
    let [received] = &server.received()[..] else { panic!("not one message") };
    check(received, "ada@example.com");
    let mail = MessageParser::new().parse(&received.data).unwrap();
    let want = ".\r\n..\r\n012345 5 minutes\r\n.\r\nQUIT\r\n.";
    assert_eq!(mail.body_text(0).unwrap().trim_end(), want);
}
