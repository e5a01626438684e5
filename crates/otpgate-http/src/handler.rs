//! From a request of a standard route to what was done.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::USER_AGENT;
use otpgate_core::engine::{Caller, FlowOpened};
use otpgate_core::secret::AccessToken;
use otpgate_core::{Agent, Refusal};
use serde_json::{Map, Value};

use crate::cookies::Cookies;
use crate::credential::Credential;
use crate::gate::Mount;
use crate::operation::{Done, Fault, Operation};
use crate::origin::{self, Site};
use crate::profile::{Asked, At, BodyUse, LARGEST_BATCH, RouteName, RouteSpec, Table};
use crate::{Body, Gate, Reply, json, language};

pub(crate) async fn run(
    gate: &Gate,
    mount: &Mount,
    spec: &'static RouteSpec,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    body: Body,
) -> Reply {
    let asking = Asking { gate, mount, spec, headers };
    match asking.read(peer, body).await {
        Err(fault) => mount.refuse(fault, Some(spec.name)),
        Ok((address, Value::Array(items))) => {
            let mut replies = Vec::with_capacity(items.len());
            for item in &items {
                replies.push(asking.answer(address, item).await);
            }
            Reply::array(&replies)
        }
        Ok((address, value)) => asking.answer(address, &value).await,
    }
}

/// A request of a standard route.
struct Asking<'a> {
    gate: &'a Gate,
    mount: &'a Mount,
    spec: &'static RouteSpec,
    headers: &'a HeaderMap,
}

impl Asking<'_> {
    /// Where it comes from, and its body: an array only on a route that takes some objects at once, and only of so many.
    async fn read(&self, peer: Option<IpAddr>, body: Body) -> Result<(Option<IpAddr>, Value), Fault> {
        let address = self.gate.client(self.headers, peer)?;
        let changes = origin::may_change(&self.spec.method, self.headers);
        let of_another_site = |cookies: &Arc<Cookies>| cookies.site(self.headers) == Site::Foreign;
        // Before anything counts: what another site makes a browser send is not the person's request (A38).
        if changes && self.mount.cookies.as_ref().is_some_and(of_another_site) {
            return Err(Refusal::Forbidden.into());
        }
        if self.mount.table.counts_malformed {
            self.gate.engine().admit(address, self.spec.buckets).await?;
        }
        let value = match body.json(self.headers, self.spec.body)? {
            Some(text) => json::value(&text).ok_or(Fault::Json)?,
            None => Value::Object(Map::new()),
        };
        match &value {
            Value::Array(items) if self.spec.body != BodyUse::Batch || !(1..=LARGEST_BATCH).contains(&items.len()) => {
                Err(Fault::NotAnObject)
            }
            _ => Ok((address, value)),
        }
    }

    async fn answer(&self, address: Option<IpAddr>, value: &Value) -> Reply {
        let answer = self.act(address, value).await;
        let lines = self.gate.lines_of(self.mount, self.spec, self.headers, &answer);
        let reply = match answer {
            Ok(done) => (self.mount.table.encode)(done, At { route: Some(self.spec.name), wants: &self.mount.wants }),
            Err(fault) => self.mount.refuse(fault, Some(self.spec.name)),
        };
        reply.with_lines(lines)
    }

    async fn act(&self, address: Option<IpAddr>, value: &Value) -> Result<Done, Fault> {
        let Self { gate, mount, spec, headers } = self;
        let body = value.as_object().ok_or(Fault::NotAnObject)?;
        let Asked { tenant, operation } = (spec.decode)(body, &mount.wants)?;
        let credential = match gate.credential(headers) {
            Credential::None => None,
            Credential::One(token, _) => Some(AccessToken::new(token.expose())),
            Credential::Cookie(..) if !gate.may_act_by_cookie(&spec.method, headers) => {
                return Err(Refusal::Forbidden.into());
            }
            Credential::Cookie(token, _) => Some(token),
            Credential::Many(_) => return Err(Fault::ManyCredentials),
        };
        // Already counted, by the operation itself, or now: before the host is asked for a tenant.
        let counts = match (mount.table.counts_malformed, operation.counts_itself() && tenant.is_none()) {
            (true, _) => &[],
            (false, true) => spec.buckets,
            (false, false) => {
                gate.engine().admit(address, spec.buckets).await?;
                &[]
            }
        };
        let tenant = match tenant {
            Some(named) if gate.engine().has_tenant(&named).await? => named,
            Some(_) => return Err(Fault::UnknownTenant),
            None => mount.tenant.clone().unwrap_or_default(),
        };
        let (device, trust) = (gate.device(headers), gate.trust(headers));
        let known = Caller::new(mount.table.profile, tenant);
        let caller = Caller {
            address,
            device,
            trust,
            agent: agent(headers),
            locale: language::wanted(headers),
            counts,
            ..known
        };
        let guard = mount.availability_guard.as_ref().filter(|_| spec.name == RouteName::CheckAvailability);
        if guard.is_some_and(|lets_through| !lets_through(headers)) {
            return Err(Fault::Refused(Refusal::Forbidden));
        }
        perform(gate, mount.table, &caller, operation, credential).await
    }
}

/// What the client says it is; the first header where it says so twice.
fn agent(headers: &HeaderMap) -> Option<Agent> {
    headers.get(USER_AGENT).and_then(|said| Agent::read(&String::from_utf8_lossy(said.as_bytes())))
}

async fn perform(
    gate: &Gate,
    table: &'static Table,
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
            if !gate.takes(&live, Some(table)) {
                return Err(Refusal::NotAuthenticated.into());
            }
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
        Operation::OpenFlow { new, passwords } => {
            let opened = engine.open_flow(caller, new).await?;
            let has_password = opened.has_password && passwords;
            Ok(Done::FlowOpened(Box::new(FlowOpened { has_password, ..opened })))
        }
        Operation::SendFlowCode(claim) => {
            let expires_in = engine.send_flow_code(caller, claim).await?.expires_in;
            Ok(Done::CodeSent { echo: String::new(), expires_in })
        }
        Operation::VerifyFlow { claim, code } => {
            Ok(Done::LoggedIn(Box::new(engine.verify_flow(caller, claim, &code).await?)))
        }
        Operation::SignInFlow { claim, password } => {
            Ok(Done::LoggedIn(Box::new(engine.sign_in_flow(caller, claim, &password).await?)))
        }
        Operation::PendPassword { claim, password } => {
            engine.set_pending(caller, claim, &password).await?;
            Ok(Done::PasswordSet)
        }
        Operation::ChangePassword { claim, token, old, new } => {
            engine.change_password(caller, claim, &token, &old, &new).await?;
            Ok(Done::PasswordSet)
        }
        Operation::Regenerate { claim, key } => {
            Ok(Done::LoggedIn(Box::new(engine.regenerate(caller, claim, &key).await?)))
        }
        Operation::Exchange { claim, token } => {
            Ok(Done::LoggedIn(Box::new(engine.exchange(caller, claim, &token).await?)))
        }
        Operation::Expire { claim, token } => {
            engine.expire(caller, claim, &token).await?;
            Ok(Done::LoggedOut)
        }
    }
}
