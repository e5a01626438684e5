//! Who becomes a user, and what goes before an address is first proven.

use super::{About, Caller, Inner};
use crate::flow::proof::Proof;
use crate::flow::reset;
use crate::record::Audience;
use crate::{EventKind, Identifier, Refusal, User};

impl Inner {
    /// Whom a code for `identifier` is for.
    pub(super) fn audience(&self, caller: &Caller, identifier: &Identifier, user: Option<&User>) -> Audience {
        match (user, self.registration.registrar(&caller.tenant, identifier)) {
            (Some(_), _) => Audience::User,
            (None, Some(_)) => Audience::Newcomer,
            (None, None) => Audience::Nobody,
        }
    }

    /// Creates the user of an address that has just been proven. Somebody who was faster has the address, and the code that
    /// was sent before opens nothing of theirs.
    pub(super) async fn register(&self, caller: &Caller, identifier: &Identifier) -> Result<User, Refusal> {
        let registrar = self.registration.registrar(&caller.tenant, identifier).ok_or(Refusal::WrongCode)?;
        let made = self.in_time(registrar.register(&caller.tenant, identifier)).await?;
        let user = made.ok_or(Refusal::WrongCode)?;
        let subject = Some(self.subject(&caller.tenant, identifier));
        let about = About { caller, subject, user: Some(&user.id), session: None };
        self.tell(EventKind::Registered, about, None);
        // There was nobody before: nothing can have been left behind.
        Ok(User { verified: true, ..user })
    }

    /// Discards what came before the first proof: everything is dead, then the password goes, then everything is dead again
    /// and the address proven. After a crash in between the next proof begins anew.
    pub(super) async fn discard_unproven(
        &self,
        caller: &Caller,
        user: &User,
        accepted: &Proof,
    ) -> Result<Proof, Refusal> {
        let account = self.secrets.account_key(&caller.tenant, &user.id);
        let owner = self.secrets.owner(&caller.tenant, &user.id);
        let policy = self.policy(&caller.tenant);
        self.decide(&account, |prior, now, _| reset::begin_proven(prior, owner, accepted, &policy, now)).await??;
        if let Some(passwords) = &self.passwords {
            self.in_time(passwords.store.remove_password(&caller.tenant, &user.id)).await?;
        }
        let proof = self.decide(&account, |prior, _, _| reset::finish_proven(prior, owner, accepted)).await??;
        let about = About { caller, subject: None, user: Some(&user.id), session: None };
        self.tell(EventKind::UnprovenDiscarded, about, None);
        Ok(proof)
    }
}
