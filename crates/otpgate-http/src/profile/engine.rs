//! Profile `engine`: `/auth/v1/..` and `/auth/v1/web/..`, header `cap_authorization`, bodies `{status, auth?, user?}`.

mod read;
mod words;

use http::{HeaderMap, HeaderName, Method, StatusCode};
use otpgate_core::engine::{FlowOpened, LiveSession, LoggedIn};
use otpgate_core::policy::Bucket;
use otpgate_core::{Engine, Identifier, Profile, Refusal};
use serde::Serialize;

use super::{At, BodyUse, RouteName, RouteSpec, Table, route};
use crate::Reply;
use crate::builder::is_brand;
use crate::operation::{Done, Fault};

/// The routes of apps on devices.
pub(crate) static MOBILE: Table = table::<false>("/auth/v1", &MOBILE_ROUTES);
/// The routes of web pages.
pub(crate) static WEB: Table = table::<true>("/auth/v1/web", &WEB_ROUTES);

static MOBILE_ROUTES: [RouteSpec; 9] = routes::<false>();
static WEB_ROUTES: [RouteSpec; 9] = routes::<true>();

const fn table<const WEB: bool>(base: &'static str, routes: &'static [RouteSpec]) -> Table {
    Table {
        profile: Profile::Engine,
        carrier: HeaderName::from_static("cap_authorization"),
        base,
        routes,
        counts_malformed: false,
        encode: encode::<WEB>,
        refuse: words::refuse,
        agrees: Some(agrees),
    }
}

const fn routes<const WEB: bool>() -> [RouteSpec; 9] {
    const LIMITED: &[Bucket] = &[Bucket::Engine];
    const ONE: BodyUse = BodyUse::Json;
    [
        route(RouteName::OpenFlow, Method::POST, "/token/generate", LIMITED, ONE, read::open_flow::<WEB>),
        route(RouteName::SendCode, Method::POST, "/otp/generate", LIMITED, ONE, read::send_code::<WEB>),
        route(RouteName::LogIn, Method::POST, "/otp/validate", LIMITED, BodyUse::Batch, read::verify_code::<WEB>),
        route(RouteName::Refresh, Method::POST, "/token/regenerate", &[], ONE, read::regenerate::<WEB>),
        route(RouteName::CheckPassword, Method::POST, "/password/validate", LIMITED, ONE, read::check_password::<WEB>),
        route(RouteName::PendPassword, Method::POST, "/password/forget", LIMITED, ONE, read::pend_password::<WEB>),
        route(RouteName::ChangePassword, Method::POST, "/password/change", LIMITED, ONE, read::change_password::<WEB>),
        route(RouteName::LogOut, Method::POST, "/token/expire", &[], ONE, read::expire::<WEB>),
        route(RouteName::LogOut, Method::DELETE, "/token/expire", &[], ONE, read::expire::<WEB>),
    ]
}

#[derive(Serialize)]
struct Envelope {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<Auth>,
    /// Absent, `null`, or there.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Option<ShownUser>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identifiers: Option<Identifiers>,
}

#[derive(Serialize)]
struct Status {
    success: bool,
    code: u16,
    message: &'static str,
}

