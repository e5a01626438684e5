//! A password that is tried: counted first, compared afterwards, since a slow hash cannot be part of a decision.

use super::device::Counted;
use super::proof::Proof;
use super::shared::Guessed;
use super::{Decision, device, flow, lock, throttle};
use crate::password::Matches;
use crate::record::IdentifierRecord;
use crate::{Policy, Profile, Timestamp};

/// What a try may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Counted as a failure: the password may be compared.
    Counted(Try),
    /// Locked, or no try left: it must not be compared.
    NotCompared,
    /// The flow has met too many wrong passwords, or is not open: it must not be compared.
    FlowSpent,
}

/// A try that was counted: when, and of which known device, if of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Try {
    at: Timestamp,
    device: Option<[u8; 16]>,
    account_spent: bool,
}

impl Try {
    /// What the comparison is worth: nothing where the account is spent, which is not told (compare [`super::verify`]).
    pub(crate) fn judge(self, matches: Option<Matches>) -> Option<Matches> {
        matches.filter(|_| !self.account_spent)
    }

    /// Whether a known device tried it, and has it counted by itself.
    pub(crate) fn is_of_device(self) -> bool {
        self.device.is_some()
    }
}

/// Where a password is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) profile: Profile,
    pub(crate) flow: Option<[u8; 16]>,
    /// The known device that tries it.
    pub(crate) device: Option<[u8; 16]>,
    /// Whether the account has no wrong password left, over all its identifiers.
    pub(crate) account_spent: bool,
}

/// Counts a try as a failure before it is compared, or refuses it and counts nothing.
pub(crate) fn begin(
    prior: Option<IdentifierRecord>,
    place: Place,
    policy: &Policy,
    now: Timestamp,
) -> Decision<IdentifierRecord, Begun> {
    let mut record = prior.unwrap_or_default();
    let device = place.device.filter(|id| device::admits(&record, *id, now));
    if let Some(id) = place.flow
        && !flow::count_password(&mut record, id, policy, now)
    {
        return Decision::keep(Begun::FlowSpent);
    }
    if let Some(id) = device {
        // What strangers have spent or locked is not the affair of a device that is known, nor the reverse.
        if policy.limit_guesses && device::closed_for(&record, id, Counted::WrongPasswords, now).is_some() {
            return Decision::keep(Begun::NotCompared);
        }
        if policy.limit_guesses {
            device::count(&mut record, id, Counted::WrongPasswords, now);
        }
        return Decision::write(record, Begun::Counted(Try { at: now, device, account_spent: false }));
    }
    let spent = policy.limit_guesses && throttle::wait(&record.password_failures, &policy.guesses, now).is_some();
    let locks = place.profile == Profile::Platform;
    if spent || (locks && lock::is_locked(&record, now)) {
        return Decision::keep(Begun::NotCompared);
    }
    if policy.limit_guesses {
        throttle::push(&mut record.password_failures, now, Policy::LONGEST_WINDOW);
    }
    if locks {
        lock::count(&mut record, policy, now);
    }
    Decision::write(record, Begun::Counted(Try { at: now, device: None, account_spent: place.account_spent }))
}

/// Takes the count of a try back that turned out right, and ends the run of failures.
pub(crate) fn succeed(
    prior: Option<IdentifierRecord>,
    counted: Try,
    epoch: u64,
    _matches: &Matches,
) -> Decision<IdentifierRecord, Proof> {
    let proof = Proof::of(epoch, counted.device.is_none().then_some(Guessed::Password));
    let Some(mut record) = prior else { return Decision::keep(proof) };
    match counted.device {
        Some(id) => device::give_back(&mut record, id, counted.at),
        None => {
            if let Some(place) = record.password_failures.iter().rposition(|t| *t == counted.at) {
                record.password_failures.remove(place);
            }
        }
    }
    lock::open(&mut record);
    Decision::write(record, proof)
}

#[cfg(test)]
mod tests {
    use super::super::tests::at;
    use super::*;

    const PLATFORM: Place = Place { profile: Profile::Platform, flow: None, device: None, account_spent: false };

    fn counted(second: i64) -> Begun {
        Begun::Counted(Try { at: at(second), device: None, account_spent: false })
    }

