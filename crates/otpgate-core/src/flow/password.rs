//! A password that is tried: counted first, compared afterwards, since a slow hash cannot be part of a decision.

use super::proof::Proof;
use super::{Decision, flow, lock, throttle};
use crate::password::Matches;
use crate::record::IdentifierRecord;
use crate::{Policy, Profile, Timestamp};

/// What a try may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Counted as a failure of this time: the password may be compared.
    Counted(Timestamp),
    /// Locked, or no try left: it must not be compared.
    NotCompared,
    /// The flow has met too many wrong passwords, or is not open: it must not be compared.
    FlowSpent,
}

/// Counts a try as a failure before it is compared, or refuses it and counts nothing.
pub(crate) fn begin(
    prior: Option<IdentifierRecord>,
    profile: Profile,
    flow: Option<[u8; 16]>,
    policy: &Policy,
    now: Timestamp,
) -> Decision<IdentifierRecord, Begun> {
    let mut record = prior.unwrap_or_default();
    if let Some(id) = flow
        && !flow::count_password(&mut record, id, policy, now)
    {
        return Decision::keep(Begun::FlowSpent);
    }
    let spent = policy.limit_guesses && throttle::wait(&record.password_failures, &policy.guesses, now).is_some();
    let locks = profile == Profile::Platform;
    if spent || (locks && lock::is_locked(&record, now)) {
        return Decision::keep(Begun::NotCompared);
    }
    if policy.limit_guesses {
        throttle::push(&mut record.password_failures, now, Policy::LONGEST_WINDOW);
    }
    if locks {
        lock::count(&mut record, policy, now);
    }
    Decision::write(record, Begun::Counted(now))
}

/// Takes the count of a try back that turned out right, and ends the run of failures.
pub(crate) fn succeed(
    prior: Option<IdentifierRecord>,
    counted: Timestamp,
    epoch: u64,
    _matches: &Matches,
) -> Decision<IdentifierRecord, Proof> {
    let proof = Proof::of(epoch);
    let Some(mut record) = prior else { return Decision::keep(proof) };
    if let Some(place) = record.password_failures.iter().rposition(|t| *t == counted) {
        record.password_failures.remove(place);
    }
    lock::open(&mut record);
    Decision::write(record, proof)
}

#[cfg(test)]
mod tests {
    use super::super::tests::at;
    use super::*;

    #[test]
    fn w093_tries_count_before_they_are_compared_and_a_right_one_is_taken_back() {
        let policy = Policy::default();
        let mut record = None;
        for i in 0..4 {
            let begun = begin(record, Profile::Platform, None, &policy, at(i));
            assert_eq!(begun.outcome, Begun::Counted(at(i)));
            record = begun.write;
        }
        let right = succeed(record, at(3), 0, &Matches::for_tests());
        let record = right.write.unwrap();
        assert_eq!((record.password_failures.len(), record.towards_lock), (3, 0));
    }

    #[test]
    fn w094_the_fifth_failure_locks_platform_and_not_another_profile() {
        let policy = Policy::default();
        let mut record = None;
        for i in 0..5 {
            record = begin(record, Profile::Platform, None, &policy, at(i)).write;
        }
        assert_eq!(begin(record.clone(), Profile::Platform, None, &policy, at(5)).outcome, Begun::NotCompared);
        assert_eq!(begin(record.clone(), Profile::Engine, None, &policy, at(5)).outcome, Begun::Counted(at(5)));
        assert_eq!(begin(record, Profile::Platform, None, &policy, at(904)).outcome, Begun::Counted(at(904)));
    }

    #[test]
    fn wrong_passwords_have_the_budget_of_wrong_codes_and_do_not_share_it() {
        let policy = Policy::builder().lockout(None).build().unwrap();
        let mut record = None;
        let mut compared = 0;
        for minute in 0..2 * 24 * 60 {
            let begun = begin(record.clone(), Profile::Platform, None, &policy, at(minute * 60));
            compared += usize::from(begun.outcome != Begun::NotCompared);
            record = begun.write.or(record);
        }
        assert_eq!(compared, 40);
        assert!(record.unwrap().failures.is_empty());
    }
}
