//! The service: routes a request to the gate or to the inner service.

use std::future::ready;
use std::net::IpAddr;
use std::task::{Context, Poll};

use axum_core::BoxError;
use axum_core::body::Body as ResponseBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use otpgate_http::{Body, Gate, Judged, Reply, Route, Unsettled};
use tower_service::Service;

use crate::layer::Mode;
use crate::{GateLayer, PeerAddr, ResponseFuture};

/// A service behind a [`GateLayer`].
#[derive(Clone, Debug)]
pub struct GateService<S> {
    pub(crate) inner: S,
    pub(crate) layer: GateLayer,
}

impl<S, B, R> Service<Request<B>> for GateService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let GateLayer { gate, mode, peer, .. } = &self.layer;
        if *mode == Mode::Mount
            && let Some(route) = gate.route(request.method(), request.uri().path(), request.headers())
        {
            let peer = request.extensions().get::<PeerAddr>().map(|p| p.0).or_else(|| peer(request.extensions()));
            return ResponseFuture::asked(Box::pin(answer(gate.clone(), route, peer, request)));
        }
        let judged = match known(gate, &request) {
            Ok(judged) => judged,
            Err(unsettled) => {
                // The service that was polled ready is the one to call; its clone waits for the next request.
                let next = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, next);
                return ResponseFuture::asked(Box::pin(judge(self.layer.clone(), unsettled, inner, request)));
            }
        };
        if let Some(reply) = self.layer.refusal(&judged) {
            return ResponseFuture::asked(Box::pin(ready(Ok(respond(*reply)))));
        }
        request.extensions_mut().insert(judged);
        ResponseFuture::straight(self.inner.call(request))
    }
}

/// The verdict where it is there already, by an outer layer of the same gate or since nothing has to be asked.
fn known<B>(gate: &Gate, request: &Request<B>) -> Result<Judged, Unsettled> {
    match request.extensions().get::<Judged>().filter(|judged| judged.gate().is(gate)) {
        Some(outer) => Ok(outer.clone()),
        None => gate.judge_at_once(request.method(), request.headers()),
    }
}

async fn answer<B, E>(
    gate: Gate,
    route: Route,
    peer: Option<IpAddr>,
    request: Request<B>,
) -> Result<Response<ResponseBody>, E>
where
    B: HttpBody,
    B::Error: Into<BoxError>,
{
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, route.max_body()).collect().await {
        Ok(whole) => Body::Whole(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Body::TooLarge,
        Err(_) => Body::Broken,
    };
    Ok(respond(gate.answer(route, &parts.headers, peer, body).await))
}

async fn judge<S, B, R>(
    layer: GateLayer,
    unsettled: Unsettled,
    mut inner: S,
    mut request: Request<B>,
) -> Result<Response<ResponseBody>, S::Error>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let judged = layer.gate.settle(unsettled, request.method(), request.headers()).await;
    if let Some(reply) = layer.refusal(&judged) {
        return Ok(respond(*reply));
    }
    request.extensions_mut().insert(judged);
    Ok(inner.call(request).await?.map(ResponseBody::new))
}

fn respond(reply: Reply) -> Response<ResponseBody> {
    reply.into_response().map(ResponseBody::from)
}
