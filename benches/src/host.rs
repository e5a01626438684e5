//! An app's users, and its codes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use otpgate::{
    Caller, CodeMail, DeliveryError, Directory, DirectoryError, Identifier, LoggedIn, Mailer, MasterSecret, OtpAuth,
    OtpAuthBuilder, Policy, PolicyBuilder, Profile, Secrets, Store, Tenant, User, UserId, async_trait,
};
use tokio::sync::oneshot;

/// The id of user `n`; all are of one length.
pub fn id(n: usize) -> String {
    format!("u{n:07}")
}

/// Any number of users, known without asking anybody.
struct Everybody;

impl Everybody {
    fn user(id: &str) -> Option<User> {
        let email = Some(format!("{id}@example.com"));
        Some(User { email, verified: true, roles: vec!["user".to_owned()], ..User::new(UserId::new(id).ok()?) })
    }
}

#[async_trait]
impl Directory for Everybody {
    async fn find(&self, _: &Tenant, identifier: &Identifier) -> Result<Option<User>, DirectoryError> {
        Ok(identifier.as_str().strip_suffix("@example.com").and_then(Self::user))
    }
    async fn get(&self, _: &Tenant, id: &UserId) -> Result<Option<User>, DirectoryError> {
        Ok(Self::user(id.as_str()))
    }
    async fn has_tenant(&self, _: &Tenant) -> Result<bool, DirectoryError> {
        Ok(true)
    }
}

/// The codes that have arrived, and who waits for one, by address.
#[derive(Clone, Default)]
struct Codes(Arc<Mutex<HashMap<String, Slot>>>);

enum Slot {
    Arrived(String),
    Awaited(oneshot::Sender<String>),
}

impl Codes {
    async fn of(&self, email: &str) -> String {
        let (sender, receiver) = oneshot::channel();
        {
            let mut slots = self.0.lock().expect("nobody panics");
            match slots.remove(email) {
                Some(Slot::Arrived(code)) => return code,
                Some(Slot::Awaited(_)) | None => drop(slots.insert(email.to_owned(), Slot::Awaited(sender))),
            }
        }
        receiver.await.expect("the mailer lives")
    }
}

#[async_trait]
impl Mailer for Codes {
    async fn send(&self, mail: &CodeMail) -> Result<(), DeliveryError> {
        let (code, mut slots) = (mail.code.expose().to_owned(), self.0.lock().expect("nobody panics"));
        match slots.remove(&mail.to) {
            Some(Slot::Awaited(waiting)) => drop(waiting.send(code)),
            Some(Slot::Arrived(_)) | None => drop(slots.insert(mail.to.clone(), Slot::Arrived(code))),
        }
        Ok(())
    }
}

/// otpgate over a store, with the defaults but for two numbers: how much it remembers, and how many mails an hour leave, since a
/// hundred thousand sessions are opened here within seconds.
pub struct Host {
    pub auth: OtpAuth,
    codes: Codes,
}

impl Host {
    /// # Panics
    /// When it cannot be built.
    pub async fn over(store: impl Store, cache_bytes: usize) -> Self {
        Self::with(store, |auth| auth.cache_bytes(cache_bytes)).await
    }

    /// The same with more settings.
    ///
    /// # Panics
    /// When it cannot be built.
    pub async fn with(store: impl Store, more: impl FnOnce(OtpAuthBuilder) -> OtpAuthBuilder) -> Self {
        let codes = Codes::default();
        let secrets = MasterSecret::new(*b"32 unpredictable bytes, please!!").map(Secrets::new).expect("32 bytes");
        let auth = OtpAuth::builder(secrets, store, Everybody, codes.clone());
        let auth = auth.policy(policy().build().expect("a policy"));
        Self { auth: more(auth).build().await.expect("an app"), codes }
    }

    /// The code that was sent to an address, when it arrives.
    pub async fn code_for(&self, email: &str) -> String {
        self.codes.of(email).await
    }

    /// Sends a code to user `n`, and logs in with it.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn log_in(&self, n: usize) -> LoggedIn {
        let to = format!("{}@example.com", id(n));
        let email = Identifier::email(&to).expect("an address");
        let (caller, engine) = (caller(), self.auth.engine());
        engine.send_code(&caller, &email).await.expect("a code is sent");
        let code = self.code_for(&to).await;
        engine.verify_code(&caller, &email, &code, None).await.expect("the code is right")
    }
}

/// The defaults, with room for many mails an hour.
pub fn policy() -> PolicyBuilder {
    Policy::builder().send_valve_per_hour(100_000_000)
}

/// A caller of profile `identity` whose address is not known.
pub fn caller() -> Caller {
    Caller::new(Profile::Identity, Tenant::default())
}
