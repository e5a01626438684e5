//! Known devices: a token for whoever has logged in before, and budgets of its own for its codes and passwords.
//!
//! Caps and locks are tools against their victim: whoever knows an address can spend its budgets. A device that has logged
//! in brings its token, and is then counted apart from everybody else, in a slot of its own or in the flows that it opened. The token is an id, a time, a kid and a MAC in one
//! base64url text, the MAC over tenant, identifier, user and the account's device epoch too: forged, of somebody else, older
//! than a reset or than a year, it is as good as none.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::code::Subject;
use super::throttle;
use crate::policy::{Policy, Window};
use crate::record::{AccountRecord, DeviceCounts, IdentifierRecord, SlotKey};
use crate::secret::{DeviceToken, Kid, Mac, Secrets};
use crate::{Timestamp, UserId};

/// Bytes of an id, a time, a kid and a MAC.
const LENGTH: usize = 16 + 8 + 8 + 32;

/// Whom a token is for, besides the identifier. For an unknown identifier there is nobody, and the MAC is computed all the
/// same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bearer<'a> {
    subject: Subject<'a>,
    user: Option<&'a UserId>,
    epoch: u64,
    barred: bool,
}

impl<'a> Bearer<'a> {
    /// Whoever has this account, or would if there were one.
    pub(crate) fn of(subject: Subject<'a>, user: Option<&'a UserId>, account: Option<&AccountRecord>) -> Self {
        let epoch = account.map_or(0, |account| account.device_epoch);
        Self { subject, user, epoch, barred: account.is_some_and(|account| account.disabled) }
    }

    /// The same at another epoch of device tokens: that of a login which has just ended all that was before it.
    pub(crate) fn at(self, epoch: Option<u64>) -> Self {
        Self { epoch: epoch.unwrap_or(self.epoch), ..self }
    }
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
    (right && in_time && bearer.user.is_some() && !bearer.barred).then_some(*id)
}

fn mac(secrets: &Secrets, kid: Kid, bearer: Bearer<'_>, id: [u8; 16], issued: [u8; 8]) -> Option<Mac> {
    let Bearer { subject: Subject { tenant, identifier }, user, epoch, .. } = bearer;
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
    match asked {
        SlotKey::Device(profile, purpose, id) if !admits(record, id, now) => SlotKey::Open(profile, purpose),
        // A flow was admitted when it was opened, and keeps its device in use for as long as it is open.
        SlotKey::Device(..) | SlotKey::Open(..) | SlotKey::Flow(..) => asked,
    }
}

/// Whether a device has what is its own: fewer others are in use than may be.
pub(crate) fn admits(record: &IdentifierRecord, id: [u8; 16], now: Timestamp) -> bool {
    let codes = record.slots.iter().filter(|slot| now < slot.expires_at).filter_map(|slot| device(slot.key));
    let flows = record.flows.iter().filter(|flow| now < flow.until).filter_map(|flow| flow.device);
    let counted = record.devices.iter().filter(|counts| !is_over(counts, now)).map(|counts| counts.id);
    let mut others: Vec<[u8; 16]> = codes.chain(flows).chain(counted).filter(|other| *other != id).collect();
    others.sort_unstable();
    others.dedup();
    others.len() < Policy::MOST_DEVICES
}

/// Which device a slot is of.
pub(crate) fn device(key: SlotKey) -> Option<[u8; 16]> {
    match key {
        SlotKey::Device(_, _, id) => Some(id),
        SlotKey::Flow(_, device) => device,
        SlotKey::Open(..) => None,
    }
}

/// What is counted of a device, in the order of [`DeviceCounts::times`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Sends,
    WrongCodes,
    WrongPasswords,
}

impl Counted {
    fn window(self) -> Window {
        match self {
            Self::Sends => Policy::DEVICE_SENDS,
            Self::WrongCodes => Policy::DEVICE_GUESSES,
            Self::WrongPasswords => Policy::DEVICE_PASSWORDS,
        }
    }
}

/// How long a device may do no more of it; nothing when it may.
pub(crate) fn closed_for(record: &IdentifierRecord, id: [u8; 16], what: Counted, now: Timestamp) -> Option<Duration> {
    let counts = record.devices.iter().find(|counts| counts.id == id)?;
    throttle::wait(&counts.times[what as usize], &[what.window()], now)
}

/// Counts one for a device, over its codes in all profiles and flows. What nobody needs any more goes.
pub(crate) fn count(record: &mut IdentifierRecord, id: [u8; 16], what: Counted, now: Timestamp) {
    record.devices.retain(|counts| counts.id == id || !is_over(counts, now));
    let place = record.devices.iter().position(|counts| counts.id == id).unwrap_or_else(|| {
        record.devices.push(DeviceCounts { id, times: Default::default() });
        record.devices.len() - 1
    });
    throttle::push(&mut record.devices[place].times[what as usize], now, Policy::LONGEST_WINDOW);
}

/// Takes the count of a password of time `at` back that turned out right.
pub(crate) fn give_back(record: &mut IdentifierRecord, id: [u8; 16], at: Timestamp) {
    let Some(counts) = record.devices.iter_mut().find(|counts| counts.id == id) else { return };
    let tries = &mut counts.times[Counted::WrongPasswords as usize];
    if let Some(place) = tries.iter().rposition(|t| *t == at) {
        tries.remove(place);
    }
}

fn is_over(counts: &DeviceCounts, now: Timestamp) -> bool {
    !counts.times.iter().flatten().any(|t| now.since(*t) < Policy::LONGEST_WINDOW)
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
