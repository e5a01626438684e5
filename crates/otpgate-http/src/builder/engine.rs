//! Profile `engine` as it is to be mounted.

use otpgate_core::{ConfigError, ConfigErrorKind, Tenant};

use super::paths;
use crate::gate::Mount;
use crate::profile::{Wants, engine};

/// A brand that `engine` serves: a tenant of the directory, named without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brand {
    pub(crate) tenant: Tenant,
    pub(crate) passwords: bool,
}

impl Brand {
    /// The users of `tenant`, with passwords where the deployment has any.
    #[must_use]
    pub fn new(tenant: Tenant) -> Self {
        Self { tenant, passwords: true }
    }

    /// Takes no passwords in this brand: what names one is answered 1524.
    #[must_use]
    pub fn without_passwords(mut self) -> Self {
        self.passwords = false;
        self
    }

    /// Whether `name` is its name.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        is_brand(&self.tenant, name)
    }
}

/// Whether `name` names this tenant as a brand: case makes no difference.
pub(crate) fn is_brand(tenant: &Tenant, name: &str) -> bool {
    tenant.as_str().to_lowercase() == name.to_lowercase()
}

impl From<Tenant> for Brand {
    fn from(tenant: Tenant) -> Self {
        Self::new(tenant)
    }
}

/// Profile `engine` as it is to be mounted: `/auth/v1/..` for apps on devices, `/auth/v1/web/..` for web pages.
///
/// ```
/// use otpgate_core::Tenant;
/// use otpgate_http::{Brand, Engine, Profiles};
///
/// let brands = [Brand::new(Tenant::new("ACME")?), Brand::new(Tenant::new("PLAIN")?).without_passwords()];
/// let profiles = Profiles::builder().engine(Engine::new(brands)).build()?;
/// # let _ = profiles;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    brands: Vec<Brand>,
    prefix: String,
    vendor_web_shape: bool,
    real_statuses: bool,
    sms: bool,
}

impl Engine {
    /// The profile for these brands.
    #[must_use]
    pub fn new<B: Into<Brand>>(brands: impl IntoIterator<Item = B>) -> Self {
        let brands = brands.into_iter().map(Into::into).collect();
        Self { brands, prefix: String::new(), vendor_web_shape: false, real_statuses: false, sms: true }
    }

    /// Puts `prefix` before every path.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Answers as the vendor's newest public samples do: a code on the web gets no key and no `user`, and no `user` names
    /// its session. Default: everything that the page of `otp/validate` lists, on both routes.
    #[must_use]
    pub fn vendor_web_shape(mut self) -> Self {
        self.vendor_web_shape = true;
        self
    }

    /// Tells failures by the status of HTTP too (400, 401, 404, 429). Default: 200 and the number in the body, which is
    /// what clients of this interface look at.
    #[must_use]
    pub fn real_statuses(mut self) -> Self {
        self.real_statuses = true;
        self
    }

    /// The deployment sends no SMS. Costs: the answers stay the same, since they must not tell what is behind them, and a code
    /// that was asked for by `MOBILE` never comes; each is told by [`otpgate_core::EventKind::CodeUndelivered`].
    #[must_use]
    pub fn without_sms(mut self) -> Self {
        self.sms = false;
        self
    }

    pub(super) fn mounts(self) -> Result<[Mount; 2], ConfigError> {
        let wrong = |what: String| Err(ConfigError::new(ConfigErrorKind::Name, what));
        if self.brands.is_empty() {
            return wrong("profile `engine` serves no brand".to_owned());
        }
        for (i, brand) in self.brands.iter().enumerate() {
            let name = brand.tenant.as_str();
            if self.brands[..i].iter().any(|b| b.is_called(name)) {
                return wrong(format!("the brand `{name}` is there twice: case makes no difference"));
            }
        }
        let wants = Wants {
            passwords: true,
            brands: self.brands,
            vendor_web_shape: self.vendor_web_shape,
            real_statuses: self.real_statuses,
            sms: self.sms,
        };
        let mount = |table| {
            let paths = paths(table, &self.prefix, None)?;
            Ok(Mount { table, tenant: None, wants: wants.clone(), paths, availability_guard: None, cookies: None })
        };
        Ok([mount(&engine::MOBILE)?, mount(&engine::WEB)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profiles;

    #[test]
    fn wrong_brands_fail_when_they_are_built() {
        let build = |names: &[&str]| {
            let brands: Vec<Tenant> = names.iter().map(|n| Tenant::new(*n).unwrap()).collect();
            Profiles::builder().engine(Engine::new(brands)).build().map(drop)
        };
        assert!(build(&[]).is_err());
        assert!(build(&["Acme", "ACME"]).is_err());
        assert!(build(&["Acme", "Other"]).is_ok());
    }
}
