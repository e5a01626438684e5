//! The flows of `engine` and what their sessions can do, as methods.

use otpgate_core::engine::{Caller, CodeSent, FlowClaim, FlowOpened, LoggedIn, NewFlow, TypedCode};
use otpgate_core::secret::{AccessToken, SessionKey};
use otpgate_core::{Password, Refusal};

use crate::OtpAuth;

impl OtpAuth {
    /// Opens a flow, as `token/generate` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::open_flow`].
    pub async fn open_flow(&self, caller: &Caller, new: NewFlow) -> Result<FlowOpened, Refusal> {
        self.admit(caller).await?;
        self.engine().open_flow(caller, new).await
    }

    /// Sends a code within a flow, as `otp/generate` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::send_flow_code`].
    pub async fn send_flow_code(&self, caller: &Caller, claim: FlowClaim) -> Result<CodeSent, Refusal> {
        self.admit(caller).await?;
        self.engine().send_flow_code(caller, claim).await
    }

    /// Tries a code within a flow, as `otp/validate` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::verify_flow`].
    pub async fn verify_flow(&self, caller: &Caller, claim: FlowClaim, code: &TypedCode) -> Result<LoggedIn, Refusal> {
        self.admit(caller).await?;
        self.engine().verify_flow(caller, claim, code).await
    }

    /// Tries a password within a flow, as `password/validate` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::sign_in_flow`].
    pub async fn sign_in_flow(
        &self,
        caller: &Caller,
        claim: FlowClaim,
        password: &Password,
    ) -> Result<LoggedIn, Refusal> {
        self.admit(caller).await?;
        self.engine().sign_in_flow(caller, claim, password).await
    }

    /// Keeps a password until the flow's code validates, as `password/forget` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::set_pending`].
    pub async fn set_pending(&self, caller: &Caller, claim: FlowClaim, password: &Password) -> Result<(), Refusal> {
        self.admit(caller).await?;
        self.engine().set_pending(caller, claim, password).await
    }

    /// Changes a password, as `password/change` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::change_password`].
    pub async fn change_password(
        &self,
        caller: &Caller,
        claim: FlowClaim,
        token: &AccessToken,
        old: &Password,
        new: &Password,
    ) -> Result<(), Refusal> {
        self.admit(caller).await?;
        self.engine().change_password(caller, claim, token, old, new).await
    }

    /// Exchanges a key for a new access token, as `token/regenerate` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::regenerate`].
    pub async fn regenerate(&self, caller: &Caller, claim: FlowClaim, key: &SessionKey) -> Result<LoggedIn, Refusal> {
        self.engine().regenerate(caller, claim, key).await
    }

    /// Exchanges a token that ended a short while ago, as `token/regenerate` does on the web.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::exchange`].
    pub async fn exchange(&self, caller: &Caller, claim: FlowClaim, token: &AccessToken) -> Result<LoggedIn, Refusal> {
        self.engine().exchange(caller, claim, token).await
    }

    /// Ends the session of a token that is bound to what the request names, as `token/expire` does.
    ///
    /// # Errors
    /// As [`otpgate_core::Engine::expire`].
    pub async fn expire(&self, caller: &Caller, claim: FlowClaim, token: &AccessToken) -> Result<(), Refusal> {
        self.engine().expire(caller, claim, token).await
    }
}
