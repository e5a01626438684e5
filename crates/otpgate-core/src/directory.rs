//! The host's users and tenants, as otpgate reads them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Identifier, IdentifierKind, PasswordHash, Tenant, UserId};

/// What otpgate knows of a user: read from the host at login, at refresh and where a route shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user's id within the tenant.
    pub id: UserId,
    /// The address that mail goes to, in the spelling that the host stored.
    pub email: Option<String>,
    /// The number that SMS go to.
    pub phone: Option<String>,
    /// The name used to sign in.
    pub username: Option<String>,
    /// The name to show.
    pub name: String,
    /// The one role that `platform` shows.
    pub role: String,
    /// The roles that `identity` shows and sessions carry.
    pub roles: Vec<String>,
    /// The status that the routes show, as the host words it.
    pub status: String,
    /// Whether the user may have sessions: false for banned, disabled and pending ones.
    pub admitted: bool,
    /// Whether the host itself has seen proof that the addresses are the user's, by a link it mailed for example. Where it has
    /// not, the first code that comes back discards every password and session from before: somebody else may have signed
    /// up with the address.
    pub verified: bool,
    /// Whether the user is registered in the app, as `engine` shows it.
    pub app_registered: bool,
    /// The default organisation.
    pub organization: String,
    /// All organisations of the user, the default one included or not.
    pub organizations: Vec<String>,
    /// The language of messages to this user, as a tag of BCP 47 (`de`, `pt-BR`); without one the request says it.
    pub locale: Option<String>,
}

impl User {
    /// An admitted user with status `active`, role `user` and nothing else; not verified.
    #[must_use]
    pub fn new(id: UserId) -> Self {
        Self {
            id,
            email: None,
            phone: None,
            username: None,
            name: String::new(),
            role: "user".to_owned(),
            roles: Vec::new(),
            status: "active".to_owned(),
            admitted: true,
            verified: false,
            app_registered: false,
            organization: String::new(),
            organizations: Vec::new(),
            locale: None,
        }
    }

    /// Puts an identifier where its kind stands.
    pub(crate) fn set_identifier(&mut self, identifier: &Identifier) {
        let place = match identifier.kind() {
            IdentifierKind::Email => &mut self.email,
            IdentifierKind::Phone => &mut self.phone,
            IdentifierKind::Username => &mut self.username,
        };
        *place = Some(identifier.as_str().to_owned());
    }
}

/// Finds the host's users and tenants; implemented over the host's own table, or [`crate::StoreDirectory`].
///
/// # Contract
/// 1. `find` compares identifiers byte by byte with the canonical spelling of the stored ones ([`Identifier`]); at most one
///    user of a tenant has an identifier.
/// 2. `find` and `get` see a committed change of the host at once, or within a delay that the host accepts for log-ins.
/// 3. An unknown user or tenant is `Ok(None)`, not an error, and takes about as long as a known one.
///
/// # Security
/// A collation that merges two spellings merges two people: compare bytes.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// The user of `tenant` with this identifier.
    ///
    /// # Errors
    /// [`DirectoryError`] when the directory cannot say; nobody logs in then.
    async fn find(&self, tenant: &Tenant, identifier: &Identifier) -> Result<Option<User>, DirectoryError>;

    /// The user of `tenant` with this id.
    ///
    /// # Errors
    /// [`DirectoryError`] when the directory cannot say; nobody logs in then.
    async fn get(&self, tenant: &Tenant, id: &UserId) -> Result<Option<User>, DirectoryError>;

    /// Whether there is such a tenant; asked where a request names one.
    ///
    /// # Errors
    /// [`DirectoryError`] when the directory cannot say; nobody logs in then.
    async fn has_tenant(&self, tenant: &Tenant) -> Result<bool, DirectoryError>;
}

/// Keeps the password hashes of the host's users, for a deployment that wants passwords; implemented over the host's own
/// table, or [`crate::StoreDirectory`].
///
/// # Contract
/// 1. After `set_password` is `Ok`, `password` gives that hash on every connection.
/// 2. An unknown user has no password; setting one is `Ok(false)`.
/// 3. After `remove_password` is `Ok`, `password` gives none on every connection.
/// 4. `swap_password` compares and replaces atomically: a sign-in that hashes anew never undoes a reset beside it.
#[async_trait]
pub trait Passwords: Send + Sync + 'static {
    /// The user's password hash.
    ///
    /// # Errors
    /// [`DirectoryError`] when the directory cannot say; nobody signs in then.
    async fn password(&self, tenant: &Tenant, id: &UserId) -> Result<Option<PasswordHash>, DirectoryError>;

    /// Replaces the user's password hash; the answer is whether there is such a user.
    ///
    /// # Errors
    /// [`DirectoryError`]; the old or the new one stands then.
    async fn set_password(&self, tenant: &Tenant, id: &UserId, hash: &PasswordHash) -> Result<bool, DirectoryError>;

    /// Takes the user's password away; one who has none, and one who is unknown, stays so.
    ///
    /// # Errors
    /// [`DirectoryError`]; the password stands or is gone then.
    async fn remove_password(&self, tenant: &Tenant, id: &UserId) -> Result<(), DirectoryError>;

    /// Replaces the user's password hash if it still is `old`, in one atomic step; the answer is whether it was.
    ///
    /// # Errors
    /// [`DirectoryError`]; the old or the new one stands then.
    async fn swap_password(
        &self,
        tenant: &Tenant,
        id: &UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, DirectoryError>;
}

macro_rules! forward_directory {
    ($($pointer:ident),*) => {$(
        #[async_trait]
        impl<T: Directory + ?Sized> Directory for $pointer<T> {
            async fn find(&self, tenant: &Tenant, identifier: &Identifier) -> Result<Option<User>, DirectoryError> {
                (**self).find(tenant, identifier).await
            }
            async fn get(&self, tenant: &Tenant, id: &UserId) -> Result<Option<User>, DirectoryError> {
                (**self).get(tenant, id).await
            }
            async fn has_tenant(&self, tenant: &Tenant) -> Result<bool, DirectoryError> {
                (**self).has_tenant(tenant).await
            }
        }
        #[async_trait]
        impl<T: Passwords + ?Sized> Passwords for $pointer<T> {
            async fn password(&self, tenant: &Tenant, id: &UserId) -> Result<Option<PasswordHash>, DirectoryError> {
                (**self).password(tenant, id).await
            }
            async fn set_password(&self, tenant: &Tenant, id: &UserId, hash: &PasswordHash) -> Result<bool, DirectoryError> {
                (**self).set_password(tenant, id, hash).await
            }
            async fn remove_password(&self, tenant: &Tenant, id: &UserId) -> Result<(), DirectoryError> {
                (**self).remove_password(tenant, id).await
            }
            async fn swap_password(
                &self,
                tenant: &Tenant,
                id: &UserId,
                old: &PasswordHash,
                new: &PasswordHash,
            ) -> Result<bool, DirectoryError> {
                (**self).swap_password(tenant, id, old, new).await
            }
        }
    )*};
}
forward_directory!(Arc, Box);

/// The directory could not answer.
#[derive(Debug)]
pub struct DirectoryError(Option<Box<dyn std::error::Error + Send + Sync>>);

impl DirectoryError {
    /// An error that carries its cause.
    #[must_use]
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Some(source.into()))
    }
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the directory of users is not available")
    }
}

impl std::error::Error for DirectoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_deref().map(|e| e as _)
    }
}
