//! Passwords: signing in with one, asking for a reset, carrying it out.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_channel::oneshot;

use super::deliver::{self, Parcel};
use super::devices::LoggingIn;
use super::login::Manner;
use super::{About, Caller, Engine, Inner, LoggedIn, PasswordParts, keeper, subject};
use crate::flow::code::Subject;
use crate::flow::password::{self, Begun};
use crate::flow::proof::Proof;
use crate::flow::reset;
use crate::flow::shared::Guessed;
use crate::password::{self as scheme, Matches};
use crate::record::{AccountRecord, Audience, ResetRecord};
use crate::secret::{AccessToken, Space, sha256};
use crate::{
    Code, EventKind, Identifier, Key, MailPurpose, Password, PasswordHash, PasswordScheme, Refusal, User, UserId,
};

impl Engine {
    /// Signs in with a password; a right one opens a session. A session that came with the request ends.
    ///
    /// # Errors
    /// [`Refusal::WrongPassword`], [`Refusal::TooMany`], [`Refusal::Forbidden`], [`Refusal::Unavailable`].
    pub async fn sign_in(
        &self,
        caller: &Caller,
        identifier: &Identifier,
        password: &Password,
        presented: Option<AccessToken>,
    ) -> Result<LoggedIn, Refusal> {
        let (caller, identifier, password) = (caller.clone(), identifier.clone(), password.clone());
        self.detached(move |inner| async move {
            let done = inner.sign_in(&caller, &identifier, &password, presented).await;
            let (user, session) = (done.as_ref().ok().map(|d| &d.user.id), done.as_ref().ok().map(|d| d.session));
            let subject = Some(inner.subject(&caller.tenant, &identifier));
            let about = About { caller: &caller, subject, user, session };
            inner.tell(EventKind::LoggedIn, about, done.as_ref().err().copied());
            done
        })
        .await
    }

    /// Mails a reset token to `identifier`, if it is somebody's; the answer is the same for everybody.
    ///
    /// # Errors
    /// [`Refusal::TooMany`], [`Refusal::Unavailable`].
    pub async fn ask_reset(&self, caller: &Caller, identifier: &Identifier) -> Result<(), Refusal> {
        let (caller, identifier) = (caller.clone(), identifier.clone());
        self.detached(move |inner| async move {
            let done = inner.ask_reset(&caller, &identifier).await;
            let subject = Some(inner.subject(&caller.tenant, &identifier));
            let about = About { caller: &caller, subject, user: None, session: None };
            inner.tell(EventKind::ResetRequested, about, done.as_ref().err().copied());
            done
        })
        .await
    }

    /// Sets a new password by a reset token. When this is `Ok`, every session, code and token of the user is dead.
    ///
    /// # Errors
    /// [`Refusal::WrongToken`], [`Refusal::WeakPassword`], [`Refusal::Forbidden`], [`Refusal::Unavailable`].
    pub async fn reset_password(&self, caller: &Caller, token: &Code, password: &Password) -> Result<(), Refusal> {
        let (caller, token, password) = (caller.clone(), token.clone(), password.clone());
        self.detached(move |inner| async move {
            let done = inner.reset_password(&caller, &token, &password).await;
            let about = About { caller: &caller, subject: None, user: done.as_ref().ok(), session: None };
            inner.tell(EventKind::PasswordReset, about, done.as_ref().err().copied());
            done.map(drop)
        })
        .await
    }
}

impl Inner {
    pub(super) fn passwords(&self) -> Result<&PasswordParts, Refusal> {
        self.passwords.as_ref().ok_or(Refusal::Defect)
    }

    async fn sign_in(
        &self,
        caller: &Caller,
        identifier: &Identifier,
        password: &Password,
        presented: Option<AccessToken>,
    ) -> Result<LoggedIn, Refusal> {
        if !password.fits() {
            return Err(Refusal::WrongPassword);
        }
        let user = self.in_time(self.directory.find(&caller.tenant, identifier)).await?;
        // Before the password is compared: whatever ends device tokens from here on ends the one of this login.
        let standing = self.standing_of(caller, identifier, user.as_ref()).await?;
        let by = LoggingIn { identifier, standing: &standing };
        let tried = Tried { by, user: user.as_ref(), password, flow: None, device: standing.device() };
        match (self.prove_counted(caller, tried).await?, user) {
            (Proven::Right(proof), Some(user)) => {
                let manner = Manner::plain(&self.policy(&caller.tenant), caller.profile, identifier, &standing);
                self.open(caller, user, proof, presented, manner).await
            }
            _ => Err(Refusal::WrongPassword),
        }
    }

