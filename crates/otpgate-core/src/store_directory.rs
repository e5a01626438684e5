//! A ready directory that keeps its users in the same store as everything else.

mod people;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::record::{Recorded, TakesBack};
use crate::secret::{Secrets, Space};
use crate::{
    Directory, DirectoryError, Entropy, Expect, Identifier, IdentifierKind, Key, OsEntropy, Owner, PasswordHash,
    Passwords, Record, Revision, Store, StoreError, Swapped, Tenant, Timestamp, User, UserId,
};

/// Keeps users in a [`Store`], for apps without a table of users of their own.
///
/// Unlike codes and sessions, users are kept in clear: names and addresses stand in the store's values.
pub struct StoreDirectory {
    store: Arc<dyn Store>,
    secrets: Secrets,
    entropy: Arc<dyn Entropy>,
}

impl StoreDirectory {
    /// A directory over `store`, addressing its records by `secrets`: those of the engine over the same store.
    #[must_use]
    pub fn new(store: impl Store, secrets: &Secrets) -> Self {
        Self { store: Arc::new(store), secrets: secrets.clone(), entropy: Arc::new(OsEntropy) }
    }

    /// The same directory with another source of unpredictable bytes; ids of users who register themselves come from it.
    #[must_use]
    pub fn with_entropy(self, entropy: impl Entropy) -> Self {
        Self { entropy: Arc::new(entropy), ..self }
    }

    async fn release(&self, tenant: &Tenant, identifier: &Identifier, user: &UserId) -> Result<(), DirectoryError> {
        let key = self.login_key(tenant, identifier);
        if let Some(record) = self.store.load(&key).await? {
            let entry = LoginEntry::decode(&record.value).map_err(DirectoryError::new)?;
            if entry.user == *user {
                // Lost to another claim: then it is released already.
                let _ = self.store.swap(&key, Expect::Revision(record.revision), None).await?;
            }
        }
        Ok(())
    }

    /// Writes a record under a revision of its own, which comes back with the answer.
    async fn put<R: Recorded>(
        &self,
        key: &Key,
        expect: Expect,
        entry: &R,
    ) -> Result<(Revision, Swapped), DirectoryError> {
        let mut revision = [0; 16];
        self.entropy.fill(&mut revision).map_err(DirectoryError::new)?;
        let record = Record {
            revision: Revision(revision),
            expires_at: entry.expires_at(),
            owner: entry.owner(),
            value: entry.encode().map_err(DirectoryError::new)?,
        };
        let swapped = self.store.swap(key, expect, Some(&record)).await?;
        Ok((record.revision, swapped))
    }

    /// A tenant is known from its first user on.
    async fn note_tenant(&self, tenant: &Tenant) -> Result<(), DirectoryError> {
        let key = self.tenant_key(tenant);
        if self.store.load(&key).await?.is_none() {
            // Lost to another user's: then it is noted.
            let _ = self.put(&key, Expect::Absent, &TenantEntry { name: tenant.clone() }).await?;
        }
        Ok(())
    }

    fn tenant_key(&self, tenant: &Tenant) -> Key {
        self.secrets.key(Space::Tenant, &[tenant.as_str().as_bytes()])
    }

    fn user_key(&self, tenant: &Tenant, id: &UserId) -> Key {
        self.secrets.key(Space::User, &[tenant.as_str().as_bytes(), id.as_str().as_bytes()])
    }

    fn login_key(&self, tenant: &Tenant, identifier: &Identifier) -> Key {
        let kind = [identifier.kind() as u8];
        self.secrets.key(Space::Login, &[tenant.as_str().as_bytes(), &kind, identifier.as_str().as_bytes()])
    }
}

#[async_trait]
impl Directory for StoreDirectory {
    async fn find(&self, tenant: &Tenant, identifier: &Identifier) -> Result<Option<User>, DirectoryError> {
        let record = self.store.load(&self.login_key(tenant, identifier)).await?;
        let entry = record.map(|r| LoginEntry::decode(&r.value)).transpose().map_err(DirectoryError::new)?;
        // An unknown identifier loads a second record too: the number of loads tells nothing.
        let key = match &entry {
            Some(entry) => self.user_key(tenant, &entry.user),
            None => self.secrets.key(Space::Probe, &[tenant.as_str().as_bytes(), identifier.as_str().as_bytes()]),
        };
        let user = self.read(&key).await?;
        // The pointer is a hint; what counts is the user's own record.
        Ok(user.filter(|u| identifiers(u).is_ok_and(|all| all.contains(identifier))))
    }

    async fn get(&self, tenant: &Tenant, id: &UserId) -> Result<Option<User>, DirectoryError> {
        self.read(&self.user_key(tenant, id)).await
    }

