//! Flows of `engine`: opened for an identifier, bound to what they were opened with, finished once.

use std::time::Duration;

use super::{Decision, device};
use crate::record::{FlowRecord, IdentifierRecord, OpenFlow, SlotKey};
use crate::{Policy, Refusal, Tenant, Timestamp};

/// A flow that was put into its identifier's list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) until: Timestamp,
    /// The known device that it is of.
    pub(crate) device: Option<[u8; 16]>,
}

/// Puts a new flow into the identifier's list; the oldest goes where there are too many, and its code with it. Those of a
/// known device are counted by themselves: strangers cannot push them out (A94).
pub(crate) fn open(
    prior: Option<IdentifierRecord>,
    id: [u8; 16],
    device: Option<[u8; 16]>,
    policy: &Policy,
    now: Timestamp,
) -> Decision<IdentifierRecord, Begun> {
    let mut record = prior.unwrap_or_default();
    let until = now.plus(policy.flows.life);
    record.flows.retain(|f| now < f.until);
    let device = device.filter(|device| device::admits(&record, *device, now));
    let alike = record.flows.iter().filter(|f| f.device == device).count();
    let mut surplus = (alike + 1).saturating_sub(policy.flows.most);
    record.flows.retain(|f| {
        let goes = f.device == device && surplus > 0;
        surplus -= usize::from(goes);
        !goes
    });
    record.flows.push(OpenFlow { id, until, wrong_passwords: 0, tries: policy.flows.max_tries, device });
    let open: Vec<[u8; 16]> = record.flows.iter().map(|f| f.id).collect();
    record.slots.retain(|s| !matches!(s.key, SlotKey::Flow(id, _) if !open.contains(&id)));
    Decision::write(record, Begun { until, device })
}

/// Which code a request of a flow meets. What a known device has opened goes on with that device's token alone, and what was
/// opened without one is a stranger's, whoever comes along later (R05).
pub(crate) fn slot(flow: &FlowRecord, id: [u8; 16], device: Option<[u8; 16]>) -> Result<SlotKey, Refusal> {
    match flow.known {
        Some(known) if device != Some(known) => Err(Refusal::UnknownFlow),
        known => Ok(SlotKey::Flow(id, known)),
    }
}

/// Takes a finished flow off the list.
pub(crate) fn close(prior: Option<IdentifierRecord>, id: [u8; 16]) -> Decision<IdentifierRecord, ()> {
    let Some(mut record) = prior else { return Decision::keep(()) };
    record.flows.retain(|f| f.id != id);
    record.slots.retain(|s| !matches!(s.key, SlotKey::Flow(of, _) if of == id));
    Decision::write(record, ())
}

/// Whether the identifier's list has this flow.
pub(crate) fn is_open(record: Option<&IdentifierRecord>, id: [u8; 16], now: Timestamp) -> bool {
    record.is_some_and(|r| r.flows.iter().any(|f| f.id == id && now < f.until))
}

/// Marks a flow as finished: exactly one caller gets `true`.
pub(crate) fn finish(prior: Option<FlowRecord>) -> Decision<FlowRecord, bool> {
    match prior {
        Some(mut flow) if !flow.finished => {
            flow.finished = true;
            Decision::write(flow, true)
        }
        _ => Decision::keep(false),
    }
}

/// What a request says about the flow that it names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) tenant: Option<&'a Tenant>,
    /// The device's digest; `None` on the web, where a flow with a device cannot go on.
    pub(crate) device: Option<[u8; 16]>,
    pub(crate) identifier: &'a crate::Identifier,
}

/// Whether the request is of the flow that it names, in the order session, brand, device, identifier.
pub(crate) fn check(flow: Option<&FlowRecord>, claim: Claim<'_>) -> Result<(), Refusal> {
    let flow = flow.filter(|f| !f.finished).ok_or(Refusal::UnknownFlow)?;
    if claim.tenant != Some(&flow.tenant) {
        return Err(Refusal::ForeignTenant);
    }
    if claim.device != flow.device {
        return Err(Refusal::ForeignDevice);
    }
    if (claim.identifier.kind(), claim.identifier.as_str()) != (flow.kind, &*flow.identifier) {
        return Err(Refusal::ForeignIdentifier(claim.identifier.kind()));
    }
    Ok(())
}

/// Counts a password that is tried in a flow; `false` when the flow takes no more, or is not open.
pub(crate) fn count_password(record: &mut IdentifierRecord, id: [u8; 16], policy: &Policy, now: Timestamp) -> bool {
    let flow = record.flows.iter_mut().find(|f| f.id == id && now < f.until);
    let Some(flow) = flow.filter(|f| f.wrong_passwords < f.tries.min(policy.flows.max_tries)) else { return false };
    flow.wrong_passwords += 1;
    true
}

