//! Everything that the routes do, as methods: under the same limits, by the same engine.

use std::time::Duration;

use otpgate_core::engine::{Caller, CodeSent, LiveSession, LoggedIn, Renewed};
use otpgate_core::secret::{AccessToken, RefreshToken};
use otpgate_core::{Code, Identifier, Password, Refusal, SessionId, Tenant, UserId};

use crate::OtpAuth;

impl OtpAuth {
    /// Makes a code for `identifier` and hands it to the mailer in the background, as `otp/email` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::send_code`].
    pub async fn send_code(&self, caller: &Caller, identifier: &Identifier) -> Result<CodeSent, Refusal> {
        self.engine().send_code(caller, identifier).await
    }

    /// Tries a code and opens a session with a right one, as `login` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::verify_code`].
    pub async fn verify_code(&self, caller: &Caller, identifier: &Identifier, code: &str) -> Result<LoggedIn, Refusal> {
        self.engine().verify_code(caller, identifier, code, None).await
    }

    /// Signs in with a password, as `signin` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::sign_in`].
    pub async fn sign_in(
        &self,
        caller: &Caller,
        identifier: &Identifier,
        password: &Password,
    ) -> Result<LoggedIn, Refusal> {
        self.engine().sign_in(caller, identifier, password, None).await
    }

    /// Mails a reset token, as `forgot-password` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::ask_reset`].
    pub async fn ask_reset(&self, caller: &Caller, identifier: &Identifier) -> Result<(), Refusal> {
        self.engine().ask_reset(caller, identifier).await
    }

    /// Sets a password by a reset token, as `reset-password` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::reset_password`].
    pub async fn reset_password(&self, caller: &Caller, token: &Code, password: &Password) -> Result<(), Refusal> {
        self.engine().reset_password(caller, token, password).await
    }

    /// Exchanges a refresh token, as `refresh-token` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::refresh`].
    pub async fn refresh(&self, caller: &Caller, token: &RefreshToken) -> Result<Renewed, Refusal> {
        self.engine().refresh(caller, token).await
    }

    /// The session behind an access token, judged now.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::session`].
    pub async fn session(&self, token: &AccessToken) -> Result<LiveSession, Refusal> {
        self.engine().session(token).await
    }

    /// Ends the session behind an access token, as `logout` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::log_out`].
    pub async fn log_out(&self, caller: &Caller, token: &AccessToken) -> Result<(), Refusal> {
        self.engine().log_out(caller, token).await
    }

    /// Ends one session of a user.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::revoke`].
    pub async fn revoke(&self, tenant: &Tenant, user: &UserId, session: SessionId) -> Result<(), Refusal> {
        self.engine().revoke(tenant, user, session).await
    }

    /// Ends every session and every open code of a user.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::revoke_all`].
    pub async fn revoke_all(&self, caller: &Caller, user: &UserId) -> Result<(), Refusal> {
        self.engine().revoke_all(caller, user).await
    }

    /// Waits until no operation and no delivery is under way, at most for `deadline`; the answer is whether that came about.
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        self.engine().shutdown(deadline).await
    }
}
