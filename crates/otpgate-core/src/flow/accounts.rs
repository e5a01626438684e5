//! What a host does to an account: disable, let in again, take note of a change, forget; and what goes with it.

use super::Decision;
use super::reset::{bump, unlock as open_lock};
use super::revoke::{self, Ended};
use crate::record::{AccountRecord, CodeState, IdentifierRecord, LiveSession, SessionRecord, SessionState};
use crate::{Owner, SessionId, Timestamp};

/// How old the note of a last use has to be before a renewal writes it anew.
const COARSE: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Ends all there is, and lets nothing open until [`enable`].
pub(crate) fn disable(prior: Option<AccountRecord>, owner: Owner) -> Decision<AccountRecord, ()> {
    let mut account = changed(prior, owner);
    account.disabled = true;
    Decision::write(account, ()).telling(owner)
}

/// Lets a user in again; what was open before stays dead.
pub(crate) fn enable(prior: Option<AccountRecord>, owner: Owner) -> Decision<AccountRecord, ()> {
    match prior {
        Some(mut account) if account.disabled => {
            account.disabled = false;
            // A forgotten account has none.
            account.owner = Some(owner.0);
            Decision::write(account, ())
        }
        _ => Decision::keep(()),
    }
}

/// Ends all there is: sessions, codes, flows, reset tokens and device tokens carry an older epoch from here on.
pub(crate) fn change(prior: Option<AccountRecord>, owner: Owner) -> Decision<AccountRecord, ()> {
    Decision::write(changed(prior, owner), ()).telling(owner)
}

fn changed(prior: Option<AccountRecord>, owner: Owner) -> AccountRecord {
    let mut account = prior.unwrap_or_else(|| AccountRecord::new(Some(owner)));
    bump(&mut account);
    account
}

/// What stays of a forgotten user: a number without an owner under a key that only the secret leads to. Without it the epoch
/// would begin anew, and what carries an old one would be good again should the id come back.
pub(crate) fn forget(prior: Option<AccountRecord>, owner: Owner) -> Decision<AccountRecord, ()> {
    let mut stone = AccountRecord::new(None);
    if let Some(account) = prior {
        (stone.epoch, stone.device_epoch, stone.wrong) = (account.epoch, account.device_epoch, account.wrong);
    }
    bump(&mut stone);
    stone.disabled = true;
    Decision::write(stone, ()).telling(owner)
}

/// Keeps one session and ends the others: what is not listed is refused.
pub(crate) fn keep_only(prior: Option<AccountRecord>, session: SessionId) -> Decision<AccountRecord, ()> {
    let Some(mut account) = prior else { return Decision::keep(()) };
    let before = account.sessions.len();
    account.sessions.retain(|(id, _, _)| *id == session);
    let owner = account.owner.map(Owner);
    let decision = if account.sessions.len() == before { Decision::keep(()) } else { Decision::write(account, ()) };
    match owner {
        Some(owner) => decision.telling(owner),
        None => decision,
    }
}

/// Takes the live codes and open flows from an identifier; what was counted stays counted.
pub(crate) fn close(prior: Option<IdentifierRecord>) -> Decision<IdentifierRecord, ()> {
    let Some(mut record) = prior else { return Decision::keep(()) };
    let before = (record.slots.len(), record.flows.len());
    record.slots.retain(|s| s.state != CodeState::Live);
    record.flows.clear();
    if (record.slots.len(), record.flows.len()) == before { Decision::keep(()) } else { Decision::write(record, ()) }
}

/// Opens the locks of an identifier and ends its run of failures; the windows of guesses and sends stay as they are.
pub(crate) fn unlock(prior: Option<IdentifierRecord>) -> Decision<IdentifierRecord, ()> {
    let mut decision = open_lock(prior);
    if let Some(record) = &mut decision.write {
        record.flows_locked_until = None;
    }
    decision
}

/// Ends a session if it is of `owner`; the answer is whether it was there, and nothing for one of somebody else.
pub(crate) fn end_own(
    prior: Option<SessionRecord>,
    id: SessionId,
    owner: Owner,
    now: Timestamp,
) -> Decision<SessionRecord, Option<(bool, Ended)>> {
    if prior.as_ref().is_some_and(|record| record.owner != owner.0) {
        return Decision::keep(None);
    }
    let decision = revoke::session(prior, id, now);
    let was_there = decision.write.is_some();
    decision.map(|ended| Some((was_there, ended)))
}

/// Whether a use of the session is to be written down.
pub(crate) fn is_stale(live: &LiveSession, now: Timestamp) -> bool {
    now.since(live.last_used) >= COARSE
}

