//! Known devices: a token for whoever has logged in before, and a slot with budgets of its own for a code.
//!
//! Caps and locks are tools against their victim: whoever knows an address can spend its budgets. A device that has logged
//! in brings its token, and is then counted apart from everybody else. The token is an id, a time, a kid and a MAC in one
//! base64url text, the MAC over tenant, identifier, user and the account's device epoch too: forged, of somebody else, older
//! than a reset or than a year, it is as good as none.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::code::Subject;
use super::throttle;
use crate::policy::Policy;
use crate::record::{AccountRecord, IdentifierRecord, Slot, SlotKey};
use crate::secret::{DeviceToken, Kid, Mac, Secrets};
use crate::{Timestamp, UserId};

/// Bytes of an id, a time, a kid and a MAC.
const LENGTH: usize = 16 + 8 + 8 + 32;

/// Whom a token is for, besides the identifier. For an unknown identifier there is nobody, and the MAC is computed all the
/// same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bearer<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) user: Option<&'a UserId>,
    pub(crate) account: Option<&'a AccountRecord>,
}

/// The token of a device that has just logged in; nothing when the ring has no key.
pub(crate) fn token(secrets: &Secrets, bearer: Bearer<'_>, id: [u8; 16], now: Timestamp) -> Option<DeviceToken> {
    let (kid, issued) = (secrets.current(), now.millis().to_be_bytes());
    let mac = mac(secrets, kid, bearer, id, issued)?;
    let bytes = [&id[..], &issued, kid.as_bytes(), mac.as_bytes()].concat();
    Some(DeviceToken::presented(&URL_SAFE_NO_PAD.encode(bytes)))
}

/// The id in a token, if it was made for this bearer and nothing has ended it.
pub(crate) fn known(secrets: &Secrets, bearer: Bearer<'_>, token: &DeviceToken, now: Timestamp) -> Option<[u8; 16]> {
    let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(token.expose()).ok()?.try_into().ok()?;
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    let (issued, rest) = rest.split_first_chunk::<8>()?;
    let (kid, presented) = rest.split_first_chunk::<8>()?;
    let right = mac(secrets, Kid::read(*kid), bearer, *id, *issued)?.matches(presented);
    let in_time = now.since(Timestamp::from_millis(i64::from_be_bytes(*issued))) < Policy::DEVICE_LIFE;
    let allowed = bearer.user.is_some() && bearer.account.is_none_or(|account| !account.disabled);
    (right && in_time && allowed).then_some(*id)
}

fn mac(secrets: &Secrets, kid: Kid, bearer: Bearer<'_>, id: [u8; 16], issued: [u8; 8]) -> Option<Mac> {
    let Bearer { subject: Subject { tenant, identifier }, user, account } = bearer;
    let epoch = account.map_or(0, |a| a.device_epoch);
    secrets.device_mac(
        kid,
        &[
            tenant.as_str().as_bytes(),
            &[identifier.kind() as u8],
            identifier.as_str().as_bytes(),
            user.map_or("", UserId::as_str).as_bytes(),
            &epoch.to_be_bytes(),
            &id,
            &issued,
        ],
    )
}

/// The slot that a request meets: a device's own, or the open one when as many other devices are in use as may be. So no
/// number of stolen tokens has more guesses than that number of devices.
pub(crate) fn admitted(record: &IdentifierRecord, asked: SlotKey, now: Timestamp) -> SlotKey {
    let SlotKey::Device(profile, purpose, id) = asked else { return asked };
    let mut others: Vec<[u8; 16]> = Vec::new();
    for other in record.slots.iter().filter(|slot| is_in_use(slot, now)).filter_map(|slot| device(slot.key)) {
        if other != id && !others.contains(&other) {
            others.push(other);
        }
    }
    if others.len() < Policy::MOST_DEVICES { asked } else { SlotKey::Open(profile, purpose) }
}

/// Which device a slot is of.
pub(crate) fn device(key: SlotKey) -> Option<[u8; 16]> {
    match key {
        SlotKey::Device(_, _, id) => Some(id),
        SlotKey::Open(..) | SlotKey::Flow(_) => None,
    }
}

/// Whether a device's slot has a code, or counts of a day that must not be forgotten.
pub(crate) fn is_in_use(slot: &Slot, now: Timestamp) -> bool {
    let counted = slot.own_sends.iter().chain(&slot.own_failures).any(|t| now.since(*t) < Policy::LONGEST_WINDOW);
    device(slot.key).is_some() && (now < slot.expires_at || counted)
}

/// How long no code may be sent to a device; nothing when one may.
pub(crate) fn sends_closed_for(record: &IdentifierRecord, id: [u8; 16], now: Timestamp) -> Option<Duration> {
    throttle::wait(&counted(record, id, |slot| &slot.own_sends), &[Policy::DEVICE_SENDS], now)
}

/// Whether a device has no guess left, over its codes in all profiles.
pub(crate) fn is_spent(record: &IdentifierRecord, id: [u8; 16], now: Timestamp) -> bool {
    throttle::wait(&counted(record, id, |slot| &slot.own_failures), &[Policy::DEVICE_GUESSES], now).is_some()
}

/// What a device's slots count, ascending.
fn counted(record: &IdentifierRecord, id: [u8; 16], of: fn(&Slot) -> &Vec<Timestamp>) -> Vec<Timestamp> {
    let slots = record.slots.iter().filter(|slot| device(slot.key) == Some(id));
    let mut times: Vec<Timestamp> = slots.flat_map(of).copied().collect();
    times.sort_unstable();
    times
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
