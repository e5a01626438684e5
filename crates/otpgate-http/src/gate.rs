//! The gate: what the adapters mount.

mod judging;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use otpgate_core::engine::{LiveSession, Trust};
use otpgate_core::secret::DeviceToken;
use otpgate_core::{Engine, Refusal, Tenant};

use crate::builder::{GateBuilder, Guard, Profiles};
use crate::cookies::Cookies;
use crate::credential::{Carriers, Credential};
use crate::operation::{Done, Fault};
use crate::origin::Site;
use crate::peer::PeerPolicy;
use crate::places::Places;
use crate::profile::{At, RouteName, RouteSpec, Table, Wants};
use crate::verified::Verified;
use crate::{Body, Reply, device, handler};

pub use judging::Unsettled;

/// Answers the standard routes and judges every other request. Cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    engine: Engine,
    mounts: Vec<Mount>,
    places: Places,
    peers: PeerPolicy,
    needs_peer: bool,
    carriers: Carriers,
    own_carriers: bool,
    device_cookie: bool,
    challenge: Option<Guard>,
    jwks_path: Option<String>,
    verified: Option<Verified>,
}

/// A profile at its place.
#[derive(Clone)]
pub(crate) struct Mount {
    pub(crate) table: &'static Table,
    /// Whose users it serves; none where each request names its tenant.
    pub(crate) tenant: Option<Tenant>,
    pub(crate) wants: Wants,
    pub(crate) paths: Vec<(String, &'static RouteSpec)>,
    pub(crate) availability_guard: Option<Guard>,
    pub(crate) cookies: Option<Arc<Cookies>>,
}

impl Mount {
    /// The answer for a fault on one of its routes, or on one of the host's.
    pub(crate) fn refuse(&self, fault: Fault, route: Option<RouteName>) -> Reply {
        self.table.refuse(fault, At { route, wants: &self.wants })
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount").field("table", &self.table).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// A request that is the gate's to answer.
#[derive(Clone, Debug)]
pub struct Route(Target);

#[derive(Clone)]
enum Target {
    /// A standard route: the index of its mount, and what it is.
    Standard(usize, &'static RouteSpec),
    /// A path of ours with another method.
    Method(usize, String),
    Jwks,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(_, spec) => write!(f, "{:?}", spec.name),
            Self::Method(_, allow) => write!(f, "Method({allow})"),
            Self::Jwks => f.write_str("Jwks"),
        }
    }
}

impl Route {
    /// How many bytes of the body to read at most; a body with more is [`Body::TooLarge`].
    #[must_use]
    pub fn max_body(&self) -> usize {
        match self.0 {
            Target::Standard(_, spec) => spec.body.largest(),
            Target::Method(..) | Target::Jwks => 0,
        }
    }
}

impl Gate {
    /// A gate for profile `identity` alone, for the users of `tenant`, with the defaults.
    #[must_use]
    pub fn new(engine: Engine, tenant: Tenant) -> Self {
        Self::assemble(GateBuilder::new(engine, Profiles::identity(tenant)))
    }

    /// A builder of a gate for `profiles`.
    pub fn builder(engine: Engine, profiles: Profiles) -> GateBuilder {
        GateBuilder::new(engine, profiles)
    }

    pub(crate) fn assemble(mut parts: GateBuilder) -> Self {
        if !parts.engine.has_passwords() {
            parts.profiles.without_passwords();
        }
        let mounts = parts.profiles.mounts();
        let places = mounts.iter().flat_map(|m| m.paths.iter()).map(|(path, _)| path.as_str());
        Self(Arc::new(Inner {
            engine: parts.engine,
            carriers: Carriers::of(&mounts, parts.bearer),
            places: Places::of(places.chain(parts.jwks_path.as_deref())),
            mounts,
            peers: parts.peers,
            needs_peer: parts.needs_peer,
            own_carriers: parts.own_carriers,
            device_cookie: parts.device_cookie,
            challenge: parts.challenge,
            jwks_path: parts.jwks_path,
            verified: parts.cache_bytes.map(Verified::new),
        }))
    }

    /// The engine behind.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The paths that this gate answers, with every method.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        // A path with two methods is one path; its routes stand side by side.
        let standard = self.0.mounts.iter().flat_map(|m| m.paths.chunk_by(|a, b| a.0 == b.0));
        let standard = standard.filter_map(|same| same.first()).map(|(path, _)| path.as_str());
        standard.chain(self.0.jwks_path.as_deref())
    }

    /// Whether a path is one of [`Gate::paths`]; if not, no request with it is the gate's to answer.
    #[must_use]
    #[inline]
    pub fn has_path(&self, path: &str) -> bool {
        self.0.places.has(path)
    }

