//! The gate: what the adapters mount.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use otpgate_core::{Engine, Refusal, Tenant};

use crate::builder::{GateBuilder, Guard, Profiles};
use crate::credential::{self, Credential};
use crate::operation::Fault;
use crate::peer::PeerPolicy;
use crate::profile::{LARGEST_BODY, RouteName, RouteSpec, Table, Wants};
use crate::verdict::{Judged, Refused, Verdict};
use crate::{Body, Reply, handler};

/// Answers the standard routes and judges every other request. Cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    engine: Engine,
    mounts: Vec<Mount>,
    peers: PeerPolicy,
    needs_peer: bool,
    bearer: bool,
    jwks_path: Option<String>,
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
            Target::Standard(..) => LARGEST_BODY,
            Target::Method(..) | Target::Jwks => 0,
        }
    }
}

impl Gate {
    /// A gate for `profiles` with the defaults.
    #[must_use]
    pub fn new(engine: Engine, profiles: Profiles) -> Self {
        Self::assemble(GateBuilder::new(engine, profiles))
    }

    /// A builder of a gate for `profiles`.
    pub fn builder(engine: Engine, profiles: Profiles) -> GateBuilder {
        GateBuilder::new(engine, profiles)
    }

    pub(crate) fn assemble(mut parts: GateBuilder) -> Self {
        if !parts.engine.has_passwords() {
            parts.profiles.leave_out(RouteName::needs_passwords);
        }
        Self(Arc::new(Inner {
            engine: parts.engine,
            mounts: parts.profiles.mounts(),
            peers: parts.peers,
            needs_peer: parts.needs_peer,
            bearer: parts.bearer,
            jwks_path: parts.jwks_path,
        }))
    }

    /// The engine behind.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The paths that this gate answers, with every method.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let standard = self.0.mounts.iter().flat_map(|m| m.paths.iter().map(|(path, _)| path.as_str()));
        standard.chain(self.0.jwks_path.as_deref())
    }

    /// Whether a request is the gate's to answer. A CORS preflight is not, even on its paths: CORS stands outside.
    #[must_use]
    pub fn route(&self, method: &Method, path: &str, headers: &HeaderMap) -> Option<Route> {
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
            Target::Method(i, allow) => self.0.mounts[i].table.refuse(Fault::Method).with_allow(&allow),
            Target::Standard(i, spec) => {
                let mount = &self.0.mounts[i];
                match handler::run(self, mount, spec, headers, peer, body).await {
                    Ok(done) => (mount.table.encode)(done),
                    Err(fault) => mount.table.refuse(fault),
                }
            }
        }
    }

    /// Judges the credential of a request that is not the gate's to answer.
    pub async fn judge(&self, headers: &HeaderMap) -> Judged {
        let (verdict, table) = match self.credential(headers) {
            Credential::None => (Verdict::Absent, None),
            Credential::Many(table) => (Verdict::Refused(Refused::ManyCredentials), table),
            Credential::One(token, table) => {
                let verdict = match self.engine().session(&token).await {
                    Ok(live) => handler::act_for(headers, live),
                    Err(Refusal::NotAuthenticated) => Verdict::Refused(Refused::Invalid),
                    Err(_) => Verdict::Unavailable,
                };
                (verdict, table)
            }
        };
        self.judged(verdict, table)
    }

    /// The verdict where it needs no waiting: nothing came with the request.
    #[must_use]
    pub fn judge_at_once(&self, headers: &HeaderMap) -> Option<Judged> {
        let nothing = !credential::is_there(headers, self.tables(), self.0.bearer);
        nothing.then(|| self.judged(Verdict::Absent, None))
    }

    fn judged(&self, verdict: Verdict, table: Option<&'static Table>) -> Judged {
        let first = || self.tables().next().unwrap_or(&crate::profile::identity::TABLE);
        Judged::new(verdict, table.unwrap_or_else(first), self.clone())
    }

    /// Whether both are handles of one gate.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn credential(&self, headers: &HeaderMap) -> Credential {
        credential::read(headers, self.tables(), self.0.bearer)
    }

    fn tables(&self) -> impl Iterator<Item = &'static Table> {
        self.0.mounts.iter().map(|m| m.table)
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
