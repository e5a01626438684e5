//! The users of every world.

use otpgate_core::{DirectoryError, IdentifierError, StoreDirectory, Tenant, User, UserId};

/// Known, with roles `admin` and `editor` and the organisations `org-1` (default) and `org-2`.
pub const A: &str = "a@example.com";
/// Known, without roles, of `org-3` alone.
pub const B: &str = "b@example.com";
/// Known; stored as `Mixed.Case@Example.com`.
pub const MIXED: &str = "mixed.case@example.com";
/// [`MIXED`] as the directory stores it: the spelling that mail goes to.
pub const MIXED_STORED: &str = "Mixed.Case@Example.com";
/// Known, and banned.
pub const BANNED: &str = "banned@example.com";
/// Known, and not confirmed yet.
pub const PENDING: &str = "pending@example.com";
/// Nobody.
pub const NOBODY: &str = "nobody@example.com";

/// The id of [`A`].
pub const A_ID: &str = "5f1e7d20c3a4b5d6e7f80912";

/// Adds the users to `tenant`.
pub(super) async fn seed(users: &StoreDirectory, tenant: &Tenant) -> Result<(), DirectoryError> {
    for user in everybody().map_err(DirectoryError::new)? {
        users.add(tenant, &user).await?;
    }
    Ok(())
}

fn everybody() -> Result<Vec<User>, IdentifierError> {
    let user = |id: &str, email: &str| {
        UserId::new(id).map(|id| User {
            email: Some(email.to_owned()),
            organization: "org-3".to_owned(),
            verified: true,
            ..User::new(id)
        })
    };
    let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    Ok(vec![
        User {
            roles: words(&["admin", "editor"]),
            organization: "org-1".to_owned(),
            organizations: words(&["org-1", "org-2"]),
            ..user(A_ID, A)?
        },
        user("2", B)?,
        user("3", MIXED_STORED)?,
        User { status: "banned".to_owned(), admitted: false, ..user("4", BANNED)? },
        User { status: "pending".to_owned(), admitted: false, ..user("5", PENDING)? },
    ])
}
