use std::time::Duration;

use super::*;

const LETTER: Letter<'static> = Letter {
    purpose: otpgate_core::MailPurpose::LogIn,
    to: "ada@example.com",
    code: "012345",
    life: Duration::from_secs(300),
};

#[test]
fn w014_w023_the_bodies_hold_code_and_life_and_the_subject_does_not() {
    let t = Templates::new("Example").unwrap();
    for body in [t.text_of(LETTER), t.html_of(LETTER), t.sms_of(LETTER)] {
        assert!(body.contains("012345"), "{body}");
        assert!(body.contains("xpires in 5 minutes"), "{body}");
        assert!(body.contains("Example"), "{body}");
        assert!(!body.contains('{') && !body.contains('}'), "{body}");
    }
    assert!(t.text_of(LETTER).contains("This code expires in 5 minutes"));
    assert!(t.text_of(LETTER).contains("If it was not you"));
    assert!(t.html_of(LETTER).contains("If it was not you"));
    assert_eq!(t.subject(), "Your sign-in code for Example");
}

#[test]
fn the_preview_of_a_locked_screen_ends_before_the_code() {
    let t = Templates::new("X").unwrap();
    assert!(t.text_of(LETTER).find("012345").unwrap() > 200);
    let html = t.html_of(LETTER);
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
        assert!(t.html_of(LETTER).contains(&format!("sign in to {shown} with")), "{brand}");
        assert!(t.text_of(LETTER).contains(&format!("sign in to {brand} with")), "{brand}");
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
            let sms = t.sms_of(Letter {
                purpose: otpgate_core::MailPurpose::LogIn,
                to: "",
                code,
                life: Duration::from_secs(seconds),
            });
            assert!(septets(&sms).unwrap() <= SMS_SEPTETS, "{sms}");
            assert!(sms.starts_with(code), "{sms}");
        }
    }
    assert!(Templates::new("Größe").unwrap().sms_of(LETTER).contains("Größe"));
    assert!(!Templates::new("日本").unwrap().sms_of(LETTER).contains("日本"));
}

#[test]
fn septets_are_counted_as_in_3gpp_ts_23_038() {
    for (text, want) in [("", Some(0)), ("abc", Some(3)), ("@£\n", Some(3)), ("{€}", Some(6)), ("`", None), ("ç", None)]
    {
        assert_eq!(septets(text), want, "{text}");
    }
}
