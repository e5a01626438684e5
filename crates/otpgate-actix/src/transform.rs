//! The middleware: routes a request to the gate or to the inner service.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::web::Payload;
use actix_web::{Error, FromRequest, HttpMessage};
use otpgate_http::{Body, Gate, Judged, Needs, Reply, Unsettled};

use crate::convert;
use crate::future::Answer;

/// Puts a [`Gate`] in front of an app or scope.
#[derive(Clone, Debug)]
pub struct GateTransform(Plan);

#[derive(Clone, Debug)]
struct Plan {
    gate: Gate,
    mode: Mode,
    needs: Needs,
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
        Self(Plan { gate, mode: Mode::Require, needs })
    }

    fn of(gate: Gate, mode: Mode) -> Self {
        Self(Plan { gate, mode, needs: Needs::default() })
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
        ready(Ok(GateMiddleware { service: Rc::new(service), plan: Rc::new(self.0.clone()) }))
    }
}

/// An app or scope behind a [`GateTransform`].
#[derive(Debug)]
pub struct GateMiddleware<S> {
    service: Rc<S>,
    plan: Rc<Plan>,
}

impl<S, B> Service<ServiceRequest> for GateMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Answer<S::Future, B>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let Plan { gate, mode, needs } = &*self.plan;
        // A path of the gate's may be a preflight: that and everything else of it is seen to below.
        let elsewhere = *mode != Mode::Mount || !gate.has_path(request.path());
        let look = if elsewhere { known(gate, &request) } else { Err(Unsettled::default()) };
        let judged = match look {
            Ok(judged) => judged,
            Err(unsettled) => {
                let (plan, service) = (Rc::clone(&self.plan), Rc::clone(&self.service));
                return Answer::asked(Box::pin(handle(plan, service, unsettled, request)));
            }
        };
        if *mode == Mode::Require
            && let Err(reply) = judged.session_with(needs)
        {
            return Answer::asked(Box::pin(ready(Ok(refuse(request, &reply)))));
        }
        request.extensions_mut().insert(judged);
        Answer::straight(self.service.call(request))
    }
}

/// The verdict of an outer middleware of the same gate.
fn outer(gate: &Gate, request: &ServiceRequest) -> Option<Judged> {
    request.extensions().get::<Judged>().filter(|judged| judged.gate().is(gate)).cloned()
}

/// The verdict where it is there already, by an outer middleware of the same gate or since nothing has to be asked.
fn known(gate: &Gate, request: &ServiceRequest) -> Result<Judged, Unsettled> {
    let look = || gate.glance(request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
    outer(gate, request).map_or_else(look, Ok)
}

async fn handle<S, B>(
    plan: Rc<Plan>,
    service: Rc<S>,
    unsettled: Unsettled,
    request: ServiceRequest,
) -> Result<ServiceResponse<EitherBody<B>>, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    let Plan { gate, mode, needs } = &*plan;
    // Everything is copied out before the first await: a request of actix-web is not `Send`.
    let headers = convert::headers(request.headers());
    let method = convert::method(request.method());
    let ours = || gate.route(&method, request.path(), &headers);
    if let Some(route) = (*mode == Mode::Mount).then(ours).flatten() {
        let peer = request.peer_addr().map(|address| address.ip());
        let (plain, mut payload) = request.into_parts();
        let body = match Payload::from_request(&plain, &mut payload).await {
            Ok(payload) => convert::body(payload, route.max_body()).await,
            Err(_) => Body::Broken,
        };
        let response = convert::response(&gate.answer(route, &headers, peer, body).await);
        return Ok(ServiceResponse::new(plain, response).map_into_right_body());
    }
    // One look has told nothing, or was not taken: then the path is one of the gate's.
    let judged = match outer(gate, &request) {
        Some(judged) => judged,
        None => gate.settle(unsettled, &method, &headers).await,
    };
    if *mode == Mode::Require
        && let Err(reply) = judged.session_with(needs)
    {
        return Ok(refuse(request, &reply));
    }
    request.extensions_mut().insert(judged);
    Ok(service.call(request).await?.map_into_left_body())
}

fn refuse<B>(request: ServiceRequest, reply: &Reply) -> ServiceResponse<EitherBody<B>> {
    let response: actix_web::HttpResponse<BoxBody> = convert::response(reply);
    request.into_response(response).map_into_right_body()
}
