//! What the sessions of `engine` can do: be renewed by a key or a lapsed token, change a password, be ended.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use super::devices::LoggingIn;
use super::flows::{Device, FlowClaim};
use super::passwords::{Proven, Tried};
use super::{About, Caller, Engine, Inner, LoggedIn};
use crate::flow::{accounts, session};
use crate::policy::Bucket;
use crate::record::{AccountRecord, Binding, LiveSession, SessionRecord, SessionState};
use crate::secret::{AccessToken, SessionKey, sha256};
use crate::token::Untrusted;
use crate::{EventKind, Password, Policy, Refusal, SessionId, Tenant};

impl Engine {
    /// Exchanges a key for a new access token of its session.
    ///
    /// # Errors
    /// [`Refusal::WrongKey`], what the key is bound to, [`Refusal::NotRenewable`], [`Refusal::Forbidden`].
    pub async fn regenerate(&self, caller: &Caller, claim: FlowClaim, key: &SessionKey) -> Result<LoggedIn, Refusal> {
        let (caller, key) = (caller.clone(), key.clone());
        self.renewal(caller, claim, move |inner, claim| async move { inner.session_of_key(&claim, &key).await }).await
    }

    /// Exchanges a token that ended a short while ago for a new one of its session.
    ///
    /// # Errors
    /// As [`Engine::regenerate`].
    pub async fn exchange(&self, caller: &Caller, claim: FlowClaim, token: &AccessToken) -> Result<LoggedIn, Refusal> {
        let (caller, token) = (caller.clone(), token.clone());
        self.renewal(caller, claim, move |inner, claim| async move { inner.session_of_lapsed(&claim, &token).await })
            .await
    }

    async fn renewal<F>(
        &self,
        caller: Caller,
        claim: FlowClaim,
        find: impl FnOnce(Arc<Inner>, FlowClaim) -> F + Send + 'static,
    ) -> Result<LoggedIn, Refusal>
    where
        F: Future<Output = Result<(SessionId, LiveSession), Refusal>> + Send + 'static,
    {
        self.detached(move |inner| async move {
            inner.expect_open(caller.address, Bucket::FailedRefreshes).await?;
            let found = find(Arc::clone(&inner), claim).await;
            if matches!(found, Err(Refusal::WrongKey | Refusal::NotRenewable | Refusal::NotAuthenticated)) {
                inner.count_address(caller.address, &[Bucket::FailedRefreshes]).await?;
            }
            let (id, live) = found?;
            inner.reissue(&caller, id, live).await
        })
        .await
    }

    /// Changes a password: the old one is tried like any other, and with the new one every session ends.
    ///
    /// # Errors
    /// [`Refusal::ExpiredToken`], [`Refusal::NotAuthenticated`], what the token is bound to, [`Refusal::WrongPassword`],
    /// [`Refusal::SamePassword`], [`Refusal::WeakPassword`].
    pub async fn change_password(
        &self,
        caller: &Caller,
        claim: FlowClaim,
        token: &AccessToken,
        old: &Password,
        new: &Password,
    ) -> Result<(), Refusal> {
        let (caller, token, old, new) = (caller.clone(), token.clone(), old.clone(), new.clone());
        self.detached(move |inner| async move { inner.change_password(&caller, &claim, &token, &old, &new).await })
            .await
    }

    /// Ends the session of a token that a request names beside what it is bound to.
    ///
    /// # Errors
    /// [`Refusal::NotAuthenticated`] for any other token, and what the token is bound to.
    pub async fn expire(&self, caller: &Caller, claim: FlowClaim, token: &AccessToken) -> Result<(), Refusal> {
        let (caller, token) = (caller.clone(), token.clone());
        self.detached(move |inner| async move {
            let live = inner.judge_to_end(&inner.believe(&token)?).await?;
            inner.check_binding(&claim, &live.tenant, live.binding)?;
            inner.end(&live.tenant, &live.user_id, live.id).await?;
            let caller = Caller { tenant: live.tenant, ..caller };
            let about = About { caller: &caller, subject: None, user: Some(&live.user_id), session: Some(live.id) };
            inner.tell(EventKind::LoggedOut, about, None);
            Ok(())
        })
        .await
    }
}

impl Inner {
    async fn change_password(
        &self,
        caller: &Caller,
        claim: &FlowClaim,
        token: &AccessToken,
        old: &Password,
        new: &Password,
    ) -> Result<(), Refusal> {
        let claims = self.tokens.verify(token.expose(), self.clock.now()).map_err(|untrusted| match untrusted {
            Untrusted::Expired => Refusal::ExpiredToken,
            Untrusted::Forged => Refusal::NotAuthenticated,
        })?;
        let live = self.judge(&claims).await?;
        self.check_binding(claim, &live.tenant, live.binding)?;
        let caller = Caller { tenant: live.tenant.clone(), ..caller.clone() };
        let user = self.in_time(self.directory.get(&live.tenant, &live.user_id)).await?;
        let user = user.ok_or(Refusal::NotAuthenticated)?;
        let standing = self.standing_of(&caller, &claim.identifier, Some(&user)).await?;
        let by = LoggingIn { identifier: &claim.identifier, standing: &standing };
        let tried = Tried { by, user: Some(&user), password: old, flow: None, device: standing.device() };
        let Proven::Right(proof) = self.prove_counted(&caller, tried).await? else {
            return Err(Refusal::WrongPassword);
        };
        if bool::from(old.expose().ct_eq(new.expose())) {
            return Err(Refusal::SamePassword);
        }
        new.check(&self.policy(&caller.tenant))?;
        let hash = self.hash(new).await?;
        self.apply(&caller, &user, &hash, proof).await.map(drop)
    }

