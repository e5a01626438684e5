//! Sending a code: the limits, the new code, the slot it goes to.

use std::time::Duration;

use super::code::{self, Holder, Subject};
use super::device::Counted;
use super::{Decision, device, throttle, verify};
use crate::entropy::Dice;
use crate::record::{Audience, CodeState, IdentifierRecord, Slot, SlotKey};
use crate::secret::Secrets;
use crate::{Code, Policy, Refusal, Timestamp};

/// The most codes that one identifier can have side by side.
const MOST_SLOTS: usize = 16;

/// Who asks for a code and where it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Send<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) slot: SlotKey,
    /// Whom the code is to be right for.
    pub(crate) audience: Audience,
    /// The account behind the identifier; `None` makes a decoy, or a code for a newcomer.
    pub(crate) holder: Option<Holder<'a>>,
    /// How long the code is to live.
    pub(crate) life: Duration,
}

/// A code that was made and counted.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) code: Code,
    pub(crate) expires_at: Timestamp,
}

/// Makes a code and counts the send, or refuses and counts nothing. The slot's earlier code is dead from here on.
pub(crate) fn decide(
    prior: Option<IdentifierRecord>,
    send: Send<'_>,
    policy: &Policy,
    secrets: &Secrets,
    now: Timestamp,
    dice: &Dice,
) -> Decision<IdentifierRecord, Result<Sent, Refusal>> {
    let mut record = prior.unwrap_or_default();
    let send = Send { slot: device::admitted(&record, send.slot, now), ..send };
    if policy.limit_sends {
        if let Some(retry_after) = closed_for(&record, send.slot, policy, now) {
            return Decision::keep(Err(Refusal::TooManyCodes { retry_after }));
        }
        throttle::push(&mut record.sends, now, Policy::LONGEST_WINDOW);
        if let Some(id) = device::device(send.slot) {
            device::count(&mut record, id, Counted::Sends, now);
        }
    }
    let (salt, kid, epoch) = (dice.first_16(), secrets.current(), send.holder.map_or(0, |h| h.epoch));
    let format = policy.code_format(send.slot.profile());
    let issue = code::Issue { slot: send.slot, user: send.holder.map(|h| h.user), epoch, format, salt: &salt };
    let made = code::draw(format, &dice.last_32())
        .and_then(|code| code::mac(secrets, kid, send.subject, issue, &code).map(|mac| (code, mac)));
    let Some((code, mac)) = made else { return Decision::keep(Err(Refusal::Unavailable)) };
    let expires_at = now.plus(send.life);
    // A flow's tries are its own: another code in it does not refill them.
    let before = record.slots.iter().find(|s| s.key == send.slot);
    let of_flow = before.filter(|s| matches!(s.key, SlotKey::Flow(..)));
    if of_flow.is_some_and(|s| s.state == CodeState::Burnt || verify::is_spent(s, policy, now)) {
        return Decision::keep(Err(Refusal::BurntCode));
    }
    let tries = policy.tries_of(matches!(send.slot, SlotKey::Flow(..)));
    let (wrong, wrong_at, tries) = of_flow.map_or((0, None, tries), |s| (s.wrong, s.wrong_at, s.tries.min(tries)));
    let slot = Slot {
        key: send.slot,
        state: CodeState::Live,
        audience: send.audience,
        epoch,
        kid,
        salt,
        mac,
        issued_at: now,
        expires_at,
        wrong,
        wrong_at,
        tries,
    };
    place(&mut record.slots, slot, now);
    Decision::write(record, Ok(Sent { code, expires_at }))
}

/// How long no further code may be sent; nothing when one may.
fn closed_for(record: &IdentifierRecord, slot: SlotKey, policy: &Policy, now: Timestamp) -> Option<Duration> {
    if let Some(id) = device::device(slot) {
        return device::closed_for(record, id, Counted::Sends, now);
    }
    let cooldown = policy.resend_cooldown.and_then(|span| {
        let rest = record.sends.last()?.plus(span).since(now);
        (!rest.is_zero()).then_some(rest)
    });
    let of_flows = policy.flows.sends.filter(|_| matches!(slot, SlotKey::Flow(..)));
    let of_flows = of_flows.and_then(|window| throttle::wait(&record.sends, &[window], now));
    throttle::wait(&record.sends, &policy.sends, now).max(cooldown).max(of_flows)
}