    async fn has_tenant(&self, tenant: &Tenant) -> Result<bool, DirectoryError> {
        Ok(self.store.load(&self.tenant_key(tenant)).await?.is_some())
    }
}

#[async_trait]
impl Passwords for StoreDirectory {
    async fn password(&self, tenant: &Tenant, id: &UserId) -> Result<Option<PasswordHash>, DirectoryError> {
        let Some(record) = self.store.load(&self.user_key(tenant, id)).await? else { return Ok(None) };
        let entry = UserEntry::decode(&record.value).map_err(DirectoryError::new)?;
        Ok(entry.password.map(PasswordHash::from_text))
    }

    async fn set_password(&self, tenant: &Tenant, id: &UserId, hash: &PasswordHash) -> Result<bool, DirectoryError> {
        self.change_password(tenant, id, None, Some(hash)).await
    }

    async fn swap_password(
        &self,
        tenant: &Tenant,
        id: &UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, DirectoryError> {
        self.change_password(tenant, id, Some(old), Some(new)).await
    }

    async fn remove_password(&self, tenant: &Tenant, id: &UserId) -> Result<(), DirectoryError> {
        self.change_password(tenant, id, None, None).await.map(drop)
    }
}

impl StoreDirectory {
    /// Puts a hash into the user's record, or takes it out, if the one there is `old` where one is named.
    async fn change_password(
        &self,
        tenant: &Tenant,
        id: &UserId,
        old: Option<&PasswordHash>,
        new: Option<&PasswordHash>,
    ) -> Result<bool, DirectoryError> {
        let key = self.user_key(tenant, id);
        loop {
            let Some(record) = self.store.load(&key).await? else { return Ok(false) };
            let mut entry = UserEntry::decode(&record.value).map_err(DirectoryError::new)?;
            if old.is_some_and(|old| entry.password.as_deref() != Some(old.as_str())) {
                return Ok(false);
            }
            entry.password = new.map(|new| new.as_str().to_owned());
            // Lost to another change of the user: look again at what it has become.
            if self.put(&key, Expect::Revision(record.revision), &entry).await?.1 == Swapped::Yes {
                return Ok(true);
            }
        }
    }

    async fn read(&self, key: &Key) -> Result<Option<User>, DirectoryError> {
        let Some(record) = self.store.load(key).await? else { return Ok(None) };
        Ok(Some(UserEntry::decode(&record.value).map_err(DirectoryError::new)?.user))
    }
}

impl fmt::Debug for StoreDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreDirectory").finish_non_exhaustive()
    }
}

impl From<StoreError> for DirectoryError {
    fn from(error: StoreError) -> Self {
        Self::new(error)
    }
}

/// Every identifier of a user in its canonical spelling.
pub(crate) fn identifiers(user: &User) -> Result<Vec<Identifier>, DirectoryError> {
    let read = |kind: IdentifierKind, text: &Option<String>| {
        text.as_deref().map(|t| match kind {
            IdentifierKind::Email => Identifier::email(t),
            IdentifierKind::Phone => Identifier::phone(t),
            IdentifierKind::Username => Identifier::username(t),
        })
    };
    let all = [
        read(IdentifierKind::Email, &user.email),
        read(IdentifierKind::Phone, &user.phone),
        read(IdentifierKind::Username, &user.username),
    ];
    all.into_iter().flatten().collect::<Result<_, _>>().map_err(DirectoryError::new)
}

#[derive(Serialize, Deserialize)]
struct UserEntry {
    owner: [u8; 32],
    user: User,
    password: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct TenantEntry {
    name: Tenant,
}

impl Recorded for TenantEntry {
    const KIND: u8 = b't';
    const TAKES_BACK: Option<TakesBack<Self>> = None;
    fn expires_at(&self) -> Timestamp {
        Timestamp::NEVER
    }
}

#[derive(Serialize, Deserialize)]
struct LoginEntry {
    owner: [u8; 32],
    user: UserId,
}

impl Recorded for UserEntry {
    const KIND: u8 = b'u';
    const TAKES_BACK: Option<TakesBack<Self>> = None;
    fn expires_at(&self) -> Timestamp {
        Timestamp::NEVER
    }
    fn owner(&self) -> Option<Owner> {
        Some(Owner(self.owner))
    }
}

impl Recorded for LoginEntry {
    const KIND: u8 = b'l';
    const TAKES_BACK: Option<TakesBack<Self>> = None;
    fn expires_at(&self) -> Timestamp {
        Timestamp::NEVER
    }
    fn owner(&self) -> Option<Owner> {
        Some(Owner(self.owner))
    }
}
