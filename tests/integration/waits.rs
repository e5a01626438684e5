//! How often an operation waits for the store, one time after another: the limits are on, the directory is the host's and apart.
//! Calls that are made together count once. `BENCHMARKS.md` shows the same numbers.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::routing::get;
use http_body_util::BodyExt as _;
use otpgate::{
    Directory, DirectoryError, Identifier, Identity, OtpAuth, Platform, Policy, Profiles, Secrets, Session, Tenant,
    User, UserId, async_trait,
};
use otpgate_testkit::store::ReferenceStore;
use otpgate_testkit::{CaptureMailer, HistoryStore};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const V4: &str = "192.0.2.1";
const V6: &str = "2001:db8::1";

/// The host's one user, known without asking any store.
#[derive(Clone, Copy)]
pub(crate) struct Ada;

impl Ada {
    fn user() -> User {
        User { email: Some("ada@example.com".into()), verified: true, ..User::new(UserId::new("1").unwrap()) }
    }
}

#[async_trait]
impl Directory for Ada {
    async fn find(&self, _: &Tenant, identifier: &Identifier) -> Result<Option<User>, DirectoryError> {
        Ok((identifier.as_str() == "ada@example.com").then(Self::user))
    }
    async fn get(&self, _: &Tenant, _: &UserId) -> Result<Option<User>, DirectoryError> {
        Ok(Some(Self::user()))
    }
    async fn has_tenant(&self, _: &Tenant) -> Result<bool, DirectoryError> {
        Ok(true)
    }
}

/// An app over a store that counts.
struct World {
    app: Router,
    store: HistoryStore<ReferenceStore>,
    mail: CaptureMailer,
    address: IpAddr,
}

impl World {
    async fn at(address: &str, policy: Policy) -> Self {
        let (store, mail) = (HistoryStore::over(ReferenceStore::default()), CaptureMailer::new());
        let secrets = Secrets::new(otpgate_testkit::wire::usual_master());
        let profiles = Profiles::builder().identity(Identity::new(Tenant::default())).platform(Platform::new());
        let auth = OtpAuth::builder(secrets, store.clone(), Ada, mail.clone());
        let auth = auth.profiles(profiles.build().unwrap()).policy(policy).build().await.unwrap();
        let app = Router::new().route("/me", get(async |session: Session| session.user_id.to_string())).layer(auth);
        Self { app, store, mail, address: address.parse().unwrap() }
    }

    /// Asks, and says the status, how often the store was waited for, and the answer.
    async fn ask(&self, path: &str, token: Option<&str>, body: Value) -> (u16, usize, Value) {
        self.store.reset();
        let request = if body.is_null() { Request::get(path) } else { Request::post(path) };
        let request = request.header("content-type", "application/json");
        let request = token.into_iter().fold(request, |request, token| request.header("auth-token", token));
        let request = request.extension(ConnectInfo(SocketAddr::new(self.address, 4_000)));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let response = self.app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, self.store.waits(), serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn send(&self, email: &str) -> usize {
        let (status, waits, body) = self.ask("/identity/user/otp/email", None, json!({ "email": email })).await;
        assert_eq!(status, 200, "{body}");
        waits
    }

    async fn log_in(&self, email: &str, code: &str) -> (u16, usize, Value) {
        let body = json!({ "email": email, "password": code, "isOTP": true });
        self.ask("/identity/user/login", None, body).await
    }
}

#[tokio::test]
async fn s10_sending_waits_three_times_verifying_five_times_and_refreshing_three_times() {
    for address in [V4, V6] {
        let world = World::at(address, Policy::default()).await;
        assert_eq!(world.send("ada@example.com").await, 3, "send to {address}");
        assert_eq!(world.send("ada@example.com").await, 3, "send again to {address}");
        world.mail.next().await;
        let code = world.mail.next().await.code;
        let wrong = if code == "000000" { "111111" } else { "000000" };
        let (status, waits, _) = world.log_in("ada@example.com", wrong).await;
        assert_eq!((status, waits), (401, 4), "a wrong code from {address}");
        let (status, waits, body) = world.log_in("ada@example.com", &code).await;
        assert_eq!((status, waits), (200, 5), "verify from {address}: {body}");

        let text = |name: &str| body["data"][name].as_str().unwrap().to_owned();
        let (status, waits, _) = world.ask("/me", Some(&text("token")), Value::Null).await;
        assert_eq!((status, waits), (200, 1), "a request with a token");
        let (refresh, path) = (json!({ "refreshToken": text("refreshToken") }), "/identity/user/refresh-token");
        let (status, waits, body) = world.ask(path, None, refresh).await;
        assert_eq!((status, waits), (200, 3), "refresh from {address}: {body}");
    }
}

/// Otherwise the time of an answer would tell who is registered.
#[tokio::test]
async fn a90_q44_unknown_addresses_wait_as_often_and_ask_the_same_of_the_store() {
    let world = World::at(V4, Policy::default()).await;
    let mut asked = Vec::new();
    for email in ["ada@example.com", "nobody@example.com"] {
        let sent = world.send(email).await;
        let of_send: Vec<_> = world.store.calls().iter().map(|call| (call.op, call.depth)).collect();
        let (status, tried, _) = world.log_in(email, "000000").await;
        assert_eq!(status, 401);
        let of_guess: Vec<_> = world.store.calls().iter().map(|call| (call.op, call.depth)).collect();
        asked.push((sent, of_send, tried, of_guess));
    }
    assert_eq!(asked[0], asked[1]);
}

#[tokio::test]
async fn a_refused_address_costs_one_wait_and_asks_for_nothing_but_itself() {
    for (address, loads) in [(V4, 1), (V6, 3)] {
        let world = World::at(address, Policy::default()).await;
        // Malformed codes count too: thirty requests a minute, and none of them reaches the user's record.
        for _ in 0..30 {
            assert_eq!(world.log_in("ada@example.com", "no code").await.0, 400);
        }
        for path in ["/identity/user/otp/email", "/identity/user/login"] {
            let body = json!({ "email": "ada@example.com", "password": "123456", "isOTP": true });
            let (status, waits, _) = world.ask(path, None, body).await;
            assert_eq!((status, waits, world.store.calls().len()), (429, 1, loads), "{path} from {address}");
        }
    }
}
