use std::time::Duration;

use otpgate_core::ConfigErrorKind;

use super::check::{BODY_BYTES, SMS_SEPTETS, SUBJECT_CHARS, septets};
use super::*;
use crate::words;

const LETTER: Letter<'static> = Letter {
    purpose: otpgate_core::MailPurpose::LogIn,
    to: "ada@example.com",
    code: "012345",
    life: Duration::from_secs(300),
    locale: None,
};

#[test]
fn w014_w023_the_bodies_hold_code_and_life_and_the_subject_does_not() {
    let t = Templates::new("Example").unwrap();
    for body in [t.of(LETTER).text_of(LETTER), t.of(LETTER).html_of(LETTER), t.of(LETTER).sms_of(LETTER)] {
        assert!(body.contains("012345"), "{body}");
        assert!(body.contains("xpires in 5 minutes"), "{body}");
        assert!(body.contains("Example"), "{body}");
        assert!(!body.contains('{') && !body.contains('}'), "{body}");
    }
    assert!(t.of(LETTER).text_of(LETTER).contains("This code expires in 5 minutes"));
    assert!(t.of(LETTER).text_of(LETTER).contains("If it was not you"));
    assert!(t.of(LETTER).html_of(LETTER).contains("If it was not you"));
    assert_eq!(t.subject(), "Your sign-in code for Example");
}

#[test]
fn the_preview_of_a_locked_screen_ends_before_the_code() {
    let t = Templates::new("X").unwrap();
    assert!(t.of(LETTER).text_of(LETTER).find("012345").unwrap() > 200);
    let html = t.of(LETTER).html_of(LETTER);
    assert!(html.find("012345").unwrap() - html.find("<body").unwrap() > 200);
    assert!(html.find("<title>").unwrap() < html.find("</title>").unwrap() && !html.contains("012345</title>"));
}

#[test]
fn a97_brands_that_are_markup_are_shown_as_text() {
    let rows = [
        ("<b>Bold</b>".replace('/', ""), "&lt;b&gt;Bold&lt;b&gt;"),
        ("Tom & Jerry's \"Shop\"".to_owned(), "Tom &amp; Jerry&#39;s &quot;Shop&quot;"),
        ("{code}".to_owned(), "{code}"),
        ("St. Mary".to_owned(), "St. Mary"),
        ("Öbäle 日本".to_owned(), "Öbäle 日本"),
    ];
    for (brand, shown) in rows {
        let t = Templates::new(&brand).unwrap();
        assert!(t.of(LETTER).html_of(LETTER).contains(&format!("sign in to {shown} with")), "{brand}");
        assert!(t.of(LETTER).text_of(LETTER).contains(&format!("sign in to {brand} with")), "{brand}");
        assert_eq!(t.subject(), format!("Your sign-in code for {brand}"));
    }
}

#[test]
fn a97_brands_that_are_lines_or_links_are_refused() {
    let long = "x".repeat(65);
    let refused = [
        "",
        " ",
        " Example",
        "Example\n",
        "Exam\r\nBcc: b@example.com",
        "Exam\0ple",
        "Exam\u{85}ple",
        "Exam\u{2028}ple",
        "elpmaxE\u{202e}",
        "Ex\u{200b}ample",
        "\u{1b}[2J",
        "=?utf-8?q?Evil?=",
        "https://evil.example",
        "evil.example",
        "www.Evil",
        "mailto:Evil",
        "evil@example",
        "a/b",
        "<a href=x>",
        "<img src=x>",
        &long,
    ];
    for brand in refused {
        let error = Templates::new(brand).unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Name);
        assert!(error.to_string().starts_with("the brand"), "{brand:?}: {error}");
    }
    assert!(Templates::new(&"x".repeat(64)).is_ok());
}

#[test]
fn templates_that_cannot_be_sent_are_refused_when_built() {
    let b = || Templates::builder("Example");
    let big = format!("{{code}} {{life}} {}", "x".repeat(BODY_BYTES));
    let long_subject = "x".repeat(SUBJECT_CHARS + 1);
    let refused = [
        (b().subject("{code} is your code"), "subject"),
        (b().subject("It ends in {life}"), "subject"),
        (b().subject("Hello {name}"), "subject"),
        (b().subject(""), "subject"),
        (b().subject("two\nlines"), "subject"),
        (b().subject("=?utf-8?b?e2NvZGV9?="), "subject"),
        (b().subject(long_subject), "subject"),
        (b().text("in {life}"), "text"),
        (b().text("{code}"), "text"),
        (b().text("{code} {life} {"), "text"),
        (b().text("{code} {life} https://example.com"), "text"),
        (b().text("{code} {life} a\rb"), "text"),
        (b().text("{code} {life} \u{8}"), "text"),
        (b().text(big), "text"),
        (b().html("<p>{life}</p>"), "HTML"),
        (b().html("<p>{code}</p>"), "HTML"),
        (b().html("<a HREF='x'>{code}</a> {life}"), "HTML"),
        (b().html("<img Src='x'>{code} {life}"), "HTML"),
        (b().html("<style>p{color:red}</style>{code} {life}"), "HTML"),
        (b().sms("{life}"), "SMS"),
        (b().sms("{code} 日本"), "SMS"),
        (b().sms(format!("{{code}}{}", "x".repeat(153))), "SMS"),
    ];
    for (builder, part) in refused {
        let error = builder.clone().build().unwrap_err();
        assert!(error.to_string().starts_with(&format!("the {part} ")), "{builder:?}: {error}");
    }
    let taken = [
        b().text("{code}{minutes}"),
        b().text("{code}{seconds}\r\nü"),
        b().html("<style>p{{color:red}}</style>{code} {life}"),
        b().sms(format!("{{code}}{}", "x".repeat(152))),
        b().sms("{code}\n\n@example.com #{code}"),
    ];
    for builder in taken {
        builder.build().unwrap();
    }
}

