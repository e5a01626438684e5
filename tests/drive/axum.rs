//! axum behind the kit's driver: the router is asked in process.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, http};
use http_body_util::BodyExt as _;
use otpgate::{Gate, MaybeSession, RequireFresh, Session};
use otpgate_core::runtime::BoxFuture;
use otpgate_testkit::wire::{Driver, Mounted, Reply, Request};
use otpgate_tower::GateLayer;
use tower::ServiceExt as _;

use super::host::{Shown, admins};

/// axum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axum;

impl Driver for Axum {
    fn name(&self) -> &'static str {
        "axum"
    }

    fn mount(&self, gate: Gate) -> Arc<dyn Mounted> {
        Arc::new(App(app(gate)))
    }
}

/// The host's app behind `gate`.
pub(crate) fn app(gate: Gate) -> Router {
    let me = |session: Session| async move { Shown::from(&session) };
    let maybe = |session: MaybeSession| async move { Shown::from(&session) };
    let fresh = |RequireFresh(session): RequireFresh<300>| async move { Shown::from(&session) };
    let admins = Router::new().route("/admin", get(me)).route_layer(GateLayer::required(gate.clone(), admins()));
    let app = Router::new().route("/me", get(me).post(me)).route("/maybe", get(maybe)).route("/fresh", get(fresh));
    app.merge(admins).layer(otpgate_axum::layer(gate))
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

struct App(Router);

impl Mounted for App {
    fn answer(&self, request: Request) -> BoxFuture<Reply> {
        let app = self.0.clone();
        Box::pin(async move {
            let Ok(response) = app.oneshot(http_request(request)).await;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let headers = parts.headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes()));
            Reply::new(parts.status.as_u16(), headers, body)
        })
    }
}

/// The request as axum takes it.
pub(crate) fn http_request(request: Request) -> http::Request<Body> {
    let mut builder = http::Request::builder().method(request.method.as_str()).uri(&request.path);
    for (name, value) in request.headers {
        builder = builder.header(name, value);
    }
    if let Some(peer) = request.peer {
        builder = builder.extension(ConnectInfo(peer));
    }
    match builder.body(Body::from(request.body)) {
        Ok(request) => request,
        Err(error) => panic!("no HTTP request: {error}"),
    }
}
