//! From the command line and the settings to the library's parts.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use otpgate::{Argon2id, OtpAuth, Outbox, PasswordParts, StoreDirectory, TokenSettings, TokioRuntime};
use tokio::runtime::Handle;

use crate::args::Args;
use crate::config::Config;
use crate::outlets::{BusUrl, MailOutlet, Place, SmsOutlet, StoreUrl};
use crate::{secrets, senders, stores, users};

/// The finished library.
pub(crate) async fn build(args: &Args, config: &Config) -> anyhow::Result<OtpAuth> {
    // Everything that can be wrong is read before anything is made.
    let url: StoreUrl = args.store.parse().context("--store")?;
    let bus: Option<BusUrl> = args.bus.as_deref().map(str::parse).transpose().context("--bus")?;
    let mail: MailOutlet = args.mail.parse().context("--mail")?;
    let texts: Option<SmsOutlet> = args.sms.as_deref().map(str::parse).transpose().context("--sms")?;
    let words = config.mail.templates(&config.sms, texts.as_ref().is_none_or(SmsOutlet::is_local))?;
    let mailer = senders::mailer(&mail, &config.mail, words.clone())?;
    let texts = texts.map(|outlet| senders::sms(&outlet, &config.sms, words)).transpose()?;
    let (policies, peers, named) = (config.policies()?, config.peers()?, config.identity_tenant()?);
    let secrets = secrets::ring(args.dev)?;
    let home = named.clone().unwrap_or_default();
    let users = args.users.as_ref().map(|path| users::read(path, &home)).transpose()?.unwrap_or_default();
    let tenants: Vec<_> = users.iter().map(|user| user.tenant.clone()).collect();
    let tenant = named.or_else(|| tenants.first().cloned()).unwrap_or(home);
    let profiles = config.profiles(tenant, &tenants, texts.is_some())?;
    if config.mail.outbox && matches!(url.place, Place::Memory) {
        bail!("`mail.outbox` keeps what is on its way in the store, and `memory` ends with the process");
    }
    for limit in config.switched_off() {
        tracing::warn!(limit, "a limit is switched off: for load tests only");
    }

    let (store, bus) = stores::open(&url, bus.as_ref(), &config.store).await?;
    let directory = Arc::new(StoreDirectory::new(Arc::clone(&store), &secrets));
    let scheme = Argon2id::new()?;
    let (given, added) = (users.len(), users::import(&directory, &scheme, users).await?);
    tracing::info!(given, added, "users");

    // One hash takes 19 MiB and a core: one core is left for everything else.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let passwords = PasswordParts::new(Arc::clone(&directory), scheme, cores.saturating_sub(1));
    let registration = config.registration(Arc::clone(&directory))?;
    let mut builder = OtpAuth::builder(secrets, Arc::clone(&store), directory, mailer)
        .profiles(profiles)
        .policy(policies)
        .peers(peers)
        .passwords(passwords)
        .registration(registration)
        .tokens(tokens(url.namespace.as_deref()))
        // A worker of actix-web has a runtime of its own, which ends before a drain could wait for what it runs.
        .runtime(TokioRuntime::on(Handle::current()));
    if let Some(sender) = texts {
        builder = builder.sms(sender);
    }
    if let Some(bus) = bus {
        builder = builder.bus(bus);
    }
    if config.mail.outbox {
        builder = builder.outbox(Outbox::new());
    }
    if config.bearer {
        builder = builder.bearer();
    }
    if config.device_cookie() {
        builder = builder.device_cookie();
    }
    match (config.cache.bytes, config.cache.off) {
        (None, false) => {}
        (Some(bytes), false) => builder = builder.cache_bytes(bytes),
        (None, true) => builder = builder.without_cache(),
        (Some(_), true) => bail!("`cache.bytes` and `cache.off` contradict each other"),
    }
    if config.cache.single_process {
        builder = builder.single_process();
    }
    Ok(builder.build().await?)
}

/// A token of one deployment is none of another that shares the secret: each has its own audience.
fn tokens(namespace: Option<&str>) -> TokenSettings {
    let mut settings = TokenSettings::default();
    if let Some(name) = namespace {
        settings.audience = format!("{}/{name}", settings.audience);
    }
    settings
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
