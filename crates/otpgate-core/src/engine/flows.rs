//! The flows of `engine`: opened for an identifier, finished by a code or a password; and what their sessions can do.

use std::sync::Arc;

use futures_util::future::join;

use super::deliver::{self, Parcel};
use super::devices::{LoggingIn, Standing};
use super::login::{Guess, Manner};
use super::passwords::{Proven, Tried};
use super::{About, Caller, CodeSent, Engine, Inner, LoggedIn, subject};
use crate::flow::code::{self, Subject};
use crate::flow::flow::{self, Claim};
use crate::flow::proof::Proof;
use crate::flow::verify::{Verified, Why};
use crate::flow::{device, reset, send};
use crate::record::{Audience, Binding, FlowRecord, IdentifierRecord, SlotKey};
use crate::secret::{AccessToken, Space};
use crate::{
    Code, Disclosure, EventKind, FlowId, Identifier, IdentifierKind, MailPurpose, Password, PasswordHash, Refusal,
    Tenant, Timestamp, User,
};

/// What a flow is opened with.
#[derive(Clone, Debug)]
pub struct NewFlow {
    /// Whose it is to be.
    pub identifier: Identifier,
    /// Where a code for a user name is to go: an address or number that the user has.
    pub destination: Option<Identifier>,
    /// The device, if the client names one.
    pub device: Option<String>,
    /// A password that takes effect when the flow's code validates.
    pub password: Option<Password>,
}

/// A flow was opened.
#[derive(Clone, Debug)]
pub struct FlowOpened {
    /// The flow.
    pub flow: FlowId,
    /// A token without a session in it.
    pub view: AccessToken,
    /// Whether the user is registered in the app; `false` for everybody under [`Disclosure::Conceal`].
    pub app_registered: bool,
    /// Whether the user has a password; whether the deployment has, for everybody under [`Disclosure::Conceal`].
    pub has_password: bool,
}

/// What a request says of its device.
#[derive(Clone, Debug)]
pub enum Device {
    /// It is this one.
    Named(String),
    /// It has none, as on the web.
    None,
    /// It does not say, where it need not.
    Unsaid,
}

/// A code as it was typed.
#[derive(Clone, Debug)]
pub enum TypedCode {
    /// All its characters.
    Text(Code),
    /// A whole number in decimal digits: zeros in front are not there.
    Number(Code),
}

/// What a request says of the flow that it goes on with.
#[derive(Clone, Debug)]
pub struct FlowClaim {
    /// The flow; `None` when the text was none.
    pub flow: Option<FlowId>,
    /// The tenant; `None` when there is none of that name.
    pub tenant: Option<Tenant>,
    /// The identifier.
    pub identifier: Identifier,
    /// The device.
    pub device: Device,
}

impl Engine {
    /// Opens a flow; tells nothing of who is registered under [`Disclosure::Conceal`].
    ///
    /// # Errors
    /// [`Refusal::WeakPassword`], [`Refusal::Unavailable`].
    pub async fn open_flow(&self, caller: &Caller, new: NewFlow) -> Result<FlowOpened, Refusal> {
        if let Some(password) = &new.password {
            password.check(&self.0.policy(&caller.tenant))?;
        }
        let caller = caller.clone();
        self.detached(move |inner| async move { inner.open_flow(&caller, new).await }).await
    }

    /// Sends a code within a flow.
    ///
    /// # Errors
    /// [`Refusal::UnknownFlow`] and what a flow is bound to, [`Refusal::BurntCode`], [`Refusal::TooManyCodes`],
    /// [`Refusal::TooMany`], [`Refusal::UnknownUser`] (under [`Disclosure::Reveal`]), [`Refusal::Unavailable`].
    pub async fn send_flow_code(&self, caller: &Caller, claim: FlowClaim) -> Result<CodeSent, Refusal> {
        let caller = caller.clone();
        self.detached(move |inner| async move {
            let sent = inner.send_flow_code(&caller, &claim).await;
            let subject = Some(inner.subject(&caller.tenant, &claim.identifier));
            let about = About { caller: &caller, subject, user: None, session: None };
            inner.tell(EventKind::CodeRequested, about, sent.as_ref().err().copied());
            sent
        })
        .await
    }

