//! What is refused when it is built, and what is never shown.

use std::time::Duration;

use otpgate_core::ConfigErrorKind;
use otpgate_mail::{HttpSms, Templates};

use crate::support::authority::Authority;
use crate::support::told;
use crate::{ACCOUNT, TOKEN, templates, twilio, webhook};

#[test]
fn a_setting_that_does_not_hold_is_refused_when_built() {
    let hook = |url: &str| HttpSms::webhook(url, templates());
    let account =
        |sid: &str, token: &str| HttpSms::twilio(sid, token, "Example", templates()).base_url("http://localhost");
    let refused = [
        webhook("http://hunter2.example.com"),
        webhook("http://10.0.0.1/hunter2"),
        webhook("http://localhost.example.com"),
        webhook("ftp://localhost/hunter2"),
        webhook("hunter2"),
        webhook("https://user:hunter2@example.com"),
        webhook("https://example.com").only_own_roots(),
        webhook("https://example.com").root_certificates("hunter2"),
        webhook("http://localhost").timeout(Duration::ZERO),
        webhook("http://localhost").api_key("SK1", "hunter2"),
        // Nobody said which domain its codes are for.
        HttpSms::webhook("http://localhost", Templates::new("Example").unwrap()).bearer("hunter2"),
        // Open to everyone who finds it.
        hook("http://localhost"),
        hook("http://localhost").bearer(""),
        hook("http://localhost").bearer("hunter2\r\nx: y"),
        hook("http://localhost").signed("hunter2-too-short"),
        account("", "hunter2"),
        account("AC1/../AC2", "hunter2"),
        account("AC1", ""),
        account("AC1", "hunter2\r\n"),
        account("AC1", "hunter2").bearer("hunter2"),
        account("AC1", "hunter2").signed([7; 32]),
        account("AC1", "hunter2").base_url("http://localhost?hunter2"),
        account("AC1", "hunter2").api_key("S:K", "hunter2"),
        twilio("http://localhost", ""),
        twilio("http://localhost", "A name that is too long"),
        twilio("http://localhost", "Näme"),
        twilio("http://localhost", " Name"),
        twilio("http://localhost", "a&To=+1900"),
    ];
    for (i, builder) in refused.into_iter().enumerate() {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Name, "{i}");
        assert!(!told(&error).contains("hunter2"), "{i}: {error:?}");
    }
    let pem = Authority::new().pem();
    let taken = [
        webhook("http://[::1]:8025/sms"),
        webhook("http://gateway.internal/sms").insecure_plaintext(),
        webhook("https://example.com/sms?key=1").root_certificates(pem.clone()).only_own_roots(),
        webhook("http://localhost").signed([7; 32]),
        HttpSms::twilio(ACCOUNT, TOKEN, "+15550000000", templates()).root_certificates(pem).only_own_roots(),
    ];
    for builder in taken {
        builder.build().unwrap();
    }
}

#[test]
fn q53_nothing_shows_a_secret() {
    for builder in [
        webhook("http://localhost/hunter2").signed(*b"hunter2-hunter2-hunter2-hunter2-"),
        twilio("http://localhost", "Example"),
    ] {
        assert_eq!(format!("{builder:?}"), "HttpSmsBuilder(..)");
        let shown = format!("{:?}", builder.build().unwrap());
        assert!(shown.contains("localhost") && !shown.contains("hunter2") && !shown.contains("aHVudGVy"), "{shown}");
        assert!(!shown.contains(ACCOUNT));
    }
}
