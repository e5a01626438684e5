//! The cases of actix-web, the same as those of axum.

use std::future::{Ready, ready};
use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_http::Request;
use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, ReqData};
use actix_web::{App, Error, HttpMessage as _, error::ErrorUnauthorized};
use actix_web_httpauth::extractors::bearer::BearerAuth;
use actix_web_httpauth::middleware::HttpAuthentication;
use otpgate::{OtpAuth, Session};

use crate::credentials::Credentials;
use crate::host;
use crate::peers::{Claims, Keys};
use crate::rounds::{Asked, Batch, Subject};

/// A service, and what its requests show.
pub struct Actix<S> {
    service: S,
    credentials: Credentials,
}

impl<S> Actix<S> {
    pub fn new(service: S, credentials: Credentials) -> Self {
        Self { service, credentials }
    }

    fn request(&mut self) -> Request {
        let request = TestRequest::with_uri("/me");
        match self.credentials.pick() {
            // A copy each time: a server has just read it from the socket.
            Some(at) => {
                let value = HeaderValue::from_str(&self.credentials.values[at]).expect("a header value");
                request.insert_header((self.header(), value)).to_request()
            }
            None => request.to_request(),
        }
    }

    fn header(&self) -> HeaderName {
        HeaderName::from_static(self.credentials.header)
    }
}

impl<S, B> Subject for Actix<S>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    fn batch(&mut self, calls: usize) -> Batch<'_> {
        Box::pin(async move {
            let requests: Vec<Request> = (0..calls).map(|_| self.request()).collect();
            let begun = Instant::now();
            for request in requests {
                let response = self.service.call(request).await.expect("an answer");
                assert_eq!(response.status(), StatusCode::OK);
                drop(black_box(response));
            }
            begun.elapsed()
        })
    }

    fn ask<'a>(&'a mut self, method: &'a str, path: &'a str, credential: Option<&'a str>) -> Asked<'a> {
        Box::pin(async move {
            let mut request = TestRequest::with_uri(path).method(method.parse().expect("a method"));
            if let Some(credential) = credential {
                request = request.insert_header((self.header(), credential));
            }
            match self.service.call(request.to_request()).await {
                Ok(response) => {
                    let status = response.status().as_u16();
                    let bytes = to_bytes(response.into_body()).await.unwrap_or_default();
                    (status, String::from_utf8_lossy(&bytes).into_owned())
                }
                Err(error) => (error.as_response_error().status_code().as_u16(), error.to_string()),
            }
        })
    }
}

/// The framework alone.
pub async fn bare(credentials: Credentials) -> impl Subject {
    let user = Arc::<str>::from(host::id(0));
    let app = App::new().route("/me", web::get().to(move || ready(user.to_string())));
    Actix::new(init_service(app).await, credentials)
}

/// The same behind a middleware that does nothing.
pub async fn noop(credentials: Credentials) -> impl Subject {
    let user = Arc::<str>::from(host::id(0));
    let app = App::new().wrap(Noop).route("/me", web::get().to(move || ready(user.to_string())));
    Actix::new(init_service(app).await, credentials)
}

/// Ours by `.wrap(..)`.
pub async fn wrapped(auth: &OtpAuth, credentials: Credentials) -> impl Subject + use<> {
    let me = async |session: Session| session.user_id.as_str().to_owned();
    let app = App::new().wrap(auth.clone()).route("/me", web::get().to(me));
    Actix::new(init_service(app).await, credentials)
}

/// Ours, before a handler that asks for no session.
pub async fn wrapped_public(auth: &OtpAuth) -> impl Subject + use<> {
    let user = Arc::<str>::from(host::id(0));
    let app = App::new().wrap(auth.clone()).route("/me", web::get().to(move || ready(user.to_string())));
    Actix::new(init_service(app).await, Credentials::none())
}

/// actix-web-httpauth with jsonwebtoken.
pub async fn jwt(keys: Arc<Keys>, credentials: Credentials) -> impl Subject {
    let check = move |request: ServiceRequest, bearer: BearerAuth| {
        let checked = keys.check(bearer.token());
        ready(match checked {
            Some(claims) => {
                request.extensions_mut().insert(claims);
                Ok(request)
            }
            None => Err((ErrorUnauthorized("no good token"), request)),
        })
    };
    let me = async |claims: ReqData<Claims>| claims.into_inner().sub;
    let app = App::new().wrap(HttpAuthentication::bearer(check)).route("/me", web::get().to(me));
    Actix::new(init_service(app).await, credentials)
}

/// A middleware that does nothing.
struct Noop;

struct NoopService<S>(S);

impl<S: Service<ServiceRequest>> Transform<S, ServiceRequest> for Noop {
    type Response = S::Response;
    type Error = S::Error;
    type InitError = ();
    type Transform = NoopService<S>;
    type Future = Ready<Result<NoopService<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(NoopService(service)))
    }
}

impl<S: Service<ServiceRequest>> Service<ServiceRequest> for NoopService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> S::Future {
        self.0.call(request)
    }
}
