//! TLS that holds or nothing: no mail and no password in clear, whatever stands on the line.

use std::time::Duration;

use otpgate_core::{ConfigErrorKind, Mailer as _};
use otpgate_mail::{SmtpBuilder, SmtpMailer, Templates};

use crate::support::authority::Authority;
use crate::support::smtp_server::{At, Do, Security, SmtpServer};
use crate::support::{mail_to, told};
use crate::{FROM, builder, send};

const LOGIN: &str = "us%C3%A9r:hunter2%2F@";

fn trusting(server: &SmtpServer, scheme: &str, authority: &Authority) -> SmtpBuilder {
    builder(&server.url_with(scheme, LOGIN)).root_certificates(authority.pem()).only_own_roots()
}

/// `AUTH PLAIN` of the login above, as base64 of NUL user NUL password.
const AUTH: &str = "AUTH PLAIN AHVzw6lyAGh1bnRlcjIv";

#[tokio::test]
async fn codes_and_passwords_go_inside_tls() {
    let authority = Authority::new();
    let tls = authority.server("localhost");
    for (scheme, security) in
        [("smtps", Security::Tls(tls.clone())), ("smtp+starttls", Security::StartTls(tls.clone()))]
    {
        let server = SmtpServer::start(security, |_, _| Do::Well).await;
        let mailer = trusting(&server, scheme, &authority).build().unwrap();
        send(&mailer).await.unwrap();
        send(&mailer).await.unwrap();
        assert_eq!(server.received().len(), 2, "{scheme}");
        assert_eq!(server.commands().iter().filter(|line| *line == AUTH).count(), 1, "{:?}", server.commands());
        let clear = String::from_utf8(server.log(|log| log.in_clear.concat())).unwrap();
        assert_eq!(clear, if scheme == "smtps" { "" } else { "EHLO example.com\r\nSTARTTLS\r\n" });
    }
}

#[tokio::test]
async fn f11_a_certificate_that_is_wrong_gets_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (name, issuer) in [("other.example", &authority), ("localhost", &other)] {
        for scheme in ["smtps", "smtp+starttls"] {
            let tls = issuer.server(name);
            let security = if scheme == "smtps" { Security::Tls(tls) } else { Security::StartTls(tls) };
            let server = SmtpServer::start(security, |_, _| Do::Well).await;
            let mailer = trusting(&server, scheme, &authority).build().unwrap();
            let error = send(&mailer).await.unwrap_err();
            assert!(error.is_temporary(), "{name} {scheme}");
            let said = told(&error);
            assert!(said.contains("TLS handshake") && said.contains("certificate"), "{said}");
            assert!(!said.contains("hunter2"));
            assert!(!server.commands().iter().any(|line| line.starts_with("AUTH") || line.starts_with("MAIL")));
        }
    }
}

