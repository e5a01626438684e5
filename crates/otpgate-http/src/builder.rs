//! Which profiles are mounted, where, and how requests are read.

mod engine;

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;
use otpgate_core::{ConfigError, ConfigErrorKind, Engine as Core, Tenant};

use crate::cookies::Cookies;
use crate::gate::{Gate, Mount};
use crate::peer::PeerPolicy;
use crate::profile::{RouteName, RouteSpec, Table, Wants, identity, platform};

pub(crate) use engine::is_brand;
pub use engine::{Brand, Engine};

/// A predicate over a request's headers.
pub type Guard = Arc<dyn Fn(&HeaderMap) -> bool + Send + Sync>;

/// Profile `identity` as it is to be mounted.
#[derive(Clone)]
pub struct Identity {
    tenant: Tenant,
    prefix: String,
    refresh_path: Option<String>,
    availability: bool,
    passwords: bool,
    guard: Option<Guard>,
    cookies: Option<Cookies>,
}

impl Identity {
    /// The profile for the users of `tenant`, at `/identity/user/..`.
    #[must_use]
    pub fn new(tenant: Tenant) -> Self {
        Self {
            tenant,
            prefix: String::new(),
            refresh_path: None,
            availability: true,
            passwords: false,
            guard: None,
            cookies: None,
        }
    }

    /// Puts `prefix` before every path, `/api/outer-bridge` for example.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The path of the refresh route behind the prefix; default `/identity/user/refresh-token`, which no page publishes.
    #[must_use]
    pub fn refresh_path(mut self, path: impl Into<String>) -> Self {
        self.refresh_path = Some(path.into());
        self
    }

    /// Takes passwords at `login` with `isOTP: false`, where the deployment has passwords.
    #[must_use]
    pub fn passwords(mut self) -> Self {
        self.passwords = true;
        self
    }

    /// Leaves `check-availability` out. It tells everybody who has an account, 10 addresses a minute and client.
    #[must_use]
    pub fn without_availability(mut self) -> Self {
        self.availability = false;
        self
    }

    /// Answers `check-availability` only for requests that `guard` lets through; all others get one constant 403.
    #[must_use]
    pub fn guard_availability(mut self, guard: impl Fn(&HeaderMap) -> bool + Send + Sync + 'static) -> Self {
        self.guard = Some(Arc::new(guard));
        self
    }

    /// Keeps the access token in a cookie too.
    #[must_use]
    pub fn cookies(mut self, cookies: Cookies) -> Self {
        self.cookies = Some(cookies);
        self
    }

    fn mount(self) -> Result<Mount, ConfigError> {
        let cookies = checked(self.cookies)?;
        let mut paths = paths(&identity::TABLE, &self.prefix, self.refresh_path.as_deref())?;
        paths.retain(|(_, spec)| self.availability || spec.name != RouteName::CheckAvailability);
        let (tenant, wants) = (Some(self.tenant), Wants { passwords: self.passwords, ..Wants::default() });
        Ok(Mount { table: &identity::TABLE, tenant, wants, paths, availability_guard: self.guard, cookies })
    }
}

impl From<Tenant> for Identity {
    fn from(tenant: Tenant) -> Self {
        Self::new(tenant)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("tenant", &self.tenant).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Profile `platform` as it is to be mounted. Its users are those of every tenant that the directory knows.
#[derive(Clone, Debug, Default)]
pub struct Platform {
    prefix: String,
    refresh_path: Option<String>,
    cookies: Option<Cookies>,
}

impl Platform {
    /// The profile at `/api/user/..`. Without passwords in the deployment, `signin`, `forgot-password` and
    /// `reset-password` are not mounted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `prefix` before every path.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The path of the refresh route behind the prefix; default `/api/user/refresh`, which no page publishes.
    #[must_use]
    pub fn refresh_path(mut self, path: impl Into<String>) -> Self {
        self.refresh_path = Some(path.into());
        self
    }

    /// Keeps the access token in a cookie too.
    #[must_use]
    pub fn cookies(mut self, cookies: Cookies) -> Self {
        self.cookies = Some(cookies);
        self
    }

    fn mount(self) -> Result<Mount, ConfigError> {
        let cookies = checked(self.cookies)?;
        let paths = paths(&platform::TABLE, &self.prefix, self.refresh_path.as_deref())?;
        let wants = Wants { passwords: true, ..Wants::default() };
        Ok(Mount { table: &platform::TABLE, tenant: None, wants, paths, availability_guard: None, cookies })
    }
}

fn checked(cookies: Option<Cookies>) -> Result<Option<Arc<Cookies>>, ConfigError> {
    cookies.map(|cookies| cookies.check().map(|()| Arc::new(cookies))).transpose()
}

/// The routes of a table with their paths: its own, or the one that the host chose for the refresh route.
fn paths(
    table: &'static Table,
    prefix: &str,
    refresh: Option<&str>,
) -> Result<Vec<(String, &'static RouteSpec)>, ConfigError> {
    let path = |spec: &'static RouteSpec| {
        let path = match refresh.filter(|_| spec.name == RouteName::Refresh) {
            Some(own) => format!("{prefix}{own}"),
            None => format!("{prefix}{}{}", table.base, spec.path),
        };
        check_path(&path).map(|()| (path, spec))
    };
    table.routes.iter().map(path).collect()
}

fn check_path(path: &str) -> Result<(), ConfigError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b);
    if path.starts_with('/') && !path.contains("//") && !path.ends_with('/') && path.bytes().all(plain) {
        return Ok(());
    }
    Err(ConfigError::new(
        ConfigErrorKind::Name,
        format!("`{path}` cannot be a path: it starts with one `/`, ends with none and needs no escaping"),
    ))
}