#[derive(Serialize)]
struct Auth {
    token: String,
    key: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownUser {
    app_registered: bool,
    session_id: Option<String>,
    role: &'static str,
    user_registered_for_password: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identifiers {
    /// The page has the field and never fills it.
    identifier_list: Option<()>,
}

fn encode<const WEB: bool>(done: Done, at: At<'_>) -> Reply {
    let (auth, user) = match done {
        Done::CodeSent { .. } | Done::PasswordSet | Done::LoggedOut => (None, None),
        Done::FlowOpened(opened) => view(*opened),
        Done::LoggedIn(done) => session::<WEB>(*done, at),
        // No route of this profile does these.
        Done::Availability { .. } | Done::Renewed(_) | Done::Status(_) | Done::Reissued { .. } | Done::ResetAsked => {
            return words::refuse(Fault::Refused(Refusal::Defect), at);
        }
    };
    let identifiers = (at.route == Some(RouteName::CheckPassword)).then_some(Identifiers { identifier_list: None });
    let status = Status { success: true, code: 200, message: "SUCCESS" };
    Reply::json(StatusCode::OK, &Envelope { status, auth, user, identifiers })
}

fn view(opened: FlowOpened) -> (Option<Auth>, Option<Option<ShownUser>>) {
    let user = ShownUser {
        app_registered: opened.app_registered,
        session_id: Some(format!("P-{}", opened.flow)),
        role: "VIEW",
        user_registered_for_password: opened.has_password,
    };
    (Some(Auth { token: opened.view.expose().to_owned(), key: None }), Some(Some(user)))
}

/// A session that was opened, or a token that was regenerated: that one names no session.
fn session<const WEB: bool>(done: LoggedIn, at: At<'_>) -> (Option<Auth>, Option<Option<ShownUser>>) {
    let opened = at.route != Some(RouteName::Refresh);
    let as_vendor = at.wants.vendor_web_shape;
    let key = done.key.filter(|_| !(WEB && as_vendor)).map(|key| key.expose().to_owned());
    let user = ShownUser {
        app_registered: done.user.app_registered,
        session_id: (opened && !as_vendor).then(|| format!("S-{}", done.session)),
        role: "USER",
        user_registered_for_password: done.has_password,
    };
    let shown = !(WEB && as_vendor && at.route == Some(RouteName::LogIn));
    (Some(Auth { token: done.access.expose().to_owned(), key }), Some(shown.then_some(user)))
}

static BRAND: HeaderName = HeaderName::from_static("cap_brand");
static DEVICE: HeaderName = HeaderName::from_static("cap_device_id");
static IDENTIFIER_TYPE: HeaderName = HeaderName::from_static("cap_identifier_type");
static IDENTIFIER: HeaderName = HeaderName::from_static("cap_identifier_value");
static MOBILE_NUMBER: HeaderName = HeaderName::from_static("cap_mobile");

/// The gateway headers beside `cap_authorization`: what they name is what the session is bound to.
fn agrees(headers: &HeaderMap, live: &LiveSession, engine: &Engine) -> bool {
    let read = |name| one(headers, name);
    let (Ok(brand), Ok(device), Ok(kind), Ok(value), Ok(mobile)) =
        (read(&BRAND), read(&DEVICE), read(&IDENTIFIER_TYPE), read(&IDENTIFIER), read(&MOBILE_NUMBER))
    else {
        return false;
    };
    let named = match (kind, value) {
        (None, None) => None,
        (Some(kind), Some(value)) => match read::identifier_of(kind, value) {
            Ok(identifier) => Some(identifier),
            Err(_) => return false,
        },
        _ => return false,
    };
    let mobile = match mobile.map(Identifier::phone) {
        Some(Err(_)) => return false,
        Some(Ok(mobile)) => Some(mobile),
        None => None,
    };
    brand.is_none_or(|brand| is_brand(&live.tenant, brand))
        && engine.is_bound(live, device, named.as_ref())
        && engine.is_bound(live, None, mobile.as_ref())
}

/// The one value of a header; nothing when it is not there, an error when it is there twice or is no text.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        (Some(_), Some(_)) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use otpgate_core::FlowId;
    use otpgate_core::secret::AccessToken;

    use super::*;
    use crate::profile::Wants;

    #[test]
    fn bodies_are_written_key_by_key_as_the_page_has_them() {
        let wants = Wants::default();
        let at = At { route: Some(RouteName::OpenFlow), wants: &wants };
        let opened = FlowOpened {
            flow: FlowId::from_random([0; 16]),
            view: AccessToken::new("view".to_owned()),
            app_registered: false,
            has_password: true,
        };
        let body = |reply: Reply| String::from_utf8(reply.body().to_vec()).unwrap();
        assert_eq!(
            body(encode::<false>(Done::FlowOpened(Box::new(opened)), at)),
            r#"{"status":{"success":true,"code":200,"message":"SUCCESS"},"auth":{"token":"view","key":null},"user":{"appRegistered":false,"sessionId":"P-00000000-0000-4000-8000-000000000000","role":"VIEW","userRegisteredForPassword":true}}"#
        );
        assert_eq!(
            body(encode::<true>(Done::LoggedOut, at)),
            r#"{"status":{"success":true,"code":200,"message":"SUCCESS"}}"#
        );
    }
}
