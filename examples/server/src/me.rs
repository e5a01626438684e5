//! The host's own routes: one that needs a session, and one that says that the process is there.

use actix_web::{HttpResponse, Responder};
use axum::Json;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use otpgate::Session;
use serde::Serialize;

/// Who asks: the same for every profile.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Me<'a> {
    user_id: &'a str,
    tenant: &'a str,
    organization: &'a str,
    roles: &'a [String],
}

impl<'a> Me<'a> {
    fn of(session: &'a Session) -> Self {
        Self {
            user_id: session.user_id.as_str(),
            tenant: session.tenant.as_str(),
            organization: session.organization(),
            roles: &session.roles,
        }
    }
}

/// What depends on a credential is kept by nobody on the way.
const NO_STORE: &str = "no-store";

pub(crate) async fn me_axum(session: Session) -> impl IntoResponse {
    ([(CACHE_CONTROL, NO_STORE)], Json(Me::of(&session))).into_response()
}

pub(crate) async fn me_actix(session: Session) -> impl Responder {
    HttpResponse::Ok().insert_header(("cache-control", NO_STORE)).json(Me::of(&session))
}

/// The process accepts and answers; the store is not asked, so that its outage restarts no healthy process.
pub(crate) async fn healthz_axum() -> &'static str {
    "ok\n"
}

pub(crate) async fn healthz_actix() -> &'static str {
    "ok\n"
}