/// The profiles of a deployment.
#[derive(Clone, Debug)]
pub struct Profiles(Vec<Mount>);

impl Profiles {
    /// None yet.
    pub fn builder() -> ProfilesBuilder {
        ProfilesBuilder::default()
    }

    /// Profile `identity` alone, for the users of `tenant`, at its own paths.
    #[must_use]
    pub fn identity(tenant: Tenant) -> Self {
        let paths = identity::TABLE.routes.iter().map(|s| (format!("{}{}", identity::TABLE.base, s.path), s)).collect();
        let (tenant, wants) = (Some(tenant), Wants::default());
        Self(vec![Mount { table: &identity::TABLE, tenant, wants, paths, availability_guard: None, cookies: None }])
    }

    /// As in a deployment without passwords: routes that are of no use go, and no brand has any.
    pub(crate) fn without_passwords(&mut self) {
        for mount in &mut self.0 {
            mount.paths.retain(|(_, spec)| !spec.name.needs_passwords());
            mount.wants.brands.iter_mut().for_each(|brand| brand.passwords = false);
        }
    }

    fn want_sms(&self) -> bool {
        self.0.iter().any(|mount| mount.wants.sms)
    }

    pub(crate) fn mounts(self) -> Vec<Mount> {
        self.0
    }
}

/// Collects profiles.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct ProfilesBuilder(Vec<Result<Mount, ConfigError>>);

impl ProfilesBuilder {
    /// Adds profile `identity`.
    pub fn identity(mut self, identity: impl Into<Identity>) -> Self {
        self.0.push(identity.into().mount());
        self
    }

    /// Adds profile `platform`.
    pub fn platform(mut self, platform: Platform) -> Self {
        self.0.push(platform.mount());
        self
    }

    /// Adds profile `engine`.
    pub fn engine(mut self, engine: Engine) -> Self {
        match engine.mounts() {
            Ok(mounts) => self.0.extend(mounts.into_iter().map(Ok)),
            Err(error) => self.0.push(Err(error)),
        }
        self
    }

    /// The profiles.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Name`] for none at all, a path that cannot be one, a path and method that two routes share, no
    /// brand, a brand twice, or cookies of two profiles: there is one `__Host-token`.
    pub fn build(self) -> Result<Profiles, ConfigError> {
        let mounts = self.0.into_iter().collect::<Result<Vec<_>, _>>()?;
        let all = mounts.iter().flat_map(|m| m.paths.iter());
        let mut paths: Vec<(&str, &str)> = all.map(|(p, spec)| (p.as_str(), spec.method.as_str())).collect();
        paths.sort_unstable();
        if let Some(twice) = paths.windows(2).find(|w| w[0] == w[1]) {
            return Err(ConfigError::new(ConfigErrorKind::Name, format!("two routes are at `{}`", twice[0].0)));
        }
        if mounts.iter().filter(|m| m.cookies.is_some()).count() > 1 {
            return Err(ConfigError::new(ConfigErrorKind::Name, "two profiles would keep their tokens in one cookie"));
        }
        if mounts.is_empty() {
            return Err(ConfigError::new(ConfigErrorKind::Name, "no profile is mounted"));
        }
        Ok(Profiles(mounts))
    }
}

/// Collects what a [`Gate`] needs besides its engine.
#[must_use = "a builder does nothing until `build`"]
pub struct GateBuilder {
    pub(crate) engine: Core,
    pub(crate) profiles: Profiles,
    pub(crate) peers: PeerPolicy,
    pub(crate) needs_peer: bool,
    pub(crate) bearer: bool,
    pub(crate) own_carriers: bool,
    pub(crate) device_cookie: bool,
    pub(crate) challenge: Option<Guard>,
    pub(crate) jwks_path: Option<String>,
    pub(crate) cache_bytes: Option<usize>,
}

impl GateBuilder {
    pub(crate) fn new(engine: Core, profiles: Profiles) -> Self {
        Self {
            engine,
            profiles,
            peers: PeerPolicy::default(),
            needs_peer: true,
            bearer: false,
            own_carriers: false,
            device_cookie: false,
            challenge: None,
            jwks_path: None,
            cache_bytes: Some(crate::verified::USUAL),
        }
    }

