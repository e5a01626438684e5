//! What each answer of a gateway comes to.

use std::time::Duration;

use crate::support::authority::Authority;
use crate::support::gateway::{HttpGateway, Raw, RawGateway};
use crate::support::told;
use crate::{TO, TOKEN, send, twilio, webhook};

fn says(answer: impl Into<Vec<u8>>) -> Raw {
    Raw::Say(answer.into())
}

#[tokio::test]
async fn statuses_are_success_for_now_or_for_good() {
    for (status, temporary) in [
        (200, None),
        (201, None),
        (202, None),
        (204, None),
        (400, Some(false)),
        (401, Some(false)),
        (403, Some(false)),
        (404, Some(false)),
        (408, Some(true)),
        (422, Some(false)),
        (425, Some(true)),
        (429, Some(true)),
        (500, Some(true)),
        (502, Some(true)),
        (503, Some(true)),
        (599, Some(true)),
    ] {
        let gateway = HttpGateway::answering(status).await;
        for sms in [webhook(&gateway.url()).build().unwrap(), twilio(&gateway.url(), "Example").build().unwrap()] {
            let sent = send(&sms).await;
            assert_eq!(sent.as_ref().err().map(|e| e.is_temporary()), temporary, "{status}");
            if let Err(error) = sent {
                assert!(told(&error).contains(&status.to_string()), "{error:?}");
            }
        }
        // One request each: trying again is the engine's.
        assert_eq!(gateway.asked().len(), 2, "{status}");
    }
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let elsewhere = HttpGateway::answering(200).await;
    for status in [301, 302, 303, 307, 308] {
        let answer = format!("HTTP/1.1 {status} Moved\r\nlocation: {}/\r\ncontent-length: 0\r\n\r\n", elsewhere.url());
        let gateway = RawGateway::start(None, says(answer)).await;
        let error = send(&webhook(&gateway.url("http")).build().unwrap()).await.unwrap_err();
        assert!(!error.is_temporary(), "{status}");
        assert_eq!(gateway.heard().len(), 1);
    }
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn garbage_and_silence_are_worth_another_try() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    for what in [
        says("garbage\r\n\r\n"),
        says(""),
        says("HTTP/1.1 "),
        says("HTTP/1.1 999999 OK\r\n\r\n"),
        says("HTTP/1.1 200 OK\r\nbroken"),
        says(b"\x16\x03\x01\x00".to_vec()),
        says(long),
        says("SSH-2.0-OpenSSH_9.9\r\n"),
        Raw::Flood,
        Raw::Slam,
    ] {
        let gateway = RawGateway::start(None, what).await;
        let error = send(&webhook(&gateway.url("http")).build().unwrap()).await.unwrap_err();
        assert!(error.is_temporary());
        // Found out, not waited out.
        assert!(!told(&error).contains("in time"), "{error:?}");
    }
}

#[tokio::test]
async fn a_gateway_that_hangs_is_given_up_in_time() {
    let gateway = RawGateway::start(None, Raw::Hang).await;
    let sms = webhook(&gateway.url("http")).timeout(Duration::from_secs(1)).build().unwrap();
    let error = send(&sms).await.unwrap_err();
    assert!(error.is_temporary() && told(&error).contains("in time"), "{error:?}");
    assert_eq!(gateway.heard().len(), 1);
}

#[tokio::test]
async fn the_body_of_an_answer_is_not_waited_for_and_never_told() {
    for (status, good) in [("200 OK", true), ("400 Bad Request", false)] {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 99999\r\n\r\n{{\"to\":\"{TO}\",\"body\":\"012345\"");
        let gateway = RawGateway::start(None, says(answer)).await;
        let sent = send(&webhook(&gateway.url("http")).build().unwrap()).await;
        assert_eq!(sent.is_ok(), good);
        if let Err(error) = sent {
            let said = told(&error);
            assert!(!said.contains(TO) && !said.contains("012345") && !said.contains(TOKEN), "{said}");
        }
    }
}

#[tokio::test]
async fn nobody_listening_is_worth_another_try() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let sms = webhook(&format!("http://127.0.0.1:{port}")).build().unwrap();
    assert!(send(&sms).await.unwrap_err().is_temporary());
}

#[tokio::test]
async fn tls_holds_or_nothing_is_asked() {
    let (authority, other) = (Authority::new(), Authority::new());
    let well = || says("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
    for (name, issuer, good) in
        [("localhost", &authority, true), ("other.example", &authority, false), ("localhost", &other, false)]
    {
        let gateway = RawGateway::start(Some(issuer.server(name)), well()).await;
        let sms = webhook(&gateway.url("https")).root_certificates(authority.pem()).only_own_roots().build().unwrap();
        let sent = send(&sms).await;
        assert_eq!(sent.is_ok(), good, "{name}: {sent:?}");
        assert!(sent.as_ref().err().is_none_or(|e| e.is_temporary() && told(e).contains("certificate")), "{sent:?}");
        assert_eq!(gateway.heard().len(), usize::from(good));
        assert!(gateway.heard().iter().all(|request| request.starts_with("POST /sms HTTP/1.1\r\n")));
    }
    // No TLS on the other side: the token does not go out in clear.
    let gateway = RawGateway::start(None, Raw::Slam).await;
    let sms = webhook(&gateway.url("https")).root_certificates(authority.pem()).build().unwrap();
    assert!(send(&sms).await.unwrap_err().is_temporary());
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_its_connection() {
    let gateway = RawGateway::start(None, Raw::Hang).await;
    let sms = webhook(&gateway.url("http")).build().unwrap();
    for expected in 1..=2 {
        tokio::select! {
            _ = send(&sms) => panic!("the gateway does not answer"),
            () = async { while gateway.heard().len() < expected { tokio::task::yield_now().await } } => {}
        }
        tokio::time::timeout(Duration::from_secs(10), gateway.until_ended(expected)).await.unwrap();
    }
}
