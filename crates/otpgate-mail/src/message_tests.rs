use mail_parser::{MessageParser, MimeHeaders as _};
use proptest::prelude::*;

use super::*;
use crate::address::HOSTILE;

const CODE: &str = "012345";
const HEADERS: [&str; 8] =
    ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"];

fn letter(to: &str) -> Letter<'_> {
    Letter { purpose: otpgate_core::MailPurpose::LogIn, to, code: CODE, life: Duration::from_secs(300), locale: None }
}

fn letterhead(brand: &str) -> Letterhead {
    Letterhead::new("Example <login@example.com>", Templates::new(brand).unwrap()).unwrap()
}

fn raw(head: &Letterhead, to: &str) -> Vec<u8> {
    head.message(letter(to), Timestamp::from_millis(1_700_000_000_000), "0f").unwrap().formatted()
}

/// What must hold for any bytes that leave: RFC 5321 and 5322, without help from the transport.
fn check_bytes(raw: &[u8]) {
    let text = std::str::from_utf8(raw).unwrap();
    assert!(text.is_ascii());
    assert!(text.ends_with("\r\n"));
    assert!(!text.replace("\r\n", "").contains(['\r', '\n', '\0']), "a bare CR, LF or NUL in {text:?}");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.lines().all(|line| line.len() <= 998), "{head}");
    assert!(body.lines().all(|line| line.len() <= 76), "{body}");
    assert!(text.lines().all(|line| !line.starts_with('.')), "{text}");
    assert!(text.chars().all(|c| c == '\r' || c == '\n' || (' '..='~').contains(&c)));
}

/// The same for a code mail: fixed headers, one recipient, the code in the two bodies and nowhere else, no link.
pub(crate) fn check_code_mail(raw: &[u8], to: &str, subject: &str) {
    check_bytes(raw);
    let mail = MessageParser::new().parse(raw).unwrap();
    let names: Vec<_> = mail.headers_raw().map(|(name, _)| name).collect();
    assert_eq!(names, HEADERS);
    assert!(mail.headers_raw().all(|(_, value)| !value.contains(CODE)));

    let recipients: Vec<_> = mail.to().unwrap().iter().collect();
    assert_eq!(recipients.len(), 1);
    assert_eq!(recipients[0].address(), Some(to));
    assert_eq!(recipients[0].name(), None);
    assert_eq!(mail.from().unwrap().iter().count(), 1);
    assert_eq!(mail.subject(), Some(subject));
    assert_eq!(mail.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    let id = mail.message_id().unwrap();
    assert!(id.ends_with("@example.com") && !id.contains(to.split('@').next().unwrap()), "{id}");

    assert_eq!((mail.text_body_count(), mail.html_body_count(), mail.attachment_count()), (1, 1, 0));
    assert!(mail.is_content_type("multipart", "alternative"));
    for body in [mail.body_text(0).unwrap(), mail.body_html(0).unwrap()] {
        assert_eq!(body.matches(CODE).count(), 1, "{body}");
        assert!(body.contains("This code expires in 5 minutes"), "{body}");
        let lower = body.to_lowercase();
        assert!(!["http", "www.", "href", "src="].iter().any(|link| lower.contains(link)), "{body}");
    }
    for part in mail.parts.iter().skip(1) {
        assert!(matches!(part.content_transfer_encoding(), Some("quoted-printable" | "base64")));
    }
}

#[test]
fn w014_w023_one_mail_with_the_code_in_both_bodies() {
    let raw = raw(&letterhead("Example"), "Ada.L+x@Example.COM");
    check_code_mail(&raw, "Ada.L+x@Example.COM", "Your sign-in code for Example");
    let mail = MessageParser::new().parse(&raw).unwrap();
    assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("Example"));
    assert_eq!(mail.date().unwrap().to_timestamp(), 1_700_000_000);
    assert_eq!(mail.message_id(), Some("0f@example.com"));
}

