//! How a world is set up, and what a scenario may change of it.

use std::fmt;
use std::sync::Arc;

use otpgate_core::engine::Outbox;
use otpgate_core::policy::PolicyBuilder;
use otpgate_core::token::{SigningKey, TokenSettings};
use otpgate_core::{
    Bus, MasterSecret, Policy, PolicyBook, Registration, Secrets, SmsRules, SmsRulesBuilder, StoreDirectory, Tenant,
};
use otpgate_http::{Engine, GateBuilder, Identity, Platform};

type Change<T> = Box<dyn FnOnce(T) -> T>;

/// The settings of a world; the default is what an app gets that changes nothing.
pub struct Setup {
    pub(super) policy: PolicyBuilder,
    pub(super) policies: Vec<Change<PolicyBook>>,
    pub(super) tenant: Tenant,
    pub(super) identity: Vec<Change<Identity>>,
    pub(super) gate: Vec<Change<GateBuilder>>,
    pub(super) secrets: Option<Secrets>,
    pub(super) tokens: TokenSettings,
    pub(super) real_chance: bool,
    pub(super) platform: Option<Platform>,
    pub(super) sets_cookies: bool,
    pub(super) engine: Option<Vec<Change<Engine>>>,
    pub(super) single_process: bool,
    pub(super) bus: Option<Arc<dyn Bus>>,
    pub(super) sms: Option<SmsRulesBuilder>,
    pub(super) outbox: Option<Outbox>,
    pub(super) registration: Option<Box<dyn FnOnce(StoreDirectory) -> Registration>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            policy: Policy::builder(),
            policies: Vec::new(),
            tenant: Tenant::default(),
            identity: Vec::new(),
            gate: Vec::new(),
            secrets: None,
            tokens: TokenSettings::default(),
            real_chance: false,
            platform: None,
            sets_cookies: false,
            engine: None,
            single_process: false,
            bus: None,
            sms: Some(SmsRules::builder().allow("+1")),
            outbox: None,
            registration: None,
        }
    }
}

impl Setup {
    /// Changes the policy.
    #[must_use]
    pub fn policy(mut self, change: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Self {
        self.policy = change(self.policy);
        self
    }

    /// Changes which policy holds for which tenant.
    #[must_use]
    pub fn policies(mut self, change: impl FnOnce(PolicyBook) -> PolicyBook + 'static) -> Self {
        self.policies.push(Box::new(change));
        self
    }

    /// The tenant whose users log in.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = tenant;
        self
    }

    /// Changes how profile `identity` is mounted.
    #[must_use]
    pub fn identity(mut self, change: impl FnOnce(Identity) -> Identity + 'static) -> Self {
        self.identity.push(Box::new(change));
        self
    }

    /// Mounts profile `platform` too, with passwords hashed at next to no cost.
    #[must_use]
    pub fn platform(self) -> Self {
        self.platform_as(Platform::new())
    }

    /// As [`Setup::platform`], mounted in this way.
    #[must_use]
    pub fn platform_as(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// Expects answers with cookies; elsewhere one is an error in every scenario.
    #[must_use]
    pub fn sets_cookies(mut self) -> Self {
        self.sets_cookies = true;
        self
    }

    /// Mounts profile `engine` too, for the one brand that is the tenant, with passwords as for `platform`.
    #[must_use]
    pub fn engine(mut self, change: impl FnOnce(Engine) -> Engine + 'static) -> Self {
        self.engine.get_or_insert_default().push(Box::new(change));
        self
    }

    /// Has the store to itself.
    #[must_use]
    pub fn single_process(mut self) -> Self {
        self.single_process = true;
        self
    }

    /// Hears of other nodes by this.
    #[must_use]
    pub fn bus(mut self, bus: Arc<dyn Bus>) -> Self {
        self.bus = Some(bus);
        self
    }

    /// Which numbers get SMS, and how many; without a change those of `+1`, all of them.
    #[must_use]
    pub fn sms(mut self, rules: SmsRulesBuilder) -> Self {
        self.sms = Some(rules);
        self
    }

    /// Keeps messages in the store until they are handed over. Nobody looks for those that were left behind but the scenario.
    #[must_use]
    pub fn outbox(mut self, outbox: Outbox) -> Self {
        self.outbox = Some(outbox);
        self
    }

    /// What becomes of unknown addresses, over the users of the world.
    #[must_use]
    pub fn registration(mut self, registration: impl FnOnce(StoreDirectory) -> Registration + 'static) -> Self {
        self.registration = Some(Box::new(registration));
        self
    }

    /// Changes the gate.
    #[must_use]
    pub fn gate(mut self, change: impl FnOnce(GateBuilder) -> GateBuilder + 'static) -> Self {
        self.gate.push(Box::new(change));
        self
    }

    /// The key ring.
    #[must_use]
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Signs access tokens with the Ed25519 key that the kit has in clear, so that a scenario can sign what it likes.
    ///
    /// # Panics
    /// Never; the key is a constant.
    #[must_use]
    pub fn ed25519(mut self) -> Self {
        self.tokens.keys = vec![ok(SigningKey::ed25519_pem(ED25519.as_bytes()))];
        self
    }

    /// How access tokens are signed and for whom.
    #[must_use]
    pub fn tokens(mut self, tokens: TokenSettings) -> Self {
        self.tokens = tokens;
        self
    }

    /// Uses the operating system's random bytes in place of fixed ones.
    #[must_use]
    pub fn real_chance(mut self) -> Self {
        self.real_chance = true;
        self
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("policy", &self.policy).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// The ring of a world that names none.
///
/// # Panics
/// Never; the secret is a constant.
#[must_use]
pub fn usual_secrets() -> Secrets {
    Secrets::new(usual_master())
}

/// The master secret of a world that names none.
///
/// # Panics
/// Never; the secret is a constant.
#[must_use]
pub fn usual_master() -> MasterSecret {
    ok(MasterSecret::new(*b"a master secret for tests, 32+ bytes"))
}

/// A setting that the kit knows to be good.
#[track_caller]
pub(super) fn ok<T, E: fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the kit's own setting is refused: {error}"),
    }
}

/// A private key for tests that everybody knows.
pub(super) const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIOeOwm8gEtCyrdqIrxELcXJFXFqPaIcH376vozfRfpJi
-----END PRIVATE KEY-----
";