    /// Whether a request is the gate's to answer. A CORS preflight is not, even on its paths: CORS stands outside.
    #[must_use]
    #[inline]
    pub fn route(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Route> {
        if self.has_path(path) { self.route_of_ours(method, path, headers) } else { None }
    }

    fn route_of_ours(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Route> {
        if *method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        if self.0.jwks_path.as_deref() == Some(path) {
            let is_get = *method == Method::GET;
            return Some(Route(if is_get { Target::Jwks } else { Target::Method(0, Method::GET.to_string()) }));
        }
        let here = |(i, mount): (usize, &Mount)| {
            let of_path = mount.paths.iter().filter(|(own, _)| own == path);
            let specs: Vec<&'static RouteSpec> = of_path.map(|(_, spec)| *spec).collect();
            let allow = || specs.iter().map(|s| s.method.as_str()).collect::<Vec<_>>().join(", ");
            match specs.iter().find(|s| s.method == *method) {
                Some(spec) => Some(Target::Standard(i, spec)),
                None if specs.is_empty() => None,
                None => Some(Target::Method(i, allow())),
            }
        };
        self.0.mounts.iter().enumerate().find_map(here).map(Route)
    }

    /// Answers a standard route. `peer` is the address of the socket, where the server knows it.
    pub async fn answer(&self, route: Route, headers: &HeaderMap, peer: Option<IpAddr>, body: Body) -> Reply {
        match route.0 {
            Target::Jwks => {
                let keys = self.engine().tokens().jwks().unwrap_or_default().to_owned();
                Reply::new(StatusCode::OK, HeaderValue::from_static("application/jwk-set+json"), keys.into())
            }
            Target::Method(i, allow) => self.0.mounts[i].refuse(Fault::Method, None).with_allow(&allow),
            Target::Standard(i, spec) => handler::run(self, &self.0.mounts[i], spec, headers, peer, body).await,
        }
    }

    /// The header lines that an answer has besides those of its profile: cookies, and the token of a known device.
    pub(crate) fn lines_of(
        &self,
        mount: &Mount,
        spec: &RouteSpec,
        headers: &HeaderMap,
        answer: &Result<Done, Fault>,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let cookies = self.cookies_of(mount, spec, headers, answer).into_iter().map(|line| (SET_COOKIE, line));
        let device = answer.as_ref().ok().and_then(Done::device);
        let device = device.map(|token| device::lines(token, self.0.device_cookie)).unwrap_or_default();
        cookies.chain(device).collect()
    }

    /// The cookies that an answer sets: a new token for a page of our own, or none any more.
    fn cookies_of(
        &self,
        mount: &Mount,
        spec: &RouteSpec,
        headers: &HeaderMap,
        answer: &Result<Done, Fault>,
    ) -> Vec<HeaderValue> {
        let Some(cookies) = &mount.cookies else { return Vec::new() };
        let token = answer.as_ref().ok().and_then(Done::access);
        let ended = matches!(answer, Ok(Done::LoggedOut) | Err(Fault::Refused(Refusal::NotAuthenticated)));
        match token.filter(|_| cookies.site(headers) == Site::Own) {
            Some(token) => cookies.set(token, self.engine().access_life(token)),
            // A page cannot put away by itself what `HttpOnly` keeps from it, and a dead token would stay for weeks.
            None if ended && spec.name == RouteName::LogOut => cookies.clear(),
            None => Vec::new(),
        }
    }

    /// How many tokens are kept whose sessions were found good, whether or not they still are.
    #[must_use]
    pub fn cached(&self) -> usize {
        self.0.verified.as_ref().map_or(0, Verified::len)
    }

    /// Whether both are handles of one gate.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn credential<'h>(&self, headers: &'h HeaderMap) -> Credential<'h> {
        self.0.carriers.read(headers)
    }

    /// Whether a session may come in the carrier of this profile.
    pub(crate) fn takes(&self, live: &LiveSession, table: Option<&'static Table>) -> bool {
        !self.0.own_carriers || table.is_none_or(|table| table.profile == live.profile)
    }

    /// The answer for a fault on a route of the host's, in the shape of this profile.
    pub(crate) fn refuse(&self, table: &'static Table, fault: Fault) -> Reply {
        match self.0.mounts.iter().find(|m| std::ptr::eq(m.table, table)) {
            Some(mount) => mount.refuse(fault, None),
            None => table.refuse(fault, At { route: None, wants: &Wants::default() }),
        }
    }

    /// The device token that came with a request.
    pub(crate) fn device(&self, headers: &HeaderMap) -> Option<DeviceToken> {
        device::read(headers, self.0.device_cookie)
    }

    /// What speaks for a request.
    pub(crate) fn trust(&self, headers: &HeaderMap) -> Trust {
        let passed = self.0.challenge.as_ref().is_some_and(|challenge| challenge(headers));
        if passed { Trust::Challenge } else { Trust::None }
    }

    /// The client's address, or nothing where the host gave that up by name.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Option<IpAddr>, Fault> {
        match peer {
            Some(peer) => Ok(Some(self.0.peers.client(peer, headers))),
            None if !self.0.needs_peer => Ok(None),
            None => {
                tracing::error!(
                    target: "otpgate",
                    "the client's address is not known: serve with `into_make_service_with_connect_info::<SocketAddr>()`, \
                     or give every limit by address up with `insecure_without_peer()`"
                );
                Err(Fault::NoPeer)
            }
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("mounts", &self.0.mounts).finish_non_exhaustive()
    }
}
