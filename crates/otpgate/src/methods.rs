//! Everything that the routes do, as methods: under the same limits, by the same engine.

use std::time::Duration;

use otpgate_core::engine::{Caller, CodeSent, LiveSession, LoggedIn, Renewed};
use otpgate_core::policy::Bucket;
use otpgate_core::secret::{AccessToken, RefreshToken};
use otpgate_core::{Code, Identifier, Password, Profile, Refusal, User, UserId};

use crate::OtpAuth;

impl OtpAuth {
    /// Counts a call like a request: by the caller's address, where it is known.
    pub(crate) async fn admit(&self, caller: &Caller) -> Result<(), Refusal> {
        self.engine().admit(caller.address, Bucket::of_routes(caller.profile)).await
    }

    /// Whether no user of the caller's tenant has `identifier`, as `check-availability` does. It tells who has an account, so
    /// whoever passes the answer on passes that on.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::is_available`], and [`Refusal::TooMany`].
    pub async fn is_available(&self, caller: &Caller, identifier: &Identifier) -> Result<bool, Refusal> {
        const OF_IDENTITY: &[Bucket] = &[Bucket::Identity, Bucket::Availability];
        let buckets = if caller.profile == Profile::Identity { OF_IDENTITY } else { Bucket::of_routes(caller.profile) };
        self.engine().admit(caller.address, buckets).await?;
        self.engine().is_available(caller, identifier).await
    }

    /// Makes a code for `identifier` and hands it to the mailer in the background, as `otp/email` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::send_code`].
    pub async fn send_code(&self, caller: &Caller, identifier: &Identifier) -> Result<CodeSent, Refusal> {
        self.admit(caller).await?;
        self.engine().send_code(caller, identifier).await
    }

    /// Tries a code and opens a session with a right one, as `login` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::verify_code`].
    pub async fn verify_code(&self, caller: &Caller, identifier: &Identifier, code: &str) -> Result<LoggedIn, Refusal> {
        self.admit(caller).await?;
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
        self.admit(caller).await?;
        self.engine().sign_in(caller, identifier, password, None).await
    }

    /// Mails a reset token, as `forgot-password` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::ask_reset`].
    pub async fn ask_reset(&self, caller: &Caller, identifier: &Identifier) -> Result<(), Refusal> {
        self.admit(caller).await?;
        self.engine().ask_reset(caller, identifier).await
    }

    /// Sets a password by a reset token, as `reset-password` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::reset_password`].
    pub async fn reset_password(&self, caller: &Caller, token: &Code, password: &Password) -> Result<(), Refusal> {
        self.admit(caller).await?;
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

    /// The user behind an access token as the directory says now, as `status` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::session`], and [`Refusal::Forbidden`] when the user may have no sessions any more.
    pub async fn status(&self, token: &AccessToken) -> Result<User, Refusal> {
        let live = self.engine().session(token).await?;
        let user = self.engine().user(&live).await?;
        if user.admitted { Ok(user) } else { Err(Refusal::Forbidden) }
    }

    /// Exchanges the access token of a good session for a new one, as the refresh route of `platform` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::renew`].
    pub async fn renew(&self, caller: &Caller, token: &AccessToken) -> Result<(User, AccessToken), Refusal> {
        self.engine().renew(caller, token).await
    }

    /// Ends the session behind an access token, as `logout` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::log_out`].
    pub async fn log_out(&self, caller: &Caller, token: &AccessToken) -> Result<(), Refusal> {
        self.engine().log_out(caller, token).await
    }

    /// Ends every session and every open code of a user.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::revoke_all`].
    pub async fn revoke_all(&self, caller: &Caller, user: &UserId) -> Result<(), Refusal> {
        self.engine().revoke_all(caller, user).await
    }

    /// Removes at most `limit` of the records and counters that expired more than five minutes ago, and says how many: for a
    /// host that has built this [without sweeps](crate::OtpAuthBuilder::without_sweeps), again while the answer is `limit`.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::sweep`].
    pub async fn sweep(&self, limit: u32) -> Result<u64, Refusal> {
        self.engine().sweep(limit).await
    }

    /// Takes no new work from now on, and waits until no operation and no delivery is under way, at most for `deadline`; the answer
    /// is whether that came about. Afterwards every route answers 503, and no session is judged good.
    ///
    /// With an outbox, messages that wait for another try are left in it for the other nodes, or for the next start.
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        self.engine().shutdown(deadline).await
    }
}
