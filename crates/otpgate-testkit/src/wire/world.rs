//! One deployment in one process.

use std::any::Any;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use otpgate_core::engine::{Parts, PasswordParts};
use otpgate_core::password::Argon2id;
use otpgate_core::{
    Clock as _, Directory as _, Engine, Entropy, Identifier, OsEntropy, Password, PasswordHash, PasswordScheme as _,
    Passwords as _, PolicyBook, Sms, Store, StoreDirectory, Tenant, Timestamp, User, UserId,
};
use otpgate_http::{Brand, Engine as EngineProfile, Gate, Identity, Profiles};

use super::directory::{EventLog, SwitchedDirectory};
use super::setup::{Setup, ok, usual_secrets};
use super::transcript::Transcript;
use super::vault::{Vault, Written};
use super::{Driver, Mounted, PacedRuntime, Stores, people};
use crate::{CaptureMailer, FixedEntropy, FlakyStore, SetClock};

/// A deployment: an app of one framework over one store, with a clock, chance and a mailbox that the test holds.
pub struct World {
    pub(super) place: Arc<Place>,
    pub(super) shared: Shared,
    pub(super) gate: Gate,
    pub(super) mounted: Arc<dyn Mounted>,
    pub(super) peer: Mutex<IpAddr>,
    pub(super) prefix: String,
    pub(super) sets_cookies: bool,
    tenant: Tenant,
}

/// Where worlds are made.
pub(super) struct Place {
    pub(super) driver: Arc<dyn Driver>,
    pub(super) stores: Arc<dyn Stores>,
    pub(super) transcript: Transcript,
    pub(super) seed: u64,
    /// Whether calls to the store come one after the other, where chance is fixed too.
    pub(super) in_order: bool,
}

/// What the nodes of one deployment share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) clock: SetClock,
    pub(super) runtime: PacedRuntime,
    pub(super) mailer: CaptureMailer,
    pub(super) store: FlakyStore<Arc<dyn Store>>,
    pub(super) directory: SwitchedDirectory,
    pub(super) events: EventLog,
    written: Written,
    entropy: Arc<dyn Entropy>,
    /// Lives as long as the store.
    _keep: Arc<dyn Any + Send + Sync>,
}

impl World {
    /// A world of its own, for a test that is no scenario.
    pub async fn alone(driver: &Arc<dyn Driver>, stores: &Arc<dyn Stores>, setup: Setup) -> Self {
        let (driver, stores) = (Arc::clone(driver), Arc::clone(stores));
        Self::open(
            Arc::new(Place { driver, stores, transcript: Transcript::default(), seed: 11, in_order: false }),
            setup,
        )
        .await
    }

    pub(super) async fn open(place: Arc<Place>, setup: Setup) -> Self {
        let (store, keep) = place.stores.open().await;
        let clock = SetClock::default();
        let written = Written::default();
        let vault: Arc<dyn Store> = Arc::new(Vault {
            store,
            written: written.clone(),
            turns: (place.in_order && !setup.real_chance).then(tokio::sync::Mutex::default),
        });
        let store = FlakyStore::over(vault);
        let secrets = setup.secrets.clone().unwrap_or_else(usual_secrets);
        let entropy: Arc<dyn Entropy> =
            if setup.real_chance { Arc::new(OsEntropy) } else { Arc::new(FixedEntropy::seeded(place.seed)) };
        let shared = Shared {
            runtime: PacedRuntime::following(clock.clone()),
            directory: SwitchedDirectory::over(StoreDirectory::new(store.clone(), &secrets)),
            clock,
            mailer: CaptureMailer::new(),
            store,
            events: EventLog::noted_in(place.transcript.clone()),
            written,
            entropy,
            _keep: keep,
        };
        Self::join(place, shared, setup).await
    }

