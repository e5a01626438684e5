//! The app from outside, on the PostgreSQL that `cargo xtask test` has started: each test has a schema of its own there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::{Router, http};
use custom_directory::{Users, app, login};
use http_body_util::BodyExt as _;
use otpgate::{Directory as _, Identifier, MasterSecret, PasswordHash, Passwords as _, Registrar as _, Secrets};
use otpgate::{Tenant, UserId};
use otpgate_servers::{Kind, fresh_namespace, url};
use otpgate_testkit::CaptureMailer;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tower::ServiceExt as _;

/// The running app, its table, and the mail that it sends.
struct World {
    app: Router,
    users: Users,
    pool: PgPool,
    mail: CaptureMailer,
}

impl World {
    async fn new() -> Self {
        let schema = fresh_namespace();
        let options: PgConnectOptions = url(Kind::Postgres).parse().unwrap();
        let pool = PgPoolOptions::new().max_connections(8);
        let pool = pool.connect_with(options.options([("search_path", &schema)])).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&pool).await.unwrap();
        let users = Users::new(pool.clone());
        users.create_tables().await.unwrap();
        users.add_tenant(&home()).await.unwrap();
        let secrets = Secrets::new(MasterSecret::new(*b"32 unpredictable bytes, please!!").unwrap());
        let mail = CaptureMailer::new();
        let auth = login(pool.clone(), secrets, mail.clone()).await.unwrap();
        Self { app: app(auth, users.clone()), users, pool, mail }
    }

    async fn ask(&self, request: http::request::Builder, body: Option<Value>) -> (StatusCode, Value) {
        let peer = ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4_000)));
        let request = request.extension(peer).header("content-type", "application/json");
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let response = self.app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::post(path);
        let request = if token.is_empty() { request } else { request.header("auth-token", token) };
        self.ask(request, Some(body)).await
    }

    async fn me(&self, token: &str) -> (StatusCode, Value) {
        self.ask(Request::get("/me").header("auth-token", token), None).await
    }

    /// Asks for a code and logs in with it; the token and the refresh token.
    async fn log_in(&self, email: &str) -> (String, String) {
        let (status, body) = self.post("/identity/user/otp/email", "", json!({ "email": email })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let code = self.mail.next().await.code;
        let (status, body) = self.log_in_with(email, &code, true).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let text = |name: &str| body["data"][name].as_str().unwrap().to_owned();
        (text("token"), text("refreshToken"))
    }

    async fn log_in_with(&self, email: &str, password: &str, is_otp: bool) -> (StatusCode, Value) {
        let body = json!({ "email": email, "password": password, "isOTP": is_otp });
        self.post("/identity/user/login", "", body).await
    }

    async fn rows(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&self.pool).await.unwrap()
    }
}

fn home() -> Tenant {
    Tenant::default()
}

fn email(text: &str) -> Identifier {
    Identifier::email(text).unwrap()
}

