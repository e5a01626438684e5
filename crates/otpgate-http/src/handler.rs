//! From a request of a standard route to what was done.

use std::net::IpAddr;

use http::HeaderMap;
use otpgate_core::engine::{Caller, LiveSession};
use otpgate_core::secret::AccessToken;
use otpgate_core::{Profile, Refusal};

use crate::credential::Credential;
use crate::gate::Mount;
use crate::operation::{Done, Fault, Operation};
use crate::profile::{Asked, RouteName, RouteSpec};
use crate::verdict::{Refused, Session, Verdict};
use crate::{Body, Gate, json};

pub(crate) async fn run(
    gate: &Gate,
    mount: &Mount,
    spec: &'static RouteSpec,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    body: Body,
) -> Result<Done, Fault> {
    let address = gate.client(headers, peer)?;
    if mount.table.counts_malformed {
        gate.engine().admit(address, spec.buckets).await?;
    }
    let Asked { tenant, operation } = read(mount, spec, headers, body)?;
    let credential = match gate.credential(headers) {
        Credential::None => None,
        Credential::One(token, _) => Some(token),
        Credential::Many(_) => return Err(Fault::ManyCredentials),
    };
    if !mount.table.counts_malformed {
        gate.engine().admit(address, spec.buckets).await?;
    }
    let tenant = match tenant {
        Some(named) if gate.engine().has_tenant(&named).await? => named,
        Some(_) => return Err(Fault::UnknownTenant),
        None => mount.tenant.clone().unwrap_or_default(),
    };
    let caller = Caller { profile: mount.table.profile, tenant, address };
    let guard = mount.availability_guard.as_ref().filter(|_| spec.name == RouteName::CheckAvailability);
    if guard.is_some_and(|lets_through| !lets_through(headers)) {
        return Err(Fault::Refused(Refusal::Forbidden));
    }
    perform(gate, &caller, operation, credential).await
}

fn read(mount: &Mount, spec: &RouteSpec, headers: &HeaderMap, body: Body) -> Result<Asked, Fault> {
    let body = match body.json(headers, spec.body)? {
        Some(text) => json::object(&text).ok_or(Fault::Json)?,
        None => serde_json::Map::new(),
    };
    (spec.decode)(&body, mount.wants)
}

async fn perform(
    gate: &Gate,
    caller: &Caller,
    operation: Operation,
    credential: Option<AccessToken>,
) -> Result<Done, Fault> {
    let engine = gate.engine();
    match operation {
        Operation::CheckAvailability(identifier) => {
            Ok(Done::Availability { is_free: engine.is_available(caller, &identifier).await? })
        }
        Operation::SendCode { identifier, echo } => {
            let expires_in = engine.send_code(caller, &identifier).await?.expires_in;
            Ok(Done::CodeSent { echo, expires_in })
        }
        Operation::VerifyCode { identifier, code } => {
            let done = engine.verify_code(caller, &identifier, code.expose(), credential).await?;
            Ok(Done::LoggedIn(Box::new(done)))
        }
        Operation::Refresh(token) => Ok(Done::Renewed(engine.refresh(caller, &token).await?)),
        Operation::SignIn { identifier, password } => {
            let done = engine.sign_in(caller, &identifier, &password, credential).await?;
            Ok(Done::LoggedIn(Box::new(done)))
        }
        Operation::AskReset(identifier) => {
            engine.ask_reset(caller, &identifier).await?;
            Ok(Done::ResetAsked)
        }
        Operation::ResetPassword { token, password } => {
            engine.reset_password(caller, &token, &password).await?;
            Ok(Done::PasswordSet)
        }
        Operation::Status => {
            let token = credential.ok_or(Refusal::NotAuthenticated)?;
            let live = engine.session(&token).await?;
            let user = engine.user(&live).await?;
            if user.admitted { Ok(Done::Status(Box::new(user))) } else { Err(Refusal::Forbidden.into()) }
        }
        Operation::Renew => {
            let token = credential.ok_or(Refusal::NotAuthenticated)?;
            let (user, access) = engine.renew(caller, &token).await?;
            Ok(Done::Reissued { access, user: Box::new(user) })
        }
        Operation::LogOut => {
            let token = credential.ok_or(Refusal::NotAuthenticated)?;
            engine.log_out(caller, &token).await?;
            Ok(Done::LoggedOut)
        }
    }
}

/// The session with the organisation that the request names; only sessions of `identity` know organisations.
pub(crate) fn act_for(headers: &HeaderMap, live: LiveSession) -> Verdict {
    let mut named = headers.get_all("organization-id").iter();
    let (first, second) = (named.next(), named.next());
    if live.profile != Profile::Identity {
        return Verdict::Session(Session::new(live, None));
    }
    let Some(first) = first else { return Verdict::Session(Session::new(live, None)) };
    let name = first.to_str().ok().filter(|n| second.is_none() && !n.is_empty()).map(str::to_owned);
    match name {
        Some(name) if live.organization == name || live.organizations.contains(&name) => {
            Verdict::Session(Session::new(live, Some(name)))
        }
        _ => Verdict::Refused(Refused::ForeignOrganization),
    }
}