/// Puts `slot` where its key is, or beside the others; the oldest goes where there are too many.
fn place(slots: &mut Vec<Slot>, slot: Slot, now: Timestamp) {
    // What is left of a flow's tries outlives its codes; the flow itself takes it away.
    let stays = |s: &Slot| s.expires_at > now || matches!(s.key, SlotKey::Flow(..));
    slots.retain(|s| s.key != slot.key && stays(s));
    if slots.len() >= MOST_SLOTS {
        // Flows are anybody's to open: a device's slot is the last that goes for one.
        let age = |s: &Slot| (device::device(s.key).is_some(), matches!(s.key, SlotKey::Flow(..)), s.issued_at);
        let oldest = slots.iter().enumerate().min_by_key(|(_, s)| age(s)).map(|(i, _)| i);
        oldest.map(|i| slots.remove(i));
    }
    slots.push(slot);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, at};
    use super::*;
    use crate::record::Purpose;
    use crate::{Profile, policy::Window};

    #[test]
    fn w020_three_a_minute_ten_an_hour_twenty_a_day() {
        let mut w = World::default();
        for second in [0, 1, 2] {
            w.now = at(second);
            w.send().unwrap();
        }
        w.now = at(30);
        assert_eq!(w.send().unwrap_err(), Refusal::TooManyCodes { retry_after: Duration::from_secs(30) });
        let kept = w.last_code.clone().unwrap();
        w.verify(kept.expose()).unwrap();
        // The fourth fits exactly when the first has left the minute.
        w.now = at(59);
        assert!(w.send().is_err());
        let mut sent = 3;
        for second in 60..86_400 {
            w.now = at(second);
            sent += usize::from(w.send().is_ok());
            let hour =
                w.record.as_ref().unwrap().sends.iter().filter(|t| w.now.since(**t) < Duration::from_secs(3_600));
            assert!(hour.count() <= 10);
        }
        assert_eq!(sent, 20);
        w.now = at(86_400);
        w.send().unwrap();
    }

    #[test]
    fn w019_a_cooldown_refuses_until_it_is_over() {
        let policy = Policy::builder().resend_cooldown(Duration::from_secs(45)).build().unwrap();
        let mut w = World { policy, ..World::default() };
        w.send().unwrap();
        w.now = at(30);
        assert_eq!(w.send().unwrap_err(), Refusal::TooManyCodes { retry_after: Duration::from_secs(15) });
        w.now = at(45);
        w.send().unwrap();
    }

    #[test]
    fn a_refused_send_writes_nothing() {
        let policy = Policy::builder().sends([Window::new(1, 60)]).build().unwrap();
        let mut w = World { policy, ..World::default() };
        w.send().unwrap();
        let before = format!("{:?}", w.record);
        assert!(w.send().is_err());
        assert_eq!(format!("{:?}", w.record), before);
    }

    #[test]
    fn i4_one_code_lives_per_slot_and_slots_are_bounded() {
        let policy = Policy::builder().insecure_without_send_limits().build().unwrap();
        let mut w = World { policy, ..World::default() };
        for i in 0..40u8 {
            w.now = at(i64::from(i));
            w.slot = SlotKey::Flow([i; 16], None);
            w.send().unwrap();
            w.send().unwrap();
        }
        let slots = &w.record.as_ref().unwrap().slots;
        assert_eq!(slots.len(), MOST_SLOTS);
        assert!(slots.iter().all(|s| s.issued_at >= at(24)), "the oldest went");
        w.record = None;
        for profile in [Profile::Identity, Profile::Platform] {
            w.slot = SlotKey::Open(profile, Purpose::Login);
            w.send().unwrap();
        }
        assert_eq!(w.record.as_ref().unwrap().slots.len(), 2);
        w.now = at(1_000);
        w.send().unwrap();
        assert_eq!(w.record.unwrap().slots.len(), 1, "expired ones go");
    }
}
