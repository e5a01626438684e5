//! A guess: counted against the code and the budget in the same write that decides it.

use super::code::{self, Holder, Subject};
use super::device::Counted;
use super::proof::Proof;
use super::shared::Guessed;
use super::{Decision, device, flow, lock, throttle};
use std::time::Duration;

use crate::entropy::Dice;
use crate::record::{Audience, CodeState, IdentifierRecord, Slot, SlotKey};
use crate::secret::Secrets;
use crate::{Code, Policy, Timestamp};

/// Who guesses what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guess<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) slot: SlotKey,
    pub(crate) code: &'a Code,
    /// The account behind the identifier; `None` when there is no such user.
    pub(crate) holder: Option<Holder<'a>>,
    /// Whether the account has no wrong guess left, over all its identifiers.
    pub(crate) account_spent: bool,
}

/// What came of a guess.
#[derive(Debug)]
pub(crate) enum Verified {
    /// Right, and consumed.
    Accepted(Proof),
    /// Compared, wrong, counted: of a known device by itself. `burnt` when it was the last one that the code takes, `closed`
    /// the last of the identifier.
    Wrong { burnt: bool, closed: bool, by_device: bool },
    /// Not compared and not counted.
    NotCompared(Why),
}

/// Why a guess was not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// No code was sent.
    NoCode,
    /// The flow was finished, or gave way to newer ones.
    NoFlow,
    /// The code has ended.
    Ended,
    /// The code had met too many wrong guesses before.
    Burnt,
    /// The code was used.
    Used,
    /// The identifier has no guess left, or is locked.
    Closed,
    /// All flows of the identifier are locked for so long.
    FlowsLocked(Duration),
}

/// Judges a guess.
pub(crate) fn decide(
    prior: Option<IdentifierRecord>,
    guess: Guess<'_>,
    policy: &Policy,
    secrets: &Secrets,
    now: Timestamp,
    dice: &Dice,
) -> Decision<IdentifierRecord, Verified> {
    let not_compared = |why| Decision::keep(Verified::NotCompared(why));
    let Some(mut record) = prior else { return not_compared(Why::NoCode) };
    let guess = Guess { slot: device::admitted(&record, guess.slot, now), ..guess };
    if let Some(rest) = flow::locked_for(&record, guess.slot, now) {
        return not_compared(Why::FlowsLocked(rest));
    }
    let Some(place) = record.slots.iter().position(|s| s.key == guess.slot) else {
        // A flow that a racer has finished took its code along.
        let gone = matches!(guess.slot, SlotKey::Flow(id, _) if !flow::is_open(Some(&record), id, now));
        return not_compared(if gone { Why::NoFlow } else { Why::NoCode });
    };
    if !is_there(&record.slots[place], now) {
        return not_compared(Why::Ended);
    }
    match record.slots[place].state {
        CodeState::Burnt => return not_compared(Why::Burnt),
        CodeState::Used(_) => return not_compared(Why::Used),
        // What was issued under a higher limit does not outlive a lower one.
        CodeState::Live if is_spent(&record.slots[place], policy, now) => return not_compared(Why::Burnt),
        CodeState::Live => {}
    }
    let known = device::device(guess.slot);
    let closed = match known {
        // What strangers have spent, closed or locked is not the affair of a device that is known.
        Some(id) => policy.limit_guesses && device::closed_for(&record, id, Counted::WrongCodes, now).is_some(),
        None => has_no_guess(&record, policy, now) || (lock::guards(guess.slot) && lock::is_locked(&record, now)),
    };
    if closed {
        return not_compared(Why::Closed);
    }
    // The MAC is computed for decoys and dead epochs too: what is known of an account takes no other time.
    let slot = &record.slots[place];
    let format = policy.code_format(slot.key.profile());
    let user = guess.holder.map(|h| h.user);
    let right = code::is_right(secrets, guess.subject, user, format, slot, guess.code);
    let slot_epoch = slot.epoch;
    let is_mine = match slot.audience {
        Audience::User => guess.holder.is_some_and(|h| h.epoch == slot_epoch),
        // Once somebody has the address, what was sent to its newcomer logs in nobody.
        Audience::Newcomer => guess.holder.is_none(),
        Audience::Nobody => false,
    };
    // To the eye an account that is spent is nothing: what is guessed at its other identifiers is wrong, and counted as wrong.
    // A refusal of its own would tell which of them are one person's.
    let spent = guess.account_spent && known.is_none();
    if right && is_mine && !spent {
        record.slots[place].state = CodeState::Used(dice.first_16());
        record.run = 0;
        record.run_at = None;
        lock::open(&mut record);
        return Decision::write(
            record,
            Verified::Accepted(Proof::of_address(
                slot_epoch,
                guess.subject.digest(secrets),
                known.is_none().then_some(Guessed::Code),
            )),
        );
    }
    let burnt = count_wrong(&mut record.slots[place], policy, now);
    if burnt {
        flow::lock(&mut record, guess.slot, policy, now);
    }
    if let Some(id) = known {
        if policy.limit_guesses {
            device::count(&mut record, id, Counted::WrongCodes, now);
        }
        return Decision::write(record, Verified::Wrong { burnt, closed: false, by_device: true });
    }
    if policy.limit_guesses {
        throttle::push(&mut record.failures, now, Policy::LONGEST_WINDOW);
    }
    record.run = record.run.saturating_add(1);
    record.run_at = Some(now);
    if lock::guards(guess.slot) {
        lock::count(&mut record, policy, now);
    }
    let closed = policy.limit_guesses && policy.max_consecutive_failures == Some(record.run);
    Decision::write(record, Verified::Wrong { burnt, closed, by_device: false })
}

