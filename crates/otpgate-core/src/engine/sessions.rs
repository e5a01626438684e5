//! Sessions in use: judging, refreshing, ending.

use std::time::Duration;

use futures_util::future::{join, try_join};

use super::keeper::Loaded;
use super::{About, Caller, Engine, Inner, LiveSession, Renewed};
use crate::entropy::Dice;
use crate::flow::refresh::{Presented, Refreshed};
use crate::flow::revoke::Ended;
use crate::flow::{accounts, refresh, revoke, session};
use crate::policy::Bucket;
use crate::record::{self, AccountRecord, Recorded, SessionRecord, SessionState};
use crate::secret::{AccessToken, RefreshToken};
use crate::token::Claims;
use crate::{
    EventKind, Expect, Key, Profile, Record, Refusal, Revision, SessionId, Swapped, Tenant, Timestamp, User, UserId,
};

impl Engine {
    /// The session behind an access token, judged now: signature, life, revocation, the account's epoch.
    ///
    /// # Errors
    /// [`Refusal::NotAuthenticated`], [`Refusal::Unavailable`].
    pub async fn session(&self, token: &AccessToken) -> Result<LiveSession, Refusal> {
        let claims = self.0.believe(token)?;
        self.0.judge(&claims).await
    }

    /// How long an access token of ours is still good if its session is not ended before: no time for any other text.
    #[must_use]
    pub fn access_life(&self, token: &AccessToken) -> Duration {
        self.0.believe(token).map_or(Duration::ZERO, |claims| claims.ends.since(self.0.clock.now()))
    }

    /// The user behind a session, as the directory says now.
    ///
    /// # Errors
    /// [`Refusal::NotAuthenticated`] when there is no such user any more, [`Refusal::Unavailable`].
    pub async fn user(&self, session: &LiveSession) -> Result<User, Refusal> {
        let inner = &self.0;
        let found = inner.in_time(inner.directory.get(&session.tenant, &session.user_id)).await?;
        found.ok_or(Refusal::NotAuthenticated)
    }

    /// Exchanges a refresh token for a new one and a new access token (RFC 9700, 4.14.2).
    ///
    /// # Errors
    /// [`Refusal::NotAuthenticated`], [`Refusal::Forbidden`], [`Refusal::TooMany`], [`Refusal::Unavailable`].
    pub async fn refresh(&self, caller: &Caller, token: &RefreshToken) -> Result<Renewed, Refusal> {
        let (caller, token) = (caller.clone(), token.clone());
        self.detached(move |inner| async move {
            let presented = refresh::read(&token);
            let done = inner.refresh(&caller, presented.as_ref()).await;
            if matches!(done, Err(Refusal::NotAuthenticated)) {
                inner.count_address(caller.address, &[Bucket::FailedRefreshes]).await?;
            }
            let about = About { caller: &caller, subject: None, user: None, session: presented.map(|p| p.session) };
            inner.tell(EventKind::Refreshed, about, done.as_ref().err().copied());
            done
        })
        .await
    }

    /// Exchanges the access token of a good session for a new one of the same session, which it never outlives.
    ///
    /// # Errors
    /// As [`Engine::refresh`].
    pub async fn renew(&self, caller: &Caller, token: &AccessToken) -> Result<(User, AccessToken), Refusal> {
        let (caller, token) = (caller.clone(), token.clone());
        self.detached(move |inner| async move {
            inner.expect_open(caller.address, Bucket::FailedRefreshes).await?;
            let done = inner.renew(&caller, &token).await;
            if matches!(done, Err(Refusal::NotAuthenticated)) {
                inner.count_address(caller.address, &[Bucket::FailedRefreshes]).await?;
            }
            let user = done.as_ref().ok().map(|(user, _)| &user.id);
            let about = About { caller: &caller, subject: None, user, session: None };
            inner.tell(EventKind::Refreshed, about, done.as_ref().err().copied());
            done
        })
        .await
    }

    /// Ends the session behind an access token. When this is `Ok`, this node accepts the session no more, and
    /// no other one a second later, or at once where it caches nothing.
    ///
    /// # Errors
    /// [`Refusal::NotAuthenticated`] for anything but the token of a good session, [`Refusal::Unavailable`].
    pub async fn log_out(&self, caller: &Caller, token: &AccessToken) -> Result<(), Refusal> {
        let claims = self.0.believe(token)?;
        let caller = caller.clone();
        self.detached(move |inner| async move {
            let live = inner.judge_to_end(&claims).await?;
            let caller = Caller { tenant: live.tenant.clone(), ..caller };
            inner.end(&live.tenant, &live.user_id, live.id).await?;
            let about = About { caller: &caller, subject: None, user: Some(&live.user_id), session: Some(live.id) };
            inner.tell(EventKind::LoggedOut, about, None);
            Ok(())
        })
        .await
    }