    /// Tries a code within a flow; a right one finishes the flow and opens a session.
    ///
    /// # Errors
    /// As [`Engine::send_flow_code`], and [`Refusal::MalformedCode`], [`Refusal::WrongCode`], [`Refusal::NoCode`],
    /// [`Refusal::FlowsLocked`], [`Refusal::Forbidden`].
    pub async fn verify_flow(&self, caller: &Caller, claim: FlowClaim, code: &TypedCode) -> Result<LoggedIn, Refusal> {
        let (caller, code) = (caller.clone(), code.clone());
        self.detached(move |inner| async move {
            let done = inner.verify_flow(&caller, &claim, &code).await;
            inner.tell_login(&caller, &claim.identifier, &done);
            done
        })
        .await
    }

    /// Tries a password within a flow; a right one finishes the flow and opens a session.
    ///
    /// # Errors
    /// As [`Engine::send_flow_code`], and [`Refusal::WrongPassword`], [`Refusal::FlowSpent`], [`Refusal::NoPassword`]
    /// (under [`Disclosure::Reveal`]), [`Refusal::Forbidden`].
    pub async fn sign_in_flow(
        &self,
        caller: &Caller,
        claim: FlowClaim,
        password: &Password,
    ) -> Result<LoggedIn, Refusal> {
        let (caller, password) = (caller.clone(), password.clone());
        self.detached(move |inner| async move {
            let done = inner.sign_in_flow(&caller, &claim, &password).await;
            inner.tell_login(&caller, &claim.identifier, &done);
            done
        })
        .await
    }

    /// Keeps a password that takes effect when the flow's code validates; nothing is compared with the stored one.
    ///
    /// # Errors
    /// As [`Engine::send_flow_code`], and [`Refusal::WeakPassword`].
    pub async fn set_pending(&self, caller: &Caller, claim: FlowClaim, password: &Password) -> Result<(), Refusal> {
        let (caller, password) = (caller.clone(), password.clone());
        self.detached(move |inner| async move {
            let Going { id, caller, audience, .. } = inner.go_on(&caller, &claim).await?;
            let policy = inner.policy(&caller.tenant);
            if audience == Audience::Nobody && policy.disclosure == Disclosure::Reveal {
                return Err(Refusal::UnknownUser);
            }
            password.check(&policy)?;
            let hash = inner.hash(&password).await?;
            let pending = Some(hash.as_str().to_owned());
            let rule = |prior: Option<FlowRecord>, _: Timestamp, _: &_| match prior {
                Some(flow) if !flow.finished => {
                    crate::flow::Decision::write(FlowRecord { pending: pending.clone(), ..flow }, Ok(()))
                }
                _ => crate::flow::Decision::keep(Err(Refusal::UnknownFlow)),
            };
            inner.decide(&inner.secrets.flow_key(id), rule).await?
        })
        .await
    }

    /// Whether a session is bound to this device and identifier, where the request names them.
    #[must_use]
    pub fn is_bound(&self, live: &super::LiveSession, device: Option<&str>, identifier: Option<&Identifier>) -> bool {
        let Some(binding) = live.binding else { return device.is_none() && identifier.is_none() };
        let inner = &self.0;
        let same_device = device.is_none_or(|d| binding.device == Some(inner.device_digest(d)));
        same_device && identifier.is_none_or(|i| binding.identifier == inner.bound_digest(&live.tenant, i))
    }
}

impl Inner {
    fn tell_login(&self, caller: &Caller, identifier: &Identifier, done: &Result<LoggedIn, Refusal>) {
        let (user, session) = (done.as_ref().ok().map(|d| &d.user.id), done.as_ref().ok().map(|d| d.session));
        let about = About { caller, subject: Some(self.subject(&caller.tenant, identifier)), user, session };
        self.tell(EventKind::LoggedIn, about, done.as_ref().err().copied());
    }

    pub(super) fn device_digest(&self, device: &str) -> [u8; 16] {
        self.secrets.short_digest(Space::Device, &[device.as_bytes()])
    }