#[tokio::test]
async fn a_user_of_the_table_logs_in_by_code_under_every_spelling_of_the_address() {
    let world = World::new().await;
    world.users.add(&home(), "Ada@Example.COM", &["admin"]).await.unwrap().unwrap();
    assert!(world.users.add(&home(), "ada@example.com", &[]).await.unwrap().is_none(), "one user for one mailbox");
    let (token, refresh) = world.log_in("ada@EXAMPLE.com").await;
    assert_eq!(world.mail.messages()[0].to, "Ada@Example.COM", "mail goes to the spelling in the table");
    assert_eq!(world.me(&token).await, (StatusCode::OK, json!(["Ada@Example.COM", "admin"])));
    let (status, body) = world.post("/identity/user/refresh-token", "", json!({ "refreshToken": refresh })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(world.rows().await, 1);
}

#[tokio::test]
async fn whoever_proves_an_unknown_address_becomes_a_row() {
    let world = World::new().await;
    let (token, _) = world.log_in("new@example.com").await;
    assert_eq!(world.me(&token).await, (StatusCode::OK, json!(["new@example.com"])));
    let found = world.users.find(&home(), &email("new@example.com")).await.unwrap().unwrap();
    assert!(found.verified && found.admitted);
    world.log_in("new@example.com").await;
    assert_eq!(world.rows().await, 1, "the second login is the same user's");
}

#[tokio::test]
async fn i15_of_many_who_register_an_address_at_once_one_gets_it() {
    let world = World::new().await;
    let racers = (0..32).map(|_| {
        let users = world.users.clone();
        tokio::spawn(async move { users.register(&home(), &email("race@example.com")).await.unwrap() })
    });
    let mut winners = 0;
    for racer in racers.collect::<Vec<_>>() {
        winners += usize::from(racer.await.unwrap().is_some());
    }
    assert_eq!((winners, world.rows().await), (1, 1));
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once_and_gets_no_further_in() {
    let world = World::new().await;
    world.users.add(&home(), "root@example.com", &["admin"]).await.unwrap().unwrap();
    let mallory = world.users.add(&home(), "mallory@example.com", &[]).await.unwrap().unwrap();
    let (root, _) = world.log_in("root@example.com").await;
    let (token, refresh) = world.log_in("mallory@example.com").await;
    let path = format!("/admin/users/{mallory}/disable");

    assert_eq!(world.post(&path, &token, json!({})).await.0, StatusCode::FORBIDDEN, "no administrator");
    assert_eq!(world.post("/admin/users/nobody/disable", &root, json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.post(&path, &root, json!({})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(world.me(&token).await.0, StatusCode::UNAUTHORIZED);
    let (status, _) = world.post("/identity/user/refresh-token", "", json!({ "refreshToken": refresh })).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    world.post("/identity/user/otp/email", "", json!({ "email": "mallory@example.com" })).await;
    let code = world.mail.next().await.code;
    assert_eq!(world.log_in_with("mallory@example.com", &code, true).await.0, StatusCode::FORBIDDEN);
    world.users.set_disabled(&home(), &mallory, false).await.unwrap();
    world.log_in("mallory@example.com").await;
}

#[tokio::test]
async fn a_password_is_set_by_mail_and_ends_what_was_open() {
    let world = World::new().await;
    world.users.add(&home(), "ada@example.com", &[]).await.unwrap().unwrap();
    let (token, _) = world.log_in("ada@example.com").await;
    let asked = json!({ "email": "ada@example.com", "PlatformId": home().as_str() });
    assert_eq!(world.post("/api/user/forgot-password", "", asked).await.0, StatusCode::OK);
    let reset = json!({ "token": world.mail.next().await.code, "password": "a long and simple sentence" });
    assert_eq!(world.post("/api/user/reset-password", "", reset).await.0, StatusCode::OK);
    assert_eq!(world.me(&token).await.0, StatusCode::UNAUTHORIZED);

    let hash: String = sqlx::query_scalar("SELECT password_hash FROM users").fetch_one(&world.pool).await.unwrap();
    assert!(hash.starts_with("$argon2id$"), "the table holds a hash");
    assert_eq!(world.log_in_with("ada@example.com", "another sentence", false).await.0, StatusCode::UNAUTHORIZED);
    let (status, body) = world.log_in_with("ada@example.com", "a long and simple sentence", false).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

#[tokio::test]
async fn a_password_is_replaced_only_where_it_still_is_the_old_one() {
    let world = World::new().await;
    let ada = world.users.add(&home(), "ada@example.com", &[]).await.unwrap().unwrap();
    let [a, b, c] = ["$a", "$b", "$c"].map(PasswordHash::from_text);
    let users = &world.users;
    assert_eq!(users.password(&home(), &ada).await.unwrap(), None);
    assert!(!users.swap_password(&home(), &ada, &a, &b).await.unwrap(), "there is none yet");
    assert!(users.set_password(&home(), &ada, &a).await.unwrap());
    assert!(users.swap_password(&home(), &ada, &a, &b).await.unwrap());
    assert!(!users.swap_password(&home(), &ada, &a, &c).await.unwrap());
    assert_eq!(users.password(&home(), &ada).await.unwrap(), Some(b));
    users.remove_password(&home(), &ada).await.unwrap();
    assert_eq!(users.password(&home(), &ada).await.unwrap(), None);
}

#[tokio::test]
async fn who_is_unknown_is_nobody_and_no_error() {
    let world = World::new().await;
    let ada = world.users.add(&home(), "ada@example.com", &[]).await.unwrap().unwrap();
    let elsewhere = Tenant::new("elsewhere").unwrap();
    let hash = PasswordHash::from_text("$a");
    assert!(world.users.find(&elsewhere, &email("ada@example.com")).await.unwrap().is_none(), "a tenant's own");
    assert!(world.users.get(&elsewhere, &ada).await.unwrap().is_none());
    assert!(!world.users.has_tenant(&elsewhere).await.unwrap() && world.users.has_tenant(&home()).await.unwrap());
    for id in ["nobody", "00000000-0000-0000-0000-000000000000", "'; DROP TABLE users; --"] {
        let id = UserId::new(id).unwrap();
        assert!(world.users.get(&home(), &id).await.unwrap().is_none(), "{id}");
        assert!(world.users.password(&home(), &id).await.unwrap().is_none(), "{id}");
        assert!(!world.users.set_password(&home(), &id, &hash).await.unwrap(), "{id}");
    }
    assert!(world.users.find(&home(), &Identifier::phone("+4915112345678").unwrap()).await.unwrap().is_none());
}