/// How long all flows of strangers are locked; nothing when they are not, or the code is none of such a flow.
pub(crate) fn locked_for(record: &IdentifierRecord, slot: SlotKey, now: Timestamp) -> Option<Duration> {
    let until = record.flows_locked_until.filter(|_| matches!(slot, SlotKey::Flow(_, None)))?;
    (now < until).then(|| until.since(now))
}

/// Locks all flows of strangers when one has used its tries up, where the policy says so. A known device's own tries lock
/// nobody, as little as others lock it.
pub(crate) fn lock(record: &mut IdentifierRecord, slot: SlotKey, policy: &Policy, now: Timestamp) {
    if let (SlotKey::Flow(_, None), Some(span)) = (slot, policy.flows.lock) {
        record.flows_locked_until = Some(now.plus(span));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{World, at};
    use super::super::verify::{Verified, Why};
    use super::*;
    use crate::policy::FlowPolicy;
    use crate::{Identifier, IdentifierKind};

    fn world(flows: FlowPolicy) -> World {
        let policy = Policy::builder().insecure_without_send_limits().flows(flows).build().unwrap();
        World { policy, slot: SlotKey::Flow([1; 16], None), ..World::default() }
    }

    #[test]
    fn w115_five_wrong_codes_kill_the_flow_and_w118_another_code_does_not_refill_it() {
        let mut w = world(FlowPolicy::default());
        w.record = open(None, [1; 16], None, &w.policy, w.now).write;
        for round in 0..5 {
            w.now = at(round);
            w.send().unwrap();
            let burnt = round == 4;
            assert!(matches!(w.guess(&w.wrong()), Verified::Wrong { burnt: b, .. } if b == burnt), "{round}");
        }
        let right = w.last_code.clone().unwrap();
        assert!(matches!(w.guess(right.expose()), Verified::NotCompared(Why::Burnt)));
        // A dead flow stays dead when its code would have ended, and another code makes it no better.
        w.now = at(700);
        assert!(matches!(w.guess(right.expose()), Verified::NotCompared(Why::Burnt)));
    }

    #[test]
    fn w117_wrong_codes_far_apart_start_a_new_count() {
        let flows = FlowPolicy { life: Duration::from_secs(86_400), ..FlowPolicy::default() };
        let mut w = world(flows);
        for (second, wrong) in [(0, 1), (1_800, 2), (3_601, 1)] {
            w.now = at(second);
            w.send().unwrap();
            w.guess(&w.wrong());
            assert_eq!(w.record.as_ref().unwrap().slots[0].wrong, wrong, "{second}");
        }
    }

    #[test]
    fn w116_a_lock_of_flows_is_off_by_default_and_holds_over_all_flows_when_on() {
        let lock = Some(Duration::from_secs(1_800));
        let mut w = world(FlowPolicy { lock, max_tries: 1, ..FlowPolicy::default() });
        w.send().unwrap();
        w.guess(&w.wrong());
        w.slot = SlotKey::Flow([2; 16], None);
        for (second, good) in [(1, false), (1_799, false), (1_800, true)] {
            w.now = at(second);
            let right = w.send().unwrap();
            assert_eq!(w.verify(right.expose()).is_ok(), good, "{second}");
        }
        let mut w = world(FlowPolicy { max_tries: 1, ..FlowPolicy::default() });
        w.send().unwrap();
        w.guess(&w.wrong());
        w.slot = SlotKey::Flow([2; 16], None);
        let right = w.send().unwrap();
        w.verify(right.expose()).unwrap();
    }

    #[test]
    fn an_identifier_has_ten_open_flows_and_the_oldest_goes_with_its_code() {
        let mut w = world(FlowPolicy::default());
        for i in 0..12u8 {
            w.record = open(w.record.take(), [i; 16], None, &w.policy, w.now).write;
            w.slot = SlotKey::Flow([i; 16], None);
            w.send().unwrap();
        }
        let record = w.record.as_ref();
        assert!(!is_open(record, [1; 16], w.now) && is_open(record, [2; 16], w.now));
        assert!(!is_open(record, [2; 16], at(900)));
        w.slot = SlotKey::Flow([1; 16], None);
        assert!(matches!(w.guess("000000"), Verified::NotCompared(Why::NoFlow)));
    }

    #[test]
    fn w111_a_flow_is_checked_in_the_order_session_brand_device_identifier() {
        let tenant = Tenant::new("b").unwrap();
        let identifier = Identifier::phone("15550109999").unwrap();
        let flow = FlowRecord {
            tenant: tenant.clone(),
            kind: IdentifierKind::Phone,
            identifier: identifier.as_str().into(),
            destination: None,
            device: Some([1; 16]),
            known: None,
            until: at(900),
            pending: None,
            finished: false,
        };
        let (other, stranger) = (Tenant::new("c").unwrap(), Identifier::phone("15550100000").unwrap());
        let claim = |tenant, device, identifier| Claim { tenant, device, identifier };
        let all_wrong = claim(Some(&other), None, &stranger);
        assert_eq!(check(None, all_wrong), Err(Refusal::UnknownFlow));
        assert_eq!(check(Some(&flow), all_wrong), Err(Refusal::ForeignTenant));
        assert_eq!(check(Some(&flow), claim(None, None, &stranger)), Err(Refusal::ForeignTenant));
        assert_eq!(check(Some(&flow), claim(Some(&tenant), None, &stranger)), Err(Refusal::ForeignDevice));
        assert_eq!(
            check(Some(&flow), claim(Some(&tenant), Some([1; 16]), &stranger)),
            Err(Refusal::ForeignIdentifier(IdentifierKind::Phone))
        );
        assert_eq!(check(Some(&flow), claim(Some(&tenant), Some([1; 16]), &identifier)), Ok(()));
        let done = finish(Some(flow.clone()));
        assert!(done.outcome && !finish(done.write.clone()).outcome && !finish(None).outcome);
        assert_eq!(check(done.write.as_ref(), all_wrong), Err(Refusal::UnknownFlow));
        // Opened without a device, it goes on without one only.
        let web = FlowRecord { device: None, ..flow };
        assert_eq!(check(Some(&web), claim(Some(&tenant), Some([1; 16]), &identifier)), Err(Refusal::ForeignDevice));
        assert_eq!(check(Some(&web), claim(Some(&tenant), None, &identifier)), Ok(()));
    }

    #[test]
    fn r05_what_a_known_device_has_opened_goes_on_with_its_token_alone() {
        let flow = |known| FlowRecord {
            tenant: Tenant::new("b").unwrap(),
            kind: IdentifierKind::Phone,
            identifier: String::new(),
            destination: None,
            device: None,
            known,
            until: at(900),
            pending: None,
            finished: false,
        };
        let (id, one, two) = ([1; 16], Some([7; 16]), Some([8; 16]));
        for (known, token, meets) in [
            (None, None, Ok(SlotKey::Flow(id, None))),
            (None, one, Ok(SlotKey::Flow(id, None))),
            (one, one, Ok(SlotKey::Flow(id, one))),
            (one, None, Err(Refusal::UnknownFlow)),
            (one, two, Err(Refusal::UnknownFlow)),
        ] {
            assert_eq!(slot(&flow(known), id, token), meets, "{known:?} {token:?}");
        }
    }

    #[test]
    fn a94_strangers_push_no_flow_of_a_known_device_out_nor_it_theirs() {
        let (policy, one) = (Policy::default(), Some([7; 16]));
        let begun = open(None, [1; 16], one, &policy, at(0));
        assert_eq!(begun.outcome.device, one);
        let mut record = begun.write;
        for i in 100..140 {
            record = open(record, [i; 16], None, &policy, at(1)).write;
        }
        assert!(is_open(record.as_ref(), [1; 16], at(2)));
        for i in 2..20 {
            record = open(record, [i; 16], one, &policy, at(3)).write;
        }
        // Ten of its own and ten of all strangers, the newest of each.
        let left: Vec<u8> = record.as_ref().unwrap().flows.iter().map(|f| f.id[0]).collect();
        assert_eq!(left, [130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
        // A sixth device is a stranger, for as long as five others have a flow open.
        for id in 20..24 {
            record = open(record, [id; 16], Some([id; 16]), &policy, at(4)).write;
        }
        assert_eq!(open(record.clone(), [24; 16], Some([24; 16]), &policy, at(5)).outcome.device, None);
        assert_eq!(open(record, [24; 16], Some([24; 16]), &policy, at(904)).outcome.device, Some([24; 16]));
    }

    #[test]
    fn w139_a_flow_takes_five_wrong_passwords() {
        let policy = Policy::default();
        let mut record = open(None, [1; 16], None, &policy, at(0)).write.unwrap();
        for _ in 0..5 {
            assert!(count_password(&mut record, [1; 16], &policy, at(1)));
        }
        assert!(!count_password(&mut record, [1; 16], &policy, at(1)));
        assert!(!count_password(&mut record, [2; 16], &policy, at(1)));
        // A flow that is open takes no more of them when the limit is raised, and fewer when it is lowered.
        let of =
            |max_tries| Policy::builder().flows(FlowPolicy { max_tries, ..FlowPolicy::default() }).build().unwrap();
        for (opened, present) in [(1, 5), (5, 1)] {
            let mut record = open(None, [1; 16], None, &of(opened), at(0)).write.unwrap();
            assert!(count_password(&mut record, [1; 16], &of(present), at(1)));
            assert!(!count_password(&mut record, [1; 16], &of(present), at(1)));
        }
    }
}
