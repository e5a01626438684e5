//! The proof that a person showed a right credential.

/// Made by the verifiers beside this module and by nothing else; [`super::session::open`] asks for one.
#[derive(Debug)]
pub(crate) struct Proof {
    epoch: u64,
}

impl Proof {
    /// For a credential that was found right under this epoch of its account.
    pub(super) fn of(epoch: u64) -> Self {
        Self { epoch }
    }

    /// The account's epoch when the credential was checked.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }
}
