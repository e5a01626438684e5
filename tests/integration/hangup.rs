//! Over real sockets: what a client that hangs up has done, the address that limits count by, and a server without one.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use otpgate::Gate;
use otpgate_core::EventKind;
use otpgate_testkit::wire::people::A;
use otpgate_testkit::wire::{LOGIN, SEND, Setup, World, nth_other};
use otpgate_testkit::{Failure, StoreOp};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::cancel::unlimited_world;
use crate::drive::actix::app as actix_app;
use crate::drive::axum::app as axum_app;
use crate::drive::{Memory, drivers};

const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

async fn axum(gate: Gate) -> SocketAddr {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum_app(gate).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn actix(gate: Gate) -> SocketAddr {
    let listener = std::net::TcpListener::bind(LOOPBACK).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = actix_web::HttpServer::new(move || actix_app(gate.clone())).workers(1).disable_signals();
            server.listen(listener)?.run().await
        })
    });
    address
}

async fn post(address: SocketAddr, path: &str, body: &serde_json::Value) -> TcpStream {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    socket
}

async fn answer(mut socket: TcpStream) -> String {
    let mut text = Vec::new();
    socket.read_to_end(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

async fn world() -> World {
    let [axum, _] = drivers();
    World::alone(&axum, &(std::sync::Arc::new(Memory) as _), Setup::default()).await
}

/// Waits until `done` holds; a test that never gets there fails.
async fn until(what: &str, done: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !done() {
            tokio::task::yield_now().await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

/// The write that consumes the code was done and its answer is held back; the client resets its connection meanwhile. The
/// operation goes on to its end all the same: the code is used and the session is open.
async fn a_guess_goes_on(serve: impl AsyncFn(Gate) -> SocketAddr) {
    let w = world().await;
    let address = serve(w.gate().clone()).await;
    let code = w.send(A).await;
    // The first two swaps count the client's address, the third is the code's.
    w.store().fail_nth(StoreOp::Swap, 3, Failure::HangAfter);
    let socket = post(address, LOGIN, &json!({ "email": A, "password": code, "isOTP": true })).await;
    until("the swap hangs", || w.store().hanging() == 1).await;
    socket.set_zero_linger().unwrap();
    drop(socket);
    // The server has seen the reset when another request of the same loop was answered.
    for _ in 0..3 {
        answer(post(address, SEND, &json!({})).await).await;
    }
    assert_eq!(w.store().hanging(), 1, "the operation was dropped with its connection");
    w.store().heal();
    w.advance(2);
    let logged_in =
        |w: &World| w.events().all().into_iter().any(|e| e.kind == EventKind::LoggedIn && e.refusal.is_none());
    until("the login ends", || logged_in(&w)).await;
    w.guess(A, &code).await.has(401);
    // Whoever never heard of it has another code sent at once (A106), and the host sees both logins.
    w.log_in(A).await;
    let logins = w.events().all().into_iter().filter(|e| e.kind == EventKind::LoggedIn && e.refusal.is_none()).count();
    assert_eq!(logins, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a21_a106_a_guess_goes_on_when_its_client_hangs_up_axum() {
    a_guess_goes_on(axum).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a21_a106_a_guess_goes_on_when_its_client_hangs_up_actix() {
    a_guess_goes_on(actix).await;
}

/// A hundred wrong guesses, each reset as soon as the server works on it: none of them is free.
async fn a_hundred_guesses_are_counted(serve: impl AsyncFn(Gate) -> SocketAddr) {
    let w = unlimited_world().await;
    let address = serve(w.gate().clone()).await;
    let refused = || w.events().all().iter().filter(|e| e.kind == EventKind::LoggedIn && e.refusal.is_some()).count();
    let mut guesses = 0;
    while guesses < 100 {
        let code = w.send(A).await;
        let before = refused();
        for n in 1..=3 {
            let calls = w.store().all_calls();
            let guess = json!({ "email": A, "password": nth_other(&code, n), "isOTP": true });
            let socket = post(address, LOGIN, &guess).await;
            until("the server works on the guess", || w.store().all_calls() > calls).await;
            socket.set_zero_linger().unwrap();
            drop(socket);
            guesses += 1;
            until("the guess is decided", || refused() == before + n as usize).await;
        }
        w.guess(A, &code).await.fails(401, "Too many failed attempts. Request a new code.");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a21_a_hundred_guesses_of_clients_that_hang_up_are_all_counted_axum() {
    a_hundred_guesses_are_counted(axum).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a21_a_hundred_guesses_of_clients_that_hang_up_are_all_counted_actix() {
    a_hundred_guesses_are_counted(actix).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w056_the_header_is_read_in_any_case_on_the_wire() {
    for serve in [0, 1] {
        let w = world().await;
        let token = w.log_in(A).await.access;
        let address = if serve == 0 { axum(w.gate().clone()).await } else { actix(w.gate().clone()).await };
        for (name, status) in
            [("auth-token", "200"), ("AUTH-TOKEN", "200"), ("Auth-Token", "200"), ("auth_token", "401")]
        {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let head = format!("GET /me HTTP/1.1\r\nhost: l\r\n{name}: {token}\r\nconnection: close\r\n\r\n");
            socket.write_all(head.as_bytes()).await.unwrap();
            let said = answer(socket).await;
            assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w152_limits_count_by_the_socket_whatever_a_header_says() {
    for serve in [0, 1] {
        let w = world().await;
        let gate = w.gate().clone();
        let address = if serve == 0 { axum(gate).await } else { actix(gate).await };
        let mut last = String::new();
        for n in 0..11 {
            let body = json!({ "email": format!("x{n}@example.com") });
            let path = otpgate_testkit::wire::AVAILABILITY;
            let text = body.to_string();
            let mut socket = TcpStream::connect(address).await.unwrap();
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: l\r\nx-forwarded-for: 9.9.9.{n}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                text.len()
            );
            socket.write_all(head.as_bytes()).await.unwrap();
            last = answer(socket).await;
            assert_eq!(last.starts_with("HTTP/1.1 200"), n < 10, "{last}");
        }
        assert!(last.starts_with("HTTP/1.1 429"), "{last}");
    }
}

#[tokio::test]
async fn a_plain_axum_serve_answers_500_on_the_standard_routes() {
    let w = world().await;
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum_app(w.gate().clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let said = answer(post(address, SEND, &json!({ "email": A })).await).await;
    assert!(said.starts_with("HTTP/1.1 500"), "{said}");
    assert!(said.ends_with(r#"{"status":false,"message":"Internal server error"}"#), "{said}");
    assert!(w.mails().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn w155_a_body_without_end_is_413_before_it_ends() {
    for serve in [0, 1] {
        let w = world().await;
        let gate = w.gate().clone();
        let address = if serve == 0 { axum(gate).await } else { actix(gate).await };
        let mut socket = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {SEND} HTTP/1.1\r\nhost: l\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let chunk = format!("400\r\n{}\r\n", "a".repeat(0x400));
        // Twelve kilobytes, and no end: the answer comes all the same.
        for _ in 0..12 {
            if socket.write_all(chunk.as_bytes()).await.is_err() {
                break;
            }
        }
        let mut start = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(20), socket.read_exact(&mut start)).await;
        assert!(read.is_ok_and(|r| r.is_ok()), "no answer");
        assert_eq!(&start, b"HTTP/1.1 413");
    }
}
