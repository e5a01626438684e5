//! The cases of axum. Every handler answers the user's id as a text of its own.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend};
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;
use otpgate::{OtpAuth, Session};
use tower::{Layer, Service, ServiceExt as _};
use tower_sessions::{MemoryStore, SessionManagerLayer};

use crate::credentials::Credentials;
use crate::host;
use crate::peers::{Claims, Keys};
use crate::rounds::{Asked, Batch, Subject};

/// A service, and what its requests show.
pub struct Axum<S> {
    service: S,
    credentials: Credentials,
}

impl<S> Axum<S> {
    pub fn new(service: S, credentials: Credentials) -> Self {
        Self { service, credentials }
    }

    fn request(&mut self) -> Request {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = axum::http::Uri::from_static("/me");
        if let Some(at) = self.credentials.pick() {
            // A copy each time: a server has just read it from the socket.
            let value = HeaderValue::from_str(&self.credentials.values[at]).expect("a header value");
            request.headers_mut().insert(self.header(), value);
        }
        request
    }

    fn header(&self) -> HeaderName {
        HeaderName::from_static(self.credentials.header)
    }
}

impl<S, B> Subject for Axum<S>
where
    S: Service<Request, Response = Response<B>, Error = Infallible>,
    B: HttpBody<Error: std::fmt::Debug> + 'static,
{
    fn batch(&mut self, calls: usize) -> Batch<'_> {
        Box::pin(async move {
            let requests: Vec<Request> = (0..calls).map(|_| self.request()).collect();
            let begun = Instant::now();
            for request in requests {
                let Ok(response) = self.service.ready().await.expect("ready").call(request).await;
                assert_eq!(response.status(), StatusCode::OK);
                drop(black_box(response));
            }
            begun.elapsed()
        })
    }

    fn ask<'a>(&'a mut self, method: &'a str, path: &'a str, credential: Option<&'a str>) -> Asked<'a> {
        Box::pin(async move {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(credential) = credential {
                request = request.header(self.header(), credential);
            }
            let request = request.body(Body::empty()).expect("a request");
            let Ok(response) = self.service.ready().await.expect("ready").call(request).await;
            let status = response.status().as_u16();
            let cookie = response.headers().get("set-cookie").cloned();
            let bytes = response.into_body().collect().await.expect("a body").to_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            // A login answers with its cookie: that is what the case wants to know then.
            let cookie = cookie.and_then(|c| c.to_str().ok()?.split(';').next().map(str::to_owned));
            (status, if method == "POST" { cookie.unwrap_or(text) } else { text })
        })
    }
}

/// The framework alone; with its state, as `axum::serve` gives it one for every connection and the peers' apps have it: without, a router
/// makes its routes, and what is layered on them, anew for every request.
pub fn bare() -> Router {
    let user = Arc::<str>::from(host::id(0));
    Router::new().route("/me", get(move || std::future::ready(user.to_string()))).with_state(())
}

/// A layer that does nothing.
#[derive(Clone)]
pub struct Noop;

#[derive(Clone)]
pub struct NoopService<S>(S);

impl<S> Layer<S> for Noop {
    type Service = NoopService<S>;

    fn layer(&self, inner: S) -> NoopService<S> {
        NoopService(inner)
    }
}

impl<S: Service<Request>> Service<Request> for NoopService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> S::Future {
        self.0.call(request)
    }
}

/// The app that ours stands before.
pub fn protected() -> Router {
    Router::new().route("/me", get(async |session: Session| session.user_id.as_str().to_owned())).with_state(())
}

/// Ours as `.layer(..)`.
pub fn layered(app: Router, auth: &OtpAuth) -> Router {
    app.layer(auth.clone())
}

/// Ours around the whole router.
pub fn around(app: Router, auth: &OtpAuth) -> <OtpAuth as Layer<Router>>::Service {
    auth.layer(app)
}

/// jsonwebtoken in an extractor.
pub fn jwt(keys: Arc<Keys>) -> Router {
    let me = async |JwtUser(claims): JwtUser| claims.sub;
    Router::new().route("/me", get(me)).with_state(keys)
}

struct JwtUser(Claims);

impl FromRequestParts<Arc<Keys>> for JwtUser {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, keys: &Arc<Keys>) -> Result<Self, StatusCode> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
        keys.check(token).map(Self).ok_or(StatusCode::UNAUTHORIZED)
    }
}

/// axum-login over the store in memory of tower-sessions; `POST /login/{id}` and `POST /logout` beside `/me`.
pub fn login(users: usize) -> Router {
    let users = (0..users).map(|n| (host::id(n), User { id: host::id(n), hash: vec![7; 32] }));
    let users = Users(Arc::new(users.collect()));
    let sessions = SessionManagerLayer::new(MemoryStore::default()).with_secure(false);
    let auth = AuthManagerLayerBuilder::new(users.clone(), sessions).build();
    let me = async |auth: AuthSession<Users>| auth.user.map(|user| user.id).ok_or(StatusCode::UNAUTHORIZED);
    let log_in = async |State(users): State<Users>, Path(id): Path<String>, mut auth: AuthSession<Users>| {
        let user = users.0.get(&id).ok_or(StatusCode::UNAUTHORIZED)?;
        auth.login(user).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    };
    let log_out = async |mut auth: AuthSession<Users>| {
        auth.logout().await.map(|_| ()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
    };
    let app = Router::new().route("/me", get(me)).route("/login/{id}", post(log_in)).route("/logout", post(log_out));
    app.with_state(users).layer(auth)
}

#[derive(Clone, Debug)]
struct User {
    id: String,
    hash: Vec<u8>,
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        &self.hash
    }
}

#[derive(Clone)]
struct Users(Arc<HashMap<String, User>>);

impl AuthnBackend for Users {
    type User = User;
    type Credentials = String;
    type Error = Infallible;

    async fn authenticate(&self, id: String) -> Result<Option<User>, Infallible> {
        Ok(self.0.get(&id).cloned())
    }

    async fn get_user(&self, id: &String) -> Result<Option<User>, Infallible> {
        Ok(self.0.get(id).cloned())
    }
}