/// Writes a use of the session down, at most once an hour.
pub(crate) fn touch(prior: Option<SessionRecord>, now: Timestamp) -> Decision<SessionRecord, ()> {
    match prior {
        Some(SessionRecord { owner, state: SessionState::Live(mut live) }) if is_stale(&live, now) => {
            live.last_used = now;
            Decision::write(SessionRecord { owner, state: SessionState::Live(live) }, ())
        }
        _ => Decision::keep(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, at};
    use super::*;
    use crate::Refusal;
    use crate::record::Recorded as _;

    impl World {
        fn change_account(&mut self, rule: impl FnOnce(Option<AccountRecord>, Owner) -> Decision<AccountRecord, ()>) {
            let owner = self.owner();
            self.account = rule(self.account.take(), owner).write.or(self.account.take());
            self.epoch = self.account.as_ref().map(|a| a.epoch);
        }
    }

    #[test]
    fn q35_a_disabled_account_loses_every_session_and_opens_none() {
        let mut w = World::default();
        let (id, token) = (w.open_session(), w.last_code.clone());
        w.change_account(disable);
        assert!(!w.is_good(id) && token.is_some());
        let right = w.send().unwrap();
        let accepted = w.verify(right.expose()).unwrap();
        assert_eq!(w.try_open(&accepted).unwrap_err(), Refusal::Forbidden);
        w.change_account(enable);
        assert!(!w.is_good(id), "what was ended stays so");
        let right = w.send().unwrap();
        let accepted = w.verify(right.expose()).unwrap();
        w.try_open(&accepted).unwrap();
    }

    #[test]
    fn i7_what_was_proven_before_a_forgetting_opens_nothing_after_it() {
        let mut w = World::default();
        let right = w.send().unwrap();
        let accepted = w.verify(right.expose()).unwrap();
        w.change_account(forget);
        let stone = w.account.clone().unwrap();
        assert!(stone.owner().is_none() && stone.sessions.is_empty() && stone.proven.is_empty());
        assert_eq!(stone.expires_at(), Timestamp::NEVER);
        assert_eq!(w.try_open(&accepted).unwrap_err(), Refusal::WrongCode);
        // Nor after the id came back.
        w.change_account(enable);
        assert_eq!(w.try_open(&accepted).unwrap_err(), Refusal::WrongCode);
    }

    #[test]
    fn q35_all_but_one_session_end() {
        let mut w = World::default();
        let ids = [w.open_session(), w.open_session(), w.open_session()];
        w.change_account(|prior, _| keep_only(prior, ids[1]));
        assert_eq!(ids.map(|id| w.is_good(id)), [false, true, false]);
    }

    #[test]
    fn a31_closing_an_identifier_ends_its_code_and_refills_nothing() {
        let mut w = World::default();
        let right = w.send().unwrap();
        w.guess(&w.wrong());
        w.record = close(w.record.take()).write;
        assert!(w.verify(right.expose()).is_err());
        let record = w.record.as_ref().unwrap();
        assert_eq!((record.sends.len(), record.failures.len(), record.run), (1, 1, 1));
    }

    #[test]
    fn a32_the_first_proof_discards_what_came_before_and_the_second_does_not() {
        let mut w = World { passwords: true, ..World::default() };
        // Somebody signed in with a password that they had set for an address that is not theirs.
        let by_password = super::super::proof::Proof::of(0, None);
        let squatter = w.try_open(&by_password).unwrap();
        assert_eq!((w.is_good(squatter), w.unproven), (true, 0));
        let owner = w.open_session();
        assert_eq!((w.is_good(squatter), w.is_good(owner), w.unproven), (false, true, 1));
        w.epoch = w.account.as_ref().map(|a| a.epoch);
        let second = w.open_session();
        assert!(w.is_good(owner) && w.is_good(second));
        assert_eq!(w.unproven, 1);
        // Where the host has seen the proof there is nothing to discard.
        let mut w = World { passwords: true, vouched: true, ..World::default() };
        let before = w.try_open(&by_password).unwrap();
        w.open_session();
        assert_eq!((w.is_good(before), w.unproven), (true, 0));
    }

    #[test]
    fn a32_another_address_of_the_account_is_proven_by_itself() {
        let mut w = World { passwords: true, ..World::default() };
        let first = w.open_session();
        w.epoch = w.account.as_ref().map(|a| a.epoch);
        w.identifier = crate::Identifier::email("other@example.com").unwrap();
        w.record = None;
        w.open_session();
        assert_eq!((w.is_good(first), w.unproven), (false, 2));
    }

    #[test]
    fn a_session_ends_for_its_owner_only() {
        let mut w = World::default();
        let id = w.open_session();
        let record = Some(w.sessions[&id].clone());
        assert!(end_own(record.clone(), id, Owner([9; 32]), at(1)).outcome.is_none());
        let ended = end_own(record, id, w.owner(), at(1));
        assert!(ended.outcome.is_some_and(|(was_there, _)| was_there));
        let stone = ended.write.unwrap();
        assert!(matches!(stone.state, SessionState::Ended { .. }));
        assert!(end_own(Some(stone), id, w.owner(), at(1)).outcome.is_some_and(|(was_there, _)| !was_there));
    }

    #[test]
    fn a_use_is_written_down_once_an_hour() {
        let mut w = World::default();
        let id = w.open_session();
        let record = w.sessions[&id].clone();
        assert!(touch(Some(record.clone()), at(3_599)).write.is_none());
        let touched = touch(Some(record), at(3_600)).write;
        assert!(touch(touched.clone(), at(7_199)).write.is_none());
        assert!(touch(touched, at(7_200)).write.is_some());
    }

    #[test]
    fn r32_unlocking_reopens_what_a_hundred_failures_closed() {
        let mut w = World::default();
        let right = w.send().unwrap();
        w.record.as_mut().unwrap().run = 100;
        w.record.as_mut().unwrap().flows_locked_until = Some(at(9));
        assert!(w.verify(right.expose()).is_err());
        w.record = unlock(w.record.take()).write;
        assert_eq!(w.record.as_ref().unwrap().flows_locked_until, None);
        w.verify(right.expose()).unwrap();
    }
}
