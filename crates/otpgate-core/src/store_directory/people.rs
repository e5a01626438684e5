//! Adding, registering, replacing and removing users, so that an identifier leads to one of them at most.
//!
//! A user is a record, and each identifier a pointer to it. The pointers are claimed first, then the user is written, then each
//! pointer is confirmed by a second swap. A pointer whose user is not there yet may be taken over (or a crash would block the
//! identifier for ever), and whoever was overtaken finds out at the confirmation.

use async_trait::async_trait;

use super::{LoginEntry, StoreDirectory, UserEntry, identifiers};
use crate::record::Recorded as _;
use crate::{
    Directory as _, DirectoryError, Expect, Identifier, Key, Registrar, Revision, SessionId, Swapped, Tenant, User,
    UserId,
};

impl StoreDirectory {
    /// Adds a user; one whose id the tenant has already is left as it is, and the answer is `false`.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store fails, when an identifier is not valid, or when another user of the tenant has it.
    pub async fn add(&self, tenant: &Tenant, user: &User) -> Result<bool, DirectoryError> {
        match self.create(tenant, user).await? {
            Created::Yes => Ok(true),
            Created::IdTaken => Ok(false),
            Created::IdentifierTaken => Err(taken()),
        }
    }

    /// Replaces a user that the tenant has; the answer is `false` when it has none of this id.
    ///
    /// The engine reads a user at login and refresh. For effect on open sessions and codes, call
    /// [`crate::Engine::user_changed`] as well; `verified` is to be false when an address is new and nobody has proven it.
    ///
    /// # Errors
    /// As [`StoreDirectory::add`].
    pub async fn replace(&self, tenant: &Tenant, user: &User) -> Result<bool, DirectoryError> {
        let key = self.user_key(tenant, &user.id);
        let Some(record) = self.store.load(&key).await? else { return Ok(false) };
        let UserEntry { user: kept, password, .. } = UserEntry::decode(&record.value).map_err(DirectoryError::new)?;
        let wanted = identifiers(user)?;
        let Some(claims) = self.claim_all(tenant, &wanted, &user.id).await? else { return Err(taken()) };
        let owner = self.secrets.owner(tenant, &user.id).0;
        let entry = UserEntry { owner, user: user.clone(), password };
        if self.put(&key, Expect::Revision(record.revision), &entry).await?.1 == Swapped::No {
            return Err(DirectoryError::new("the user was changed at the same time"));
        }
        if !self.confirm(&claims).await? {
            // Overtaken: the user stays who they were, unless somebody has changed them again.
            if let Some(now) = self.store.load(&key).await? {
                let before = UserEntry { user: kept, ..entry };
                let _ = self.put(&key, Expect::Revision(now.revision), &before).await?;
            }
            return Err(taken());
        }
        for old in identifiers(&kept)?.iter().filter(|i| !wanted.contains(i)) {
            self.release(tenant, old, &user.id).await?;
        }
        Ok(true)
    }

    /// Removes a user; the answer is whether the tenant had one of this id. [`crate::Engine::forget`] ends what is open.
    ///
    /// # Errors
    /// [`DirectoryError`] when the store fails; the user may be there then, or be gone.
    pub async fn remove(&self, tenant: &Tenant, id: &UserId) -> Result<bool, DirectoryError> {
        let key = self.user_key(tenant, id);
        let Some(record) = self.store.load(&key).await? else { return Ok(false) };
        let entry = UserEntry::decode(&record.value).map_err(DirectoryError::new)?;
        let removed = self.store.swap(&key, Expect::Revision(record.revision), None).await?;
        for identifier in identifiers(&entry.user)? {
            self.release(tenant, &identifier, id).await?;
        }
        Ok(removed == Swapped::Yes)
    }

    async fn create(&self, tenant: &Tenant, user: &User) -> Result<Created, DirectoryError> {
        let key = self.user_key(tenant, &user.id);
        if self.store.load(&key).await?.is_some() {
            return Ok(Created::IdTaken);
        }
        let Some(claims) = self.claim_all(tenant, &identifiers(user)?, &user.id).await? else {
            return Ok(Created::IdentifierTaken);
        };
        self.note_tenant(tenant).await?;
        let owner = self.secrets.owner(tenant, &user.id).0;
        let entry = UserEntry { owner, user: user.clone(), password: None };
        let (revision, put) = self.put(&key, Expect::Absent, &entry).await?;
        if put == Swapped::No {
            return Ok(Created::IdTaken);
        }
        if self.confirm(&claims).await? {
            return Ok(Created::Yes);
        }
        // Overtaken before the user was there; what is left points at nobody and holds nothing.
        let _ = self.store.swap(&key, Expect::Revision(revision), None).await?;
        Ok(Created::IdentifierTaken)
    }

    /// Claims every identifier for `user`; nothing when another user has one of them.
    async fn claim_all(
        &self,
        tenant: &Tenant,
        wanted: &[Identifier],
        user: &UserId,
    ) -> Result<Option<Vec<Claim>>, DirectoryError> {
        let mut claims = Vec::with_capacity(wanted.len());
        for identifier in wanted {
            match self.claim(tenant, identifier, user).await? {
                Some(claim) => claims.push(claim),
                None => return Ok(None),
            }
        }
        Ok(Some(claims))
    }

    /// Makes `identifier` point at `user`, unless another user has it.
    async fn claim(
        &self,
        tenant: &Tenant,
        identifier: &Identifier,
        user: &UserId,
    ) -> Result<Option<Claim>, DirectoryError> {
        let key = self.login_key(tenant, identifier);
        let entry = LoginEntry { owner: self.secrets.owner(tenant, user).0, user: user.clone() };
        let expect = match self.store.load(&key).await? {
            None => Expect::Absent,
            Some(record) => {
                let holds = LoginEntry::decode(&record.value).map_err(DirectoryError::new)?;
                if holds.user == *user {
                    return Ok(Some(Claim { key, revision: record.revision, entry }));
                }
                // A pointer to a user that never came to be, or has moved on, holds nothing.
                let holder = self.get(tenant, &holds.user).await?;
                if holder.is_some_and(|u| identifiers(&u).is_ok_and(|all| all.contains(identifier))) {
                    return Ok(None);
                }
                Expect::Revision(record.revision)
            }
        };
        let (revision, put) = self.put(&key, expect, &entry).await?;
        Ok((put == Swapped::Yes).then_some(Claim { key, revision, entry }))
    }

    /// Whether all pointers are still ours, now that their user is there; from here on nobody takes them over.
    async fn confirm(&self, claims: &[Claim]) -> Result<bool, DirectoryError> {
        for claim in claims {
            if self.put(&claim.key, Expect::Revision(claim.revision), &claim.entry).await?.1 == Swapped::No {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[async_trait]
impl Registrar for StoreDirectory {
    async fn register(&self, tenant: &Tenant, identifier: &Identifier) -> Result<Option<User>, DirectoryError> {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes).map_err(DirectoryError::new)?;
        let id = UserId::new(SessionId::from_random(bytes).to_string()).map_err(DirectoryError::new)?;
        let mut user = User::new(id);
        user.set_identifier(identifier);
        match self.create(tenant, &user).await? {
            Created::Yes => Ok(Some(user)),
            Created::IdTaken | Created::IdentifierTaken => Ok(None),
        }
    }
}

/// A pointer as it was claimed.
struct Claim {
    key: Key,
    revision: Revision,
    entry: LoginEntry,
}

enum Created {
    Yes,
    IdTaken,
    IdentifierTaken,
}

fn taken() -> DirectoryError {
    DirectoryError::new("another user of the tenant has this identifier")
}
