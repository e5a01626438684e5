//! The middleware: routes a request to the gate or to the inner service.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::web::Payload;
use actix_web::{Error, FromRequest, HttpMessage};
use otpgate_http::{Body, Gate, Judged, Needs};

use crate::convert;

/// Puts a [`Gate`] in front of an app or scope.
#[derive(Clone, Debug)]
pub struct GateTransform {
    gate: Gate,
    mode: Mode,
    needs: Arc<Needs>,
}

/// What the middleware does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Answers the standard routes, judges the rest.
    Mount,
    /// Judges only.
    Judge,
    /// Judges, and refuses what has no session.
    Require,
}

impl GateTransform {
    /// Answers the standard routes, and leaves a [`Judged`] in the extensions of every other request.
    #[must_use]
    pub fn new(gate: Gate) -> Self {
        Self::of(gate, Mode::Mount)
    }

    /// Judges only: the standard routes are mounted elsewhere, or nowhere.
    #[must_use]
    pub fn judging(gate: Gate) -> Self {
        Self::of(gate, Mode::Judge)
    }

    /// Refuses every request without a good session that has what it needs.
    #[must_use]
    pub fn required(gate: Gate, needs: Needs) -> Self {
        Self { needs: Arc::new(needs), ..Self::of(gate, Mode::Require) }
    }

    fn of(gate: Gate, mode: Mode) -> Self {
        Self { gate, mode, needs: Arc::default() }
    }
}

impl<S, B> Transform<S, ServiceRequest> for GateTransform
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = GateMiddleware<S>;
    type Future = Ready<Result<GateMiddleware<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(GateMiddleware { service: Rc::new(service), gate: self.clone() }))
    }
}

/// An app or scope behind a [`GateTransform`].
#[derive(Debug)]
pub struct GateMiddleware<S> {
    service: Rc<S>,
    gate: GateTransform,
}

impl<S, B> Service<ServiceRequest> for GateMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (gate, service) = (self.gate.clone(), Rc::clone(&self.service));
        Box::pin(async move { handle(gate, service, request).await })
    }
}

async fn handle<S, B>(
    GateTransform { gate, mode, needs }: GateTransform,
    service: Rc<S>,
    request: ServiceRequest,
) -> Result<ServiceResponse<EitherBody<B>>, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    // Everything is copied out before the first await: a request of actix-web is not `Send`.
    let headers = convert::headers(request.headers());
    let method = convert::method(request.method());
    let ours = || gate.route(&method, request.path(), &headers);
    if let Some(route) = (mode == Mode::Mount).then(ours).flatten() {
        let peer = request.peer_addr().map(|address| address.ip());
        let (plain, mut payload) = request.into_parts();
        let body = match Payload::from_request(&plain, &mut payload).await {
            Ok(payload) => convert::body(payload, route.max_body()).await,
            Err(_) => Body::Broken,
        };
        let response = convert::response(&gate.answer(route, &headers, peer, body).await);
        return Ok(ServiceResponse::new(plain, response).map_into_right_body());
    }
    let outer = request.extensions().get::<Judged>().filter(|judged| judged.gate().is(&gate)).cloned();
    let judged = match outer {
        Some(judged) => judged,
        None => gate.judge(&method, &headers).await,
    };
    if mode == Mode::Require
        && let Err(reply) = judged.session_with(&needs)
    {
        let response: actix_web::HttpResponse<BoxBody> = convert::response(&reply);
        return Ok(request.into_response(response).map_into_right_body());
    }
    request.extensions_mut().insert(judged);
    Ok(service.call(request).await?.map_into_left_body())
}