    async fn join(place: Arc<Place>, shared: Shared, setup: Setup) -> Self {
        let secrets = setup.secrets.unwrap_or_else(usual_secrets);
        let mut parts = Parts::new(
            secrets,
            Arc::new(shared.store.clone()),
            Arc::new(shared.directory.clone()),
            Arc::new(shared.mailer.clone()),
            Arc::new(shared.runtime.clone()),
        );
        // Scenarios count calls to the store, and wait until no task is under way.
        parts.housekeeping = false;
        parts.clock = Arc::new(shared.clock.clone());
        parts.entropy = Arc::clone(&shared.entropy);
        parts.events = Arc::new(shared.events.clone());
        parts.single_process = setup.single_process;
        parts.bus = setup.bus;
        let book = PolicyBook::new(ok(setup.policy.build()));
        parts.policies = setup.policies.into_iter().fold(book, |book, change| change(book));
        let seeded = people::seed(shared.directory.users(), &setup.tenant).await;
        assert!(seeded.is_ok(), "the store does not keep users: {seeded:?}");
        let identity = setup.identity.into_iter().fold(Identity::new(setup.tenant.clone()), |i, change| change(i));
        let mut profiles = Profiles::builder().identity(identity);
        parts.outbox = setup.outbox;
        parts.sms = setup.sms.map(|rules| Sms::new(shared.mailer.clone(), ok(rules.build())));
        if setup.platform.is_some() || setup.engine.is_some() {
            let users = StoreDirectory::new(shared.store.clone(), &parts.secrets);
            parts.passwords = Some(PasswordParts::new(users, cheap_scheme(), 4));
        }
        if let Some(platform) = setup.platform {
            profiles = profiles.platform(platform);
        }
        if let Some(changes) = setup.engine {
            let engine = EngineProfile::new([Brand::new(setup.tenant.clone())]);
            profiles = profiles.engine(changes.into_iter().fold(engine, |e, change| change(e)));
        }
        if let Some(registration) = setup.registration {
            let users = StoreDirectory::new(shared.store.clone(), &parts.secrets);
            parts.registration = registration(users.with_entropy(Arc::clone(&shared.entropy)));
        }
        let profiles = ok(profiles.build());
        let builder = Gate::builder(ok(Engine::with_settings(parts, &setup.tokens)), profiles);
        let gate = ok(setup.gate.into_iter().fold(builder, |b, change| change(b)).build());
        let prefix =
            gate.paths().find_map(|p| p.strip_suffix("/identity/user/otp/email")).unwrap_or_default().to_owned();
        let mounted = place.driver.mount(gate.clone());
        let peer = Mutex::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
        let sets_cookies = setup.sets_cookies;
        Self { place, shared, gate, mounted, peer, prefix, sets_cookies, tenant: setup.tenant }
    }

    /// Another deployment, with an empty store of its own and other settings.
    pub async fn another(&self, change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::open(Arc::clone(&self.place), change(Setup::default())).await
    }

    /// Another node of this deployment: same store, clock, chance, mailbox and users; its own engine and settings.
    pub async fn node(&self, change: impl FnOnce(Setup) -> Setup) -> Self {
        let node = Self::join(Arc::clone(&self.place), self.shared.clone(), change(Setup::default())).await;
        node.come_from(self.peer());
        node
    }

    /// Gives the user with this address a password.
    ///
    /// # Panics
    /// When there is no such user, or the store fails.
    pub async fn set_password(&self, email: &str, password: &str) {
        let Ok(hash) = cheap_scheme().hash(&Password::typed(password), &[7; 16]) else { panic!("no hash") };
        let user = self.user(email).await;
        let set = self.directory().users().set_password(&self.tenant, &user.id, &hash).await;
        assert!(matches!(set, Ok(true)), "{set:?}");
    }

    /// Gives the user with this address a password as it was hashed with parameters of the past.
    ///
    /// # Panics
    /// When there is no such user, or the store fails.
    pub async fn set_old_password(&self, email: &str, password: &str) -> PasswordHash {
        let scheme = ok(Argon2id::with_params(16, 1, 1));
        let Ok(hash) = scheme.hash(&Password::typed(password), &[7; 16]) else { panic!("no hash") };
        let user = self.user(email).await;
        let set = self.directory().users().set_password(&self.tenant, &user.id, &hash).await;
        assert!(matches!(set, Ok(true)), "{set:?}");
        hash
    }

    /// The password hash of the user with this address.
    ///
    /// # Panics
    /// When there is none.
    pub async fn password_hash(&self, email: &str) -> PasswordHash {
        let user = self.user(email).await;
        match self.directory().users().password(&self.tenant, &user.id).await {
            Ok(Some(hash)) => hash,
            other => panic!("no password: {other:?}"),
        }
    }

