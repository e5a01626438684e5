//! The proof that a person showed a right credential.

/// Made by the verifiers beside this module and by nothing else; [`super::session::open`] asks for one.
#[derive(Debug)]
pub(crate) struct Proof {
    epoch: u64,
    address: Option<[u8; 16]>,
}

impl Proof {
    /// For a credential that was found right under this epoch of its account.
    pub(super) fn of(epoch: u64) -> Self {
        Self { epoch, address: None }
    }

    /// For a code that came to the identifier with this digest, and so to its owner.
    pub(super) fn of_address(epoch: u64, address: Option<[u8; 16]>) -> Self {
        Self { epoch, address }
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
