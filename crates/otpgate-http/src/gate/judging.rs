//! What the gate says of a request's credential.

use http::{HeaderMap, HeaderName, Method};
use otpgate_core::Refusal;
use otpgate_core::engine::{LiveSession, Sighting};
use otpgate_core::secret::AccessToken;

use super::Gate;
use crate::credential::{Carried, Credential};
use crate::glance::ORGANIZATION;
use crate::origin::{self, Site};
use crate::profile::{Table, identity};
use crate::verdict::{Judged, Named, Refused, Session, Verdict};
use crate::verified::{AtOnce, Ours};

static ORGANIZATION_ID: HeaderName = HeaderName::from_static(ORGANIZATION);

impl Gate {
    /// Judges the credential of a request that is not the gate's to answer.
    pub async fn judge(&self, method: &Method, headers: &HeaderMap) -> Judged {
        self.settle(Unsettled::default(), method, headers).await
    }

    /// The same from where a look at the request has left it.
    pub async fn settle(&self, unsettled: Unsettled, method: &Method, headers: &HeaderMap) -> Judged {
        if let (Some(ours), Some(verified)) = (unsettled.ours, &self.0.verified) {
            let found = verified.find_ours(self.engine(), &ours).await;
            return self.judged(self.judge_found(headers, found, unsettled.table), unsettled.table);
        }
        let (verdict, table) = match self.known(method, headers) {
            Known::Verdict(verdict, table) => (verdict, table),
            Known::Borne(token, table) => (self.judge_token(headers, token.expose(), table).await, table),
            Known::Baked(token, table) => (self.judge_token(headers, token.expose(), Some(table)).await, Some(table)),
        };
        self.judged(verdict, table)
    }

