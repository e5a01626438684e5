//! Ending sessions: one by a tombstone, all of a user by the account's epoch; and which writes other nodes must hear of.

use std::time::Duration;

use super::Decision;
use crate::record::{AccountRecord, LiveSession, SessionRecord, SessionState, TOMBSTONE};
use crate::{Owner, SessionId, Timestamp};

/// The longest that a node may go on believing what it has once seen, whatever it hears.
pub(crate) const LONGEST_BELIEF: Duration = Duration::from_secs(60);

/// A session that has ended: its record says so, and nodes were told. Made here and by the decisions that end one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended(SessionId);

impl Ended {
    /// For a decision that writes the tombstone of this session.
    pub(super) fn by_tombstone(session: SessionId) -> Self {
        Self(session)
    }
}

/// Ends a session; one that is absent or ended already stays so. The tombstone wins every race with a refresh.
pub(crate) fn session(prior: Option<SessionRecord>, id: SessionId, now: Timestamp) -> Decision<SessionRecord, Ended> {
    match prior {
        Some(mut record) if matches!(record.state, SessionState::Live(_)) => {
            let owner = Owner(record.owner);
            record.state = SessionState::Ended { until: now.plus(TOMBSTONE) };
            Decision::write(record, Ended(id)).telling(owner)
        }
        prior => again(prior, now).map(|()| Ended(id)),
    }
}

/// For whoever comes back after an end that was written and not acknowledged: as long as a node may still believe in the
/// session, the nodes are told again.
pub(crate) fn again(prior: Option<SessionRecord>, now: Timestamp) -> Decision<SessionRecord, ()> {
    let believed = |until: Timestamp| now < until.minus(TOMBSTONE).plus(LONGEST_BELIEF * 2);
    match prior {
        Some(SessionRecord { owner, state: SessionState::Ended { until } }) if believed(until) => {
            Decision::keep(()).telling(Owner(owner))
        }
        _ => Decision::keep(()),
    }
}

/// Takes an ended session off its account's list, so that it holds no place there. Nodes have heard of the end itself.
pub(crate) fn unlist(prior: Option<AccountRecord>, Ended(session): Ended) -> Decision<AccountRecord, ()> {
    let Some(mut account) = prior else { return Decision::keep(()) };
    let before = account.sessions.len();
    account.sessions.retain(|(id, _, _)| *id != session);
    if account.sessions.len() == before { Decision::keep(()) } else { Decision::write(account, ()).silently() }
}

/// Ends every session, code and flow of a user: whatever carries an older epoch is refused from here on.
pub(crate) fn everything(prior: Option<AccountRecord>, owner: Owner) -> Decision<AccountRecord, ()> {
    let mut account = prior.unwrap_or_else(|| AccountRecord::new(Some(owner)));
    account.epoch = account.epoch.saturating_add(1);
    account.sessions.clear();
    Decision::write(account, ()).telling(owner)
}

/// Whether an account vouches for less than before: another epoch, the disabled mark, or a place in its list gone early.
pub(crate) fn from_account(before: &AccountRecord, after: &AccountRecord, now: Timestamp) -> bool {
    let gone = |id: &SessionId| after.sessions.iter().all(|(listed, _, _)| listed != id);
    before.epoch != after.epoch
        || (after.disabled && !before.disabled)
        || before.sessions.iter().any(|(id, _, ends)| now < *ends && gone(id))
}

/// Whether a session is less than before, or says something else of its user.
pub(crate) fn from_session(before: &SessionRecord, after: &SessionRecord, _: Timestamp) -> bool {
    let SessionState::Live(before) = &before.state else { return false };
    let SessionState::Live(after) = &after.state else { return true };
    let LiveSession { tenant, user, profile, epoch, authenticated_at, ends, idles, roles, .. } = &**before;
    let LiveSession { organization, organizations, binding, .. } = &**before;
    let same = (tenant, user, profile, epoch, authenticated_at)
        == (&after.tenant, &after.user, &after.profile, &after.epoch, &after.authenticated_at)
        && (roles, organization, organizations, binding)
            == (&after.roles, &after.organization, &after.organizations, &after.binding);
    !same || after.ends < *ends || after.idles < *idles
}

#[cfg(test)]
mod tests {
    use super::super::Tell;
    use super::super::tests::World;
    use super::*;

