//! The rules of mounting, each as an app meets it.

use std::net::{Ipv4Addr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use axum::{Router, http};
use http_body_util::BodyExt as _;
use otpgate::mail::ConsoleMailer;
use otpgate::{
    ConfigErrorKind, CurrentUser, Engine, Identity, Layer as _, MasterSecret, MemoryStore, OtpAuth, Profiles, Secrets,
    Session, Sms, SmsRules, StoreDirectory, Tenant,
};
use tower::ServiceExt as _;

const SEND: &str = "/identity/user/otp/email";

async fn auth(prefix: &str) -> OtpAuth {
    let secrets = Secrets::new(MasterSecret::new(*b"a master secret for tests, 32+ bytes").unwrap());
    let store = MemoryStore::new();
    let users = StoreDirectory::new(store.clone(), &secrets);
    let profiles = Profiles::builder().identity(Identity::new(Tenant::default()).prefix(prefix)).build().unwrap();
    let mailer = ConsoleMailer::to(std::io::sink());
    OtpAuth::builder(secrets, store, users, mailer).profiles(profiles).build().await.unwrap()
}

/// Status and body of a `POST` of a well-formed request for a code, or of a `GET`.
async fn ask(app: Router, method: &str, path: &str) -> (u16, String) {
    let mut request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(if method == "POST" { r#"{"email":"a@example.com"}"# } else { "" }))
        .unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 1))));
    let response = app.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

async fn me(session: Session) -> String {
    session.user_id.to_string()
}

async fn whoami(CurrentUser(user): CurrentUser) -> String {
    user.name
}

const REFUSED: &str = r#"{"status":false,"message":"Not authenticated"}"#;

#[tokio::test]
async fn a_layer_answers_the_routes_and_judges_the_rest() {
    let app = Router::new().route("/me", get(me)).route("/whoami", get(whoami)).layer(auth("").await);
    assert_eq!(ask(app.clone(), "POST", SEND).await.0, 200);
    for path in ["/me", "/whoami"] {
        assert_eq!(ask(app.clone(), "GET", path).await, (401, REFUSED.to_owned()), "{path}");
    }
    assert_eq!(ask(app, "GET", "/elsewhere").await.0, 404);
}

#[tokio::test]
async fn a_fallback_is_inside_when_it_is_set_before_the_layer_and_outside_after_it() {
    let before = Router::new().fallback(|| async { "host" }).layer(auth("").await);
    assert_eq!(ask(before.clone(), "POST", SEND).await.0, 200);
    assert_eq!(ask(before, "POST", "/elsewhere").await.1, "host");
    let after = Router::new().layer(auth("").await).fallback(|| async { "host" });
    assert_eq!(ask(after, "POST", SEND).await.1, "host");
    // The way then: the routes by themselves.
    let auth = auth("").await;
    let merged = Router::new().merge(auth.router()).fallback(|| async { "host" });
    assert_eq!(ask(merged, "POST", SEND).await.0, 200);
}

#[tokio::test]
async fn nest_strips_its_prefix_before_the_layer_sees_a_path() {
    let inside = Router::new().nest("/api", Router::new().route("/x", get(|| async {})).layer(auth("").await));
    assert_eq!(
        ask(inside, "POST", &format!("/api{SEND}")).await.0,
        404,
        "nothing routes there: the nested fallback is the outer one"
    );
    let around = Router::new().nest("/api", Router::new().route("/x", get(|| async {}))).layer(auth("/api").await);
    assert_eq!(ask(around, "POST", &format!("/api{SEND}")).await.0, 200);
    let nested = Router::new().nest("/api", auth("").await.router());
    assert_eq!(ask(nested, "POST", &format!("/api{SEND}")).await.0, 200);
}

