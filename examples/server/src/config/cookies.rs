//! `[cookies]`: a profile's token, and that of a known device, in cookies of a browser.

use anyhow::{Context as _, bail};
use otpgate::{Cookies, LegacyCookie};
use serde::Deserialize;

use crate::secrets::secret_in;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CookieTable {
    /// Whose token is kept: there is one `__Host-token`.
    profile: Option<Keeper>,
    same_site: Option<SameSite>,
    header: Option<bool>,
    origins: Option<Vec<String>>,
    legacy: Option<Legacy>,
    legacy_domain: Option<String>,
    pub(super) device: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Keeper {
    Identity,
    Platform,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SameSite {
    Strict,
    Lax,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Legacy {
    Plain,
    Signed,
    Either,
}

impl CookieTable {
    /// The profile that keeps its token in a cookie, if one does.
    pub(super) fn keeper(&self) -> anyhow::Result<Option<Keeper>> {
        let of_a_profile = self.same_site.is_some()
            || self.header.is_some()
            || self.origins.is_some()
            || self.legacy.is_some()
            || self.legacy_domain.is_some();
        if self.profile.is_none() && of_a_profile {
            bail!("`cookies.profile` is to name the profile whose token is kept");
        }
        Ok(self.profile)
    }

    /// The cookies for that profile.
    pub(super) fn cookies(&self) -> anyhow::Result<Cookies> {
        let mut cookies = self.origins.iter().flatten().fold(Cookies::new(), |cookies, origin| cookies.origin(origin));
        if let Some(SameSite::Lax) = self.same_site {
            cookies = cookies.lax();
        }
        if self.header == Some(false) {
            cookies = cookies.without_header();
        }
        let Some(legacy) = self.legacy else {
            if self.legacy_domain.is_some() {
                bail!("`cookies.legacy_domain` is that of a cookie which `cookies.legacy` does not name");
            }
            return Ok(cookies);
        };
        let mut legacy = match legacy {
            Legacy::Plain => LegacyCookie::plain(),
            Legacy::Signed => LegacyCookie::signed(&key()?).context("OTPGATE_COOKIE_KEY cannot be used")?,
            Legacy::Either => LegacyCookie::either(&key()?).context("OTPGATE_COOKIE_KEY cannot be used")?,
        };
        if let Some(domain) = &self.legacy_domain {
            legacy = legacy.domain(domain);
        }
        Ok(cookies.legacy_cookie(legacy))
    }
}

fn key() -> anyhow::Result<Vec<u8>> {
    let key = secret_in("OTPGATE_COOKIE_KEY")?;
    Ok(key.context("`cookies.legacy` with signatures wants their key in OTPGATE_COOKIE_KEY")?.into_bytes())
}
