//! Whether, and how, an unknown address becomes a user.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{DirectoryError, Identifier, IdentifierKind, Tenant, User};

/// Creates users in the host's directory; implemented beside [`crate::Directory`], or [`crate::StoreDirectory`].
///
/// # Contract
/// 1. `register` creates at most one user for a (tenant, canonical identifier), whatever races it, on any node: a unique index
///    over the bytes of both, or a compare-and-swap (I15).
/// 2. It gives the user to the one call that created it. For an identifier that somebody has already it is `Ok(None)`, and
///    nothing changes: otherwise whoever registers second would be logged in as the first.
/// 3. The new user's id was never that of another user of the tenant.
/// 4. After it is `Ok(Some(user))`, [`crate::Directory::find`] and `get` give that user on every connection.
///
/// # Security
/// It is called after a code came back from the address, and never before: what it is given is proven.
#[async_trait]
pub trait Registrar: Send + Sync + 'static {
    /// Creates a user of `tenant` with `identifier`; nothing when somebody has it, or the host will not have them.
    ///
    /// # Errors
    /// [`DirectoryError`]; the user may have come to be then, and logs in with the next code.
    async fn register(&self, tenant: &Tenant, identifier: &Identifier) -> Result<Option<User>, DirectoryError>;
}

macro_rules! forward_registrar {
    ($($pointer:ident),*) => {$(
        #[async_trait]
        impl<T: Registrar + ?Sized> Registrar for $pointer<T> {
            async fn register(&self, tenant: &Tenant, identifier: &Identifier) -> Result<Option<User>, DirectoryError> {
                (**self).register(tenant, identifier).await
            }
        }
    )*};
}
forward_registrar!(Arc, Box);

/// What becomes of an unknown e-mail address that asks for a code.
#[derive(Clone, Default)]
pub enum Registration {
    /// Nothing: the host adds its users itself.
    #[default]
    Closed,
    /// It gets a code, and with the right one it becomes a user. Costs: anybody can have a mail sent to any address, three a
    /// minute and twenty a day, and a user created for every mailbox they hold.
    OnFirstCode(Newcomers),
}

impl Registration {
    /// Open to every e-mail address, in every profile; `registrar` creates the users, and may still refuse one.
    ///
    /// A phone number registers nobody, since an SMS costs money; nor does a user name in a flow of `engine`: its code goes to an
    /// address, and proves that address and no name.
    #[must_use]
    pub fn on_first_code(registrar: impl Registrar) -> Self {
        Self::OnFirstCode(Newcomers { registrar: Arc::new(registrar), admits: Arc::new(|_, _| true) })
    }

    /// Open to those that `admits` lets through: by tenant, by domain. The others are answered as unknown addresses are when
    /// registration is closed, so the predicate should be no secret list.
    ///
    /// It is asked when a code is sent, and again when it comes back.
    #[must_use]
    pub fn on_first_code_if(
        registrar: impl Registrar,
        admits: impl Fn(&Tenant, &Identifier) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::OnFirstCode(Newcomers { registrar: Arc::new(registrar), admits: Arc::new(admits) })
    }

    /// Who creates a user for this identifier, if it may become one.
    pub(crate) fn registrar(&self, tenant: &Tenant, identifier: &Identifier) -> Option<&Arc<dyn Registrar>> {
        match self {
            Self::Closed => None,
            // An SMS costs money, and goes to numbers that the host vouches for only (Q12).
            Self::OnFirstCode(_) if identifier.kind() != IdentifierKind::Email => None,
            Self::OnFirstCode(newcomers) => (newcomers.admits)(tenant, identifier).then_some(&newcomers.registrar),
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "Closed",
            Self::OnFirstCode(_) => "OnFirstCode",
        })
    }
}

type Admits = dyn Fn(&Tenant, &Identifier) -> bool + Send + Sync;

/// Who may become a user, and who creates them.
#[derive(Clone)]
pub struct Newcomers {
    registrar: Arc<dyn Registrar>,
    admits: Arc<Admits>,
}

impl fmt::Debug for Newcomers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Newcomers").finish_non_exhaustive()
    }
}