    #[test]
    fn w052_logout_ends_one_session() {
        let mut w = World::default();
        let (a, b) = (w.open_session(), w.open_session());
        let token = w.token(a);
        w.revoke(a);
        assert!(!w.is_good(a));
        assert!(w.is_good(b));
        assert!(w.present(a, &token).is_err(), "its refresh token is dead too");
        w.revoke(a);
    }

    #[test]
    fn q35_log_out_everywhere_ends_all() {
        let mut w = World::default();
        let ids = [w.open_session(), w.open_session(), w.open_session()];
        w.revoke_all();
        assert!(ids.iter().all(|id| !w.is_good(*id)));
        w.epoch = Some(1);
        let after = w.open_session();
        assert!(w.is_good(after));
    }

    #[test]
    fn i7_whoever_ends_a_session_again_tells_the_nodes_again_while_one_may_believe_in_it() {
        let mut w = World::default();
        let id = w.open_session();
        let live = w.sessions[&id].clone();
        let ended = session(Some(live.clone()), id, w.now);
        assert_eq!(ended.tell, Tell::Of(w.owner()));
        let stone = ended.write.unwrap();
        for (later, told) in [(0, true), (119, true), (120, false), (86_400, false)] {
            let now = w.now.plus(Duration::from_secs(later));
            let told = if told { Tell::Of(w.owner()) } else { Tell::AsSeen };
            assert_eq!(session(Some(stone.clone()), id, now).tell, told, "{later}");
            assert_eq!(again(Some(stone.clone()), now).tell, told, "{later}");
        }
        assert_eq!(again(Some(live), w.now).tell, Tell::AsSeen, "a live session is not ended by asking");
        assert_eq!(session(None, id, w.now).tell, Tell::AsSeen);
    }

    #[test]
    fn i7_a_look_at_an_account_sees_all_that_it_takes_back() {
        let mut w = World::default();
        let (a, b) = (w.open_session(), w.open_session());
        let (before, now) = (w.account.clone().unwrap(), w.now);
        let check = |change: &dyn Fn(&mut AccountRecord), taken: bool, what: &str| {
            let mut after = before.clone();
            change(&mut after);
            assert_eq!(from_account(&before, &after, now), taken, "{what}");
        };
        check(&|_| (), false, "nothing");
        check(&|x| x.epoch += 1, true, "an epoch");
        check(&|x| x.disabled = true, true, "disabled");
        check(&|x| x.sessions.retain(|(id, ..)| *id != a), true, "a place in the list");
        check(&|x| x.sessions.push((SessionId::from_random([7; 16]), now, now)), false, "one more");
        check(&|x| x.device_epoch += 1, false, "device tokens open no session by themselves");
        let over = before.sessions.iter().map(|(_, _, ends)| *ends).max().unwrap();
        let mut after = before.clone();
        after.sessions.retain(|(id, ..)| *id == b);
        assert!(!from_account(&before, &after, over), "what is over anyway was not taken");
    }

    #[test]
    fn i7_a_look_at_a_session_sees_its_end_and_whatever_else_it_says() {
        let mut w = World::default();
        let id = w.open_session();
        let before = w.sessions[&id].clone();
        let check = |change: &dyn Fn(&mut LiveSession), taken: bool, what: &str| {
            let mut after = before.clone();
            let SessionState::Live(live) = &mut after.state else { panic!("it is live") };
            change(live);
            assert_eq!(from_session(&before, &after, w.now), taken, "{what}");
        };
        let sooner = |at: Timestamp| at.minus(Duration::from_millis(1));
        check(&|_| (), false, "nothing");
        check(&|s| (s.n, s.idles) = (2, s.idles.plus(Duration::from_secs(1))), false, "a rotation");
        check(&|s| s.roles.push("admin".to_owned()), true, "a role");
        check(&|s| s.organizations.push("x".to_owned()), true, "an organisation");
        check(&|s| s.organization = "x".to_owned(), true, "the default one");
        check(&|s| s.epoch += 1, true, "an epoch");
        check(&|s| s.ends = sooner(s.ends), true, "an earlier end");
        check(&|s| s.idles = sooner(s.idles), true, "an earlier idle end");
        let stone = SessionRecord { state: SessionState::Ended { until: w.now }, ..before.clone() };
        assert!(from_session(&before, &stone, w.now));
        assert!(!from_session(&stone, &stone, w.now));
    }
}
