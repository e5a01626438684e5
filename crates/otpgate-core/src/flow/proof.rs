//! The proof that a person showed a right credential.

use super::shared::Guessed;

/// Made by the verifiers beside this module and by nothing else; [`super::session::open`] asks for one.
#[derive(Debug)]
pub(crate) struct Proof {
    epoch: u64,
    address: Option<[u8; 16]>,
    device_epoch: Option<u64>,
    guessed: Option<Guessed>,
}

impl Proof {
    /// For a credential that was found right under this epoch of its account; `guessed` says which budget of the account it
    /// needs room in, and is none for a known device.
    pub(super) fn of(epoch: u64, guessed: Option<Guessed>) -> Self {
        Self { epoch, address: None, device_epoch: None, guessed }
    }

    /// For a code that came to the identifier with this digest, and so to its owner.
    pub(super) fn of_address(epoch: u64, address: [u8; 16], guessed: Option<Guessed>) -> Self {
        Self { address: Some(address), ..Self::of(epoch, guessed) }
    }

    /// The same proof under the epochs that it has begun itself, by ending all that was before it. It found room when it began.
    pub(super) fn renewed(&self, epoch: u64, device_epoch: u64) -> Self {
        Self { epoch, device_epoch: Some(device_epoch), guessed: None, ..*self }
    }

    /// What was guessed, where that needs room in the account's budget.
    pub(super) fn guessed(&self) -> Option<Guessed> {
        self.guessed
    }

    /// The epoch of device tokens that this proof has begun; none when it has ended nothing.
    pub(crate) fn device_epoch(&self) -> Option<u64> {
        self.device_epoch
    }

    /// A digest of the identifier that the person has shown to be theirs; a password shows none.
    pub(crate) fn address(&self) -> Option<[u8; 16]> {
        self.address
    }

    /// The account's epoch when the credential was checked.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }
}
