use super::super::code::Subject;
use super::super::tests::{World, at};
use super::super::verify::{Verified, Why};
use super::*;
use crate::record::Purpose;
use crate::{Identifier, MasterSecret, Owner, Profile, Refusal, Tenant};

const OPEN: SlotKey = SlotKey::Open(Profile::Platform, Purpose::Login);

fn of(id: u8) -> SlotKey {
    SlotKey::Device(Profile::Platform, Purpose::Login, [id; 16])
}

fn world() -> World {
    World { slot: OPEN, ..World::default() }
}

/// A right code, asked for and tried in `slot`.
fn logs_in(w: &mut World, slot: SlotKey) -> bool {
    w.slot = slot;
    w.send().is_ok_and(|code| w.verify(code.expose()).is_ok())
}

/// Wrong guesses that were compared, with a new code whenever one may be sent.
fn misses(w: &mut World, slot: SlotKey, tries: u32) -> u32 {
    w.slot = slot;
    let mut compared = 0;
    for _ in 0..tries {
        let _ = w.send();
        compared += (0..3).filter(|_| matches!(w.guess(&w.wrong()), Verified::Wrong { .. })).count() as u32;
    }
    compared
}

#[test]
fn q20_a_device_logs_in_whatever_strangers_have_spent() {
    // Sends.
    let mut w = world();
    for minute in 0..24 * 60 {
        w.now = at(minute * 60);
        let _ = w.send();
    }
    w.now = at(1_440 * 60 - 1);
    assert!(matches!(w.send(), Err(Refusal::TooManyCodes { .. })) && logs_in(&mut w, of(1)));
    // Guesses of the day.
    let policy = || Policy::builder().insecure_without_send_limits();
    let mut w = World { policy: policy().lockout(None).build().unwrap(), ..world() };
    for hour in [0, 1] {
        w.now = at(hour * 3_600);
        misses(&mut w, OPEN, 10);
    }
    assert!(!logs_in(&mut w, OPEN) && logs_in(&mut w, of(1)));
    assert!(!logs_in(&mut w, OPEN), "a success opens the lock and not the window");
    // The lock of `platform`.
    let mut w = World { policy: policy().build().unwrap(), ..world() };
    misses(&mut w, OPEN, 2);
    assert!(w.record.as_ref().unwrap().locked_until.is_some() && !logs_in(&mut w, OPEN));
    assert!(logs_in(&mut w, of(1)) && logs_in(&mut w, OPEN), "and a success ends it");
    // A hundred failures in a row, over days.
    let mut w = World { policy: policy().lockout(None).build().unwrap(), ..world() };
    for day in 0..30 {
        w.now = at(day * 90_000);
        misses(&mut w, OPEN, 7);
        w.now = w.now.plus(Duration::from_secs(3_601));
        misses(&mut w, OPEN, 7);
    }
    w.now = at(40 * 90_000);
    assert!(!logs_in(&mut w, OPEN), "closed for good");
    assert!(logs_in(&mut w, of(1)) && logs_in(&mut w, OPEN), "a device reopens it");
}

#[test]
fn q20_it_logs_in_on_each_of_a_thousand_days_of_attack() {
    let policy = Policy::builder().insecure_without_send_limits().lockout(None).build().unwrap();
    let mut w = World { policy, ..world() };
    for day in 0..1_000 {
        for minute in 0..180 {
            w.now = at(day * 86_400 + minute * 60);
            misses(&mut w, OPEN, 1);
        }
        assert!(!logs_in(&mut w, OPEN), "day {day}");
        assert!(logs_in(&mut w, of(1)), "day {day}");
    }
}

#[test]
fn q20_a_device_finishes_its_flow_whatever_strangers_have_spent_or_locked() {
    let flow = |id: u8, device: Option<[u8; 16]>| SlotKey::Flow([id; 16], device);
    let lock = Some(Duration::from_secs(30 * 86_400));
    let flows = crate::policy::FlowPolicy { lock, ..Default::default() };
    let policy = Policy::builder().insecure_without_send_limits().flows(flows).build().unwrap();
    let mut w = World { policy, ..world() };
    for i in 0..20 {
        w.now = at(i64::from(i) * 1_800);
        misses(&mut w, flow(i, None), 2);
    }
    assert!(w.record.as_ref().unwrap().flows_locked_until.is_some());
    assert!(!logs_in(&mut w, flow(100, None)), "a stranger has to wait");
    assert!(logs_in(&mut w, flow(101, Some([1; 16]))));
    // What it gets wrong itself locks nobody.
    let mut w = World { policy: w.policy, ..world() };
    assert_eq!(misses(&mut w, flow(1, Some([1; 16])), 2), 5);
    assert!(w.record.as_ref().unwrap().flows_locked_until.is_none() && logs_in(&mut w, flow(2, None)));
}

