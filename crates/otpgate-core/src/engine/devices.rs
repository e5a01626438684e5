//! Known devices: which slot a request meets, and the token that a login hands out.

use super::keeper::Loaded;
use super::{Caller, Inner, LoggedIn};
use crate::flow::code::Subject;
use crate::flow::device::{self, Bearer};
use crate::record::{AccountRecord, Purpose, SlotKey};
use crate::{Expect, Identifier, Profile, Refusal, User, UserId};

/// How the caller stands to the account behind an identifier, as it was before the credential was looked at.
pub(super) struct Standing {
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
        Loaded { record: self.account.clone(), expect: self.expect }
    }

    /// Whether the request comes from a known device.
    pub(super) fn is_known(&self) -> bool {
        self.device.is_some()
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
        let Loaded { record: account, expect } = self.load::<AccountRecord>(&key).await?;
        let bearer = bearer(caller, identifier, user.map(|u| &u.id), account.as_ref());
        let presented = caller.device.as_ref().filter(|_| self.policy(&caller.tenant).known_devices);
        let device = presented.and_then(|token| device::known(&self.secrets, bearer, token, self.clock.now()));
        Ok(Standing { account, expect, device })
    }

    /// Gives a login the token of its device: of the same device again, or of a new one.
    pub(super) fn with_device(
        &self,
        mut done: LoggedIn,
        caller: &Caller,
        identifier: &Identifier,
        standing: &Standing,
    ) -> Result<LoggedIn, Refusal> {
        if self.policy(&caller.tenant).known_devices {
            let id = standing.device.map_or_else(|| self.dice().map(|dice| dice.first_16()), Ok)?;
            let bearer = bearer(caller, identifier, Some(&done.user.id), standing.account.as_ref());
            done.device = device::token(&self.secrets, bearer, id, self.clock.now());
        }
        Ok(done)
    }
}

fn bearer<'a>(
    caller: &'a Caller,
    identifier: &'a Identifier,
    user: Option<&'a UserId>,
    account: Option<&'a AccountRecord>,
) -> Bearer<'a> {
    Bearer { subject: Subject { tenant: &caller.tenant, identifier }, user, account }
}
