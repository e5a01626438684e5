//! Opening a session, and judging one at every use.

use super::Decision;
use super::proof::Proof;
use crate::record::{AccountRecord, Binding, LiveSession, SessionRecord, SessionState};
use crate::secret::{RefreshToken, Secrets, sha256};
use crate::{Agent, Network, Owner, Policy, Profile, Refusal, SessionId, Tenant, Timestamp, User};

use super::{refresh, shared};

/// A session's place in the list of its account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) owner: Owner,
    pub(crate) session: SessionId,
    pub(crate) ends: Timestamp,
    /// Whether the host has seen the user's addresses proven by itself.
    pub(crate) vouched: bool,
    /// Whether users can have passwords.
    pub(crate) passwords: bool,
}

/// What came of opening a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// It has its place.
    Yes,
    /// Nothing yet: the address has just been proven for the first time, and whoever came before may have left a password or
    /// a session behind (A32). They go first.
    Unproven,
}

/// Puts a session into the account's list; the oldest goes where there are too many. A credential that was checked under
/// another epoch opens nothing.
pub(crate) fn open(
    prior: Option<AccountRecord>,
    place: Place,
    accepted: &Proof,
    policy: &Policy,
    now: Timestamp,
) -> Decision<AccountRecord, Result<Opened, Refusal>> {
    let Place { owner, session, ends, vouched, passwords } = place;
    let mut account = prior.unwrap_or_else(|| AccountRecord::new(Some(owner)));
    if account.epoch != accepted.epoch() || account.resetting_until.is_some_and(|until| now < until) {
        return Decision::keep(Err(Refusal::WrongCode));
    }
    if account.disabled {
        return Decision::keep(Err(Refusal::Forbidden));
    }
    if let Err(refusal) = shared::refuses(&account, accepted, policy, now) {
        return Decision::keep(Err(refusal));
    }
    account.sessions.retain(|(id, _, ends)| now < *ends && *id != session);
    if let Some(address) = accepted.address() {
        let left_over = passwords || !account.sessions.is_empty();
        if left_over && !vouched && !account.proven.contains(&address) {
            return Decision::keep(Ok(Opened::Unproven));
        }
        account.note_proven(address);
    }
    let surplus = (account.sessions.len() + 1).saturating_sub(policy.max_sessions);
    account.sessions.drain(..surplus);
    account.sessions.push((session, now, ends));
    Decision::write(account, Ok(Opened::Yes))
}

/// Whose session is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) user: &'a User,
    pub(crate) profile: Profile,
    pub(crate) owner: Owner,
    pub(crate) session: SessionId,
    pub(crate) ends: Timestamp,
    pub(crate) binding: Option<Binding>,
    /// The hash and the end of the session's key.
    pub(crate) key: Option<([u8; 32], Timestamp)>,
    /// Where it is opened from, roughly.
    pub(crate) network: Option<Network>,
    pub(crate) agent: Option<&'a Agent>,
}

/// The end of a session of `profile` that is not used after `now`.
pub(crate) fn idles(policy: &Policy, profile: Profile, now: Timestamp) -> Timestamp {
    policy.lives(profile).idle.map_or(Timestamp::NEVER, |span| now.plus(span))
}

/// The record of a session that was just put into its account's list, and its first refresh token.
pub(crate) fn record(
    opening: Opening<'_>,
    accepted: &Proof,
    policy: &Policy,
    secrets: &Secrets,
    now: Timestamp,
    seed: [u8; 32],
) -> Option<(SessionRecord, RefreshToken)> {
    let Opening { tenant, user, profile, owner, session, ends, binding, key, network, agent } = opening;
    let mut live = LiveSession {
        tenant: tenant.clone(),
        user: user.id.clone(),
        profile,
        epoch: accepted.epoch(),
        authenticated_at: now,
        last_used: now,
        ends,
        idles: idles(policy, profile, now),
        roles: Vec::new(),
        organization: String::new(),
        organizations: Vec::new(),
        n: 1,
        seed,
        kid: secrets.current(),
        current: [0; 32],
        rotated_at: now,
        binding,
        key,
        network,
        agent: agent.cloned(),
    };
    take_over(&mut live, user);
    let token = refresh::token(secrets, session, &live)?;
    live.current = sha256(token.expose().as_bytes());
    Some((SessionRecord { owner: owner.0, state: SessionState::Live(Box::new(live)) }, token))
}

/// Copies what a session carries of its user: at login and at refresh.
pub(crate) fn take_over(live: &mut LiveSession, user: &User) {
    live.roles.clone_from(&user.roles);
    live.organization.clone_from(&user.organization);
    live.organizations.clone_from(&user.organizations);
}

/// Whether `session` is good now: not ended, within its lives, of the account's present epoch, in its list.
pub(crate) fn is_good(session: &LiveSession, id: SessionId, account: Option<&AccountRecord>, now: Timestamp) -> bool {
    let in_time = now < session.ends && now < session.idles;
    let held = account.is_some_and(|a| {
        a.epoch == session.epoch && !a.disabled && a.sessions.iter().any(|(listed, _, _)| *listed == id)
    });
    in_time && held
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, at};
    use super::*;

    #[test]
    fn a85_a_user_has_at_most_twenty_sessions_and_the_oldest_goes() {
        let mut w = World::default();
        let ids: Vec<SessionId> = (0..25).map(|_| w.open_session()).collect();
        let listed: Vec<SessionId> = w.account.as_ref().unwrap().sessions.iter().map(|s| s.0).collect();
        assert_eq!(listed, ids[5..]);
        assert!(!w.is_good(ids[4]));
        assert!(w.is_good(ids[5]));
    }

    #[test]
    fn w053_a_session_ends_idle_and_absolutely() {
        let day = 86_400;
        let mut w = World::default();
        let id = w.open_session();
        for (seconds, good) in [(14 * day - 1, true), (14 * day, false)] {
            w.now = at(seconds);
            assert_eq!(w.is_good(id), good, "{seconds}");
        }
        let mut w = World::default();
        let id = w.open_session();
        for days in 1..30 {
            w.now = at(days * day);
            w.refresh(id).unwrap();
        }
        w.now = at(30 * day).minus(std::time::Duration::from_millis(1));
        assert!(w.is_good(id));
        w.now = at(30 * day);
        assert!(!w.is_good(id));
        assert!(w.refresh(id).is_err());
    }

    #[test]
    fn a80_a_credential_checked_before_a_bump_opens_nothing_after_it() {
        let mut w = World::default();
        let right = w.send().unwrap();
        let accepted = w.verify(right.expose()).unwrap();
        w.revoke_all();
        assert_eq!(w.try_open(&accepted).unwrap_err(), Refusal::WrongCode);
        // And a code sent before the bump is dead as a whole.
        let mut w = World::default();
        let right = w.send().unwrap();
        w.revoke_all();
        w.epoch = Some(1);
        assert!(w.verify(right.expose()).is_err());
    }

    #[test]
    fn a_disabled_account_opens_nothing() {
        let mut w = World::default();
        let right = w.send().unwrap();
        let accepted = w.verify(right.expose()).unwrap();
        let mut account = AccountRecord::new(Some(w.owner()));
        account.disabled = true;
        w.account = Some(account);
        assert_eq!(w.try_open(&accepted).unwrap_err(), Refusal::Forbidden);
    }
}