    #[test]
    fn w093_tries_count_before_they_are_compared_and_a_right_one_is_taken_back() {
        let policy = Policy::default();
        let mut record = None;
        for i in 0..4 {
            let begun = begin(record, PLATFORM, &policy, at(i));
            assert_eq!(begun.outcome, counted(i));
            record = begun.write;
        }
        let right = succeed(record, Try { at: at(3), device: None, account_spent: false }, 0, &Matches::for_tests());
        let record = right.write.unwrap();
        assert_eq!((record.password_failures.len(), record.towards_lock), (3, 0));
    }

    #[test]
    fn w094_the_fifth_failure_locks_platform_and_not_another_profile() {
        let elsewhere = Place { profile: Profile::Engine, ..PLATFORM };
        let policy = Policy::default();
        let mut record = None;
        for i in 0..5 {
            record = begin(record, PLATFORM, &policy, at(i)).write;
        }
        assert_eq!(begin(record.clone(), PLATFORM, &policy, at(5)).outcome, Begun::NotCompared);
        assert_eq!(begin(record.clone(), elsewhere, &policy, at(5)).outcome, counted(5));
        assert_eq!(begin(record, PLATFORM, &policy, at(904)).outcome, counted(904));
    }

    #[test]
    fn wrong_passwords_have_the_budget_of_wrong_codes_and_do_not_share_it() {
        let policy = Policy::builder().lockout(None).build().unwrap();
        let mut record = None;
        let mut compared = 0;
        for minute in 0..2 * 24 * 60 {
            let begun = begin(record.clone(), PLATFORM, &policy, at(minute * 60));
            compared += usize::from(begun.outcome != Begun::NotCompared);
            record = begun.write.or(record);
        }
        assert_eq!(compared, 40);
        assert!(record.unwrap().failures.is_empty());
    }
    fn of_device(id: u8) -> Place {
        Place { device: Some([id; 16]), ..PLATFORM }
    }

    #[test]
    fn q20_a_device_tries_passwords_whatever_strangers_have_spent_or_locked() {
        let policy = Policy::default();
        let mut record = None;
        for hour in [0, 3_600] {
            for i in 0..10 {
                let elsewhere = Place { profile: Profile::Engine, ..PLATFORM };
                record = begin(record, elsewhere, &policy, at(hour + i)).write;
            }
        }
        let mut record = record.unwrap();
        record.locked_until = Some(at(9_999));
        let now = at(3_700);
        assert_eq!(begin(Some(record.clone()), PLATFORM, &policy, now).outcome, Begun::NotCompared);
        let begun = begin(Some(record), of_device(1), &policy, now);
        let Begun::Counted(tried) = begun.outcome else { panic!("not compared") };
        let done = succeed(begun.write, tried, 0, &Matches::for_tests()).write.unwrap();
        assert_eq!(done.password_failures.len(), 20, "a success opens no window");
        assert!(!lock::is_locked(&done, now), "and ends the lock");
        assert!(done.devices.iter().all(|d| d.times.iter().all(Vec::is_empty)), "its own count is given back");
    }

    #[test]
    fn a116_devices_have_ten_wrong_passwords_a_day_five_at_a_time_and_lock_nobody() {
        let policy = Policy::builder().guesses([crate::policy::Window::new(1, 86_400)]).build().unwrap();
        let (mut record, mut own, mut open) = (None, 0, 0);
        for id in 0..8 {
            for i in 0..12 {
                let begun = begin(record.clone(), of_device(id), &policy, at(i));
                match begun.outcome {
                    Begun::Counted(Try { device: Some(_), .. }) => own += 1,
                    Begun::Counted(Try { device: None, .. }) => open += 1,
                    Begun::NotCompared | Begun::FlowSpent => {}
                }
                record = begun.write.or(record);
            }
        }
        assert_eq!((own, open), (50, 1), "the sixth and later ones are strangers");
        let record = record.unwrap();
        assert_eq!((record.password_failures.len(), record.towards_lock, record.failures.len()), (1, 1, 0));
        // A day later there is room again.
        assert!(
            matches!(begin(Some(record), of_device(7), &policy, at(86_412)).outcome, Begun::Counted(t) if t.device.is_some())
        );
    }
    #[test]
    fn a15_where_the_account_is_spent_a_right_password_is_a_wrong_one_and_a_device_is_no_stranger() {
        let policy = Policy::default();
        for (device, good) in [(None, false), (Some([1; 16]), true)] {
            let place = Place { device, account_spent: true, ..PLATFORM };
            let begun = begin(None, place, &policy, at(0));
            let Begun::Counted(tried) = begun.outcome else { panic!("not compared") };
            assert_eq!(tried.judge(Some(Matches::for_tests())).is_some(), good);
        }
    }
}
