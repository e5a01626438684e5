//! The budget of wrong guesses that all identifiers of an account share (A15).
//!
//! Each identifier has its budget in its own record, in the swap that decides a guess. An account with a number, an address
//! and a name would have three of them: so wrong guesses also count here, before they are told. A right one holds only if
//! there was room left in the very write that opens something with it: in the order of these writes no more guesses can
//! succeed than one budget allows, however many run at a time. Known devices have budgets of their own, and need no room.

use super::proof::Proof;
use super::{Decision, throttle};
use crate::record::AccountRecord;
use crate::{Owner, Policy, Refusal, Timestamp};

/// What is guessed, in the order of [`AccountRecord::wrong`]: each has the whole budget for itself (R41).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guessed {
    Code,
    Password,
}

/// Whether the account has no guess left.
pub(crate) fn is_spent(account: Option<&AccountRecord>, what: Guessed, policy: &Policy, now: Timestamp) -> bool {
    let wait = |account: &AccountRecord| throttle::wait(&account.wrong[what as usize], &policy.guesses, now);
    policy.limit_guesses && account.and_then(wait).is_some()
}

/// Counts a wrong guess, for a decoy too. One that finds no room changes nothing, so that nobody prolongs what is full; it is
/// written all the same, so that time does not tell which identifiers are of one account.
pub(crate) fn count(
    prior: Option<AccountRecord>,
    owner: Option<Owner>,
    what: Guessed,
    policy: &Policy,
    now: Timestamp,
) -> Decision<AccountRecord, ()> {
    let mut account = prior.unwrap_or_else(|| AccountRecord::new(owner));
    if !is_spent(Some(&account), what, policy, now) {
        throttle::push(&mut account.wrong[what as usize], now, Policy::LONGEST_WINDOW);
    }
    Decision::write(account, ())
}

/// Why a proof opens nothing: the account's guesses were spent before it came here.
pub(crate) fn refuses(account: &AccountRecord, proof: &Proof, policy: &Policy, now: Timestamp) -> Result<(), Refusal> {
    match proof.guessed() {
        Some(what) if is_spent(Some(account), what, policy, now) => Err(match what {
            Guessed::Code => Refusal::WrongCode,
            Guessed::Password => Refusal::WrongPassword,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, at};
    use super::super::verify::{Verified, Why};
    use super::*;
    use crate::Identifier;
    use crate::record::{Recorded as _, SlotKey};

    /// A world whose user is found by three identifiers, each with a record of its own.
    struct Person {
        w: World,
        records: [Option<crate::record::IdentifierRecord>; 3],
    }

    impl Person {
        fn new() -> Self {
            let policy = Policy::builder().insecure_without_send_limits().build().unwrap();
            Self {
                w: World { policy, slot: SlotKey::Flow([1; 16], None), ..World::default() },
                records: [None, None, None],
            }
        }

        fn by<T>(&mut self, which: usize, act: impl FnOnce(&mut World) -> T) -> T {
            let identifiers =
                [Identifier::email("a@example.com"), Identifier::phone("15550109999"), Identifier::username("a")];
            self.w.identifier = identifiers[which].clone().unwrap();
            self.w.record = self.records[which].take();
            let done = act(&mut self.w);
            self.records[which] = self.w.record.take();
            done
        }
    }

    #[test]
    fn a15_alternating_three_identifiers_of_an_account_leaves_one_budget() {
        let mut p = Person::new();
        let mut counted = 0;
        for minute in 0..2 * 24 * 60 {
            p.w.now = at(minute * 60);
            p.w.slot = SlotKey::Flow([(minute % 250) as u8; 16], None);
            for which in 0..3 {
                p.by(which, |w| {
                    let spent = is_spent(w.account.as_ref(), Guessed::Code, &w.policy, w.now);
                    w.send().unwrap();
                    // What is compared when the account is spent can be right as often as it likes: it opens nothing.
                    let right = w.last_code.clone().unwrap();
                    let guess = if spent { right.expose().to_owned() } else { w.wrong() };
                    match w.guess(&guess) {
                        Verified::Wrong { by_device: false, .. } => counted += u32::from(!spent),
                        Verified::NotCompared(Why::Closed) => {}
                        other => panic!("{other:?}"),
                    }
                });
            }
        }
        assert_eq!(counted, 40, "twenty on each of two days");
    }

    #[test]
    fn a15_of_racing_guesses_no_more_than_the_budget_can_succeed() {
        // All of them were checked before any of them is told: the order of the account's writes decides.
        for (before, opens) in [(9, true), (10, false)] {
            for what in [Guessed::Code, Guessed::Password] {
                let mut w = World::default();
                let proof = match what {
                    Guessed::Code => {
                        let right = w.send().unwrap();
                        w.verify(right.expose()).unwrap()
                    }
                    Guessed::Password => Proof::of(0, Some(Guessed::Password)),
                };
                for _ in 0..before {
                    w.account = count(w.account.take(), Some(w.owner()), what, &w.policy, w.now).write;
                }
                assert_eq!(w.try_open(&proof).is_ok(), opens, "{what:?} after {before}");
                let begun = super::super::reset::begin_proven(w.account.clone(), w.owner(), &proof, &w.policy, w.now);
                assert_eq!(begun.outcome.is_ok(), opens, "nor does it set a password");
                // Codes and passwords are counted apart, and a known device needs no room.
                let other = if what == Guessed::Code { Guessed::Password } else { Guessed::Code };
                w.try_open(&Proof::of(0, Some(other))).unwrap();
                w.try_open(&Proof::of(0, None)).unwrap();
            }
        }
    }

    #[test]
    fn a15_a_full_budget_is_not_prolonged_and_outlives_no_day() {
        let policy = Policy::default();
        let mut account = None;
        for second in 0..5_000 {
            account = count(account, None, Guessed::Code, &policy, at(second)).write;
        }
        let full = account.unwrap();
        assert_eq!((full.wrong[0].len(), full.wrong[1].len()), (20, 0));
        assert_eq!(full.expires_at(), at(3_609 + 86_400));
        assert!(is_spent(Some(&full), Guessed::Code, &policy, at(86_399)));
        assert!(!is_spent(Some(&full), Guessed::Code, &policy, at(86_400)));
        let off = Policy::builder().insecure_without_guess_limits().build().unwrap();
        assert!(!is_spent(Some(&full), Guessed::Code, &off, at(5_000)));
    }
}