    pub(super) fn bound_digest(&self, tenant: &Tenant, identifier: &Identifier) -> [u8; 16] {
        let kind = [identifier.kind() as u8];
        self.secrets.short_digest(Space::Bound, &[tenant.as_str().as_bytes(), &kind, identifier.as_str().as_bytes()])
    }

    async fn open_flow(&self, caller: &Caller, new: NewFlow) -> Result<FlowOpened, Refusal> {
        let NewFlow { identifier, destination, device, password } = new;
        let policy = self.policy(&caller.tenant);
        let user = self.in_time(self.directory.find(&caller.tenant, &identifier)).await?;
        let known = self.standing_of(caller, &identifier, user.as_ref()).await?.device();
        let pending = match &password {
            Some(password) => Some(self.hash(password).await?.as_str().to_owned()),
            None => None,
        };
        let dice = self.dice()?;
        let flow = FlowId::from_random(dice.first_16());
        let key = self.secrets.identifier_key(&caller.tenant, &identifier);
        let rule = |prior, now, _: &_| flow::open(prior, *flow.as_bytes(), known, &policy, now);
        let flow::Begun { until, device: known } = self.decide(&key, rule).await?;
        let record = FlowRecord {
            tenant: caller.tenant.clone(),
            kind: identifier.kind(),
            identifier: identifier.as_str().to_owned(),
            destination: destination.map(|d| (d.kind(), d.as_str().to_owned())),
            device: device.map(|d| self.device_digest(&d)),
            known,
            until,
            pending,
            finished: false,
        };
        self.put_new(&self.secrets.flow_key(flow), &record, &dice).await?;
        let view = self.tokens.mint_view(&caller.tenant, self.dice()?.first_16(), self.clock.now(), until);
        let (app_registered, has_password) = match policy.disclosure {
            Disclosure::Conceal => (false, self.passwords.is_some()),
            Disclosure::Reveal => {
                (user.as_ref().is_some_and(|u| u.app_registered), self.has_password(caller, user.as_ref()).await?)
            }
        };
        Ok(FlowOpened { flow, view: view.ok_or(Refusal::Defect)?, app_registered, has_password })
    }

    pub(super) async fn has_password(&self, caller: &Caller, user: Option<&User>) -> Result<bool, Refusal> {
        let (Some(parts), Some(user)) = (&self.passwords, user) else { return Ok(false) };
        Ok(self.in_time(parts.store.password(&caller.tenant, &user.id)).await?.is_some())
    }

    /// The flow that a request names, when the request is of it and it is still open; and the caller in its tenant.
    async fn flow(&self, caller: &Caller, claim: &FlowClaim) -> Result<(FlowId, Caller, FlowRecord), Refusal> {
        let id = claim.flow.ok_or(Refusal::UnknownFlow)?;
        let found = self.load::<FlowRecord>(&self.secrets.flow_key(id)).await?.record;
        let device = match &claim.device {
            Device::Named(device) => Some(self.device_digest(device)),
            Device::None => None,
            Device::Unsaid => found.as_ref().and_then(|f| f.device),
        };
        let said = Claim { tenant: claim.tenant.as_ref(), device, identifier: &claim.identifier };
        flow::check(found.as_ref(), said)?;
        let found = found.ok_or(Refusal::UnknownFlow)?;
        let caller = Caller { tenant: found.tenant.clone(), ..caller.clone() };
        let key = self.secrets.identifier_key(&caller.tenant, &claim.identifier);
        let record = self.load::<IdentifierRecord>(&key).await?.record;
        if !flow::is_open(record.as_ref(), *id.as_bytes(), self.clock.now()) {
            return Err(Refusal::UnknownFlow);
        }
        Ok((id, caller, found))
    }

