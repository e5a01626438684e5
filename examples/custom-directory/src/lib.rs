//! An app that has its users in a table of its own, in PostgreSQL, and gets login from otpgate.
//!
//! `schema.sql` is the app's; [`Users`] is what otpgate asks; [`app`] is the app with its routes. The sessions are in the same
//! database, in tables of otpgate.

mod users;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use otpgate::{
    Argon2id, ConfigError, CurrentUser, Identity, Mailer, OtpAuth, PasswordParts, Platform, PostgresStore, Profiles,
    Registration, Secrets, Session, Tenant, UserId,
};
use sqlx::postgres::PgPool;

pub use users::Users;

/// otpgate on the app's own pool and table: codes, passwords, and an account for who proves an unknown address.
///
/// # Errors
/// When the database refuses otpgate's tables, or has settings under which a log-out could come undone.
pub async fn login(pool: PgPool, secrets: Secrets, mailer: impl Mailer) -> Result<OtpAuth, ConfigError> {
    let users = Users::new(pool.clone());
    let store = PostgresStore::connect(pool).await?;
    // One hash takes 19 MiB and a core: one core is left for everything else.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // `identity` for logging in by code or password; `platform` for a password that is forgotten, or was never set.
    let identity = Identity::new(Tenant::default()).passwords();
    let profiles = Profiles::builder().identity(identity).platform(Platform::new()).build()?;
    OtpAuth::builder(secrets, store, users.clone(), mailer)
        .profiles(profiles)
        .passwords(PasswordParts::new(users.clone(), Argon2id::new()?, cores.saturating_sub(1)))
        .registration(Registration::on_first_code(users))
        .build()
        .await
}

/// The app's routes behind otpgate's.
pub fn app(auth: OtpAuth, users: Users) -> Router {
    let state = App { auth: auth.clone(), users };
    let admin =
        Router::new().route("/admin/users/{id}/disable", post(disable)).route_layer(auth.required().role("admin"));
    Router::new().route("/me", get(me)).merge(admin).with_state(state).layer(auth)
}

#[derive(Clone)]
struct App {
    auth: OtpAuth,
    users: Users,
}

/// Who asks, as the table says now.
async fn me(CurrentUser(user): CurrentUser) -> Json<Vec<String>> {
    Json(user.email.into_iter().chain(user.roles).collect())
}

/// The table first, so that nobody new gets in; then what is open ends, at once and on every node.
async fn disable(session: Session, State(app): State<App>, Path(id): Path<String>) -> StatusCode {
    let Ok(id) = UserId::new(id) else { return StatusCode::NOT_FOUND };
    match app.users.set_disabled(&session.tenant, &id, true).await {
        Ok(true) => {}
        Ok(false) => return StatusCode::NOT_FOUND,
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE,
    }
    match app.auth.user_changed(&session.tenant, &id, &[]).await {
        Ok(()) => StatusCode::NO_CONTENT,
        // To be sent again: it does no harm twice.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