/// A code is there until it ends; a burnt one of a flow as long as its flow, which is dead with it.
fn is_there(slot: &Slot, now: Timestamp) -> bool {
    now < slot.expires_at || (slot.state == CodeState::Burnt && matches!(slot.key, SlotKey::Flow(..)))
}

/// Whether a code has met as many wrong guesses as it takes: by the limit that it was issued under and by the present one, so
/// that a lowered limit holds at once and a raised one is for codes to come.
pub(super) fn is_spent(slot: &Slot, policy: &Policy, now: Timestamp) -> bool {
    wrong_so_far(slot, policy, now) >= slot.tries.min(policy.tries_of(matches!(slot.key, SlotKey::Flow(..))))
}

/// The wrong guesses that count: in a flow, one long ago starts no count any more.
fn wrong_so_far(slot: &Slot, policy: &Policy, now: Timestamp) -> u32 {
    let of_flow = matches!(slot.key, SlotKey::Flow(..));
    let long_ago = slot.wrong_at.is_some_and(|t| now.since(t) > policy.flows.attempt_interval);
    if of_flow && long_ago { 0 } else { slot.wrong }
}

fn count_wrong(slot: &mut Slot, policy: &Policy, now: Timestamp) -> bool {
    slot.wrong = wrong_so_far(slot, policy, now).saturating_add(1);
    slot.wrong_at = Some(now);
    let burnt = is_spent(slot, policy, now);
    if burnt {
        slot.state = CodeState::Burnt;
    }
    burnt
}

