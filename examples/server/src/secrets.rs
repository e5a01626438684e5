//! Secrets come from the environment: a command line is seen by everybody on the machine, and files end up in backups.

use std::env;

use anyhow::{Context as _, bail};
use otpgate::{Entropy as _, MasterSecret, OsEntropy, Secrets};

/// The key ring.
pub(crate) fn ring(dev: bool) -> anyhow::Result<Secrets> {
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

/// What the variable holds, if it is there.
pub(crate) fn secret_in(name: &str) -> anyhow::Result<Option<String>> {
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
