//! The file of users, and its import.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use otpgate::{
    Argon2id, Directory as _, Entropy as _, OsEntropy, Password, PasswordScheme as _, Passwords as _, StoreDirectory,
    Tenant, User, UserId,
};
use serde::Deserialize;

/// One user of the file. Not `Debug`: it holds a password in clear.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Name,
    tenant: Option<Name>,
    email: Option<String>,
    phone: Option<String>,
    username: Option<String>,
    #[serde(default)]
    name: String,
    role: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    status: Option<String>,
    organization: Option<String>,
    #[serde(default)]
    organizations: Vec<String>,
    locale: Option<String>,
    password: Option<String>,
}

/// A name that many systems keep as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Number(i64),
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        match name {
            Name::Text(text) => text,
            Name::Number(number) => number.to_string(),
        }
    }
}

/// A user as the library takes it.
pub(crate) struct NewUser {
    pub(crate) tenant: Tenant,
    user: User,
    password: Option<Password>,
}

/// The users of the file, checked; those that name no tenant are of `tenant`.
pub(crate) fn read(path: &Path, tenant: &Tenant) -> anyhow::Result<Vec<NewUser>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the users in {}", path.display()))?;
    parse(&text, tenant).with_context(|| format!("the users in {}", path.display()))
}

fn parse(text: &str, tenant: &Tenant) -> anyhow::Result<Vec<NewUser>> {
    let entries: Vec<Entry> = serde_json::from_str(text)?;
    let mut seen = HashSet::new();
    let checked = entries.into_iter().map(|entry| {
        let new = check(entry, tenant)?;
        let first = seen.insert((new.tenant.clone(), new.user.id.clone()));
        ensure!(first, "user {} of tenant {} stands there twice", new.user.id, new.tenant);
        Ok(new)
    });
    checked.collect()
}

fn check(entry: Entry, tenant: &Tenant) -> anyhow::Result<NewUser> {
    let id = UserId::new(String::from(entry.id)).context("an `id` is 1 to 128 bytes of printable text")?;
    let named = entry.tenant.map(|name| Tenant::new(String::from(name))).transpose();
    let tenant = named.with_context(|| format!("the `tenant` of user {id}"))?.unwrap_or_else(|| tenant.clone());
    let known = entry.email.is_some() || entry.phone.is_some() || entry.username.is_some();
    ensure!(known, "user {id} has no `email`, `phone` or `username`");
    let plain = User::new(id);
    let status = entry.status.unwrap_or_else(|| plain.status.clone());
    let user = User {
        email: entry.email,
        phone: entry.phone,
        username: entry.username,
        name: entry.name,
        role: entry.role.unwrap_or_else(|| plain.role.clone()),
        roles: entry.roles,
        admitted: status == "active",
        // Whoever runs the server wrote the file: no squatter set these passwords.
        verified: true,
        status,
        organization: entry.organization.unwrap_or_default(),
        organizations: entry.organizations,
        locale: entry.locale,
        ..plain
    };
    Ok(NewUser { tenant, user, password: entry.password.map(|text| Password::typed(&text)) })
}

/// Users that are added at a time: their writes share commits, and their passwords are hashed on all cores.
const AT_A_TIME: usize = 64;

/// Adds those that the directory does not have; the answer is how many those were.
pub(crate) async fn import(
    directory: &StoreDirectory,
    scheme: &Argon2id,
    users: Vec<NewUser>,
) -> anyhow::Result<usize> {
    let added = stream::iter(users).map(|new| async move {
        let whose = format!("user {} of tenant {}", new.user.id, new.tenant);
        let added = add(directory, scheme, new).await.with_context(|| format!("cannot add {whose}"))?;
        anyhow::Ok(usize::from(added))
    });
    added.buffer_unordered(AT_A_TIME).try_fold(0, |sum, one| async move { Ok(sum + one) }).await
}

async fn add(directory: &StoreDirectory, scheme: &Argon2id, new: NewUser) -> anyhow::Result<bool> {
    let NewUser { tenant, user, password } = new;
    if directory.get(&tenant, &user.id).await?.is_some() {
        return Ok(false);
    }
    let hash = match password {
        None => None,
        Some(password) => {
            let scheme = scheme.clone();
            let mut salt = [0; 16];
            OsEntropy.fill(&mut salt)?;
            // Slow on purpose, so off the threads that serve.
            let hash = tokio::task::spawn_blocking(move || scheme.hash(&password, &salt)).await?;
            Some(hash.map_err(anyhow::Error::msg).context("its password cannot be hashed")?)
        }
    };
    let added = directory.add(&tenant, &user).await.map_err(explain)?;
    if let Some(hash) = hash.filter(|_| added) {
        directory.set_password(&tenant, &user.id, &hash).await.map_err(explain)?;
    }
    Ok(added)
}

