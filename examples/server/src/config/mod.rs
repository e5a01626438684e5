//! The settings file: everything has a default, and what is not known is an error.

mod cookies;
mod messages;
mod policy;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use otpgate::{Brand, Engine, Identity, PeerPolicy, Platform, PolicyBook, Profiles, Registrar, Registration, Tenant};
use serde::Deserialize;

use cookies::{CookieTable, Keeper};
pub(crate) use messages::{MailTable, SmsTable};
use policy::PolicyTable;

/// What the file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    profiles: Option<Vec<String>>,
    identity_tenant: Option<String>,
    brands: Option<Vec<String>>,
    registration: Registering,
    registration_domains: Option<Vec<String>>,
    pub(crate) bearer: bool,
    policy: PolicyTable,
    tenants: BTreeMap<String, PolicyTable>,
    limits: Limits,
    peer: Peer,
    cookies: Option<CookieTable>,
    identity: IdentityTable,
    platform: PlatformTable,
    engine: EngineTable,
    pub(crate) store: StoreTable,
    pub(crate) cache: CacheTable,
    pub(crate) mail: MailTable,
    pub(crate) sms: SmsTable,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Registering {
    #[default]
    Closed,
    OnFirstCode,
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

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct IdentityTable {
    prefix: String,
    refresh_path: Option<String>,
    passwords: bool,
    without_availability: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PlatformTable {
    prefix: String,
    refresh_path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EngineTable {
    prefix: String,
    real_statuses: bool,
    vendor_web_shape: bool,
    without_passwords: Vec<String>,
}

/// How the store on a server is used.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreTable {
    pub(crate) connections: Option<u32>,
    pub(crate) migrations: Option<bool>,
    pub(crate) require_always: Option<bool>,
    pub(crate) insecure_without_durability: bool,
}

/// What is remembered of tokens that were found good.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CacheTable {
    pub(crate) bytes: Option<usize>,
    pub(crate) off: bool,
    pub(crate) single_process: bool,
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
    pub(crate) fn profiles(&self, tenant: Tenant, known: &[Tenant], sms: bool) -> anyhow::Result<Profiles> {
        let names = self.profiles.clone().unwrap_or_else(|| PROFILES.map(str::to_owned).to_vec());
        let keeper = self.cookies.as_ref().map(CookieTable::keeper).transpose()?.flatten();
        if let Some(keeper) = keeper {
            let name = if keeper == Keeper::Identity { "identity" } else { "platform" };
            if !names.iter().any(|mounted| mounted == name) {
                bail!("`cookies.profile` names `{name}`, which `profiles` does not mount");
            }
        }
        let mut builder = Profiles::builder();
        for name in names {
            builder = match name.as_str() {
                "identity" => builder.identity(self.identity(tenant.clone(), keeper)?),
                "platform" => builder.platform(self.platform(keeper)?),
                "engine" => {
                    let engine = self.engine(self.brands(&tenant, known)?)?;
                    builder.engine(if sms { engine } else { engine.without_sms() })
                }
                _ => bail!("`profiles`: there is no profile `{name}` in this build; it has {}", PROFILES.join(", ")),
            };
        }
        builder.build().context("`profiles`, or what the settings say of one of them")
    }

    fn identity(&self, tenant: Tenant, keeper: Option<Keeper>) -> anyhow::Result<Identity> {
        let table = &self.identity;
        let mut identity = Identity::new(tenant).prefix(&table.prefix);
        if let Some(path) = &table.refresh_path {
            identity = identity.refresh_path(path);
        }
        if table.passwords {
            identity = identity.passwords();
        }
        if table.without_availability {
            identity = identity.without_availability();
        }
        match &self.cookies {
            Some(cookies) if keeper == Some(Keeper::Identity) => Ok(identity.cookies(cookies.cookies()?)),
            _ => Ok(identity),
        }
    }

    fn platform(&self, keeper: Option<Keeper>) -> anyhow::Result<Platform> {
        let table = &self.platform;
        let mut platform = Platform::new().prefix(&table.prefix);
        if let Some(path) = &table.refresh_path {
            platform = platform.refresh_path(path);
        }
        match &self.cookies {
            Some(cookies) if keeper == Some(Keeper::Platform) => Ok(platform.cookies(cookies.cookies()?)),
            _ => Ok(platform),
        }
    }

    fn engine(&self, brands: Vec<Tenant>) -> anyhow::Result<Engine> {
        let EngineTable { prefix, real_statuses, vendor_web_shape, without_passwords } = &self.engine;
        for name in without_passwords {
            if !brands.iter().any(|brand| brand.as_str() == name) {
                bail!("`engine.without_passwords` names `{name}`, which is no brand");
            }
        }
        let brands = brands.into_iter().map(|tenant| {
            let plain = without_passwords.iter().any(|name| name == tenant.as_str());
            if plain { Brand::new(tenant).without_passwords() } else { Brand::new(tenant) }
        });
        let mut engine = Engine::new(brands).prefix(prefix);
        if *real_statuses {
            engine = engine.real_statuses();
        }
        Ok(if *vendor_web_shape { engine.vendor_web_shape() } else { engine })
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

    /// The numbers, tenant by tenant.
    pub(crate) fn policies(&self) -> anyhow::Result<PolicyBook> {
        let mut book = PolicyBook::new(self.policy.policy(&self.limits)?);
        for (name, table) in &self.tenants {
            let tenant = Tenant::new(name).with_context(|| format!("`tenants`: `{name}` is no tenant"))?;
            let policy = table.over(&self.policy, &self.limits).with_context(|| format!("`tenants.{name}`"))?;
            book = book.tenant(tenant, policy);
        }
        Ok(if self.limits.per_ip { book } else { book.insecure_without_address_limits() })
    }

    /// What becomes of unknown addresses; `registrar` creates users.
    pub(crate) fn registration(&self, registrar: impl Registrar) -> anyhow::Result<Registration> {
        match (self.registration, &self.registration_domains) {
            (Registering::Closed, None) => Ok(Registration::Closed),
            (Registering::Closed, Some(_)) => {
                bail!("`registration_domains` needs `registration = \"on_first_code\"`")
            }
            (Registering::OnFirstCode, None) => Ok(Registration::on_first_code(registrar)),
            (Registering::OnFirstCode, Some(domains)) => {
                let domains: Vec<_> = domains.iter().map(|domain| domain.to_lowercase()).collect();
                let admits = move |address: &str| {
                    address.rsplit_once('@').is_some_and(|(_, domain)| domains.contains(&domain.to_lowercase()))
                };
                Ok(Registration::on_first_code_if(registrar, move |_, identifier| admits(identifier.as_str())))
            }
        }
    }

    /// Whether the token of a known device is kept in a cookie too.
    pub(crate) fn device_cookie(&self) -> bool {
        self.cookies.as_ref().is_some_and(|cookies| cookies.device)
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
mod tests;