    /// As [`Inner::prove`], counted against the client's address and the tenant too.
    pub(super) async fn prove_counted(&self, caller: &Caller, tried: Tried<'_>) -> Result<Proven, Refusal> {
        let guessing = self.begin_guess(caller, tried.by.standing.is_known()).await?;
        let proven = self.prove(caller, tried).await?;
        self.end_guess(caller, &guessing, matches!(proven, Proven::Wrong)).await?;
        Ok(proven)
    }

    /// Counts a try, compares, and takes the count back when it was right. One try of an identifier at a time: right ones
    /// side by side would otherwise count against each other.
    async fn prove(&self, caller: &Caller, tried: Tried<'_>) -> Result<Proven, Refusal> {
        let Tried { by, user, password, flow, device } = tried;
        let LoggingIn { identifier, standing } = by;
        let key = self.secrets.identifier_key(&caller.tenant, identifier);
        let turn = self.within(keeper::TURN_DEADLINE, self.password_turns.lane(&key).lock()).await;
        let _turn = turn.ok_or(Refusal::Unavailable)?;
        let policy = self.policy(&caller.tenant);
        let account_spent = standing.is_spent(Guessed::Password, &policy, self.clock.now());
        let place = password::Place { profile: caller.profile, flow, device, account_spent };
        let rule = |prior, now, _: &_| password::begin(prior, place, &policy, now);
        let counted = match self.decide(&key, rule).await? {
            Begun::Counted(counted) => counted,
            Begun::NotCompared => return Ok(Proven::NotCompared),
            Begun::FlowSpent => return Ok(Proven::FlowSpent),
        };
        let hash = self.hash_of(caller, identifier, user).await?;
        let matches = counted.judge(self.compare(password, hash.clone()).await?);
        let (Some(matches), Some(user)) = (matches, user) else {
            if !counted.is_of_device() {
                self.count_wrong(caller, by, user, Guessed::Password).await?;
            }
            return Ok(Proven::Wrong);
        };
        // Of the epoch from before the comparison: whatever bumps it from there on wins.
        let epoch = standing.epoch();
        let proof = self.decide(&key, |prior, _, _| password::succeed(prior, counted, epoch, &matches)).await?;
        if let (true, Some(old)) = (matches.is_old, hash) {
            // Only in the place of the hash that was compared: a reset beside this sign-in must not be undone.
            let new = self.hash(password).await?;
            self.in_time(self.passwords()?.store.swap_password(&caller.tenant, &user.id, &old, &new)).await?;
        }
        Ok(Proven::Right(proof))
    }

    /// The stored hash. For an unknown user the same question is asked, and its answer is not used.
    async fn hash_of(
        &self,
        caller: &Caller,
        identifier: &Identifier,
        user: Option<&User>,
    ) -> Result<Option<PasswordHash>, Refusal> {
        let store = &self.passwords()?.store;
        let nobody = UserId::new(identifier.as_str()).ok();
        let Some(id) = user.map(|u| &u.id).or(nobody.as_ref()) else { return Ok(None) };
        let hash = self.in_time(store.password(&caller.tenant, id)).await?;
        Ok(hash.filter(|_| user.is_some()))
    }

    async fn compare(&self, password: &Password, hash: Option<PasswordHash>) -> Result<Option<Matches>, Refusal> {
        let password = password.clone();
        self.blocking(move |scheme| scheme::compare(scheme, &password, hash.as_ref())).await
    }

    pub(super) async fn hash(&self, password: &Password) -> Result<PasswordHash, Refusal> {
        let (password, salt) = (password.clone(), self.dice()?.first_16());
        let hashed = self.blocking(move |scheme| scheme.hash(&password, &salt)).await?;
        hashed.map_err(|error| {
            tracing::error!(target: "otpgate", error, "a password could not be hashed");
            Refusal::Unavailable
        })
    }

