//! A user's sessions, as the host shows them to the user.

use super::accounts::Told;
use super::{Engine, LiveSession};
use crate::flow::{accounts, session};
use crate::record::{AccountRecord, SessionRecord, SessionState};
use crate::{Agent, EventKind, Network, Profile, Refusal, SessionId, Tenant, Timestamp, UserId};

/// An open session of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// Its handle, of no use as a credential: for [`Engine::revoke`].
    pub id: SessionId,
    /// Which profile opened it.
    pub profile: Profile,
    /// What the client said it was.
    pub agent: Option<Agent>,
    /// Roughly where it was opened from.
    pub network: Option<Network>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was last refreshed or renewed. A request with an access token writes nothing, so this lags behind by the life
    /// of one; a renewal that leaves no other trace is written down once an hour.
    pub last_used_at: Timestamp,
    /// When it ends whatever happens.
    pub ends_at: Timestamp,
}

impl Engine {
    /// The open sessions of a user, oldest first.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn sessions_of(&self, tenant: &Tenant, user: &UserId) -> Result<Vec<OpenSession>, Refusal> {
        let inner = &self.0;
        let account = inner.load::<AccountRecord>(&inner.secrets.account_key(tenant, user)).await?.record;
        let mut open = Vec::new();
        for (id, ..) in account.iter().flat_map(|a| &a.sessions) {
            let found = inner.load::<SessionRecord>(&inner.secrets.session_key(*id)).await?.record;
            let Some(SessionRecord { state: SessionState::Live(live), .. }) = found else { continue };
            if session::is_good(&live, *id, account.as_ref(), inner.clock.now()) {
                open.push(OpenSession {
                    id: *id,
                    profile: live.profile,
                    agent: live.agent,
                    network: live.network,
                    opened_at: live.authenticated_at,
                    last_used_at: live.last_used,
                    ends_at: live.ends,
                });
            }
        }
        Ok(open)
    }

    /// Ends one session of a user; the answer is whether the user had it open. One of somebody else is left alone.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn revoke(&self, tenant: &Tenant, user: &UserId, session: SessionId) -> Result<bool, Refusal> {
        let (tenant, user) = (tenant.clone(), user.clone());
        self.detached(move |inner| async move {
            let (key, owner) = (inner.secrets.session_key(session), inner.secrets.owner(&tenant, &user));
            let rule = |prior, now, _: &_| accounts::end_own(prior, session, owner, now);
            let Some((was_there, ended)) = inner.decide(&key, rule).await? else { return Ok(false) };
            inner.unlist(&tenant, &user, ended).await?;
            if was_there {
                let told = Told { user: Some(&user), session: Some(session), ..Told::default() };
                inner.tell_host(EventKind::LoggedOut, &tenant, told);
            }
            Ok(was_there)
        })
        .await
    }

    /// Ends every session of a user but this one.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn revoke_others(&self, session: &LiveSession) -> Result<(), Refusal> {
        let (tenant, user, id) = (session.tenant.clone(), session.user_id.clone(), session.id);
        self.detached(move |inner| async move {
            let account = inner.secrets.account_key(&tenant, &user);
            inner.decide(&account, |prior, _, _| accounts::keep_only(prior, id)).await?;
            // The session names the one that stays.
            let told = Told { user: Some(&user), session: Some(id), ..Told::default() };
            inner.tell_host(EventKind::LoggedOutElsewhere, &tenant, told);
            Ok(())
        })
        .await
    }
}