    /// As [`Inner::flow`], with whose it is, how the caller stands to them, and the code that the request meets.
    async fn go_on(&self, caller: &Caller, claim: &FlowClaim) -> Result<Going, Refusal> {
        let (id, caller, found) = self.flow(caller, claim).await?;
        let user = self.in_time(self.directory.find(&caller.tenant, &claim.identifier)).await?;
        let standing = self.standing_of(&caller, &claim.identifier, user.as_ref()).await?;
        let slot = flow::slot(&found, *id.as_bytes(), standing.device())?;
        // A name that was given with somewhere to send its code is not proven by that code: it never becomes a user.
        let audience = match self.audience(&caller, &claim.identifier, user.as_ref()) {
            Audience::Newcomer if found.destination.is_some() => Audience::Nobody,
            audience => audience,
        };
        Ok(Going { id, caller, found, user, audience, standing, slot })
    }

    async fn send_flow_code(self: &Arc<Self>, caller: &Caller, claim: &FlowClaim) -> Result<CodeSent, Refusal> {
        let Going { caller, found, user, audience, standing, slot, .. } = self.go_on(caller, claim).await?;
        let (identifier, policy) = (&claim.identifier, self.policy(&caller.tenant));
        if audience == Audience::Nobody && policy.disclosure == Disclosure::Reveal {
            return Err(Refusal::UnknownUser);
        }
        self.expect_valve_open(&caller).await?;
        let life = found.until.since(self.clock.now()).min(policy.flows.code_ttl);
        let send = send::Send {
            subject: Subject { tenant: &caller.tenant, identifier },
            slot,
            audience,
            holder: standing.holder(user.as_ref()),
            life,
        };
        let key = self.secrets.identifier_key(&caller.tenant, identifier);
        let rule = |prior, now, dice: &_| send::decide(prior, send, &policy, &self.secrets, now, dice);
        let sent = self.decide(&key, rule).await??;
        self.count_valve(&caller).await?;
        let parcel = Parcel { purpose: MailPurpose::LogIn, code: sent.code, expires_at: sent.expires_at, life };
        let channel = destination(&found).unwrap_or_else(|| identifier.clone());
        let addressee = deliver::Addressee::of(audience, user);
        deliver::hand_over(self, &caller, subject(&key), &channel, addressee, parcel).await?;
        Ok(CodeSent { expires_in: life })
    }

    async fn verify_flow(&self, caller: &Caller, claim: &FlowClaim, code: &TypedCode) -> Result<LoggedIn, Refusal> {
        let going = self.go_on(caller, claim).await?;
        let Going { caller, user, standing, slot, .. } = &going;
        let policy = self.policy(&caller.tenant);
        let code = match code {
            TypedCode::Text(text) => self.code(caller, text.expose())?,
            TypedCode::Number(digits) => {
                code::read_number(policy.code_format(caller.profile), digits.expose()).ok_or(Refusal::MalformedCode)?
            }
        };
        let guessing = self.begin_guess(caller, standing.is_known()).await?;
        let by = LoggingIn { identifier: &claim.identifier, standing };
        let guess = Guess { by, user: user.as_ref(), slot: *slot, code: &code };
        match self.guess(caller, &guessing, guess, None).await? {
            Verified::Accepted(proof) => {
                let caller = caller.clone();
                join(self.finish(claim, going, proof), self.end_guess(&caller, &guessing, false)).await.0
            }
            Verified::NotCompared(Why::NoCode) => Err(Refusal::NoCode),
            Verified::NotCompared(Why::Burnt) => Err(Refusal::BurntCode),
            Verified::NotCompared(Why::Used | Why::NoFlow) => Err(Refusal::UnknownFlow),
            Verified::NotCompared(Why::FlowsLocked(retry_after)) => Err(Refusal::FlowsLocked { retry_after }),
            Verified::Wrong { .. } | Verified::NotCompared(Why::Ended | Why::Closed) => Err(Refusal::WrongCode),
        }
    }