#[test]
fn every_sms_fits_into_one() {
    for brand in ["Example", "Größe", "日本", "€€€€", &"W".repeat(64), &"€".repeat(64)] {
        let t = Templates::new(brand).unwrap();
        for (code, seconds) in [("012345", 300), ("ABCDEFGH", 599), ("ABCDEFGH", 600)] {
            let sms = t.of(LETTER).sms_of(Letter {
                purpose: otpgate_core::MailPurpose::LogIn,
                to: "",
                code,
                life: Duration::from_secs(seconds),
                locale: None,
            });
            assert!(septets(&sms).unwrap() <= SMS_SEPTETS, "{sms}");
            assert!(sms.starts_with(code), "{sms}");
        }
    }
    assert!(Templates::new("Größe").unwrap().of(LETTER).sms_of(LETTER).contains("Größe"));
    assert!(!Templates::new("日本").unwrap().of(LETTER).sms_of(LETTER).contains("日本"));
}

#[test]
fn septets_are_counted_as_in_3gpp_ts_23_038() {
    for (text, want) in [("", Some(0)), ("abc", Some(3)), ("@£\n", Some(3)), ("{€}", Some(6)), ("`", None), ("ç", None)]
    {
        assert_eq!(septets(text), want, "{text}");
    }
}

/// The same letter to a reader of `locale`.
fn to(locale: &str) -> Letter<'_> {
    Letter { locale: Some(locale), ..LETTER }
}

