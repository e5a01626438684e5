//! The lock of `platform`: failures in a row of its passwords and codes close its sign-ins for a while.

use crate::record::{IdentifierRecord, SlotKey};
use crate::{Policy, Profile, Timestamp};

/// Whether the lock is fed by, and closes, codes of this slot.
pub(crate) fn guards(slot: SlotKey) -> bool {
    matches!(slot, SlotKey::Open(Profile::Platform, _))
}

/// Whether it holds now.
pub(crate) fn is_locked(record: &IdentifierRecord, now: Timestamp) -> bool {
    record.locked_until.is_some_and(|until| now < until)
}

/// Counts a failure, and locks with the last one that is allowed.
pub(crate) fn count(record: &mut IdentifierRecord, policy: &Policy, now: Timestamp) {
    let Some(lockout) = policy.lockout.filter(|_| policy.limit_guesses) else { return };
    record.towards_lock = record.towards_lock.saturating_add(1);
    if record.towards_lock >= lockout.failures {
        record.towards_lock = 0;
        record.locked_until = Some(now.plus(lockout.span));
    }
}

/// Ends the run of failures and the lock: after a success, and after a reset.
pub(crate) fn open(record: &mut IdentifierRecord) {
    record.towards_lock = 0;
    record.locked_until = None;
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, at};
    use crate::record::{Purpose, SlotKey};
    use crate::{Policy, Profile};

    #[test]
    fn w094_five_failures_in_a_row_lock_for_fifteen_minutes() {
        let policy = Policy::builder().insecure_without_send_limits().build().unwrap();
        let mut w = World { policy, slot: SlotKey::Open(Profile::Platform, Purpose::Login), ..World::default() };
        for _ in 0..5 {
            w.send().unwrap();
            assert!(w.verify(&w.wrong()).is_err());
        }
        for (second, good) in [(1, false), (899, false), (900, true)] {
            w.now = at(second);
            let right = w.send().unwrap();
            assert_eq!(w.verify(right.expose()).is_ok(), good, "{second}");
        }
        assert_eq!(w.record.unwrap().failures.len(), 5, "what was locked out was not counted");
    }

    #[test]
    fn w095_a_success_resets_the_run_and_identity_is_not_locked() {
        let policy = Policy::builder().insecure_without_send_limits().build().unwrap();
        let platform = SlotKey::Open(Profile::Platform, Purpose::Login);
        let mut w = World { policy, slot: platform, ..World::default() };
        for round in 0..2 {
            for _ in 0..4 {
                w.send().unwrap();
                assert!(w.verify(&w.wrong()).is_err());
            }
            if round == 0 {
                let right = w.send().unwrap();
                w.verify(right.expose()).unwrap();
            }
        }
        assert!(w.record.as_ref().unwrap().locked_until.is_none());
        w.send().unwrap();
        assert!(w.verify(&w.wrong()).is_err());
        assert!(w.record.as_ref().unwrap().locked_until.is_some());
        w.slot = SlotKey::Open(Profile::Identity, Purpose::Login);
        let right = w.send().unwrap();
        w.verify(right.expose()).unwrap();
    }

    #[test]
    fn without_guess_limits_nothing_is_counted_that_could_grow_or_lock() {
        let policy = Policy::builder().insecure_without_send_limits().insecure_without_guess_limits().build().unwrap();
        let mut w = World { policy, slot: SlotKey::Open(Profile::Platform, Purpose::Login), ..World::default() };
        for _ in 0..150 {
            w.send().unwrap();
            assert!(w.verify(&w.wrong()).is_err());
        }
        let record = w.record.as_ref().unwrap();
        assert!(record.failures.is_empty() && record.locked_until.is_none());
        let right = w.send().unwrap();
        w.verify(right.expose()).unwrap();
    }

    #[test]
    fn the_lock_can_be_turned_off() {
        let policy = Policy::builder().insecure_without_send_limits().lockout(None).build().unwrap();
        let mut w = World { policy, slot: SlotKey::Open(Profile::Platform, Purpose::Login), ..World::default() };
        for _ in 0..9 {
            w.send().unwrap();
            assert!(w.verify(&w.wrong()).is_err());
        }
        let right = w.send().unwrap();
        w.verify(right.expose()).unwrap();
    }
}