#[test]
fn the_envelope_names_the_stored_address_alone() {
    let message = letterhead("Example").message(letter("Ada@Example.COM"), Timestamp::from_millis(0), "0f").unwrap();
    let to: Vec<_> = message.envelope().to().iter().map(ToString::to_string).collect();
    assert_eq!(to, ["Ada@Example.COM"]);
}

#[test]
fn a49_hostile_recipients_make_no_message() {
    for to in HOSTILE {
        let error = letterhead("Example").message(letter(to), Timestamp::from_millis(0), "0f").unwrap_err();
        assert!(!error.is_temporary(), "{to:?}");
        let said = format!("{error:?} {error}");
        assert!(to.len() < 2 || !said.contains(to), "the error repeats the address");
    }
}

#[test]
fn a49_hostile_senders_are_refused_when_built() {
    let long = format!("{} <a@example.com>", "x".repeat(65));
    let named = HOSTILE.map(|to| format!("Example <{to}>"));
    // A name before a plain address is what a sender may have.
    let bare = HOSTILE.into_iter().filter(|to| !to.ends_with('>'));
    let odd = [
        "Evil\r\nBcc: b@example.com <a@example.com>",
        "Evil\0 <a@example.com>",
        "Evil\u{202e} <a@example.com>",
        "=?utf-8?q?Evil?= <a@example.com>",
        "b@example.com <a@example.com>",
        "b, c <a@example.com>",
        "b; c <a@example.com>",
        "\"b\" c\" <a@example.com>",
        "b\\ <a@example.com>",
        "x <b@example.com> <a@example.com>",
        "Example <a@example.com> ",
        "Example <a@example.com>, <b@example.com>",
        "Example a@example.com",
    ];
    let all = named.iter().map(String::as_str).chain(bare).chain(odd).chain([long.as_str()]);
    for from in all {
        assert!(Letterhead::new(from, Templates::new("Example").unwrap()).is_err(), "{from:?}");
    }
}

#[test]
fn senders_with_and_without_a_name_are_taken() {
    let rows = [
        ("login@example.com", None),
        ("<login@example.com>", None),
        ("Example <login@example.com>", Some("Example")),
        ("\"Example\" <login@example.com>", Some("Example")),
        ("Tom & Jerry's Inc. <login@example.com>", Some("Tom & Jerry's Inc.")),
        ("Bücherei 日本 <login@example.com>", Some("Bücherei 日本")),
    ];
    for (from, name) in rows {
        let head = Letterhead::new(from, Templates::new("Example").unwrap()).unwrap();
        let raw = raw(&head, "ada@example.com");
        check_code_mail(&raw, "ada@example.com", "Your sign-in code for Example");
        let mail = MessageParser::new().parse(&raw).unwrap();
        let sender = mail.from().unwrap().first().unwrap();
        assert_eq!((sender.name(), sender.address()), (name, Some("login@example.com")), "{from}");
    }
}

#[test]
fn q50_templates_that_try_the_transport_are_encoded_away() {
    let bodies = [
        ".{code} {life}\n",
        ".\n{code} {life}\n.\n",
        "{code} {life}\n.\nMAIL FROM:<a@example.com>\n..\n",
        "{code} {life} \n\n\n",
        "{code} {life} ü = =3D =\n",
        "{code} {life}\r\n.\r\n",
    ];
    let long = format!("{{code}} {{life}} {}", ".".repeat(5_000));
    for body in bodies.into_iter().chain([long.as_str()]) {
        let templates = Templates::builder("Example").text(body).html(body).build().unwrap();
        let raw = raw(&Letterhead::new("login@example.com", templates.clone()).unwrap(), "ada@example.com");
        check_bytes(&raw);
        let mail = MessageParser::new().parse(&raw).unwrap();
        let want = templates.of(letter("")).text_of(letter("")).replace('\n', "\r\n");
        assert_eq!(mail.body_text(0).unwrap().trim_end(), want.trim_end(), "{body:?}");
    }
}