#[tokio::test]
async fn starttls_is_never_given_up() {
    let authority = Authority::new();
    for what in [
        // Cut out of the answer, or overwritten as some boxes do.
        (At::Ehlo, "250-test\r\n250 AUTH PLAIN LOGIN\r\n"),
        (At::Ehlo, "250-test\r\n250-XXXXXXXX\r\n250 AUTH PLAIN LOGIN\r\n"),
        (At::Ehlo, "250 test\r\n"),
        (At::StartTls, "454 TLS not available\r\n"),
        (At::StartTls, "502 no such command\r\n"),
        (At::StartTls, "250 ok\r\n"),
        // In clear after the answer, for the client to find inside TLS.
        (At::StartTls, "220 go ahead\r\n250 taken\r\n"),
        (At::Connect, "554 not you\r\n"),
        (At::Connect, "hello\r\n"),
    ] {
        let security = Security::StartTls(authority.server("localhost"));
        let server =
            SmtpServer::start(security, move |at, _| if at == what.0 { Do::Say(what.1.to_owned()) } else { Do::Well })
                .await;
        let mailer = trusting(&server, "smtp+starttls", &authority).build().unwrap();
        let error = send(&mailer).await.unwrap_err();
        assert!(error.is_temporary(), "{what:?}");
        assert!(!told(&error).contains("hunter2"));
        server.until(|log| log.open == 0).await;
        let commands = server.commands();
        assert!(commands.iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS"), "{what:?}: {commands:?}");
        assert_eq!(server.received().len(), 0);
    }
}

#[tokio::test]
async fn a_server_that_hangs_drops_or_floods_before_tls_is_worth_another_try() {
    let authority = Authority::new();
    for step in [At::Connect, At::Ehlo, At::StartTls] {
        for what in [Do::Hang, Do::Drop, Do::Flood] {
            let security = Security::StartTls(authority.server("localhost"));
            let once = what.clone();
            let server = SmtpServer::start(
                security,
                move |at, nth| if at == step && nth == 0 { once.clone() } else { Do::Well },
            )
            .await;
            // Long enough for the handshake of the second try; what does not hang ends at once.
            let timeout = Duration::from_millis(if matches!(what, Do::Hang) { 300 } else { 20_000 });
            let mailer = trusting(&server, "smtp+starttls", &authority).timeout(timeout).build().unwrap();
            let error = send(&mailer).await.unwrap_err();
            assert!(error.is_temporary(), "{step:?} {what:?}");
            assert_eq!(told(&error).contains("in time"), matches!(what, Do::Hang), "{step:?} {what:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_log_in_that_fails_may_heal_and_never_shows_the_password() {
    let authority = Authority::new();
    for (at, answer) in [
        (At::Auth, "535 5.7.8 wrong: AHVzw6lyAGh1bnRlcjIv\r\n"),
        (At::Auth, "454 4.7.0 later\r\n"),
        (At::Auth, "334 \r\n"),
        (At::Ehlo, "250-test\r\n250 AUTH GSSAPI\r\n"),
        (At::Ehlo, "250 test\r\n"),
    ] {
        let security = Security::Tls(authority.server("localhost"));
        let server =
            SmtpServer::start(security, move |step, _| if step == at { Do::Say(answer.to_owned()) } else { Do::Well })
                .await;
        let mailer = trusting(&server, "smtps", &authority).timeout(Duration::from_secs(2)).build().unwrap();
        let error = send(&mailer).await.unwrap_err();
        assert!(error.is_temporary(), "{answer}");
        let said = told(&error);
        assert!(!said.contains("hunter2") && !said.contains("aHVudGVy") && !said.contains("AHVzw6ly"), "{said}");
        assert!(server.commands().iter().all(|line| !line.starts_with("MAIL")));
    }
}

#[test]
fn q53_nothing_shows_the_password_or_the_user() {
    let url = "smtp://user:hunter2@127.0.0.1:2525";
    let built = builder(url).build().unwrap();
    assert_eq!(format!("{built:?}"), "SmtpMailer { host: \"127.0.0.1\", port: 2525, security: \"none\", .. }");
    assert_eq!(format!("{:?}", builder(url)), "SmtpBuilder(..)");
}

#[test]
fn a_setting_that_does_not_hold_is_refused_when_built() {
    let roots = Authority::new().pem();
    let refused = [
        builder("smtp://user:hunter2@mail.example.com"),
        builder("smtp://10.0.0.1"),
        builder("smtp://localhost.example.com"),
        builder("smtp://127.0.0.1.example.com"),
        builder("http://user:hunter2@localhost"),
        builder("smtps+starttls://user:hunter2@localhost"),
        builder("smtps://user:hunter2@localhost/path"),
        builder("smtps://user:hunter2@localhost?tls=none"),
        builder("smtps://user:hunter2@localhost").only_own_roots(),
        builder("smtps://user:hunter2@localhost").root_certificates("no PEM"),
        builder("smtp://localhost").hello_name("a\r\nb"),
        builder("smtp://localhost").hello_name(""),
        builder("smtp://localhost").timeout(Duration::ZERO),
        builder("smtp://localhost").connections(0, Duration::ZERO),
        SmtpMailer::builder("smtp://localhost", "a@b.example,c@d.example", Templates::new("Example").unwrap()),
    ];
    for (i, builder) in refused.into_iter().enumerate() {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Name, "{i}");
        assert!(!told(&error).contains("hunter2"), "{i}");
    }
    let taken = [
        builder("smtp://localhost"),
        builder("smtp://[::1]:2525/"),
        builder("smtp://mail.example.com").insecure_plaintext(),
        builder("smtps://mail.example.com").root_certificates(roots.clone()).only_own_roots(),
        builder("smtp+starttls://user:hunter2@192.0.2.1").root_certificates(roots).only_own_roots(),
        builder("smtp://localhost").hello_name("[127.0.0.1]"),
    ];
    for builder in taken {
        builder.build().unwrap();
    }
}

#[tokio::test]
async fn the_name_for_ehlo_is_said() {
    let server = SmtpServer::well().await;
    let mailer = SmtpMailer::builder(&server.url(), FROM, Templates::new("Example").unwrap())
        .hello_name("app1.example.net")
        .build()
        .unwrap();
    mailer.send(&mail_to("ada@example.com")).await.unwrap();
    assert_eq!(server.commands()[0], "EHLO app1.example.net");
}