    /// Ends every session and every open code of a user.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn revoke_all(&self, caller: &Caller, user: &UserId) -> Result<(), Refusal> {
        let (caller, user) = (caller.clone(), user.clone());
        self.detached(move |inner| async move {
            let owner = inner.secrets.owner(&caller.tenant, &user);
            let key = inner.secrets.account_key(&caller.tenant, &user);
            inner.decide(&key, |prior, _, _| revoke::everything(prior, owner)).await?;
            let about = About { caller: &caller, subject: None, user: Some(&user), session: None };
            inner.tell(EventKind::LoggedOutEverywhere, about, None);
            Ok(())
        })
        .await
    }
}

/// What a refresh is decided over.
struct Grounds<'a> {
    presented: &'a Presented,
    seen: Loaded<SessionRecord>,
    live: Box<record::LiveSession>,
    user: User,
    account: Option<AccountRecord>,
}

impl Inner {
    /// What a token says, when it is ours and of this time.
    pub(super) fn believe(&self, token: &AccessToken) -> Result<Claims, Refusal> {
        self.believe_at(token.expose(), self.clock.now())
    }

    pub(super) fn believe_at(&self, token: &str, now: Timestamp) -> Result<Claims, Refusal> {
        self.tokens.verify(token, now).map_err(|_| Refusal::NotAuthenticated)
    }

    pub(super) async fn judge(&self, claims: &Claims) -> Result<LiveSession, Refusal> {
        self.find(claims.session, &claims.tenant, &claims.sub, claims.profile).await.map(|(live, _)| live)
    }

    /// A good session of this user and profile, and when it ends if it is not used: the store says so now.
    pub(super) async fn find(
        &self,
        id: SessionId,
        tenant: &Tenant,
        user: &UserId,
        profile: Profile,
    ) -> Result<(LiveSession, Timestamp), Refusal> {
        let (session_key, account_key) = (self.secrets.session_key(id), self.secrets.account_key(tenant, user));
        let loads = try_join(self.load::<SessionRecord>(&session_key), self.load::<AccountRecord>(&account_key));
        let (session, account) = loads.await?;
        let Some(SessionRecord { state: SessionState::Live(live), .. }) = session.record else {
            return Err(Refusal::NotAuthenticated);
        };
        let same = live.user == *user && live.tenant == *tenant && live.profile == profile;
        if !same || !session::is_good(&live, id, account.record.as_ref(), self.clock.now()) {
            return Err(Refusal::NotAuthenticated);
        }
        let until = live.ends.min(live.idles);
        let live = LiveSession {
            id,
            user_id: live.user,
            tenant: live.tenant,
            profile: live.profile,
            roles: live.roles,
            organization: live.organization,
            organizations: live.organizations,
            authenticated_at: live.authenticated_at,
            ends_at: live.ends,
            binding: live.binding,
        };
        Ok((live, until))
    }

    /// As [`Inner::judge`], for whoever wants to end the session.
    pub(super) async fn judge_to_end(&self, claims: &Claims) -> Result<LiveSession, Refusal> {
        match self.judge(claims).await {
            Err(Refusal::NotAuthenticated) => Err(self.refuse_ended(claims.session).await?),
            judged => judged,
        }
    }

    async fn renew(&self, caller: &Caller, token: &AccessToken) -> Result<(User, AccessToken), Refusal> {
        let live = self.judge(&self.believe(token)?).await?;
        if live.profile != caller.profile {
            return Err(Refusal::NotAuthenticated);
        }
        let found = self.in_time(self.directory.get(&live.tenant, &live.user_id)).await?;
        let user = found.ok_or(Refusal::NotAuthenticated)?;
        if !user.admitted {
            return Err(Refusal::Forbidden);
        }
        let caller = Caller { tenant: live.tenant, ..caller.clone() };
        // A renewal writes nothing else; most of them write nothing at all.
        self.decide(&self.secrets.session_key(live.id), |prior, now, _| accounts::touch(prior, now)).await?;
        let access = self.access_token(&live.user_id, &caller, live.id, live.ends_at, &self.dice()?)?;
        Ok((user, access))
    }

