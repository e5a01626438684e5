//! What a host does to its users and their sessions, as methods.

use otpgate_core::engine::{LiveSession, OpenSession};
use otpgate_core::{Identifier, Refusal, SessionId, Tenant, UserId};

use crate::OtpAuth;

impl OtpAuth {
    /// The open sessions of a user, oldest first: at most as many as the policy allows, 20 by default.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::sessions_of`].
    pub async fn sessions_of(&self, tenant: &Tenant, user: &UserId) -> Result<Vec<OpenSession>, Refusal> {
        self.engine().sessions_of(tenant, user).await
    }

    /// Ends one session of a user; the answer is whether the user had it open. One of somebody else is left alone, so the
    /// handle may come from a request.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::revoke`].
    pub async fn revoke(&self, tenant: &Tenant, user: &UserId, session: SessionId) -> Result<bool, Refusal> {
        self.engine().revoke(tenant, user, session).await
    }

    /// Ends every session of a user but this one.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::revoke_others`].
    pub async fn revoke_others(&self, session: &LiveSession) -> Result<(), Refusal> {
        self.engine().revoke_others(session).await
    }

    /// Opens the lock of an identifier, and the slot that too many failures in a row have closed.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::unlock`].
    pub async fn unlock(&self, tenant: &Tenant, identifier: &Identifier) -> Result<(), Refusal> {
        self.engine().unlock(tenant, identifier).await
    }

    /// Ends everything of a user at once, and lets nothing open until [`OtpAuth::enable`]. It stands beside what the directory
    /// says: a user needs both `admitted` and not to be disabled here.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::disable`].
    pub async fn disable(&self, tenant: &Tenant, user: &UserId) -> Result<(), Refusal> {
        self.engine().disable(tenant, user).await
    }

    /// Lets a disabled user in again; what was ended stays ended.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::enable`].
    pub async fn enable(&self, tenant: &Tenant, user: &UserId) -> Result<(), Refusal> {
        self.engine().enable(tenant, user).await
    }

    /// Ends everything of a user whose address or roles have changed; `former` are the identifiers that they have no more.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::user_changed`].
    pub async fn user_changed(&self, tenant: &Tenant, user: &UserId, former: &[Identifier]) -> Result<(), Refusal> {
        self.engine().user_changed(tenant, user, former).await
    }

    /// Erases a user; a token of theirs never lives again.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::forget`].
    pub async fn forget(&self, tenant: &Tenant, user: &UserId) -> Result<(), Refusal> {
        self.engine().forget(tenant, user).await
    }
}
