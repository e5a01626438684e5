//! What may be remembered of a session that was found good, and for how long.

use std::fmt;
use std::sync::Arc;

use super::revocations::view::Mark;
use super::{Engine, LiveSession};
use crate::flow::revoke::LONGEST_BELIEF;
use crate::token::Claims;
use crate::{Profile, Refusal, SessionId, Tenant, Timestamp, UserId};

/// What an access token of ours says. It is of this time, and nothing more is known: its session may have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Believed {
    session: SessionId,
    user: UserId,
    tenant: Tenant,
    profile: Profile,
    ends: Timestamp,
}

impl Believed {
    /// The session that the token is of.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// When the token ends, whatever becomes of its session.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        self.ends
    }
}

/// A moment: what the clock showed, and the time that held, which never steps back. To be used at once, and not after a wait.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    shown: Timestamp,
    now: Timestamp,
}

impl Moment {
    /// The time.
    #[must_use]
    pub fn now(self) -> Timestamp {
        self.now
    }
}

/// A session as the store had it a moment ago, with what it takes to tell whether that still holds: [`Engine::holds`]. Cheap to
/// clone: one pointer.
#[derive(Clone)]
pub struct Sighting(Arc<Sighted>);

/// In this order, so that whoever asks whether it holds has fetched the beginning of the session too.
#[repr(C)]
struct Sighted {
    until: Timestamp,
    mark: Mark,
    session: LiveSession,
}

impl Sighting {
    /// A session that was found good for one request: it holds for none that follows.
    #[must_use]
    pub fn once(session: LiveSession) -> Self {
        Self(Arc::new(Sighted { until: Timestamp::from_millis(i64::MIN), mark: Mark::NONE, session }))
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &LiveSession {
        &self.0.session
    }

    /// Whether a token that says this is of this session.
    #[must_use]
    pub fn is_of(&self, believed: &Believed) -> bool {
        let Believed { session, user, tenant, profile, ends: _ } = believed;
        let live = self.session();
        (session, user, tenant, profile) == (&live.id, &live.user_id, &live.tenant, &live.profile)
    }
}

impl fmt::Debug for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sighting")
            .field("session", &self.0.session.id)
            .field("until", &self.0.until)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// What a token says, if it is ours and of that moment. Asks nobody.
    ///
    /// # Errors
    /// [`Refusal::NotAuthenticated`].
    pub fn believe(&self, token: &str, moment: Moment) -> Result<Believed, Refusal> {
        let claims = self.0.believe_at(token, moment.now)?;
        let Claims { sub: user, tenant, profile, session, ends } = claims;
        Ok(Believed { session, user, tenant, profile, ends })
    }

    /// The session of a token, as the store has it now, to be remembered as long as [`Engine::holds`] says.
    ///
    /// # Errors
    /// [`Refusal::NotAuthenticated`], [`Refusal::Unavailable`].
    pub async fn look(&self, believed: &Believed) -> Result<Sighting, Refusal> {
        self.sight(believed.session, &believed.tenant, &believed.user, believed.profile).await
    }

    /// The same session as the store has it now.
    ///
    /// # Errors
    /// [`Refusal::NotAuthenticated`], [`Refusal::Unavailable`].
    pub async fn look_again(&self, before: &Sighting) -> Result<Sighting, Refusal> {
        let live = before.session();
        self.sight(live.id, &live.tenant, &live.user_id, live.profile).await
    }

    /// Whether a sighting still holds, for a token that ends at `ends`: nothing that it rests on has ended, as far as this node
    /// has seen; what this node ended itself it sees at once, what others ended within a second. Waits for nothing.
    #[must_use]
    pub fn holds(&self, sighting: &Sighting, ends: Timestamp, moment: Moment) -> bool {
        let (Moment { shown, now }, Sighted { until, mark, .. }) = (moment, &*sighting.0);
        let stands = now < ends && now < *until && self.0.revocations.stands(*mark, shown);
        stands && !self.0.closing.is_over()
    }

    /// This moment, for all that is asked at once about a token.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let (shown, now) = self.0.clock.read();
        Moment { shown, now }
    }

    async fn sight(
        &self,
        id: SessionId,
        tenant: &Tenant,
        user: &UserId,
        profile: Profile,
    ) -> Result<Sighting, Refusal> {
        let inner = &self.0;
        inner.revocations.keep_polling();
        let (owner, now) = (inner.secrets.owner(tenant, user), inner.clock.now());
        // Before the load: a revocation that ran beside it has moved on by the time that it is acknowledged.
        let mark = inner.revocations.mark(&owner);
        let (live, until) = inner.find(id, tenant, user, profile).await?;
        Ok(Sighting(Arc::new(Sighted { until: until.min(now.plus(LONGEST_BELIEF)), mark, session: live })))
    }
}
