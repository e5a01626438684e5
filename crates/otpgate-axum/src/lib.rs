//! otpgate for axum: the socket's address, a router of the standard routes, and what its extractors need.
//!
//! The facade crate `otpgate` has the extractors themselves.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::MethodRouter;
use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::Extensions;
use http::request::Parts;
use otpgate_http::{Gate, Judged, Reply};
use otpgate_tower::GateLayer;

/// The layer of `gate` that reads the socket's address from axum's `ConnectInfo<SocketAddr>`.
#[must_use]
pub fn layer(gate: Gate) -> GateLayer {
    GateLayer::new(gate).peer_from(peer)
}

/// The socket's address, where the app is served with `into_make_service_with_connect_info::<SocketAddr>()`.
#[must_use]
pub fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
}

/// A router of the standard routes alone, to merge or nest; `nest` strips its prefix before the routes see a path.
pub fn router<S: Clone + Send + Sync + 'static>(gate: Gate) -> Router<S> {
    let paths: Vec<String> = gate.paths().map(str::to_owned).collect();
    let empty = paths.iter().fold(Router::new(), |router, path| router.route(path, MethodRouter::new()));
    empty.route_layer(layer(gate))
}

/// The verdict that a layer left for this request.
///
/// # Errors
/// The answer that says that no layer is there.
pub fn judged(parts: &Parts) -> Result<&Judged, Rejection> {
    parts.extensions.get::<Judged>().ok_or_else(|| Rejection(Box::new(Reply::without_layer())))
}

/// An extractor's refusal, in the shape of the profile whose header carried the credential.
#[derive(Clone, Debug)]
pub struct Rejection(Box<Reply>);

impl From<Box<Reply>> for Rejection {
    fn from(reply: Box<Reply>) -> Self {
        Self(reply)
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.0.into_response().map(Body::from)
    }
}
