//! Known devices: which slot a request meets, and the token that a login hands out.

use super::keeper::Loaded;
use super::{Caller, Inner};
use crate::flow::code::{Holder, Subject};
use crate::flow::device::{self, Bearer};
use crate::flow::proof::Proof;
use crate::flow::shared::{self, Guessed};
use crate::record::{AccountRecord, Purpose, SlotKey};
use crate::secret::DeviceToken;
use crate::{Expect, Identifier, Key, Policy, Profile, Refusal, Timestamp, User, UserId};

/// How the caller stands to the account behind an identifier, as it was before the credential was looked at.
pub(super) struct Standing {
    /// Where the account is, or an unknown one's decoy.
    key: Key,
    account: Option<AccountRecord>,
    /// What a swap of the account has to expect.
    expect: Expect,
    /// The id of the device, when its token is good for this identifier.
    device: Option<[u8; 16]>,
}

impl Standing {
    /// The account's epoch; 0 where there is none.
    pub(super) fn epoch(&self) -> u64 {
        self.account.as_ref().map_or(0, |a| a.epoch)
    }

    /// The account as it was loaded.
    pub(super) fn seen(&self) -> Loaded<AccountRecord> {
        Loaded { key: self.key, record: self.account.clone(), expect: self.expect }
    }

    /// The account as codes are bound to it; none where there is no user.
    pub(super) fn holder<'a>(&self, user: Option<&'a User>) -> Option<Holder<'a>> {
        user.map(|user| Holder { user: &user.id, epoch: self.epoch() })
    }

    /// Whether the request comes from a known device.
    pub(super) fn is_known(&self) -> bool {
        self.device.is_some()
    }

    /// The id of the known device that the request comes from.
    pub(super) fn device(&self) -> Option<[u8; 16]> {
        self.device
    }

    /// Whether the account has no wrong guess left, over all its identifiers.
    pub(super) fn is_spent(&self, what: Guessed, policy: &Policy, now: Timestamp) -> bool {
        shared::is_spent(self.account.as_ref(), what, policy, now)
    }

    /// The slot of a code for logging in: the device's own, or the open one of the profile.
    pub(super) fn login_slot(&self, profile: Profile) -> SlotKey {
        match self.device {
            Some(id) => SlotKey::Device(profile, Purpose::Login, id),
            None => SlotKey::Open(profile, Purpose::Login),
        }
    }
}

impl Inner {
    /// Reads the account behind an identifier, or an unknown one's decoy, and judges the device token of the caller.
    pub(super) async fn standing_of(
        &self,
        caller: &Caller,
        identifier: &Identifier,
        user: Option<&User>,
    ) -> Result<Standing, Refusal> {
        let key = self.account_or_decoy(caller, identifier, user);
        let Loaded { record: account, expect, .. } = self.load::<AccountRecord>(&key).await?;
        let subject = Subject { tenant: &caller.tenant, identifier };
        let bearer = Bearer::of(subject, user.map(|u| &u.id), account.as_ref());
        let presented = caller.device.as_ref().filter(|_| self.policy(&caller.tenant).known_devices);
        let device = presented.and_then(|token| device::known(&self.secrets, bearer, token, self.clock.now()));
        Ok(Standing { key, account, expect, device })
    }

    /// The token that a login hands out: of its device again, or of a new one. It is of the epoch from before the credential
    /// was looked at, or of the one that the login has begun itself: whatever ends device tokens besides ends this one too.
    pub(super) fn device_token(
        &self,
        caller: &Caller,
        user: &UserId,
        proof: &Proof,
        by: &LoggingIn<'_>,
        fresh: [u8; 16],
    ) -> Option<DeviceToken> {
        if !self.policy(&caller.tenant).known_devices {
            return None;
        }
        let LoggingIn { identifier, standing } = by;
        let subject = Subject { tenant: &caller.tenant, identifier };
        let bearer = Bearer::of(subject, Some(user), standing.account.as_ref()).at(proof.device_epoch());
        device::token(&self.secrets, bearer, standing.device.unwrap_or(fresh), self.clock.now())
    }
}

/// By which identifier somebody logs in, and how they stood to its account before.
#[derive(Clone, Copy)]
pub(super) struct LoggingIn<'a> {
    pub(super) identifier: &'a Identifier,
    pub(super) standing: &'a Standing,
}