    async fn sign_in_flow(&self, caller: &Caller, claim: &FlowClaim, password: &Password) -> Result<LoggedIn, Refusal> {
        let mut going = self.go_on(caller, claim).await?;
        let Going { id, caller, user, standing, slot, .. } = &going;
        if !password.fits() {
            return Err(Refusal::WrongPassword);
        }
        if self.policy(&caller.tenant).disclosure == Disclosure::Reveal
            && !self.has_password(caller, user.as_ref()).await?
        {
            return Err(if user.is_some() { Refusal::NoPassword } else { Refusal::UnknownUser });
        }
        let by = LoggingIn { identifier: &claim.identifier, standing };
        let device = device::device(*slot);
        let tried = Tried { by, user: user.as_ref(), password, flow: Some(*id.as_bytes()), device };
        match self.prove_counted(caller, tried).await? {
            Proven::Right(proof) => {
                going.found.pending = None;
                self.finish(claim, going, proof).await
            }
            Proven::FlowSpent => Err(Refusal::FlowSpent),
            Proven::Wrong | Proven::NotCompared => Err(Refusal::WrongPassword),
        }
    }

    /// Finishes a flow for a proof: exactly one racer does. A pending password takes effect, and the session opens.
    async fn finish(&self, claim: &FlowClaim, going: Going, proof: Proof) -> Result<LoggedIn, Refusal> {
        let Going { id, ref caller, found, user, audience, standing, .. } = going;
        // Before the flow is finished: where nobody could be registered, another code may be asked for.
        let user = match user {
            Some(user) => user,
            None if audience == Audience::Newcomer => self.register(caller, &claim.identifier).await?,
            None => return Err(Refusal::WrongCode),
        };
        let first = self.decide(&self.secrets.flow_key(id), |prior, _, _| flow::finish(prior)).await?;
        if !first {
            return Err(Refusal::UnknownFlow);
        }
        if !user.admitted {
            return Err(Refusal::Forbidden);
        }
        let key = self.secrets.identifier_key(&caller.tenant, &claim.identifier);
        self.decide(&key, |prior, _, _| flow::close(prior, *id.as_bytes())).await?;
        let proof = match found.pending.filter(|_| self.passwords.is_some()) {
            Some(pending) => self.apply(caller, &user, &PasswordHash::from_text(pending), proof).await?,
            None => proof,
        };
        let policy = self.policy(&caller.tenant);
        let flows = &policy.flows;
        let on_web = found.device.is_none();
        let manner = Manner {
            by: LoggingIn { identifier: &claim.identifier, standing: &standing },
            life: if on_web { policy.lives(caller.profile).absolute } else { flows.key_life },
            binding: Some(Binding {
                identifier: self.bound_digest(&caller.tenant, &claim.identifier),
                device: found.device,
            }),
            key_life: flows.regenerate.then_some(if on_web { None } else { flows.key_life }),
            seen: None,
        };
        let mut done = self.open(caller, user, proof, None, manner).await?;
        done.has_password = self.has_password(caller, Some(&done.user)).await?;
        Ok(done)
    }

    /// Sets a password whose owner has just been proven; whatever was opened or proven before is dead.
    pub(super) async fn apply(
        &self,
        caller: &Caller,
        user: &User,
        hash: &PasswordHash,
        proof: Proof,
    ) -> Result<Proof, Refusal> {
        let (account, owner) =
            (self.secrets.account_key(&caller.tenant, &user.id), self.secrets.owner(&caller.tenant, &user.id));
        let policy = self.policy(&caller.tenant);
        self.decide(&account, |prior, now, _| reset::begin_proven(prior, owner, &proof, &policy, now)).await??;
        self.in_time(self.passwords()?.store.set_password(&caller.tenant, &user.id, hash)).await?;
        self.decide(&account, |prior, _, _| reset::finish_proven(prior, owner, &proof)).await?
    }
}

/// A flow that a request goes on with.
struct Going {
    id: FlowId,
    /// Who asks, in the flow's tenant.
    caller: Caller,
    found: FlowRecord,
    /// Whose flow it is, if they are known.
    user: Option<User>,
    /// Whom its code is for.
    audience: Audience,
    standing: Standing,
    /// The code that the request meets.
    slot: SlotKey,
}

/// Where the code of a flow for a user name goes.
fn destination(flow: &FlowRecord) -> Option<Identifier> {
    let (kind, text) = flow.destination.as_ref()?;
    match kind {
        IdentifierKind::Email => Identifier::email(text).ok(),
        IdentifierKind::Phone => Identifier::phone(text).ok(),
        IdentifierKind::Username => None,
    }
}