    /// The verdict where it needs no waiting: nothing came with the request, or a token that is none of ours, or one whose session was
    /// found good of late.
    ///
    /// # Errors
    /// What to give [`Gate::settle`], where it needs some.
    pub fn judge_at_once(&self, method: &Method, headers: &HeaderMap) -> Result<Judged, Unsettled> {
        match self.look(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))) {
            Look::Settled(judged) => Ok(judged),
            Look::Unseen(unsettled) => Err(unsettled),
            Look::Closer => self.look_closer(method, headers),
        }
    }

    /// The same where one look at the header lines tells it, names in lower case: for a framework that keeps them in a type of its
    /// own.
    ///
    /// # Errors
    /// What to give [`Gate::settle`], where one look tells nothing.
    pub fn glance<'h>(&self, lines: impl IntoIterator<Item = (&'h str, &'h [u8])>) -> Result<Judged, Unsettled> {
        match self.look(lines.into_iter()) {
            Look::Settled(judged) => Ok(judged),
            Look::Unseen(unsettled) => Err(unsettled),
            Look::Closer => Err(Unsettled::default()),
        }
    }

    fn look<'h>(&self, lines: impl Iterator<Item = (&'h str, &'h [u8])>) -> Look {
        let Some(glance) = self.0.carriers.glance(lines) else { return Look::Closer };
        let Some((token, table)) = glance.token else { return Look::Settled(self.judged(Verdict::Absent, None)) };
        if table.is_some_and(|table| table.agrees.is_some()) {
            return Look::Closer;
        }
        let Some(verified) = &self.0.verified else { return Look::Unseen(Unsettled::default()) };
        let verdict = match verified.at_once(self.engine(), token) {
            AtOnce::Ask(ours) => return Look::Unseen(Unsettled { ours, table }),
            AtOnce::Said(Err(refusal)) => refused(refusal),
            AtOnce::Said(Ok(sighting)) => {
                self.act(sighting, table, |_| true, glance.organization.map_or(Named::Nothing, Named::One))
            }
        };
        Look::Settled(self.judged(verdict, table))
    }

    fn look_closer(&self, method: &Method, headers: &HeaderMap) -> Result<Judged, Unsettled> {
        let seen = |token: &str, table| {
            let Some(verified) = &self.0.verified else { return Err(Unsettled::default()) };
            match verified.at_once(self.engine(), token.as_bytes()) {
                AtOnce::Said(found) => Ok(self.judged(self.judge_found(headers, found, table), table)),
                AtOnce::Ask(ours) => Err(Unsettled { ours, table }),
            }
        };
        match self.known(method, headers) {
            Known::Verdict(verdict, table) => Ok(self.judged(verdict, table)),
            Known::Borne(token, table) => seen(token.expose(), table),
            Known::Baked(token, table) => seen(token.expose(), Some(table)),
        }
    }

    /// What the request itself tells, before anybody is asked about its token.
    fn known<'h>(&self, method: &Method, headers: &'h HeaderMap) -> Known<'h> {
        match self.credential(headers) {
            Credential::None => Known::Verdict(Verdict::Absent, None),
            Credential::Many(table) => Known::Verdict(Verdict::Refused(Refused::ManyCredentials), table),
            Credential::One(token, table) => Known::Borne(token, table),
            Credential::Cookie(_, table) if !self.may_act_by_cookie(method, headers) => {
                Known::Verdict(Verdict::Refused(Refused::CrossSite), Some(table))
            }
            Credential::Cookie(token, table) => Known::Baked(token, table),
        }
    }

    async fn judge_token(&self, headers: &HeaderMap, token: &str, table: Option<&'static Table>) -> Verdict {
        let found = match &self.0.verified {
            Some(verified) => verified.find(self.engine(), token).await,
            None => self.engine().session(&AccessToken::new(token)).await.map(Sighting::once),
        };
        self.judge_found(headers, found, table)
    }

    fn judge_found(
        &self,
        headers: &HeaderMap,
        found: Result<Sighting, Refusal>,
        table: Option<&'static Table>,
    ) -> Verdict {
        match found {
            Ok(sighting) => self.act_on(headers, sighting, table),
            Err(refusal) => refused(refusal),
        }
    }

    /// Whether a token in a cookie counts: for what changes nothing, and for pages of our own.
    pub(crate) fn may_act_by_cookie(&self, method: &Method, headers: &HeaderMap) -> bool {
        let own = || self.0.carriers.cookies().is_some_and(|cookies| cookies.site(headers) == Site::Own);
        !origin::may_change(method, headers) || own()
    }

    fn judged(&self, verdict: Verdict, table: Option<&'static Table>) -> Judged {
        let first = || self.0.mounts.first().map_or(&identity::TABLE, |mount| mount.table);
        Judged::new(verdict, table.unwrap_or_else(first), self.clone())
    }

    /// The verdict on a good session, by what else the request says of it.
    fn act_on(&self, headers: &HeaderMap, sighting: Sighting, table: Option<&'static Table>) -> Verdict {
        let agrees = |live: &LiveSession| {
            table.and_then(|table| table.agrees).is_none_or(|agrees| agrees(headers, live, self.engine()))
        };
        self.act(sighting, table, agrees, named(headers))
    }

    fn act(
        &self,
        sighting: Sighting,
        table: Option<&'static Table>,
        agrees: impl Fn(&LiveSession) -> bool,
        named: Named<'_>,
    ) -> Verdict {
        if !self.takes(sighting.session(), table) {
            return Verdict::Refused(Refused::ForeignProfile);
        }
        if !agrees(sighting.session()) {
            return Verdict::Refused(Refused::ForeignBinding);
        }
        Session::acting_for(sighting, named).map_or_else(Verdict::Refused, Verdict::Session)
    }
}

/// What to say where there is no session.
fn refused(refusal: Refusal) -> Verdict {
    match refusal {
        Refusal::NotAuthenticated => Verdict::Refused(Refused::Invalid),
        _ => Verdict::Unavailable,
    }
}

/// What a look at a request has left to [`Gate::settle`]; by default everything.
#[derive(Debug, Default)]
pub struct Unsettled {
    /// Its token, where that is one of ours; and in whose header or cookie it came.
    ours: Option<Box<Ours>>,
    table: Option<&'static Table>,
}

/// What one look at the header lines settles.
enum Look {
    Settled(Judged),
    /// One token, of which nothing can be said without waiting.
    Unseen(Unsettled),
    /// More than one look settles.
    Closer,
}

/// What is known of a request without asking anybody: the verdict, or the token whose session has to be asked for.
enum Known<'h> {
    Verdict(Verdict, Option<&'static Table>),
    Borne(Carried<'h>, Option<&'static Table>),
    Baked(AccessToken, &'static Table),
}

/// The organisation that a request names.
fn named(headers: &HeaderMap) -> Named<'_> {
    let mut lines = headers.get_all(&ORGANIZATION_ID).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Named::Nothing,
        (Some(line), None) => Named::One(line.as_bytes()),
        (Some(_), Some(_)) => Named::Many,
    }
}