#[test]
fn i3_a_device_has_one_budget_over_its_flows_and_the_other_profiles() {
    let policy = Policy::builder().insecure_without_send_limits().build().unwrap();
    let mut w = World { policy, ..world() };
    let compared = [of(1), SlotKey::Flow([1; 16], Some([1; 16])), SlotKey::Flow([2; 16], Some([1; 16])), of(1)]
        .map(|slot| misses(&mut w, slot, 2));
    assert_eq!(compared, [6, 4, 0, 0]);
    assert_eq!(w.record.as_ref().unwrap().failures.len(), 0);
    assert_eq!(misses(&mut w, of(2), 1), 3, "another device has its own");
}

#[test]
fn q20_what_a_device_does_is_not_counted_against_the_open_budgets() {
    let mut w = world();
    assert_eq!(misses(&mut w, of(1), 9), 10);
    let record = w.record.as_ref().unwrap();
    assert_eq!((record.failures.len(), record.run, record.towards_lock), (0, 0, 0));
    assert_eq!(record.sends.len(), 5, "mails are summed all the same");
}

#[test]
fn i3_a_device_has_ten_wrong_guesses_and_five_sends_a_day_over_all_its_codes() {
    let mut w = world();
    let mut compared = 0;
    let mut sent = 0;
    for minute in 0..2 * 24 * 60 {
        w.now = at(minute * 60);
        // Another profile has codes of its own, and the same budget.
        let profile = if minute % 2 == 0 { Profile::Platform } else { Profile::Identity };
        w.slot = SlotKey::Device(profile, Purpose::Login, [1; 16]);
        sent += u32::from(w.send().is_ok());
        if w.last_code.is_some() {
            compared += (0..3).filter(|_| matches!(w.guess(&w.wrong()), Verified::Wrong { .. })).count();
        }
    }
    assert_eq!((compared, sent), (20, 10), "in two days");
    // The budget closes to the right code too, and opens a day later.
    let mut w = world();
    misses(&mut w, of(1), 4);
    let right = w.last_code.clone().unwrap();
    assert!(matches!(w.guess(right.expose()), Verified::NotCompared(Why::Closed)));
    w.slot = of(1);
    w.send().unwrap();
    let Err(Refusal::TooManyCodes { retry_after }) = w.send() else { panic!("a sixth code") };
    assert_eq!(retry_after, Duration::from_secs(86_400));
    w.now = at(86_400);
    assert!(logs_in(&mut w, of(1)));
}

#[test]
fn r5_a_guess_meets_the_slot_of_its_token_and_no_other() {
    let mut w = world();
    let open = w.send().unwrap();
    w.slot = of(1);
    assert!(matches!(w.guess(open.expose()), Verified::NotCompared(Why::NoCode)));
    let own = w.send().unwrap();
    for slot in [OPEN, of(2)] {
        w.slot = slot;
        assert!(w.verify(own.expose()).is_err(), "{slot:?}");
    }
    w.slot = of(1);
    assert!(w.verify(open.expose()).is_err());
    w.verify(own.expose()).unwrap();
    w.slot = OPEN;
    w.verify(open.expose()).unwrap();
}

#[test]
fn a116_no_number_of_tokens_has_more_than_five_budgets() {
    let mut w = world();
    let (mut compared, mut at_the_open_slot) = (0, 0);
    for id in 0..60 {
        w.now = at(i64::from(id) * 60);
        let failures = w.record.as_ref().map_or(0, |r| r.failures.len());
        compared += misses(&mut w, of(id), 4);
        at_the_open_slot += w.record.as_ref().unwrap().failures.len() - failures;
    }
    assert_eq!(compared - at_the_open_slot as u32, 50);
    // And the first of them is what it was: nothing was forgotten to make room.
    w.slot = of(0);
    assert!(matches!(w.guess("000000"), Verified::NotCompared(Why::Burnt | Why::Closed | Why::Ended)));
    // A day later there is room again.
    w.now = at(2 * 86_400);
    assert!(logs_in(&mut w, of(59)));
}