    /// Runs slow work off the threads that drive futures, so many at a time as there are permits.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn PasswordScheme) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let parts = self.passwords()?;
        let permit =
            self.within(keeper::TURN_DEADLINE, parts.permits.acquire_arc()).await.ok_or(Refusal::Unavailable)?;
        let (scheme, (done, outcome)) = (Arc::clone(&parts.scheme), oneshot::channel());
        self.runtime.spawn_blocking(Box::new(move || {
            let result = work(&*scheme);
            drop(permit);
            // Nobody may be waiting any more.
            let _ = done.send(result);
        }));
        outcome.await.map_err(|_| Refusal::Defect)
    }

    async fn ask_reset(self: &Arc<Self>, caller: &Caller, identifier: &Identifier) -> Result<(), Refusal> {
        let policy = self.policy(&caller.tenant);
        let user = self.in_time(self.directory.find(&caller.tenant, identifier)).await?;
        self.expect_valve_open(caller).await?;
        let key = self.secrets.identifier_key(&caller.tenant, identifier);
        self.decide(&key, |prior, now, _| reset::ask(prior, &policy, now)).await??;
        self.count_valve(caller).await?;

        let dice = self.dice()?;
        let token = URL_SAFE_NO_PAD.encode(dice.last_32());
        let (hash, now) = (sha256(token.as_bytes()), self.clock.now());
        // An unknown address gets the same two writes, at places that no token leads to.
        let account = self.account_or_decoy(caller, identifier, user.as_ref());
        let owner = user.as_ref().map(|u| self.secrets.owner(&caller.tenant, &u.id));
        self.decide(&account, |prior, now, _| reset::issue(prior, owner, hash, &policy, now)).await?;
        let expires_at = now.plus(policy.reset_ttl);
        let record = ResetRecord {
            tenant: caller.tenant.clone(),
            user: user.as_ref().map(|u| u.id.clone()),
            address: Subject { tenant: &caller.tenant, identifier }.digest(&self.secrets),
            expires_at,
        };
        self.put_new(&self.reset_key(&hash), &record, &dice).await?;

        let parcel =
            Parcel { purpose: MailPurpose::ResetPassword, code: Code::new(token), expires_at, life: policy.reset_ttl };
        let addressee = deliver::Addressee::of(Audience::User, user);
        deliver::hand_over(self, caller, subject(&key), identifier, addressee, parcel).await
    }

    fn reset_key(&self, hash: &[u8; 32]) -> Key {
        self.secrets.key(Space::Reset, &[hash])
    }

    /// Bump, consume and close; set the password; bump again and open. Only then is it acknowledged.
    async fn reset_password(&self, caller: &Caller, token: &Code, password: &Password) -> Result<UserId, Refusal> {
        let hash = sha256(token.expose().as_bytes());
        let found = self.load::<ResetRecord>(&self.reset_key(&hash)).await?.record;
        // Whose token it is says which passwords may be set; one that is nobody's is judged by the caller's tenant.
        let tenant = found.as_ref().map_or(&caller.tenant, |reset| &reset.tenant);
        password.check(&self.policy(tenant))?;
        let Some(ResetRecord { tenant, user: Some(id), address, .. }) = found else { return Err(Refusal::WrongToken) };
        let user = self.in_time(self.directory.get(&tenant, &id)).await?.ok_or(Refusal::WrongToken)?;
        let (account, owner) = (self.secrets.account_key(&tenant, &id), self.secrets.owner(&tenant, &id));
        // Asked before the slow hash, and decided after it.
        let present = self.load::<AccountRecord>(&account).await?.record;
        reset::begin(present, &hash, self.clock.now()).outcome?;
        let new = self.hash(password).await?;
        self.decide(&account, |prior, now, _| reset::begin(prior, &hash, now)).await??;
        let known = self.in_time(self.passwords()?.store.set_password(&tenant, &id, &new)).await?;
        self.decide(&account, |prior, _, _| reset::finish(prior, owner, Some(address))).await?;
        for identifier in crate::store_directory::identifiers(&user).unwrap_or_default() {
            let key = self.secrets.identifier_key(&tenant, &identifier);
            self.decide(&key, |prior, _, _| reset::unlock(prior)).await?;
        }
        if known { Ok(id) } else { Err(Refusal::WrongToken) }
    }
}

/// A password that is tried: whose it is to be, and where.
#[derive(Clone, Copy)]
pub(super) struct Tried<'a> {
    pub(super) by: LoggingIn<'a>,
    pub(super) user: Option<&'a User>,
    pub(super) password: &'a Password,
    pub(super) flow: Option<[u8; 16]>,
    /// The known device whose budget it counts under.
    pub(super) device: Option<[u8; 16]>,
}

/// What came of a try.
pub(super) enum Proven {
    Right(Proof),
    Wrong,
    NotCompared,
    FlowSpent,
}