#[tokio::test]
async fn route_layer_mounts_no_routes_and_a_host_route_on_our_path_is_shadowed() {
    let routes = Router::new().route("/me", get(me)).route_layer(auth("").await);
    assert_eq!(ask(routes.clone(), "POST", SEND).await.0, 404);
    assert_eq!(ask(routes, "GET", "/me").await.0, 401);
    let shadowed = Router::new().route(SEND, post(|| async { "host" })).layer(auth("").await);
    assert!(ask(shadowed, "POST", SEND).await.1.starts_with(r#"{"status":true"#));
}

#[tokio::test]
async fn the_whole_router_can_be_wrapped() {
    let app = auth("").await.layer(Router::new().route("/me", get(me)));
    let app = Router::new().fallback_service(app);
    assert_eq!(ask(app.clone(), "POST", SEND).await.0, 200);
    assert_eq!(ask(app, "GET", "/me").await.0, 401);
}

#[tokio::test]
async fn an_extractor_without_a_layer_is_a_500_that_says_so() {
    let (status, said) = ask(Router::new().route("/me", get(me)), "GET", "/me").await;
    assert_eq!(status, 500);
    assert!(said.contains("no otpgate layer"), "{said}");
    let auth = auth("").await;
    let judged = Router::new().route("/me", get(me)).layer(auth.extractor());
    assert_eq!(ask(judged.clone(), "GET", "/me").await.0, 401);
    assert_eq!(ask(judged, "POST", SEND).await.0, 404, "it mounts no routes");
}

#[tokio::test]
async fn required_refuses_for_a_whole_sub_router() {
    let auth = auth("").await;
    let inner = Router::new().route("/x", get(|| async { "inside" })).layer(auth.required());
    let app = Router::new().nest("/members", inner).route("/open", get(|| async { "open" })).layer(auth);
    assert_eq!(ask(app.clone(), "GET", "/members/x").await, (401, REFUSED.to_owned()));
    assert_eq!(ask(app, "GET", "/open").await.1, "open");
}

#[tokio::test]
async fn cors_stands_outside_and_sees_preflights_of_our_paths() {
    let cors = tower_http::cors::CorsLayer::permissive();
    let app: Router = Router::new().layer(auth("").await).layer(cors);
    let preflight = http::Request::builder()
        .method("OPTIONS")
        .uri(SEND)
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .body(Body::empty())
        .unwrap();
    let response = app.oneshot(preflight).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert!(response.headers().contains_key("access-control-allow-origin"));
}

mod actix {
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, web};

    use super::{SEND, Session, auth};

    async fn me(session: Session) -> String {
        session.user_id.to_string()
    }

    /// The status of a well-formed request for a code, or of a `GET`.
    macro_rules! status {
        ($app:expr, $method:ident, $path:expr) => {{
            let request = TestRequest::$method().uri($path).peer_addr("127.0.0.1:1".parse().unwrap());
            let request =
                request.insert_header(("content-type", "application/json")).set_payload(r#"{"email":"a@example.com"}"#);
            call_service(&$app, request.to_request()).await.status().as_u16()
        }};
    }

    #[actix_web::test]
    async fn a_wrap_answers_the_routes_and_judges_the_rest() {
        let app = init_service(App::new().wrap(auth("").await).route("/me", web::get().to(me))).await;
        assert_eq!(status!(app, post, SEND), 200);
        assert_eq!(status!(app, get, "/me"), 401);
        assert_eq!(status!(app, get, "/elsewhere"), 404);
    }

    #[actix_web::test]
    async fn a_service_stands_by_itself_and_within_a_scope() {
        let auth = auth("").await;
        let app = init_service(App::new().service(auth.service()).route("/me", web::get().to(me))).await;
        assert_eq!(status!(app, post, SEND), 200);
        assert_eq!(status!(app, get, "/me"), 500, "no extractor is around it");
        let app = init_service(App::new().service(web::scope("/api").service(auth.service()))).await;
        assert_eq!(status!(app, post, "/api/identity/user/otp/email"), 200);
        let app = init_service(App::new().wrap(auth.extractor()).route("/me", web::get().to(me))).await;
        assert_eq!(status!(app, get, "/me"), 401);
        assert_eq!(status!(app, post, SEND), 404);
    }

    #[actix_web::test]
    async fn required_refuses_for_a_whole_scope() {
        let auth = auth("").await;
        let members = web::scope("/members").wrap(auth.required()).route("/x", web::get().to(|| async { "inside" }));
        let open = web::get().to(|| async { "open" });
        let app = init_service(App::new().wrap(auth.clone()).service(members).route("/open", open)).await;
        assert_eq!(status!(app, get, "/members/x"), 401);
        assert_eq!(status!(app, get, "/open"), 200);
    }
}

#[tokio::test]
async fn q12_profile_engine_is_built_when_somebody_said_where_sms_go_or_that_none_do() {
    let engine = || Engine::new([Tenant::default()]);
    let sender = || ConsoleMailer::to(std::io::sink());
    let rules = || SmsRules::builder().allow("+49").build().unwrap();
    for (engine, sms, good) in [
        (engine(), None, false),
        (engine(), Some(Sms::new(sender(), rules())), true),
        (engine(), Some(Sms::insecure_without_rules(sender())), true),
        (engine().without_sms(), None, true),
    ] {
        let secrets = Secrets::new(MasterSecret::new(*b"a master secret for tests, 32+ bytes").unwrap());
        let store = MemoryStore::new();
        let users = StoreDirectory::new(store.clone(), &secrets);
        let profiles = Profiles::builder().engine(engine).build().unwrap();
        let builder = OtpAuth::builder(secrets, store, users, sender()).profiles(profiles);
        let built = sms.into_iter().fold(builder, |builder, sms| builder.sms(sms)).build().await;
        assert_eq!(built.is_ok(), good);
        assert!(built.err().is_none_or(|error| error.kind() == ConfigErrorKind::Policy));
    }
}