#[test]
fn a113_strangers_cannot_push_a_devices_code_out() {
    let policy = Policy::builder().insecure_without_send_limits().build().unwrap();
    let mut w = World { policy, ..world() };
    w.slot = of(1);
    let own = w.send().unwrap();
    for i in 0..40 {
        w.slot = SlotKey::Flow([i; 16], None);
        w.now = at(i64::from(i));
        w.send().unwrap();
    }
    w.slot = of(1);
    w.verify(own.expose()).unwrap();
}

#[test]
fn a_devices_counts_outlive_its_codes_and_not_their_day() {
    let mut w = world();
    misses(&mut w, of(1), 2);
    w.now = at(86_399);
    assert!(logs_in(&mut w, of(2)));
    assert!(w.record.as_ref().unwrap().devices.iter().any(|d| d.id == [1; 16]));
    w.now = at(86_400);
    assert!(logs_in(&mut w, of(2)));
    assert!(w.record.as_ref().unwrap().devices.iter().all(|d| d.id != [1; 16]));
}

#[test]
fn a116_a_token_is_of_one_tenant_identifier_user_and_epoch_and_of_a_key_of_the_ring() {
    let master = |text: &str| MasterSecret::new(text).unwrap();
    let (old, new) = ("an old secret of 32 bytes or more", "the new secret, also long enough!");
    let secrets = Secrets::new(master(old));
    let (tenant, other) = (Tenant::new("t").unwrap(), Tenant::new("o").unwrap());
    let (a, b) = (Identifier::email("a@example.com").unwrap(), Identifier::email("b@example.com").unwrap());
    let (u, v) = (UserId::new("u").unwrap(), UserId::new("v").unwrap());
    let account =
        |device_epoch, disabled| AccountRecord { device_epoch, disabled, ..AccountRecord::new(Some(Owner([0; 32]))) };
    let (fresh, bumped, disabled) = (account(0, false), account(1, false), account(0, true));
    let bearer = |tenant, identifier, user, account| Bearer::of(Subject { tenant, identifier }, user, account);
    let mine = bearer(&tenant, &a, Some(&u), None);
    let token = token(&secrets, mine, [7; 16], at(0)).unwrap();
    assert_eq!(token.expose().len(), 86);
    let rows = [
        ("its own", mine, true),
        ("an account that was written since", bearer(&tenant, &a, Some(&u), Some(&fresh)), true),
        ("another tenant", bearer(&other, &a, Some(&u), None), false),
        ("another address", bearer(&tenant, &b, Some(&u), None), false),
        ("another user of the address", bearer(&tenant, &a, Some(&v), None), false),
        ("no user", bearer(&tenant, &a, None, None), false),
        ("after a reset", bearer(&tenant, &a, Some(&u), Some(&bumped)), false),
        ("disabled", bearer(&tenant, &a, Some(&u), Some(&disabled)), false),
    ];
    for (name, bearer, good) in rows {
        assert_eq!(known(&secrets, bearer, &token, at(1)), good.then_some([7; 16]), "{name}");
    }
    let rotated = Secrets::new(master(new)).anchored_at(&master(old)).accept(master(old));
    assert!(known(&rotated, mine, &token, at(1)).is_some());
    assert!(known(&Secrets::new(master(new)), mine, &token, at(1)).is_none(), "its key is gone");
    for (seconds, good) in [(365 * 86_400 - 1, true), (365 * 86_400, false), (-60, true)] {
        assert_eq!(known(&secrets, mine, &token, at(seconds)).is_some(), good, "{seconds}");
    }
    let text = token.expose().to_owned();
    for place in 0..text.len() {
        let mut forged = text.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert!(known(&secrets, mine, &DeviceToken::presented(&forged), at(1)).is_none(), "{place}");
    }
    for junk in ["", "=", &text[..85], &format!("{text}A"), &format!("{text}="), &format!(" {text}"), "ä"] {
        assert!(known(&secrets, mine, &DeviceToken::presented(junk), at(1)).is_none(), "{junk}");
    }
}

#[test]
fn r44_a_reset_bumps_what_tokens_are_bound_to() {
    let mut w = world();
    assert!(logs_in(&mut w, OPEN));
    let issued = super::super::reset::issue(None, Some(w.owner()), [1; 32], &w.policy, w.now).write;
    let begun = super::super::reset::begin(issued, &[1; 32], w.now).write.unwrap();
    assert!(begun.device_epoch > 0);
    // Logging out everywhere leaves known devices known: they hold no session.
    w.revoke_all();
    assert_eq!(w.account.as_ref().unwrap().device_epoch, 0);
}