    async fn refresh(&self, caller: &Caller, presented: Option<&Presented>) -> Result<Renewed, Refusal> {
        let buckets = [caller.counts, &[Bucket::FailedRefreshes]].concat();
        let session = async {
            let Some(presented) = presented else { return Ok(None) };
            let key = self.secrets.session_key(presented.session);
            Ok(Some((presented, self.load::<SessionRecord>(&key).await?)))
        };
        let (address, session) = join(self.look_at(caller.address, &buckets), session).await;
        let grounds = self.grounds(caller, session);
        let (counted, grounds) = join(self.count(address?, caller.counts), grounds).await;
        counted?;
        let Grounds { presented, seen, live, user, account } = grounds?;
        let (id, key) = (presented.session, self.secrets.session_key(presented.session));
        let policy = self.policy(&live.tenant);
        let rule =
            |prior, now, _: &_| refresh::decide(prior, presented, account.as_ref(), &user, &policy, &self.secrets, now);
        match self.decide_over(&key, Some(seen), rule).await? {
            Refreshed::Yes(live) => {
                let refresh = refresh::token(&self.secrets, id, &live).ok_or(Refusal::NotAuthenticated)?;
                let access = self.access_token(&live.user, caller, id, live.ends, &self.dice()?)?;
                Ok(Renewed { session: id, access, refresh })
            }
            Refreshed::No => Err(Refusal::NotAuthenticated),
            Refreshed::Forbidden => Err(Refusal::Forbidden),
            Refreshed::Reused(ended) => {
                let about = About { caller, subject: None, user: Some(&live.user), session: Some(id) };
                self.tell(EventKind::RefreshReused, about, Some(Refusal::NotAuthenticated));
                self.unlist(&live.tenant, &live.user, ended).await?;
                Err(Refusal::NotAuthenticated)
            }
        }
    }

    /// What is known of a presented token before it is judged: that it names a session which was live a moment ago.
    async fn grounds<'a>(
        &self,
        caller: &Caller,
        session: Result<Option<(&'a Presented, Loaded<SessionRecord>)>, Refusal>,
    ) -> Result<Grounds<'a>, Refusal> {
        let (presented, seen) = session?.ok_or(Refusal::NotAuthenticated)?;
        let Some(SessionRecord { state: SessionState::Live(live), .. }) = seen.record.clone() else {
            return Err(self.refuse_ended(presented.session).await?);
        };
        if live.profile != caller.profile || live.tenant != caller.tenant {
            return Err(Refusal::NotAuthenticated);
        }
        let found = self.in_time(self.directory.get(&live.tenant, &live.user)).await?;
        let user = found.ok_or(Refusal::NotAuthenticated)?;
        // After the directory: whoever disables the user and bumps the epoch is seen here or at the next use.
        let account = self.load::<AccountRecord>(&self.secrets.account_key(&live.tenant, &live.user)).await?.record;
        Ok(Grounds { presented, seen, live, user, account })
    }

    /// Ends a session: the tombstone first, which is what counts, then its place in the account's list.
    pub(super) async fn end(&self, tenant: &Tenant, user: &UserId, id: SessionId) -> Result<(), Refusal> {
        let ended = self.decide(&self.secrets.session_key(id), |prior, now, _| revoke::session(prior, id, now)).await?;
        self.unlist(tenant, user, ended).await
    }

    pub(super) async fn unlist(&self, tenant: &Tenant, user: &UserId, ended: Ended) -> Result<(), Refusal> {
        self.decide(&self.secrets.account_key(tenant, user), |prior, _, _| revoke::unlist(prior, ended)).await
    }

    /// Refuses the use of a session that is not good. Where it ended a moment ago, its end may have been written and not
    /// acknowledged, and this be the caller who tries again: then nobody hears of it before the nodes do.
    pub(super) async fn refuse_ended(&self, id: SessionId) -> Result<Refusal, Refusal> {
        self.decide(&self.secrets.session_key(id), |prior, now, _| revoke::again(prior, now)).await?;
        Ok(Refusal::NotAuthenticated)
    }

    /// Ends the session whose token came with a login, if it is a good one: a new login gets a new session (ASVS 7.2.4).
    pub(super) async fn end_presented(&self, token: &AccessToken) -> Result<(), Refusal> {
        let Ok(claims) = self.believe(token) else { return Ok(()) };
        match self.judge(&claims).await {
            Ok(live) => self.end(&live.tenant, &live.user_id, live.id).await,
            Err(Refusal::NotAuthenticated) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Writes a record under a key that nobody else can know; the dice are those that it was made with.
    pub(super) async fn put_new<R: Recorded>(&self, key: &Key, record: &R, dice: &Dice) -> Result<(), Refusal> {
        let next = Record {
            revision: Revision(dice.second_16()),
            expires_at: record.expires_at(),
            owner: record.owner(),
            value: record.encode().map_err(|_| Refusal::Defect)?,
        };
        match self.in_time(self.store.swap(key, Expect::Absent, Some(&next))).await? {
            Swapped::Yes => Ok(()),
            Swapped::No => Err(Refusal::Defect),
        }
    }
}