#[test]
fn every_shipped_language_says_all_that_english_says() {
    let t = Templates::builder("Example").sms_domain("example.com").build().unwrap();
    assert_eq!(t.locales().collect::<Vec<_>>(), ["en", "de", "fr", "es", "pt", "ja"]);
    let rows = [
        ("en", "5 minutes", "1 minute.", "90 seconds", "code"),
        ("de", "5 Minuten", "1 Minute ", "90 Sekunden", "Code"),
        ("fr", "5 minutes", "1 minute.", "90 secondes", "code"),
        ("es", "5 minutos", "1 minuto.", "90 segundos", "código"),
        ("pt", "5 minutos", "1 minuto.", "90 segundos", "código"),
        ("ja", "5分", "1分", "90秒", "コード"),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (tag, five, one, ninety, word) in rows {
        for purpose in [MailPurpose::LogIn, MailPurpose::ResetPassword] {
            let letter = Letter { purpose, ..to(tag) };
            let words = t.of(letter);
            assert_eq!(words.locale(), tag);
            assert!(seen.insert(words.subject_of(purpose)), "{tag}: a subject twice");
            assert!(words.subject_of(purpose).contains("Example") && !words.subject_of(purpose).contains("012345"));
            let (text, html) = (words.text_of(letter), words.html_of(letter));
            for body in [&text, &html] {
                assert!(body.contains(five) && body.matches("012345").count() == 1, "{tag}: {body}");
                assert!(!body.contains(['{', '}']) && body.contains("Example"), "{tag}: {body}");
                let shorter = Letter { life: Duration::from_secs(60), ..letter };
                assert!(words.text_of(shorter).contains(one.trim_end_matches('.')), "{tag}");
                let odd = Letter { life: Duration::from_secs(90), ..letter };
                assert!(words.html_of(odd).contains(ninety), "{tag}");
            }
            assert!(html.contains(&format!("<html lang=\"{tag}\">")) && html.contains("<meta charset=\"utf-8\">"));
            // For programs that fill in codes: alone on its line, the word just before it.
            let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
            assert_eq!(lines.last().unwrap().trim(), "012345", "{tag}");
            if purpose == MailPurpose::LogIn {
                let before = lines[lines.len() - 2];
                assert!(before.contains(word), "{tag}: {before}");
                // What a locked screen shows is about as wide in any script.
                let width: usize =
                    text.split("012345").next().unwrap().chars().map(|c| if c < '\u{1100}' { 1 } else { 2 }).sum();
                assert!(width > 200, "{tag}: {width}");
            }
        }
    }
}

#[test]
fn q13_every_sms_of_every_language_fits_and_ends_in_its_domain() {
    let host = "login.a-rather-long-name.example.com";
    for brand in ["Example", "Größe", "日本", &"W".repeat(64), &"€".repeat(64)] {
        for domain in [None, Some(host)] {
            let mut builder = Templates::builder(brand);
            if let Some(domain) = domain {
                builder = builder.sms_domain(domain);
            }
            let t = builder.build().unwrap();
            for language in words::ALL {
                let longest = Letter { code: "ABCDEFGH", life: Duration::from_secs(599), ..to(language.tag) };
                let sms = t.of(longest).sms_of(longest);
                assert!(septets(&sms).unwrap() <= SMS_SEPTETS, "{sms}");
                assert!(sms.starts_with("ABCDEFGH "), "{sms}");
                let last = sms.lines().last().unwrap();
                match domain {
                    Some(_) => assert_eq!(last, format!("@{host} #ABCDEFGH")),
                    None => assert_eq!(sms.lines().count(), 1),
                }
            }
        }
    }
    for domain in [
        "",
        "Example.com",
        "https://example.com",
        "example.com/",
        "example.com #",
        "ex_ample.com",
        "-a.com",
        "a..b",
        "a\nb",
        "ä.com",
    ] {
        let error = Templates::builder("Example").sms_domain(domain).build().unwrap_err();
        assert!(error.to_string().starts_with("the SMS domain"), "{domain}");
    }
    // A host's own words that leave no room for the last line.
    let full = Templates::builder("Example").sms(format!("{{code}}{}", "x".repeat(140)));
    assert!(full.clone().build().is_ok());
    assert!(full.sms_domain("example.com").build().is_err());
}

#[test]
fn the_reader_gets_the_nearest_language_and_else_the_fallback() {
    let t = Templates::builder("Example").fallback("fr").locale("pt-PT").subject("O seu código").build().unwrap();
    for (wanted, got) in [
        ("de-CH", "de"),
        ("pt-PT", "pt-pt"),
        ("pt-BR", "pt"),
        ("nl", "fr"),
        ("", "fr"),
        ("nl, ja", "ja"),
        ("en", "en"),
        ("x\r\ny", "fr"),
    ] {
        assert_eq!(t.for_locale(wanted).locale(), got, "{wanted}");
    }
    assert_eq!(t.for_locale("pt-PT").subject(), "O seu código");
    // What is not set is as shipped for the parent.
    assert!(t.for_locale("pt-PT").text_of(LETTER).contains("5 minutos"));
    assert!(t.for_locale("pt-PT").html_of(LETTER).contains("lang=\"pt-pt\""));
    assert_eq!(t.subject(), "Votre code de connexion pour Example");
}

#[test]
fn only_languages_that_the_host_saw_are_offered() {
    let b = || Templates::builder("Example");
    let locales = |builder: TemplatesBuilder| builder.build().unwrap().locales().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(locales(b().languages(["de", "en"])), ["en", "de"]);
    assert_eq!(locales(b().languages([])), ["en"]);
    assert_eq!(locales(b().fallback("de").languages([])), ["de"]);
    assert_eq!(locales(b().subject("Hello")), ["en"]);
    assert_eq!(locales(b().sms("{code}").languages(["en", "ja"])), ["en", "ja"]);
    assert_eq!(locales(b().subject("Hello").locale("de").locale("es")), ["en", "de", "es"]);
    assert_eq!(locales(b().locale("en").subject("Hello")), ["en"]);
    assert_eq!(locales(b().locale("de").subject("Hallo")), ["en", "de", "fr", "es", "pt", "ja"]);
    // Words set before the fallback is named are the fallback's.
    let german = b().subject("Hallo").fallback("de").build().unwrap();
    assert_eq!((german.subject(), german.for_locale("en").locale().to_owned()), ("Hallo".to_owned(), "de".to_owned()));
}

#[test]
fn a_language_that_is_not_shipped_needs_all_its_words() {
    let b = || Templates::builder("Example").locale("nl");
    let body = "Uw code is {minutes} minuten geldig: {code}";
    let whole = || b().subject("Uw code").text(body).html(body).sms("{code}").reset("Wachtwoord", body, body);
    let t = whole().build().unwrap();
    assert_eq!(t.for_locale("nl-BE").text_of(LETTER), "Uw code is 5 minuten geldig: 012345");
    let refused = [
        (b().subject("Uw code"), "SMS"),
        (b().sms("{code}").text(body).html(body), "subject"),
        (b().sms("{code}").subject("Uw code").html(body), "text"),
        (b().sms("{code}").subject("Uw code").text(body), "HTML"),
        (b().sms("{code}").subject("Uw code").text(body).html(body), "subject"),
        (whole().text("Uw code is {life} geldig: {code}"), "text"),
        (whole().sms("{code} {life}"), "SMS"),
        (b().languages(["xx"]), "SMS"),
    ];
    for (builder, part) in refused {
        let error = builder.build().unwrap_err();
        assert!(error.to_string().starts_with(&format!("the {part} ")), "{part}: {error}");
    }
    for tag in ["", "d", "deutsch", "de_AT", "de\r\n", "*"] {
        for builder in [
            Templates::builder("Example").locale(tag),
            Templates::builder("Example").fallback(tag),
            Templates::builder("Example").languages([tag]),
        ] {
            assert!(builder.build().unwrap_err().to_string().starts_with("the language "), "{tag:?}");
        }
    }
}
