//! What each answer of the server comes to (F11).

use otpgate_core::Mailer as _;

use crate::support::smtp_server::{At, Do, Security, SmtpServer};
use crate::support::{CODE, mail_to, told};
use crate::{hasty, mailer, send};

/// A server that does `what` at the first `times` arrivals at `step`.
async fn ill(step: At, times: usize, what: Do) -> SmtpServer {
    SmtpServer::start(Security::None, move |at, nth| if at == step && nth < times { what.clone() } else { Do::Well })
        .await
}

#[tokio::test]
async fn only_a_5xx_about_the_message_is_for_good() {
    for step in At::PLAIN {
        let of_the_message = [At::Mail, At::Rcpt, At::Data, At::Body].contains(&step);
        for (answer, refused) in [
            ("421 4.3.2 closing\r\n", false),
            ("450 4.2.0 greylisted\r\n", false),
            ("452-4.5.3 two\r\n452 4.5.3 lines\r\n", false),
            ("500 what?\r\n", true),
            ("550-5.1.1 no ada@example.com\r\n550 5.1.1 here\r\n", true),
            ("554 012345\r\n", true),
        ] {
            let server = ill(step, 1, Do::Say(answer.to_owned())).await;
            let error = send(&mailer(&server)).await.unwrap_err();
            assert_eq!(error.is_temporary(), !(refused && of_the_message), "{step:?}: {answer}");
            let said = told(&error);
            assert!(said.contains(&answer[..3]), "{said}");
            assert!(!said.contains("ada@") && !said.contains(CODE), "the server's words are repeated: {said}");
            // One connection, one try: trying again is the engine's.
            assert_eq!(server.log(|log| log.in_clear.len()), 1);
            assert_eq!(server.received().len(), usize::from(step == At::Body), "{step:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn w024_a_greylisting_server_takes_the_second_try() {
    let server = ill(At::Rcpt, 1, Do::Say("450 4.2.0 try later\r\n".to_owned())).await;
    let mailer = mailer(&server);
    assert!(send(&mailer).await.unwrap_err().is_temporary());
    assert_eq!(server.received().len(), 0);
    send(&mailer).await.unwrap();
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn f11_a_server_that_hangs_at_any_step_is_worth_another_try() {
    // All at once: each waits for its deadline.
    let tries = At::PLAIN.map(async |step| {
        let server = ill(step, 1, Do::Hang).await;
        let mailer = hasty(&server);
        assert!(send(&mailer).await.unwrap_err().is_temporary(), "{step:?}");
        // The next one is not told what was meant for the first.
        mailer.send(&mail_to("bob@example.com")).await.unwrap();
        let received = server.received();
        let last = received.last().unwrap();
        assert_eq!(last.to, ["RCPT TO:<bob@example.com>"], "{step:?}");
        assert_eq!(last.connection, 1, "{step:?}");
    });
    futures_util::future::join_all(tries).await;
}

#[tokio::test]
async fn f11_a_server_that_goes_away_at_any_step_is_worth_another_try() {
    for step in At::PLAIN {
        let server = ill(step, 1, Do::Drop).await;
        let mailer = mailer(&server);
        assert!(send(&mailer).await.unwrap_err().is_temporary(), "{step:?}");
        send(&mailer).await.unwrap();
        // Lost after the dot: it may come twice, and never not at all.
        assert_eq!(server.received().len(), if step == At::Body { 2 } else { 1 }, "{step:?}");
    }
}

#[tokio::test]
async fn a_server_that_answers_byte_by_byte_is_understood() {
    let server = SmtpServer::start(Security::None, |_, _| Do::Slowly).await;
    send(&mailer(&server)).await.unwrap();
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_line_that_never_ends_is_cut_off() {
    for step in At::PLAIN {
        let server = ill(step, 1, Do::Flood).await;
        let error = send(&mailer(&server)).await.unwrap_err();
        // Not the timeout: the limit.
        assert!(error.is_temporary() && !told(&error).contains("in time"), "{step:?}: {error:?}");
    }
}

#[tokio::test]
async fn an_answer_of_the_wrong_kind_never_lets_the_message_pass_as_commands() {
    for (step, answer) in [
        (At::Data, "250 ok\r\n"),
        (At::Rcpt, "354 go ahead\r\n"),
        (At::Mail, "334 what\r\n"),
        (At::Data, "hello\r\n"),
        (At::Data, "\r\n"),
        (At::Rcpt, "2\r\n"),
        (At::Ehlo, "250-half\r\n354 other\r\n"),
    ] {
        let server = ill(step, 1, Do::Say(answer.to_owned())).await;
        assert!(send(&mailer(&server)).await.unwrap_err().is_temporary(), "{step:?}: {answer:?}");
        assert_eq!(server.received().len(), 0);
        server.until(|log| log.open == 0).await;
        assert!(!String::from_utf8(server.log(|log| log.in_clear.concat())).unwrap().contains("Subject"));
    }
}

#[tokio::test]
async fn nobody_listening_is_worth_another_try() {
    let server = SmtpServer::well().await;
    let url = server.url();
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let nobody = url.replace(&server.address.port().to_string(), &port.to_string());
    assert!(send(&crate::builder(&nobody).build().unwrap()).await.unwrap_err().is_temporary());
}
