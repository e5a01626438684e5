//! What the layer found out about a request, and what extractors answer from it.

use std::ops::Deref;
use std::time::Duration;

use otpgate_core::engine::{LiveSession, Sighting};
use otpgate_core::{Profile, Refusal};

use crate::operation::Fault;
use crate::profile::Table;
use crate::{Gate, Reply};

/// A session that was found good for this request. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Session {
    sighting: Sighting,
    acts_for: ActsFor,
}

/// Which of the session's organisations a request acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ActsFor {
    Default,
    /// That at this place of the list.
    Listed(u32),
}

/// The organisation that a request names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Named<'h> {
    Nothing,
    One(&'h [u8]),
    /// More than one, which is none.
    Many,
}

impl Session {
    /// The session, acting for the organisation that the request names if that is one of its own: only sessions of `identity`
    /// know organisations.
    pub(crate) fn acting_for(sighting: Sighting, named: Named<'_>) -> Result<Self, Refused> {
        let live = sighting.session();
        let acts_for = match named {
            _ if live.profile != Profile::Identity => ActsFor::Default,
            Named::Nothing => ActsFor::Default,
            Named::One(name) if name.is_empty() || !name.iter().all(u8::is_ascii) => {
                return Err(Refused::ForeignOrganization);
            }
            Named::One(name) if live.organization.as_bytes() == name => ActsFor::Default,
            Named::One(name) => {
                let mut listed = live.organizations.iter().zip(0..);
                let at = listed.find_map(|(listed, at)| (listed.as_bytes() == name).then_some(at));
                ActsFor::Listed(at.ok_or(Refused::ForeignOrganization)?)
            }
            Named::Many => return Err(Refused::ForeignOrganization),
        };
        Ok(Self { sighting, acts_for })
    }

    /// The organisation that this request acts for: that of its `organization-id` header, else the user's default one.
    #[must_use]
    pub fn organization(&self) -> &str {
        let listed = match self.acts_for {
            ActsFor::Default => None,
            ActsFor::Listed(at) => self.organizations.get(at as usize),
        };
        listed.map_or(&self.organization, |name| name)
    }
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        **self == **other && self.acts_for == other.acts_for
    }
}

impl Eq for Session {}

impl Deref for Session {
    type Target = LiveSession;

    fn deref(&self) -> &LiveSession {
        self.sighting.session()
    }
}

/// What a route needs of a session besides being good; the default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The longest time since the person has proven who they are.
    pub fresh: Option<Duration>,
    /// A role that the session carries: those of its user at login or the last refresh.
    pub role: Option<String>,
}

/// Why a credential was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// Forged, expired, revoked, or not a token at all.
    Invalid,
    /// More than one credential came with the request.
    ManyCredentials,
    /// The token came in a cookie, with a request that another site may have made.
    CrossSite,
    /// The session is good, and its user is not of the organisation that the request names.
    ForeignOrganization,
    /// The session is good, and bound to another brand, device or identifier than the request names.
    ForeignBinding,
    /// The session is good, and came in the header of a profile that did not open it, where the host takes none such.
    ForeignProfile,
}

/// What came with a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// A good session.
    Session(Session),
    /// No credential.
    Absent,
    /// A bad one.
    Refused(Refused),
    /// The store did not answer: nothing can be said.
    Unavailable,
}

/// A verdict with what it takes to answer from it; the layer leaves it in the request's extensions.
#[derive(Clone, Debug)]
pub struct Judged {
    verdict: Verdict,
    table: &'static Table,
    gate: Gate,
}

impl Judged {
    pub(crate) fn new(verdict: Verdict, table: &'static Table, gate: Gate) -> Self {
        Self { verdict, table, gate }
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The gate that judged.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The session, for a route that needs one.
    ///
    /// # Errors
    /// The answer to give instead: 401, 403 for a foreign organisation or a request of another site, 503 when the store is down; in
    /// the shape of the profile whose header or cookie carried the credential.
    pub fn session(&self) -> Result<Session, Box<Reply>> {
        self.maybe_session()?.ok_or_else(|| self.refuse(Refusal::NotAuthenticated))
    }

    /// The session, for a route that needs more than a good one.
    ///
    /// # Errors
    /// As [`Judged::session`]; 403 without the role, and 401 with a reason of its own when the person has proven themselves too
    /// long ago.
    pub fn session_with(&self, needs: &Needs) -> Result<Session, Box<Reply>> {
        let session = self.session()?;
        if needs.role.as_ref().is_some_and(|role| !session.roles.contains(role)) {
            return Err(self.refuse(Refusal::Forbidden));
        }
        let too_old = |most: Duration| self.gate.engine().now().since(session.authenticated_at) >= most;
        if needs.fresh.is_some_and(too_old) {
            return Err(self.refuse(Refusal::NotFresh));
        }
        Ok(session)
    }

    /// The session, for a route that can do without one; a bad credential is refused all the same.
    ///
    /// # Errors
    /// As [`Judged::session`].
    #[inline]
    pub fn maybe_session(&self) -> Result<Option<Session>, Box<Reply>> {
        match &self.verdict {
            Verdict::Session(session) => Ok(Some(session.clone())),
            Verdict::Absent => Ok(None),
            Verdict::Refused(Refused::ForeignOrganization | Refused::CrossSite) => Err(self.refuse(Refusal::Forbidden)),
            Verdict::Refused(
                Refused::Invalid | Refused::ManyCredentials | Refused::ForeignBinding | Refused::ForeignProfile,
            ) => Err(self.refuse(Refusal::NotAuthenticated)),
            Verdict::Unavailable => Err(self.refuse(Refusal::Unavailable)),
        }
    }

    /// The answer for a refusal, in the shape of the profile whose header carried the credential.
    #[must_use]
    pub fn refuse(&self, refusal: Refusal) -> Box<Reply> {
        Box::new(self.gate.refuse(self.table, Fault::Refused(refusal)))
    }
}
