//! Password resets: asking for one, and the token that carries it out.

use std::time::Duration;

use subtle::ConstantTimeEq as _;

use super::proof::Proof;
use super::{Decision, lock, shared, throttle};
use crate::record::{AccountRecord, IdentifierRecord, ResetTicket};
use crate::{Owner, Policy, Refusal, Timestamp};

/// How long a reset may take between its first write and its last; until then nothing opens.
const RESETTING: Duration = Duration::from_secs(30);

/// Counts a request for a reset under its own limit and under that of sending, or refuses it and counts nothing.
pub(crate) fn ask(
    prior: Option<IdentifierRecord>,
    policy: &Policy,
    now: Timestamp,
) -> Decision<IdentifierRecord, Result<(), Refusal>> {
    let mut record = prior.unwrap_or_default();
    if !policy.limit_sends {
        return Decision::keep(Ok(()));
    }
    let wait =
        throttle::wait(&record.resets, &[policy.resets], now).max(throttle::wait(&record.sends, &policy.sends, now));
    if let Some(retry_after) = wait {
        return Decision::keep(Err(Refusal::TooMany { retry_after }));
    }
    throttle::push(&mut record.resets, now, Policy::LONGEST_WINDOW);
    throttle::push(&mut record.sends, now, Policy::LONGEST_WINDOW);
    Decision::write(record, Ok(()))
}

/// Puts a token's hash into the account; the one before is dead.
pub(crate) fn issue(
    prior: Option<AccountRecord>,
    owner: Option<Owner>,
    hash: [u8; 32],
    policy: &Policy,
    now: Timestamp,
) -> Decision<AccountRecord, ()> {
    let mut account = prior.unwrap_or_else(|| AccountRecord::new(owner));
    account.reset = Some(ResetTicket { hash, expires_at: now.plus(policy.reset_ttl) });
    Decision::write(account, ())
}

/// Consumes a token: from here on every session, code and token of the account is dead, and nothing opens until
/// [`finish`] or for 30 s.
pub(crate) fn begin(
    prior: Option<AccountRecord>,
    hash: &[u8; 32],
    now: Timestamp,
) -> Decision<AccountRecord, Result<(), Refusal>> {
    let Some(mut account) = prior else { return Decision::keep(Err(Refusal::WrongToken)) };
    let good = account.reset.as_ref().is_some_and(|t| bool::from(t.hash.ct_eq(hash)) && now < t.expires_at);
    if !good {
        return Decision::keep(Err(Refusal::WrongToken));
    }
    if account.disabled {
        return Decision::keep(Err(Refusal::Forbidden));
    }
    bump(&mut account);
    account.resetting_until = Some(now.plus(RESETTING));
    Decision::write(account, Ok(()))
}

/// Begins to set a password that a right code brought along: as [`begin`], with the code's proof in the place of a token.
pub(crate) fn begin_proven(
    prior: Option<AccountRecord>,
    owner: Owner,
    proof: &Proof,
    policy: &Policy,
    now: Timestamp,
) -> Decision<AccountRecord, Result<(), Refusal>> {
    let mut account = prior.unwrap_or_else(|| AccountRecord::new(Some(owner)));
    if account.epoch != proof.epoch() || account.resetting_until.is_some_and(|until| now < until) {
        return Decision::keep(Err(Refusal::WrongCode));
    }
    if account.disabled {
        return Decision::keep(Err(Refusal::Forbidden));
    }
    if let Err(refusal) = shared::refuses(&account, proof, policy, now) {
        return Decision::keep(Err(refusal));
    }
    bump(&mut account);
    account.resetting_until = Some(now.plus(RESETTING));
    Decision::write(account, Ok(()))
}

/// As [`finish`], for a person whose proof goes on under the new epoch; not where somebody has ended everything since
/// [`begin_proven`], which has ended this proof too.
pub(crate) fn finish_proven(
    prior: Option<AccountRecord>,
    owner: Owner,
    before: &Proof,
) -> Decision<AccountRecord, Result<Proof, Refusal>> {
    let alone = prior.as_ref().is_some_and(|account| Some(account.epoch) == before.epoch().checked_add(1));
    let decision = finish(prior, owner, before.address().filter(|_| alone));
    let (epoch, of_devices) = decision.write.as_ref().map_or((0, 0), |a| (a.epoch, a.device_epoch));
    decision.map(|()| if alone { Ok(before.renewed(epoch, of_devices)) } else { Err(Refusal::WrongCode) })
}

/// After the password was set: a second bump, so that what was checked against the old one meanwhile opens nothing. Whoever
/// brought a token or code has shown its `address` to be theirs, and nothing of before is left.
pub(crate) fn finish(
    prior: Option<AccountRecord>,
    owner: Owner,
    address: Option<[u8; 16]>,
) -> Decision<AccountRecord, ()> {
    let mut account = prior.unwrap_or_else(|| AccountRecord::new(Some(owner)));
    bump(&mut account);
    account.resetting_until = None;
    if let Some(address) = address {
        account.note_proven(address);
    }
    Decision::write(account, ())
}