#[test]
fn every_language_leaves_as_plain_ascii() {
    let templates = Templates::new("Bücherei 日本").unwrap();
    let head = Letterhead::new("Bücherei 日本 <login@example.com>", templates.clone()).unwrap();
    for locale in templates.locales() {
        for purpose in [otpgate_core::MailPurpose::LogIn, otpgate_core::MailPurpose::ResetPassword] {
            let letter = Letter { purpose, locale: Some(locale), ..letter("ada@example.com") };
            let raw = head.message(letter, Timestamp::from_millis(0), "0f").unwrap().formatted();
            check_bytes(&raw);
            let mail = MessageParser::new().parse(&raw).unwrap();
            let words = templates.for_locale(locale);
            assert_eq!(mail.subject(), Some(words.subject_of(purpose).as_str()));
            let want = words.text_of(letter).replace('\n', "\r\n");
            assert_eq!(mail.body_text(0).unwrap().trim_end(), want.trim_end(), "{locale}");
            assert_eq!(mail.body_html(0).unwrap().replace("\r\n", "\n").trim_end(), words.html_of(letter).trim_end());
            assert_eq!(mail.headers_raw().map(|(name, _)| name).collect::<Vec<_>>(), HEADERS);
        }
    }
}

#[test]
fn no_clock_makes_a_date_that_cannot_be_written() {
    for at in [i64::MIN, -1, 0, 1, 253_402_300_799_999, 253_402_300_800_000, i64::MAX] {
        let message = letterhead("Example").message(letter("ada@example.com"), Timestamp::from_millis(at), "0f");
        check_bytes(&message.unwrap().formatted());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn q50_any_recipient_is_one_recipient_or_none(
        to in prop_oneof![any::<String>(), "[a-zA-Z0-9.@\"<>,;: +\\r\\n\\x00]{0,40}", "[a-zA-Z0-9.+_-]{1,20}@[a-z0-9.-]{1,20}[.][a-z]{2,6}"],
    ) {
        match letterhead("Example").message(letter(&to), Timestamp::from_millis(0), "0f") {
            Ok(message) => {
                let head = letterhead("Example");
                prop_assert_eq!(message.envelope().to().len(), 1);
                check_bytes(&raw(&head, &to));
                let mail = raw(&head, &to);
                let mail = MessageParser::new().parse(&mail).unwrap();
                let recipients: Vec<_> = mail.to().unwrap().iter().map(|a| a.address()).collect();
                prop_assert_eq!(recipients, [Some(to.as_str())]);
                prop_assert_eq!(mail.headers_raw().map(|(name, _)| name).collect::<Vec<_>>(), HEADERS);
            }
            Err(error) => prop_assert!(!error.is_temporary()),
        }
    }

    #[test]
    fn a97_any_brand_is_text_or_refused(brand in prop_oneof![any::<String>(), "[ -~]{1,64}", "\\PC{1,64}"]) {
        if let Ok(templates) = Templates::new(&brand) {
            let head = Letterhead::new("Example <login@example.com>", templates.clone()).unwrap();
            let raw = raw(&head, "ada@example.com");
            check_bytes(&raw);
            let mail = MessageParser::new().parse(&raw).unwrap();
            let text = mail.body_text(0).unwrap();
            prop_assert!(text.contains(&brand));
            let html = mail.body_html(0).unwrap();
            // The brand adds no element: as many `<` as with a plain one.
            let plain = Templates::new("Example").unwrap().of(letter("")).html_of(letter(""));
            prop_assert_eq!(html.matches('<').count(), plain.matches('<').count());
            prop_assert_eq!(html.matches('"').count(), plain.matches('"').count());
        }
    }

    #[test]
    fn any_sender_is_one_sender_or_refused(name in any::<String>(), address in "[a-z@<>, .\"]{0,30}") {
        for from in [name.clone(), address.clone(), format!("{name} <{address}>"), format!("{name} <login@example.com>")] {
            if let Ok(head) = Letterhead::new(&from, Templates::new("Example").unwrap()) {
                let raw = raw(&head, "ada@example.com");
                check_bytes(&raw);
                let mail = MessageParser::new().parse(&raw).unwrap();
                prop_assert_eq!(mail.from().unwrap().iter().count(), 1);
                prop_assert_eq!(mail.headers_raw().count(), HEADERS.len());
            }
        }
    }
}