    /// Whose word is taken for a client's address.
    pub fn peers(mut self, peers: PeerPolicy) -> Self {
        self.peers = peers;
        self
    }

    /// Answers standard routes also where the server does not know the client's address. Costs: no limit by address holds.
    pub fn insecure_without_peer(mut self) -> Self {
        self.needs_peer = false;
        self
    }

    /// Also takes access tokens from `Authorization: Bearer` (RFC 6750, 2.1).
    pub fn bearer(mut self) -> Self {
        self.bearer = true;
        self
    }

    /// Takes a session only in the header of the profile that opened it; default in that of any mounted profile.
    pub fn own_carriers(mut self) -> Self {
        self.own_carriers = true;
        self
    }

    /// Also keeps the device token in a cookie `otpgate-device` (`HttpOnly`, `Secure`, `SameSite=Strict`, for a year); without
    /// it a client keeps what the header of that name says at each login, and sends it with its requests for and with codes.
    pub fn device_cookie(mut self) -> Self {
        self.device_cookie = true;
        self
    }

    /// Requests for which `passed` is true came through a challenge of the host, a captcha for example: their guesses are
    /// compared also while the breaker of their tenant refuses ([`otpgate_core::Breaker::Refuse`]). It sees the headers as the
    /// client sent them: where a middleware of yours marks a request, it must take the mark off what comes in.
    pub fn challenge(mut self, passed: impl Fn(&HeaderMap) -> bool + Send + Sync + 'static) -> Self {
        self.challenge = Some(Arc::new(passed));
        self
    }

    /// Serves the public keys (RFC 7517) at `path`, usually `/.well-known/jwks.json`.
    pub fn jwks(mut self, path: impl Into<String>) -> Self {
        self.jwks_path = Some(path.into());
        self
    }

    /// Keeps the sessions of tokens that were found good in about so many `bytes`; default 64 MiB, and a token with its session
    /// takes about a kilobyte. A thirty-second of it is taken at once, 64 MiB at most: that has places for four million tokens. What
    /// does not fit is asked for again.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// Keeps none: every request with a credential asks the store, and what one node ends is refused by the next request to any
    /// other. With the cache a request with a token that was seen asks nobody; what this node ends is refused here at once
    /// all the same, and what another ends within a second.
    pub fn without_cache(mut self) -> Self {
        self.cache_bytes = None;
        self
    }

    /// The gate.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Name`] for a JWKS path that cannot be one; [`ConfigErrorKind::Key`] for a JWKS route without
    /// public keys; [`ConfigErrorKind::Policy`] for profile `engine` where nobody said how SMS leave
    /// ([`otpgate_core::engine::Parts::sms`]) or that none do ([`Engine::without_sms`]).
    pub fn build(self) -> Result<Gate, ConfigError> {
        if let Some(path) = &self.jwks_path {
            check_path(path)?;
            if self.engine.tokens().jwks().is_none() {
                return Err(ConfigError::new(
                    ConfigErrorKind::Key,
                    "a JWKS route needs an EdDSA or ES256 signing key: HS256 keys are secret",
                ));
            }
        }
        if self.profiles.want_sms() && !self.engine.has_sms() {
            return Err(ConfigError::new(
                ConfigErrorKind::Policy,
                "profile `engine` sends codes by SMS: give it a sender and `SmsRules` that name your countries, or mount it \
                 with `without_sms()`",
            ));
        }
        Ok(Gate::assemble(self))
    }
}

impl fmt::Debug for GateBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateBuilder")
            .field("engine", &self.engine)
            .field("profiles", &self.profiles)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_mounts_fail_when_they_are_built() {
        let tenant = || Tenant::new("t").unwrap();
        assert!(Profiles::builder().build().is_err());
        assert!(Profiles::builder().identity(tenant()).identity(tenant()).build().is_err());
        for bad in ["api", "/api/", "/a b", "/a//b", "/%41", "/ä"] {
            assert!(Profiles::builder().identity(Identity::new(tenant()).prefix(bad)).build().is_err(), "{bad}");
        }
        let two = Profiles::builder().identity(tenant()).identity(Identity::new(tenant()).prefix("/b"));
        assert!(two.build().is_ok());
        let clash = Identity::new(tenant()).refresh_path("/identity/user/login");
        assert!(Profiles::builder().identity(clash).build().is_err());
        let in_cookie = |prefix| Identity::new(tenant()).prefix(prefix).cookies(Cookies::new());
        assert!(Profiles::builder().identity(in_cookie("/a")).build().is_ok());
        assert!(Profiles::builder().identity(in_cookie("/a")).identity(in_cookie("/b")).build().is_err());
        let wrong = Platform::new().cookies(Cookies::new().origin("example.com"));
        assert!(Profiles::builder().platform(wrong).build().is_err());
    }
}
