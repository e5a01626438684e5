//! The settings file: everything has a default, and what is not known is an error.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use otpgate::{Disclosure, Engine, Identity, PeerPolicy, Platform, Policy, PolicyBook, Profile, Profiles, Tenant};
use serde::Deserialize;

/// What the file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    profiles: Option<Vec<String>>,
    identity_tenant: Option<String>,
    brands: Option<Vec<String>>,
    policy: PolicyTable,
    limits: Limits,
    peer: Peer,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PolicyTable {
    disclosure: Option<Disclosing>,
    code_ttl_seconds: Option<u64>,
    access_ttl_seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Disclosing {
    Conceal,
    Reveal,
}

/// For load tests: `false` takes a kind of limit away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limits {
    per_ip: bool,
    sends: bool,
    guesses: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_ip: true, sends: true, guesses: true }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Peer {
    trusted_proxies: Vec<String>,
    header: Option<String>,
}

/// The profiles of this build. A new one of the library is added here and in [`Config::profiles`].
const PROFILES: [&str; 3] = ["identity", "platform", "engine"];

impl Config {
    /// Reads the file, or takes all defaults without one.
    pub(crate) fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read the settings in {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("the settings in {}", path.display()))
    }

    /// The tenant that `identity` serves, where the file names one.
    pub(crate) fn identity_tenant(&self) -> anyhow::Result<Option<Tenant>> {
        let tenant = self.identity_tenant.as_ref().map(Tenant::new).transpose();
        tenant.context("`identity_tenant` is no tenant")
    }

    /// The profiles to mount; `tenant` is the one that `identity` serves, and `known` are all that have users.
    pub(crate) fn profiles(&self, tenant: Tenant, known: &[Tenant]) -> anyhow::Result<Profiles> {
        let all = || PROFILES.map(str::to_owned).to_vec();
        let mut builder = Profiles::builder();
        for name in self.profiles.clone().unwrap_or_else(all) {
            builder = match name.as_str() {
                "identity" => builder.identity(Identity::new(tenant.clone())),
                "platform" => builder.platform(Platform::new()),
                "engine" => builder.engine(Engine::new(self.brands(&tenant, known)?)),
                _ => bail!("`profiles`: there is no profile `{name}` in this build; it has {}", PROFILES.join(", ")),
            };
        }
        builder.build().context("`profiles`")
    }

    /// The brands of `engine`: those that the file names, or every tenant.
    fn brands(&self, tenant: &Tenant, known: &[Tenant]) -> anyhow::Result<Vec<Tenant>> {
        if let Some(names) = &self.brands {
            return names.iter().map(Tenant::new).collect::<Result<_, _>>().context("`brands`");
        }
        let mut brands = vec![tenant.clone()];
        for other in known {
            // Case makes no difference to a brand: the first of two such tenants is the one that is served.
            if !brands.iter().any(|b| b.as_str().to_lowercase() == other.as_str().to_lowercase()) {
                brands.push(other.clone());
            }
        }
        Ok(brands)
    }

    /// The numbers, the same for every tenant.
    pub(crate) fn policies(&self) -> anyhow::Result<PolicyBook> {
        let mut builder = Policy::builder();
        if let Some(disclosing) = self.policy.disclosure {
            builder = builder.disclosure(match disclosing {
                Disclosing::Conceal => Disclosure::Conceal,
                Disclosing::Reveal => Disclosure::Reveal,
            });
        }
        if let Some(seconds) = self.policy.code_ttl_seconds {
            builder = builder.code_ttl(Duration::from_secs(seconds));
        }
        if let Some(seconds) = self.policy.access_ttl_seconds {
            for profile in [Profile::Identity, Profile::Platform, Profile::Engine] {
                builder = builder.access_ttl(profile, Duration::from_secs(seconds));
            }
        }
        if !self.limits.sends {
            builder = builder.insecure_without_send_limits();
        }
        if !self.limits.guesses {
            builder = builder.insecure_without_guess_limits();
        }
        let book = PolicyBook::new(builder.build().context("`policy`")?);
        Ok(if self.limits.per_ip { book } else { book.insecure_without_address_limits() })
    }

    /// What is switched off, for a warning at start.
    pub(crate) fn switched_off(&self) -> Vec<&'static str> {
        let Limits { per_ip, sends, guesses } = self.limits;
        let all = [("per_ip", per_ip), ("sends", sends), ("guesses", guesses)];
        all.into_iter().filter(|(_, on)| !on).map(|(name, _)| name).collect()
    }

    /// Whose word is taken for a client's address.
    pub(crate) fn peers(&self) -> anyhow::Result<PeerPolicy> {
        let Peer { trusted_proxies, header } = &self.peer;
        if trusted_proxies.is_empty() {
            if header.is_some() {
                bail!("`peer.header` is believed from nobody: `peer.trusted_proxies` names those who write it");
            }
            return Ok(PeerPolicy::default());
        }
        let header = header.as_deref().unwrap_or("x-forwarded-for");
        PeerPolicy::behind(trusted_proxies.iter().map(String::as_str), header).context("`peer`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that `main` asks of the settings.
    fn check(text: &str) -> anyhow::Result<std::sync::Arc<Policy>> {
        let config: Config = toml::from_str(text)?;
        config.identity_tenant()?;
        config.profiles(Tenant::default(), &[])?;
        config.peers()?;
        Ok(config.policies()?.policy(&Tenant::default()))
    }

    #[test]
    fn every_key_is_optional_and_all_of_them_are_taken() {
        assert_eq!(check("").unwrap().code_ttl(), Duration::from_secs(300));
        let all = r#"
            profiles = ["identity", "platform", "engine"]
            identity_tenant = "123"
            brands = ["123", "ACME"]
            [policy]
            disclosure = "reveal"
            code_ttl_seconds = 60
            access_ttl_seconds = 120
            [limits]
            per_ip = false
            sends = false
            guesses = false
            [peer]
            trusted_proxies = ["127.0.0.1/32", "10.0.0.0/8"]
            header = "x-forwarded-for"
        "#;
        let policy = check(all).unwrap();
        assert_eq!(policy.disclosure(), Disclosure::Reveal);
        assert_eq!(policy.code_ttl(), Duration::from_secs(60));
        for profile in [Profile::Identity, Profile::Platform, Profile::Engine] {
            assert_eq!(policy.lives(profile).access, Duration::from_secs(120));
        }
        let config: Config = toml::from_str(all).unwrap();
        assert_eq!(config.switched_off(), ["per_ip", "sends", "guesses"]);
    }

    #[test]
    fn a_wrong_setting_is_an_error_that_names_it() {
        for (text, named) in [
            ("profile = []", "unknown field `profile`"),
            ("[limits]\nper_up = false", "unknown field `per_up`"),
            ("[policy]\ndisclosure = \"some\"", "unknown variant `some`"),
            ("[policy]\ncode_ttl_seconds = 601", "`policy`"),
            ("[policy]\ncode_ttl_seconds = -1", "code_ttl_seconds"),
            ("profiles = []", "`profiles`"),
            ("profiles = [\"wallet\"]", "no profile `wallet`"),
            ("profiles = [\"identity\", \"identity\"]", "two routes"),
            ("identity_tenant = \"\"", "`identity_tenant`"),
            ("brands = []", "no brand"),
            ("brands = [\"a\", \"A\"]", "twice"),
            ("brands = [\"\"]", "`brands`"),
            ("[peer]\ntrusted_proxies = [\"proxy.example\"]", "proxy.example"),
            ("[peer]\nheader = \"x-forwarded-for\"", "trusted_proxies"),
        ] {
            let error = format!("{:#}", check(text).unwrap_err());
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
