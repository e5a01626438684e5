//! Serving with actix-web.
//!
//! It has a timer for the head of a request and none for the body, and takes a head of 128 KiB: both are narrowed here.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::{ErrorRequestTimeout, PayloadError};
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpMessage as _, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures_util::Stream;
use otpgate::OtpAuth;
use tokio::net::TcpListener;
use tokio::time::{Sleep, sleep, timeout};

use crate::limits::{BODY_TIME, CONNECTIONS, DRAIN_TIME, HEAD_SIZE, HEAD_TIME, REQUEST_TIME};
use crate::me::{healthz_actix, me_actix};

/// Serves until `stop`, then lets the requests under way end.
pub(crate) async fn serve(
    listener: TcpListener,
    auth: OtpAuth,
    stop: impl std::future::Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    // The closure runs once per worker: `auth` is made outside of it, so that all of them share one.
    let app = move || {
        App::new()
            .wrap(auth.clone())
            .wrap(from_fn(narrow))
            .route("/me", web::get().to(me_actix))
            .route("/healthz", web::get().to(healthz_actix))
    };
    HttpServer::new(app)
        .workers(workers)
        .max_connections(CONNECTIONS.div_ceil(workers))
        .client_request_timeout(HEAD_TIME)
        .keep_alive(HEAD_TIME)
        .shutdown_timeout(DRAIN_TIME.as_secs())
        .shutdown_signal(stop)
        .listen(listener.into_std()?)?
        .run()
        .await?;
    Ok(())
}

/// Refuses a long head, and ends a slow body and a slow request.
async fn narrow<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if head_size(&request) > HEAD_SIZE {
        let refusal = HttpResponse::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        return Ok(request.into_response(refusal).map_into_right_body());
    }
    let payload = request.take_payload();
    request.set_payload(match payload {
        Payload::None => Payload::None,
        payload => {
            let late = Box::pin(sleep(BODY_TIME));
            Payload::Stream { payload: Box::pin(InTime { payload, late }) }
        }
    });
    match timeout(REQUEST_TIME, next.call(request)).await {
        Ok(response) => Ok(response?.map_into_left_body()),
        Err(_) => Err(ErrorRequestTimeout("")),
    }
}

/// About as many bytes as the head had on the wire.
fn head_size(request: &ServiceRequest) -> usize {
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    request.uri().to_string().len() + lines.sum::<usize>()
}

/// A body until it is late.
struct InTime {
    payload: Payload,
    late: Pin<Box<Sleep>>,
}

impl Stream for InTime {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.late.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(PayloadError::Incomplete(None))));
        }
        Pin::new(&mut self.payload).poll_next(context)
    }
}
