//! What the three extractors say to each verdict, in both frameworks.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix_web::test::{TestRequest, init_service, try_call_service};
use axum::body::Body;
use axum::http;
use http_body_util::BodyExt as _;
use otpgate::{CurrentUser, Directory as _, MaybeSession, Session, UserId};
use otpgate_core::StoreErrorKind;
use otpgate_testkit::Failure;
use otpgate_testkit::wire::people::{A, A_ID};
use otpgate_testkit::wire::{SEND, Setup, World};
use otpgate_tower::{GateLayer, PeerAddr};
use tower::ServiceExt as _;

use crate::capture::Log;
use crate::drive::{Axum, Memory};

async fn world() -> World {
    World::alone(&(Arc::new(Axum) as _), &(Arc::new(Memory) as _), Setup::default()).await
}

async fn session(_: Session) -> &'static str {
    "session"
}

async fn maybe(MaybeSession(session): MaybeSession) -> &'static str {
    if session.is_some() { "some" } else { "none" }
}

async fn user(CurrentUser(user): CurrentUser) -> String {
    user.status
}

const PATHS: [&str; 3] = ["/session", "/maybe", "/user"];

/// Status and body of each route, in both frameworks; they have to be equal.
async fn ask(w: &World, headers: &[(&str, &str)]) -> [(u16, String); 3] {
    let axum_app = axum::Router::new()
        .route("/session", axum::routing::get(session))
        .route("/maybe", axum::routing::get(maybe))
        .route("/user", axum::routing::get(user))
        .layer(otpgate_axum::layer(w.gate().clone()));
    let actix_app = init_service(
        actix_web::App::new()
            .wrap(otpgate_actix::GateTransform::new(w.gate().clone()))
            .route("/session", actix_web::web::get().to(session))
            .route("/maybe", actix_web::web::get().to(maybe))
            .route("/user", actix_web::web::get().to(user)),
    )
    .await;
    let mut told = Vec::new();
    for path in PATHS {
        let mut request = http::Request::builder().uri(path);
        let mut other = TestRequest::with_uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
            other = other.append_header((*name, *value));
        }
        let response = axum_app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let one = (status, String::from_utf8_lossy(&body).into_owned());
        let response = try_call_service(&actix_app, other.to_request()).await.unwrap();
        let status = response.status().as_u16();
        let body = actix_web::test::read_body(response).await;
        assert_eq!((status, String::from_utf8_lossy(&body).into_owned()), one, "{path} {headers:?}");
        told.push(one);
    }
    told.try_into().unwrap()
}

fn refused(status: u16, message: &str) -> (u16, String) {
    (status, format!(r#"{{"status":false,"message":"{message}"}}"#))
}

fn all(one: &(u16, String)) -> [(u16, String); 3] {
    [one.clone(), one.clone(), one.clone()]
}

#[tokio::test]
async fn extractors_say_the_same_to_every_verdict_in_both_frameworks() {
    let w = world().await;
    let token = w.log_in(A).await.access;
    let credential = ("auth-token", token.as_str());
    let ok = |text: &str| (200, text.to_owned());
    let none = refused(401, "Not authenticated");
    assert_eq!(ask(&w, &[]).await, [none.clone(), ok("none"), none.clone()]);
    assert_eq!(ask(&w, &[credential]).await, [ok("session"), ok("some"), ok("active")]);
    assert_eq!(ask(&w, &[("auth-token", "x.y.z")]).await, all(&none));
    assert_eq!(ask(&w, &[credential, credential]).await, all(&none));
    let foreign = ask(&w, &[credential, ("organization-id", "org-of-others")]).await;
    assert_eq!(foreign, all(&refused(403, "Forbidden")));

    w.store().fail_all(Failure::Refuse(StoreErrorKind::Unavailable));
    let down = refused(503, "Service unavailable");
    assert_eq!(ask(&w, &[credential]).await, all(&down));
    assert_eq!(ask(&w, &[]).await, [none.clone(), ok("none"), none.clone()]);
    w.store().heal();
    // The directory is asked by `CurrentUser` alone, at every request.
    w.directory().set_down(true);
    assert_eq!(ask(&w, &[credential]).await, [ok("session"), ok("some"), down]);
    w.directory().set_down(false);
    let mut user = w.directory().users().get(w.tenant(), &UserId::new(A_ID).unwrap()).await.unwrap().unwrap();
    user.status = "banned".into();
    user.admitted = false;
    w.directory().users().replace(w.tenant(), &user).await.unwrap();
    assert_eq!(ask(&w, &[credential]).await, [ok("session"), ok("some"), refused(403, "Forbidden")]);
    w.log_out(&token).await.has(200);
    assert_eq!(ask(&w, &[credential]).await, all(&none));
}

#[tokio::test]
async fn a_tower_host_names_the_peer_and_without_one_the_log_says_what_to_write() {
    let w = world().await;
    let host = tower::service_fn(|_| async { Ok::<_, std::convert::Infallible>(http::Response::new(Body::empty())) });
    let app = tower::Layer::layer(&GateLayer::new(w.gate().clone()), host);
    let request = |peer: Option<[u8; 4]>, n: usize| {
        let mut builder = http::Request::builder().method("POST").uri(SEND).header("content-type", "application/json");
        if let Some(peer) = peer {
            builder = builder.extension(PeerAddr(IpAddr::V4(Ipv4Addr::from(peer))));
        }
        builder.body(Body::from(format!(r#"{{"email":"t{n}@example.com"}}"#))).unwrap()
    };
    for (peer, seen) in [([192, 0, 2, 77], 30), ([192, 0, 2, 78], 30), ([192, 0, 2, 77], 0)] {
        for n in 0..=seen {
            let n = n + 100 * usize::from(peer[3]);
            let status = app.clone().oneshot(request(Some(peer), n)).await.unwrap().status().as_u16();
            assert_eq!(status, if n % 100 < seen { 200 } else { 429 }, "{peer:?} {n}");
        }
    }
    let log = Log::keep();
    let status = app.clone().oneshot(request(None, 1)).await.unwrap().status().as_u16();
    assert_eq!(status, 500);
    let said = log.take();
    assert!(said.contains("ERROR") && said.contains("into_make_service_with_connect_info::<SocketAddr>()"), "{said}");
}
