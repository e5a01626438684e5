//! The app's `users` table as otpgate reads it.

use otpgate::{
    Directory, DirectoryError, Identifier, IdentifierKind, PasswordHash, Passwords, Registrar, Tenant, User, UserId,
    async_trait,
};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

/// The columns that make a [`User`].
const COLUMNS: &str = "id, email, name, roles, locale, email_verified, disabled";

/// The users of this app. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Users(PgPool);

impl Users {
    /// The users in the tables that `pool` sees.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }

    /// Makes the tables where there are none.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn create_tables(&self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(include_str!("../schema.sql")).execute(&self.0).await.map(drop)
    }

    /// Adds a tenant, if it is not there.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn add_tenant(&self, tenant: &Tenant) -> Result<(), sqlx::Error> {
        let add = sqlx::query("INSERT INTO tenants (name) VALUES ($1) ON CONFLICT DO NOTHING").bind(tenant.as_str());
        add.execute(&self.0).await.map(drop)
    }

    /// Adds a user with roles and returns its id; nothing where somebody has the address. The app vouches for the address.
    ///
    /// # Errors
    /// When the address is none, or the database refuses.
    pub async fn add(&self, tenant: &Tenant, email: &str, roles: &[&str]) -> anyhow::Result<Option<UserId>> {
        let made = self.insert(tenant, &Identifier::email(email)?, email, roles).await?;
        made.map(|row| Ok(user(&row)?.id)).transpose()
    }

    /// Shuts a user out, or lets them in again; the answer is whether there is such a user. What is open is ended by
    /// [`otpgate::OtpAuth::user_changed`], afterwards.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn set_disabled(&self, tenant: &Tenant, id: &UserId, disabled: bool) -> Result<bool, sqlx::Error> {
        let Some(id) = uuid(id) else { return Ok(false) };
        let change = sqlx::query("UPDATE users SET disabled = $3 WHERE tenant = $1 AND id = $2");
        let done = change.bind(tenant.as_str()).bind(id).bind(disabled).execute(&self.0).await?;
        Ok(done.rows_affected() == 1)
    }

    /// One statement decides who of two that register at once gets the address: the unique index does.
    async fn insert(
        &self,
        tenant: &Tenant,
        key: &Identifier,
        email: &str,
        roles: &[&str],
    ) -> Result<Option<PgRow>, sqlx::Error> {
        let sql = format!(
            "INSERT INTO users (id, tenant, email, email_key, roles, email_verified) VALUES ($1, $2, $3, $4, $5, true) \
             ON CONFLICT (tenant, email_key) DO NOTHING RETURNING {COLUMNS}"
        );
        let insert = sqlx::query(AssertSqlSafe(sql)).bind(Uuid::new_v4()).bind(tenant.as_str()).bind(email);
        insert.bind(key.as_str()).bind(roles).fetch_optional(&self.0).await
    }
}

#[async_trait]
impl Directory for Users {
    async fn find(&self, tenant: &Tenant, identifier: &Identifier) -> Result<Option<User>, DirectoryError> {
        if identifier.kind() != IdentifierKind::Email {
            // Nobody here has a number or a user name: that tells nothing about anybody.
            return Ok(None);
        }
        let sql = format!("SELECT {COLUMNS} FROM users WHERE tenant = $1 AND email_key = $2");
        let find = sqlx::query(AssertSqlSafe(sql)).bind(tenant.as_str()).bind(identifier.as_str());
        let row = find.fetch_optional(&self.0).await.map_err(DirectoryError::new)?;
        row.as_ref().map(user).transpose()
    }

    async fn get(&self, tenant: &Tenant, id: &UserId) -> Result<Option<User>, DirectoryError> {
        let Some(id) = uuid(id) else { return Ok(None) };
        let sql = format!("SELECT {COLUMNS} FROM users WHERE tenant = $1 AND id = $2");
        let find = sqlx::query(AssertSqlSafe(sql)).bind(tenant.as_str()).bind(id);
        let row = find.fetch_optional(&self.0).await.map_err(DirectoryError::new)?;
        row.as_ref().map(user).transpose()
    }

    async fn has_tenant(&self, tenant: &Tenant) -> Result<bool, DirectoryError> {
        let find = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM tenants WHERE name = $1)").bind(tenant.as_str());
        find.fetch_one(&self.0).await.map_err(DirectoryError::new)
    }
}

#[async_trait]
impl Registrar for Users {
    async fn register(&self, tenant: &Tenant, identifier: &Identifier) -> Result<Option<User>, DirectoryError> {
        let made = self.insert(tenant, identifier, identifier.as_str(), &[]).await.map_err(DirectoryError::new)?;
        made.as_ref().map(user).transpose()
    }
}

#[async_trait]
impl Passwords for Users {
    async fn password(&self, tenant: &Tenant, id: &UserId) -> Result<Option<PasswordHash>, DirectoryError> {
        let Some(id) = uuid(id) else { return Ok(None) };
        let find =
            sqlx::query_scalar::<_, Option<String>>("SELECT password_hash FROM users WHERE tenant = $1 AND id = $2");
        let found = find.bind(tenant.as_str()).bind(id).fetch_optional(&self.0).await.map_err(DirectoryError::new)?;
        Ok(found.flatten().map(PasswordHash::from_text))
    }

    async fn set_password(&self, tenant: &Tenant, id: &UserId, hash: &PasswordHash) -> Result<bool, DirectoryError> {
        self.put_password(tenant, id, None, Some(hash)).await
    }

    async fn remove_password(&self, tenant: &Tenant, id: &UserId) -> Result<(), DirectoryError> {
        self.put_password(tenant, id, None, None).await.map(drop)
    }

    async fn swap_password(
        &self,
        tenant: &Tenant,
        id: &UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, DirectoryError> {
        self.put_password(tenant, id, Some(old), Some(new)).await
    }
}

impl Users {
    /// The compare and the replacement are one statement: a sign-in that hashes anew never undoes a reset beside it.
    async fn put_password(
        &self,
        tenant: &Tenant,
        id: &UserId,
        old: Option<&PasswordHash>,
        new: Option<&PasswordHash>,
    ) -> Result<bool, DirectoryError> {
        let Some(id) = uuid(id) else { return Ok(false) };
        let change = sqlx::query(
            "UPDATE users SET password_hash = $4 WHERE tenant = $1 AND id = $2 AND ($3 IS NULL OR password_hash = $3)",
        );
        let change = change.bind(tenant.as_str()).bind(id).bind(old.map(PasswordHash::as_str));
        let done = change.bind(new.map(PasswordHash::as_str)).execute(&self.0).await.map_err(DirectoryError::new)?;
        Ok(done.rows_affected() == 1)
    }
}

/// The id in the table; nothing for a text that is none: then there is no such user, and nothing is wrong.
fn uuid(id: &UserId) -> Option<Uuid> {
    Uuid::try_parse(id.as_str()).ok()
}

fn user(row: &PgRow) -> Result<User, DirectoryError> {
    let read = || -> Result<User, sqlx::Error> {
        let id: Uuid = row.try_get("id")?;
        let id = UserId::new(id.to_string()).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let disabled: bool = row.try_get("disabled")?;
        Ok(User {
            email: Some(row.try_get("email")?),
            name: row.try_get("name")?,
            roles: row.try_get("roles")?,
            locale: row.try_get("locale")?,
            verified: row.try_get("email_verified")?,
            status: if disabled { "disabled" } else { "active" }.to_owned(),
            admitted: !disabled,
            ..User::new(id)
        })
    };
    read().map_err(DirectoryError::new)
}
