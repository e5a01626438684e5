//! From the command line and the settings to the library's parts.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use otpgate::mail::{ConsoleMailer, FolderMailer, FolderSms, Templates};
use otpgate::{
    Argon2id, Clock as _, Entropy as _, Mailer, MasterSecret, MemoryStore, OsEntropy, OtpAuth, PasswordParts, Secrets,
    SmsSender, SqliteStore, Store, StoreDirectory, SystemClock, TokenSettings, TokioRuntime,
};
use tokio::runtime::Handle;

use crate::args::{Args, Outlet, Place, StoreUrl};
use crate::config::Config;
use crate::users;

const BRAND: &str = "otpgate";
const FROM: &str = "otpgate <login@otpgate.example>";

/// The finished library, and its store for the sweeps.
pub(crate) async fn build(args: &Args, config: &Config) -> anyhow::Result<(OtpAuth, Arc<dyn Store>)> {
    // Everything that can be wrong is read before anything is made.
    let (policies, peers, named) = (config.policies()?, config.peers()?, config.identity_tenant()?);
    let secrets = secrets(args.dev)?;
    let home = named.clone().unwrap_or_default();
    let users = args.users.as_ref().map(|path| users::read(path, &home)).transpose()?.unwrap_or_default();
    let tenants: Vec<_> = users.iter().map(|user| user.tenant.clone()).collect();
    let profiles = config.profiles(named.or_else(|| tenants.first().cloned()).unwrap_or(home), &tenants)?;
    for limit in config.switched_off() {
        tracing::warn!(limit, "a limit is switched off: for load tests only");
    }

    let store = store(&args.store).await?;
    let directory = Arc::new(StoreDirectory::new(Arc::clone(&store), &secrets));
    let scheme = Argon2id::new()?;
    let (given, added) = (users.len(), users::import(&directory, &scheme, users).await?);
    tracing::info!(given, added, "users");

    // One hash takes 19 MiB: as many at a time as there are cores.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let passwords = PasswordParts::new(Arc::clone(&directory), scheme, cores);
    let mut builder = OtpAuth::builder(secrets, Arc::clone(&store), directory, mailer(&args.mail)?)
        .profiles(profiles)
        .policy(policies)
        .peers(peers)
        .passwords(passwords)
        .tokens(tokens(args.store.namespace.as_deref()))
        // A worker of actix-web has a runtime of its own, which ends before a drain could wait for what it runs.
        .runtime(TokioRuntime::on(Handle::current()));
    if let Some(outlet) = &args.sms {
        builder = builder.sms(sms(outlet)?);
    }
    Ok((builder.build().await?, store))
}

/// A token of one deployment is none of another that shares the secret: each has its own audience.
fn tokens(namespace: Option<&str>) -> TokenSettings {
    let mut settings = TokenSettings::default();
    if let Some(name) = namespace {
        settings.audience = format!("{}/{name}", settings.audience);
    }
    settings
}

/// The key ring from the environment: a command line is seen by everybody on the machine, and files end up in backups.
fn secrets(dev: bool) -> anyhow::Result<Secrets> {
    let current = match secret_in("OTPGATE_SECRET")? {
        Some(text) => master("OTPGATE_SECRET", text)?,
        None if dev => {
            tracing::warn!("--dev: the secret is one of this process, and all sessions end with it");
            let mut bytes = [0; 32];
            OsEntropy.fill(&mut bytes)?;
            MasterSecret::new(bytes)?
        }
        None => bail!("OTPGATE_SECRET is not set: at least 32 unpredictable bytes, as from `openssl rand -base64 48`"),
    };
    let mut secrets = Secrets::new(current);
    if let Some(text) = secret_in("OTPGATE_SECRET_ANCHOR")? {
        secrets = secrets.anchored_at(&master("OTPGATE_SECRET_ANCHOR", text)?);
    }
    for text in secret_in("OTPGATE_SECRET_ACCEPT")?.iter().flat_map(|all| all.split(',')) {
        secrets = secrets.accept(master("OTPGATE_SECRET_ACCEPT", text.trim().to_owned())?);
    }
    Ok(secrets)
}

fn secret_in(name: &str) -> anyhow::Result<Option<String>> {
    match env::var(name) {
        Ok(text) => Ok(Some(text)),
        Err(env::VarError::NotPresent) => Ok(None),
        // The error would show the value.
        Err(env::VarError::NotUnicode(_)) => bail!("{name} is no UTF-8 text"),
    }
}

fn master(name: &str, text: String) -> anyhow::Result<MasterSecret> {
    MasterSecret::new(text).with_context(|| format!("{name} cannot be used"))
}

async fn store(url: &StoreUrl) -> anyhow::Result<Arc<dyn Store>> {
    Ok(match &url.place {
        // Nobody else sees the memory of this process: a namespace has nothing to keep apart.
        Place::Memory => Arc::new(MemoryStore::new()),
        Place::Sqlite(path) => {
            let builder = SqliteStore::builder();
            let builder = match &url.namespace {
                Some(name) => builder.namespace(name),
                None => builder,
            };
            let store = builder.open(path).await;
            Arc::new(store.with_context(|| format!("the store sqlite:{}", path.display()))?)
        }
    })
}

fn mailer(outlet: &Outlet) -> anyhow::Result<Arc<dyn Mailer>> {
    Ok(match outlet {
        Outlet::Console => Arc::new(ConsoleMailer::stdout()),
        Outlet::Dir(folder) => Arc::new(FolderMailer::new(folder, FROM, Templates::new(BRAND)?)?),
    })
}

fn sms(outlet: &Outlet) -> anyhow::Result<Arc<dyn SmsSender>> {
    Ok(match outlet {
        Outlet::Console => Arc::new(ConsoleMailer::stdout()),
        Outlet::Dir(folder) => Arc::new(FolderSms::new(folder, Templates::new(BRAND)?)?),
    })
}

/// Removes what has expired, for as long as it is polled.
pub(crate) async fn sweep(store: Arc<dyn Store>) {
    const EVERY: Duration = Duration::from_secs(60);
    const STEP: u32 = 1_000;
    /// Clocks of machines that share a store differ: what has just expired here may live there.
    const MARGIN: Duration = Duration::from_secs(300);
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        loop {
            match store.sweep(SystemClock.now().minus(MARGIN), STEP).await {
                Ok(gone) if gone >= u64::from(STEP) => tokio::task::yield_now().await,
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "the store could not be swept");
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_two_namespaces_differ_in_their_audience() {
        let audience = |namespace| tokens(namespace).audience;
        assert_eq!(audience(None), TokenSettings::default().audience);
        assert_ne!(audience(Some("a")), audience(Some("b")));
    }
}