/// The cause in front: "the directory is not available" says little about an address that another user has.
fn explain(error: otpgate::DirectoryError) -> anyhow::Error {
    match std::error::Error::source(&error) {
        Some(cause) => anyhow::Error::msg(cause.to_string()),
        None => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use otpgate::{Compared, Identifier, MasterSecret, MemoryStore, Secrets};

    use super::*;

    fn wrong(text: &str) -> String {
        let outcome = parse(text, &Tenant::default()).map(|users| users.len());
        format!("{:#}", outcome.expect_err(text))
    }

    #[test]
    fn all_but_the_id_and_one_identifier_is_optional() {
        let text = r#"[{"id": 7, "email": "ada@example.com"},
            {"id": "u-8", "tenant": 123, "phone": "+15550000001", "status": "banned", "role": "admin",
             "roles": ["a"], "organization": "o1", "organizations": ["o1", "o2"], "name": "Bob", "username": "bob"}]"#;
        let users = parse(text, &Tenant::default()).unwrap();
        let (ada, bob) = (&users[0], &users[1]);
        assert_eq!((ada.user.id.as_str(), ada.tenant.as_str()), ("7", "default"));
        assert_eq!((ada.user.status.as_str(), ada.user.role.as_str(), ada.user.admitted), ("active", "user", true));
        assert_eq!((bob.user.id.as_str(), bob.tenant.as_str(), bob.user.admitted), ("u-8", "123", false));
        assert_eq!(bob.user.organizations, ["o1", "o2"]);
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_reason() {
        assert!(wrong(r#"[{"email": "a@example.com"}]"#).contains("missing field `id`"));
        assert!(wrong(r#"[{"id": 1}]"#).contains("no `email`"));
        assert!(wrong(r#"[{"id": 1, "mail": "a@example.com"}]"#).contains("unknown field `mail`"));
        assert!(wrong(r#"[{"id": "", "email": "a@example.com"}]"#).contains("`id`"));
        assert!(wrong(r#"[{"id": 1, "email": "a@x.de"}, {"id": "1", "email": "b@x.de"}]"#).contains("twice"));
        assert!(!wrong(r#"[{"id": 1, "password": "open sesame", "x": 1}]"#).contains("sesame"));
    }

    #[tokio::test]
    async fn users_that_are_there_stay_as_they_are() {
        let secrets = Secrets::new(MasterSecret::new(*b"a secret for tests, 32 bytes long").unwrap());
        let directory = StoreDirectory::new(MemoryStore::new(), &secrets);
        let scheme = Argon2id::with_params(8, 1, 1).unwrap();
        let tenant = Tenant::default();
        let users = |text: &str| parse(text, &Tenant::default()).unwrap();

        let first = users(r#"[{"id": 1, "email": "a@x.de", "password": "open sesame"}, {"id": 2, "email": "b@x.de"}]"#);
        assert_eq!(import(&directory, &scheme, first).await.unwrap(), 2);
        let again = users(r#"[{"id": 1, "email": "new@x.de", "password": "other"}, {"id": 3, "email": "c@x.de"}]"#);
        assert_eq!(import(&directory, &scheme, again).await.unwrap(), 1);

        let ada = directory.find(&tenant, &Identifier::email("a@x.de").unwrap()).await.unwrap().unwrap();
        assert_eq!(ada.email.as_deref(), Some("a@x.de"));
        let hash = directory.password(&tenant, &ada.id).await.unwrap().unwrap();
        assert!(hash.as_str().starts_with("$argon2id$"));
        assert_eq!(scheme.compare(&Password::typed("open sesame"), Some(&hash)), Compared::Right);

        let taken = users(r#"[{"id": 4, "email": "a@x.de"}]"#);
        let error = format!("{:#}", import(&directory, &scheme, taken).await.unwrap_err());
        assert!(error.contains("user 4") && error.contains("another user"), "{error}");
    }
}
