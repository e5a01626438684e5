//! What a host does to its users: disable, let in again, take note of a change, unlock, forget.

use super::{Engine, Inner};
use crate::flow::accounts;
use crate::store_directory::identifiers;
use crate::{Event, EventKind, Identifier, Refusal, SessionId, Tenant, UserId};

impl Engine {
    /// Ends every session, code, flow, reset token and device token of a user at once, and lets nothing open until
    /// [`Engine::enable`]: from here on a right credential is [`Refusal::Forbidden`], and a wrong one answered as ever.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`]; the user may be disabled or not, so call again.
    pub async fn disable(&self, tenant: &Tenant, user: &UserId) -> Result<(), Refusal> {
        let (tenant, user) = (tenant.clone(), user.clone());
        self.detached(move |inner| async move {
            let (account, owner) = (inner.secrets.account_key(&tenant, &user), inner.secrets.owner(&tenant, &user));
            inner.decide(&account, |prior, _, _| accounts::disable(prior, owner)).await?;
            inner.close_all(&tenant, &user, &[]).await?;
            inner.tell_of(EventKind::Disabled, &tenant, &user);
            Ok(())
        })
        .await
    }

    /// Lets a disabled user in again; what was ended stays ended.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn enable(&self, tenant: &Tenant, user: &UserId) -> Result<(), Refusal> {
        let (tenant, user) = (tenant.clone(), user.clone());
        self.detached(move |inner| async move {
            let (account, owner) = (inner.secrets.account_key(&tenant, &user), inner.secrets.owner(&tenant, &user));
            inner.decide(&account, |prior, _, _| accounts::enable(prior, owner)).await?;
            inner.tell_of(EventKind::Enabled, &tenant, &user);
            Ok(())
        })
        .await
    }

    /// Ends every session, code, flow, reset token and device token of a user whose address or roles the host has changed, so
    /// that what was granted on the old facts is gone at once. Call it after the change stands in the directory.
    ///
    /// `former` are the identifiers that the user has no more: their open codes die too, for whoever may have them next.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`]; call again.
    pub async fn user_changed(&self, tenant: &Tenant, user: &UserId, former: &[Identifier]) -> Result<(), Refusal> {
        let (tenant, user, former) = (tenant.clone(), user.clone(), former.to_vec());
        self.detached(move |inner| async move {
            let (account, owner) = (inner.secrets.account_key(&tenant, &user), inner.secrets.owner(&tenant, &user));
            inner.decide(&account, |prior, _, _| accounts::change(prior, owner)).await?;
            inner.close_all(&tenant, &user, &former).await?;
            inner.tell_of(EventKind::UserChanged, &tenant, &user);
            Ok(())
        })
        .await
    }

    /// Opens the lock of an identifier, and the slot that too many failures in a row have closed. What was guessed and sent
    /// within the last day still counts.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn unlock(&self, tenant: &Tenant, identifier: &Identifier) -> Result<(), Refusal> {
        let (tenant, identifier) = (tenant.clone(), identifier.clone());
        self.detached(move |inner| async move {
            let key = inner.secrets.identifier_key(&tenant, &identifier);
            inner.decide(&key, |prior, _, _| accounts::unlock(prior)).await?;
            inner.tell_host(EventKind::Unlocked, &tenant, Told { identifier: Some(&identifier), ..Told::default() });
            Ok(())
        })
        .await
    }

    /// Erases a user: every session, code, flow and token is dead at once, and all records of theirs are dropped, those of a
    /// [`crate::StoreDirectory`] over the same store included. A host with a table of its own deletes its row itself.
    ///
    /// What stays: a number under a keyed digest of the id, so that no token lives again should the id come back (then
    /// [`Engine::enable`] lets it in); and under keyed digests of the addresses what was counted there, until its windows are
    /// over, so that forgetting refills no limit. Neither tells who it was.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`]; call again until it is `Ok`.
    pub async fn forget(&self, tenant: &Tenant, user: &UserId) -> Result<(), Refusal> {
        let (tenant, user) = (tenant.clone(), user.clone());
        self.detached(move |inner| async move {
            // The stone first: whatever is under way from here on meets it, whether or not the rest is done.
            let (account, owner) = (inner.secrets.account_key(&tenant, &user), inner.secrets.owner(&tenant, &user));
            inner.decide(&account, |prior, _, _| accounts::forget(prior, owner)).await?;
            inner.close_all(&tenant, &user, &[]).await?;
            inner.in_time(inner.store.drop_owned(&owner)).await?;
            inner.tell_of(EventKind::Forgotten, &tenant, &user);
            Ok(())
        })
        .await
    }
}

impl Inner {
    /// Ends the codes and flows of a user's identifiers, and of others that were theirs.
    async fn close_all(&self, tenant: &Tenant, user: &UserId, former: &[Identifier]) -> Result<(), Refusal> {
        let found = self.in_time(self.directory.get(tenant, user)).await?;
        let present = found.and_then(|user| identifiers(&user).ok()).unwrap_or_default();
        for identifier in present.iter().chain(former) {
            let key = self.secrets.identifier_key(tenant, identifier);
            self.decide(&key, |prior, _, _| accounts::close(prior)).await?;
        }
        Ok(())
    }

    fn tell_of(&self, kind: EventKind, tenant: &Tenant, user: &UserId) {
        self.tell_host(kind, tenant, Told { user: Some(user), ..Told::default() });
    }

    /// Tells of something that the host has done: over no profile, from no address.
    pub(super) fn tell_host(&self, kind: EventKind, tenant: &Tenant, told: Told<'_>) {
        self.events.record(&Event {
            kind,
            at: self.clock.now(),
            tenant: tenant.clone(),
            profile: None,
            user: told.user.cloned(),
            subject: told.identifier.map(|i| self.subject(tenant, i)),
            session: told.session,
            address: None,
            refusal: None,
            cause: None,
        });
    }
}

/// Whom or what an operation of the host was about.
#[derive(Clone, Copy, Default)]
pub(super) struct Told<'a> {
    pub(super) identifier: Option<&'a Identifier>,
    pub(super) user: Option<&'a UserId>,
    pub(super) session: Option<SessionId>,
}