    /// Whether a request names what a session is bound to, in the order brand, device, identifier.
    fn check_binding(&self, claim: &FlowClaim, tenant: &Tenant, binding: Option<Binding>) -> Result<(), Refusal> {
        if claim.tenant.as_ref() != Some(tenant) {
            return Err(Refusal::ForeignTenant);
        }
        let binding = binding.ok_or(Refusal::ForeignDevice)?;
        let same_device = match &claim.device {
            Device::Named(device) => binding.device == Some(self.device_digest(device)),
            Device::None => binding.device.is_none(),
            Device::Unsaid => true,
        };
        if !same_device {
            return Err(Refusal::ForeignDevice);
        }
        if binding.identifier != self.bound_digest(tenant, &claim.identifier) {
            return Err(Refusal::ForeignIdentifier(claim.identifier.kind()));
        }
        Ok(())
    }

    /// The numbers of the tenant that a request names; that it is the session's is checked with the binding.
    fn policy_of(&self, claim: &FlowClaim) -> Arc<Policy> {
        self.policy(claim.tenant.as_ref().unwrap_or(&Tenant::default()))
    }

    async fn session_of_key(&self, claim: &FlowClaim, key: &SessionKey) -> Result<(SessionId, LiveSession), Refusal> {
        if !self.policy_of(claim).flows.regenerate {
            return Err(Refusal::NotRenewable);
        }
        let sid = key.expose().split_once('.').and_then(|(sid, _)| URL_SAFE_NO_PAD.decode(sid).ok());
        let sid: [u8; 16] = sid.and_then(|s| s.try_into().ok()).ok_or(Refusal::WrongKey)?;
        let id = SessionId::from_bytes(sid);
        let found = self.load::<SessionRecord>(&self.secrets.session_key(id)).await?.record;
        let Some(SessionRecord { state: SessionState::Live(live), .. }) = found else { return Err(Refusal::WrongKey) };
        let (hash, ends) = live.key.ok_or(Refusal::WrongKey)?;
        let right = bool::from(hash.ct_eq(&sha256(key.expose().as_bytes())));
        if !right || self.clock.now() >= ends {
            return Err(Refusal::WrongKey);
        }
        self.check_binding(claim, &live.tenant, live.binding)?;
        self.expect_good(id, &live, Refusal::WrongKey).await?;
        Ok((id, *live))
    }

    async fn session_of_lapsed(
        &self,
        claim: &FlowClaim,
        token: &AccessToken,
    ) -> Result<(SessionId, LiveSession), Refusal> {
        let flows = self.policy_of(claim).flows;
        if !flows.regenerate {
            return Err(Refusal::NotRenewable);
        }
        let claims = self
            .tokens
            .verify_late(token.expose(), self.clock.now(), flows.expired_grace)
            .map_err(|_| Refusal::NotRenewable)?;
        let id = claims.session;
        let found = self.load::<SessionRecord>(&self.secrets.session_key(id)).await?.record;
        let Some(SessionRecord { state: SessionState::Live(live), .. }) = found else {
            return Err(Refusal::NotRenewable);
        };
        if live.user != claims.sub || live.tenant != claims.tenant {
            return Err(Refusal::NotRenewable);
        }
        self.check_binding(claim, &live.tenant, live.binding)?;
        self.expect_good(id, &live, Refusal::NotRenewable).await?;
        Ok((id, *live))
    }

    async fn expect_good(&self, id: SessionId, live: &LiveSession, otherwise: Refusal) -> Result<(), Refusal> {
        let account = self.load::<AccountRecord>(&self.secrets.account_key(&live.tenant, &live.user)).await?.record;
        let good = session::is_good(live, id, account.as_ref(), self.clock.now());
        if good { Ok(()) } else { Err(otherwise) }
    }

    /// A new access token of a session that was just found good.
    async fn reissue(&self, caller: &Caller, id: SessionId, live: LiveSession) -> Result<LoggedIn, Refusal> {
        if live.profile != caller.profile {
            return Err(Refusal::NotRenewable);
        }
        let user = self.in_time(self.directory.get(&live.tenant, &live.user)).await?.ok_or(Refusal::NotRenewable)?;
        if !user.admitted {
            return Err(Refusal::Forbidden);
        }
        let caller = Caller { tenant: live.tenant.clone(), ..caller.clone() };
        // As for a renewal of `platform`: at most one write an hour, and none that brings an ended session back.
        self.decide(&self.secrets.session_key(id), |prior, now, _| accounts::touch(prior, now)).await?;
        let access = self.access_token(&live.user, &caller, id, live.ends, &self.dice()?)?;
        let refresh = crate::flow::refresh::token(&self.secrets, id, &live).ok_or(Refusal::NotRenewable)?;
        let has_password = self.has_password(&caller, Some(&user)).await?;
        let about = About { caller: &caller, subject: None, user: Some(&user.id), session: Some(id) };
        self.tell(EventKind::Refreshed, about, None);
        Ok(LoggedIn { user, session: id, access, refresh, key: None, has_password, device: None })
    }
}