    /// Replaces the password hash of the user with this address if it is `old`, and says whether it was.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn swap_password(&self, email: &str, old: &PasswordHash, new: &PasswordHash) -> bool {
        let user = self.user(email).await;
        match self.directory().users().swap_password(&self.tenant, &user.id, old, new).await {
            Ok(swapped) => swapped,
            Err(error) => panic!("the password cannot be swapped: {error}"),
        }
    }

    /// Changes the user with this address in the directory.
    ///
    /// # Panics
    /// When there is no such user, or the store fails.
    pub async fn change_user(&self, email: &str, change: impl FnOnce(&mut User)) {
        let mut user = self.user(email).await;
        change(&mut user);
        let replaced = self.directory().users().replace(&self.tenant, &user).await;
        assert!(matches!(replaced, Ok(true)), "{replaced:?}");
    }

    /// Adds a user with this id and address whom nobody has verified, as a host's sign-up form does.
    ///
    /// # Panics
    /// When the store fails, or somebody has the address.
    pub async fn sign_up(&self, id: &str, email: &str) -> UserId {
        let user = User { email: Some(email.to_owned()), ..User::new(ok(UserId::new(id))) };
        let added = self.directory().users().add(&self.tenant, &user).await;
        assert!(matches!(added, Ok(true)), "{added:?}");
        user.id
    }

    /// Makes another tenant known, by a user of its own.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn add_tenant(&self, name: &str) {
        let tenant = ok(Tenant::new(name));
        let user = User { email: Some("z@example.com".into()), ..User::new(ok(UserId::new("z"))) };
        let added = self.directory().users().add(&tenant, &user).await;
        assert!(matches!(added, Ok(true)), "{added:?}");
    }

    /// Adds a user to the directory.
    ///
    /// # Panics
    /// When the id or an identifier is taken, or the store fails.
    pub async fn add_user(&self, user: &User) {
        let added = self.directory().users().add(&self.tenant, user).await;
        assert!(matches!(added, Ok(true)), "{added:?}");
    }

    /// The user with this address.
    ///
    /// # Panics
    /// When there is none, or the store fails.
    pub async fn user(&self, email: &str) -> User {
        let address = ok(Identifier::email(email));
        match self.directory().users().find(&self.tenant, &address).await {
            Ok(Some(user)) => user,
            other => panic!("no user {email}: {other:?}"),
        }
    }

    /// The gate that the app stands behind.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The tenant whose users log in here.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The mailbox of everybody.
    #[must_use]
    pub fn mailer(&self) -> &CaptureMailer {
        &self.shared.mailer
    }

    /// The store below the engine and the users.
    #[must_use]
    pub fn store(&self) -> &FlakyStore<Arc<dyn Store>> {
        &self.shared.store
    }

    /// The users.
    #[must_use]
    pub fn directory(&self) -> &SwitchedDirectory {
        &self.shared.directory
    }

    /// What runs the engine's tasks.
    #[must_use]
    pub fn runtime(&self) -> &PacedRuntime {
        &self.shared.runtime
    }

    /// All events so far.
    #[must_use]
    pub fn events(&self) -> EventLog {
        self.shared.events.clone()
    }

    /// Every value that was ever written to the store.
    #[must_use]
    pub fn written(&self) -> &Written {
        &self.shared.written
    }

    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Moves the clock forward by `seconds`.
    pub fn advance(&self, seconds: u64) {
        self.shared.runtime.advance(Duration::from_secs(seconds));
    }

    /// Moves the clock forward by `millis` milliseconds.
    pub fn advance_ms(&self, millis: u64) {
        self.shared.runtime.advance(Duration::from_millis(millis));
    }

    /// Sets the clock, backwards too; timers that wait for a later time go on waiting.
    pub fn set_clock(&self, now: Timestamp) {
        self.shared.clock.set(now);
    }

    /// The address that requests come from.
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on requests come from `address`.
    pub fn come_from(&self, address: IpAddr) {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    /// From now on requests come from an address that no limit knows yet.
    pub fn move_on(&self) {
        let mut peer = self.peer.lock().unwrap_or_else(PoisonError::into_inner);
        let IpAddr::V4(v4) = *peer else { panic!("only from an IPv4 address there is a next one") };
        *peer = Ipv4Addr::from(u32::from(v4) + 1).into();
    }

    /// How many rounds of `rounds` to run on this store; all of them where [`ALL_ROUNDS`] is set.
    #[must_use]
    pub fn rounds(&self, rounds: usize) -> usize {
        self.few_rounds(rounds, rounds)
    }

    /// As [`World::rounds`] of `few`; `all` of them where [`ALL_ROUNDS`] is set.
    #[must_use]
    pub fn few_rounds(&self, few: usize, all: usize) -> usize {
        if std::env::var_os(ALL_ROUNDS).is_some() { all } else { self.place.stores.rounds(few) }
    }
}

/// The environment variable under which scenarios run all their rounds on every store, which takes minutes.
pub const ALL_ROUNDS: &str = "OTPGATE_ALL_ROUNDS";

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("gate", &self.gate).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// Argon2id with so little memory that a test can have many hashes.
fn cheap_scheme() -> Argon2id {
    ok(Argon2id::with_params(8, 1, 1))
}