/// Whether the identifier has no guess left, over all its codes.
fn has_no_guess(record: &IdentifierRecord, policy: &Policy, now: Timestamp) -> bool {
    let budget = policy.limit_guesses && throttle::wait(&record.failures, &policy.guesses, now).is_some();
    budget || policy.max_consecutive_failures.is_some_and(|most| policy.limit_guesses && record.run >= most)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{World, at};
    use super::*;
    use crate::policy::CodeFormat;
    use crate::record::Purpose;
    use crate::{Identifier, MasterSecret, Profile, Tenant, UserId};

    fn free_sends() -> World {
        World { policy: Policy::builder().insecure_without_send_limits().build().unwrap(), ..World::default() }
    }

    #[test]
    fn w038_the_third_wrong_guess_burns_the_code() {
        let mut w = World::default();
        let right = w.send().unwrap();
        let wrong = w.wrong();
        assert!(matches!(w.guess(&wrong), Verified::Wrong { burnt: false, .. }));
        assert!(matches!(w.guess(&wrong), Verified::Wrong { burnt: false, .. }));
        assert!(matches!(w.guess(&wrong), Verified::Wrong { burnt: true, .. }));
        assert!(matches!(w.guess(right.expose()), Verified::NotCompared(Why::Burnt)));
        assert_eq!(w.record.as_ref().unwrap().failures.len(), 3, "what was not compared is not counted");
        let right = w.send().unwrap();
        w.verify(right.expose()).unwrap();
    }

    #[test]
    fn i2_a_code_takes_the_fewer_tries_of_its_policy_and_the_present_one() {
        let of = |tries| {
            let flows = crate::policy::FlowPolicy { max_tries: tries, ..Default::default() };
            Policy::builder().max_tries(tries).flows(flows).build().unwrap()
        };
        for slot in [SlotKey::Open(Profile::Identity, Purpose::Login), SlotKey::Flow([1; 16], None)] {
            for (issued, present, compared) in [(3, 3, 3), (3, 1, 1), (1, 3, 1), (2, 3, 2)] {
                let mut w = World { policy: of(issued), slot, ..World::default() };
                let right = w.send().unwrap();
                w.policy = of(present);
                let wrong = w.wrong();
                let seen = (0..5).filter(|_| matches!(w.guess(&wrong), Verified::Wrong { .. })).count();
                assert_eq!(seen, compared, "{slot:?}: issued under {issued}, guessed under {present}");
                assert!(matches!(w.guess(right.expose()), Verified::NotCompared(Why::Burnt)));
            }
            // Lowered between two guesses: the code is dead before the next one is compared.
            let mut w = World { policy: of(3), slot, ..World::default() };
            let right = w.send().unwrap();
            w.guess(&w.wrong());
            w.guess(&w.wrong());
            w.policy = of(2);
            assert!(matches!(w.guess(right.expose()), Verified::NotCompared(Why::Burnt)));
        }
        // Nor does another code of an open flow take the higher limit with it.
        let mut w = World { policy: of(1), slot: SlotKey::Flow([1; 16], None), ..World::default() };
        w.send().unwrap();
        w.policy = of(5);
        w.send().unwrap();
        w.guess(&w.wrong());
        assert_eq!(w.send().unwrap_err(), crate::Refusal::BurntCode);
    }

    #[test]
    fn i1_a_code_works_once() {
        let mut w = World::default();
        let right = w.send().unwrap();
        w.verify(right.expose()).unwrap();
        assert!(matches!(w.guess(right.expose()), Verified::NotCompared(Why::Used)));
    }

    #[test]
    fn w022_a_code_lives_until_its_ttl_and_not_at_it() {
        for (seconds, good) in [(299, true), (300, false), (301, false), (-1, true)] {
            let mut w = World { now: at(1_000), ..World::default() };
            let right = w.send().unwrap();
            w.now = at(1_000 + seconds);
            assert_eq!(w.verify(right.expose()).is_ok(), good, "{seconds}");
        }
        let mut w = World::default();
        let right = w.send().unwrap();
        w.now = at(300).minus(Duration::from_millis(1));
        w.verify(right.expose()).unwrap();
    }

    #[test]
    fn i3_a_new_code_never_refills_the_budget() {
        let mut w = free_sends();
        let mut compared = 0;
        // Two days of guessing as fast as the rules let it.
        for minute in 0..2 * 24 * 60 {
            w.now = at(minute * 60);
            w.send().unwrap();
            for _ in 0..3 {
                compared += usize::from(matches!(w.guess(&w.wrong()), Verified::Wrong { .. }));
            }
            let day =
                w.record.as_ref().unwrap().failures.iter().filter(|t| w.now.since(**t) < Duration::from_secs(86_400));
            assert!(day.count() <= 20);
        }
        assert_eq!(compared, 40);
        let right = w.send().unwrap();
        assert!(matches!(w.guess(right.expose()), Verified::NotCompared(Why::Closed)), "the right one too");
        w.now = at(3 * 86_400);
        let right = w.send().unwrap();
        w.verify(right.expose()).unwrap();
    }

    #[test]
    fn q06_a_hundred_failures_in_a_row_close_the_slot_even_over_days() {
        let mut w = free_sends();
        let mut compared = 0;
        for day in 0..30 {
            w.now = at(day * 90_000);
            for _ in 0..7 {
                w.send().unwrap();
                for _ in 0..3 {
                    compared += usize::from(matches!(w.guess(&w.wrong()), Verified::Wrong { .. }));
                }
                w.now = w.now.plus(Duration::from_secs(3_601));
            }
        }
        assert_eq!(compared, 100);
        let right = w.send().unwrap();
        assert!(matches!(w.guess(right.expose()), Verified::NotCompared(Why::Closed)));
    }

    #[test]
    fn a_success_ends_the_run_and_not_the_window() {
        let mut w = free_sends();
        w.send().unwrap();
        w.guess(&w.wrong());
        let right = w.send().unwrap();
        w.verify(right.expose()).unwrap();
        let record = w.record.as_ref().unwrap();
        assert_eq!((record.run, record.failures.len()), (0, 1));
    }

    #[test]
    fn i5_a_code_is_bound_to_tenant_identifier_slot_user_and_epoch() {
        let mut w = World::default();
        let right = w.send().unwrap();
        let sent = w.record.clone();
        type Change = Box<dyn Fn(&mut World)>;
        let mut others: Vec<(&str, Change)> = vec![
            ("tenant", Box::new(|w| w.tenant = Tenant::new("other").unwrap())),
            ("identifier", Box::new(|w| w.identifier = Identifier::email("b@example.com").unwrap())),
            ("epoch", Box::new(|w| w.epoch = Some(1))),
            ("no user", Box::new(|w| w.epoch = None)),
            ("user", Box::new(|w| w.user.id = UserId::new("v").unwrap())),
        ];
        for slot in [
            SlotKey::Open(Profile::Platform, Purpose::Login),
            SlotKey::Open(Profile::Identity, Purpose::Reset),
            SlotKey::Flow([0; 16], None),
            SlotKey::Device(Profile::Identity, Purpose::Login, [0; 16]),
        ] {
            // Even a record whose slot was moved by hand does not carry the code over: the slot is in the MAC.
            others.push((
                "slot",
                Box::new(move |w| {
                    w.slot = slot;
                    w.record.as_mut().unwrap().slots[0].key = slot;
                }),
            ));
        }
        for (name, change) in others {
            w.record = sent.clone();
            let (tenant, identifier, epoch, slot) = (w.tenant.clone(), w.identifier.clone(), w.epoch, w.slot);
            let user = w.user.clone();
            change(&mut w);
            assert!(w.verify(right.expose()).is_err(), "{name}");
            (w.tenant, w.identifier, w.epoch, w.slot, w.user) = (tenant, identifier, epoch, slot, user);
        }
        w.record = sent;
        w.verify(right.expose()).unwrap();
    }

    #[test]
    fn a_decoy_counts_and_burns_like_a_code_and_is_never_right() {
        let mut w = World { epoch: None, ..World::default() };
        let made = w.send().unwrap();
        for burnt in [false, false, true] {
            assert!(matches!(w.guess(made.expose()), Verified::Wrong { burnt: b, .. } if b == burnt));
        }
        assert!(matches!(w.guess(made.expose()), Verified::NotCompared(Why::Burnt)));
        // Nor does it become right when the address is registered while it lives.
        let mut w = World { epoch: None, ..World::default() };
        let made = w.send().unwrap();
        w.epoch = Some(0);
        assert!(w.verify(made.expose()).is_err());
    }

    #[test]
    fn a_code_dies_with_the_format_that_it_was_issued_under() {
        let digits = Policy::builder().code_digits(8).build().unwrap();
        let mut w = World { policy: digits.clone(), ..World::default() };
        let right = w.send().unwrap();
        let sent = w.record.clone();
        // Eight digits are eight characters of base 32 too: the form alone would let it pass.
        w.policy = Policy::hardened();
        assert!(matches!(w.guess(right.expose()), Verified::Wrong { .. }));
        (w.record, w.policy) = (sent, digits);
        w.verify(right.expose()).unwrap();
    }

    #[test]
    fn hardened_codes_are_base_32_and_those_of_flows_eight_digits() {
        let mut w = World { policy: Policy::hardened(), ..World::default() };
        let right = w.send().unwrap();
        assert_eq!(right.expose().len(), 8);
        let read = code::read(CodeFormat::Base32(8), &right.expose().to_lowercase()).unwrap();
        w.verify(read.expose()).unwrap();
        w.slot = SlotKey::Flow([1; 16], None);
        let right = w.send().unwrap();
        assert!(code::read(CodeFormat::Digits(8), right.expose()).is_some());
        w.verify(right.expose()).unwrap();
    }

    #[test]
    fn a_code_outlives_one_rotation_and_dies_with_its_key() {
        let master = |text: &str| MasterSecret::new(text).unwrap();
        let (old, new) = ("an old secret of 32 bytes or more", "the new secret, also long enough!");
        let mut w = World { secrets: Secrets::new(master(old)), ..World::default() };
        let right = w.send().unwrap();
        let sent = w.record.clone();
        w.secrets = Secrets::new(master(new)).anchored_at(&master(old)).accept(master(old));
        w.verify(right.expose()).unwrap();
        w.record = sent;
        w.secrets = Secrets::new(master(new)).anchored_at(&master(old));
        assert!(w.verify(right.expose()).is_err());
    }
}