/// Clears the lock and the run of failures of an identifier whose account was reset.
pub(crate) fn unlock(prior: Option<IdentifierRecord>) -> Decision<IdentifierRecord, ()> {
    let Some(mut record) = prior else { return Decision::keep(()) };
    lock::open(&mut record);
    record.run = 0;
    record.run_at = None;
    Decision::write(record, ())
}

pub(super) fn bump(account: &mut AccountRecord) {
    account.epoch = account.epoch.saturating_add(1);
    account.device_epoch = account.device_epoch.saturating_add(1);
    account.reset = None;
    account.sessions.clear();
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, at};
    use super::*;
    use crate::record::Recorded as _;

    fn owner() -> Option<Owner> {
        Some(Owner([1; 32]))
    }

    #[test]
    fn a_decoy_takes_no_room_of_what_belongs_to_somebody() {
        let decoy = issue(None, None, [1; 32], &Policy::default(), at(0)).write.unwrap();
        assert_eq!(decoy.owner(), None);
        let account = issue(None, owner(), [1; 32], &Policy::default(), at(0)).write.unwrap();
        assert_eq!(account.owner(), owner());
    }

    #[test]
    fn w091_three_an_hour_and_no_more_than_sends_allow() {
        let policy = Policy::default();
        let mut record = None;
        for second in [0, 1, 2] {
            record = ask(record, &policy, at(second)).write;
        }
        let refused = |record: &Option<IdentifierRecord>, now| ask(record.clone(), &policy, now).outcome.unwrap_err();
        assert_eq!(refused(&record, at(100)), Refusal::TooMany { retry_after: Duration::from_secs(3_500) });
        assert!(ask(record, &policy, at(3_600)).outcome.is_ok());
        // And three codes sent within the minute leave no room for a reset mail.
        let mut w = World::default();
        for _ in 0..3 {
            w.send().unwrap();
        }
        assert!(ask(w.record.clone(), &policy, at(59)).outcome.is_err());
        assert!(ask(w.record, &policy, at(60)).outcome.is_ok());
    }

    #[test]
    fn w079_a_token_works_once_until_it_expires_and_only_the_newest_does() {
        let policy = Policy::default();
        let first = issue(None, owner(), [1; 32], &policy, at(0)).write;
        let newer = issue(first.clone(), owner(), [2; 32], &policy, at(1)).write;
        assert_eq!(begin(newer.clone(), &[1; 32], at(2)).outcome, Err(Refusal::WrongToken));
        let used = begin(newer.clone(), &[2; 32], at(2));
        assert_eq!(used.outcome, Ok(()));
        assert_eq!(begin(used.write, &[2; 32], at(3)).outcome, Err(Refusal::WrongToken));
        assert_eq!(begin(newer.clone(), &[2; 32], at(3_601)).outcome, Err(Refusal::WrongToken));
        assert_eq!(begin(newer, &[2; 32], at(3_600)).outcome, Ok(()));
        assert_eq!(begin(None, &[2; 32], at(0)).outcome, Err(Refusal::WrongToken));
    }

    #[test]
    fn i10_nothing_opens_while_a_reset_is_under_way_and_nothing_old_after_it() {
        let mut w = World::default();
        let code = w.send().unwrap();
        let proof = w.verify(code.expose()).unwrap();
        let old = w.open_session();
        w.account = issue(w.account.take(), Some(w.owner()), [1; 32], &w.policy, w.now).write;
        let begun = begin(w.account.take(), &[1; 32], w.now);
        w.account = begun.write;
        assert!(!w.is_good(old));
        assert!(w.try_open(&proof).is_err());
        // A proof of the new epoch, from the old password that still stands: it has to wait, and then it is of an old epoch.
        let between = super::super::proof::Proof::of(1, None);
        assert_eq!(w.try_open(&between).unwrap_err(), Refusal::WrongCode);
        w.account = finish(w.account.take(), w.owner(), None).write;
        assert_eq!(w.try_open(&between).unwrap_err(), Refusal::WrongCode);
        assert!(w.try_open(&super::super::proof::Proof::of(2, None)).is_ok());
    }

    #[test]
    fn i10_whoever_ends_everything_between_a_proof_s_two_writes_ends_that_proof_too() {
        for disturbed in [false, true] {
            let mut w = World::default();
            let code = w.send().unwrap();
            let proof = w.verify(code.expose()).unwrap();
            let begun = begin_proven(w.account.take(), w.owner(), &proof, &w.policy, w.now);
            assert_eq!(begun.outcome, Ok(()));
            w.account = begun.write;
            if disturbed {
                w.account = super::super::revoke::everything(w.account.take(), w.owner()).write;
            }
            let finished = finish_proven(w.account.take(), w.owner(), &proof);
            w.account = finished.write;
            assert_eq!(finished.outcome.as_ref().err(), disturbed.then_some(&Refusal::WrongCode));
            assert_eq!(w.account.as_ref().unwrap().proven.is_empty(), disturbed, "nor has it proven an address");
            assert_eq!(w.try_open(&proof).unwrap_err(), Refusal::WrongCode);
            assert!(finished.outcome.is_err() || w.try_open(&finished.outcome.unwrap()).is_ok());
            // Nobody waits for the end of what has ended.
            let later = super::super::proof::Proof::of(w.account.as_ref().unwrap().epoch, None);
            assert!(w.try_open(&later).is_ok());
        }
    }
}
