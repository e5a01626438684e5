//! Which policy holds for which tenant, and what holds for the deployment as a whole.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::{Policy, budget};
use crate::Tenant;

type Chooser = dyn Fn(&Tenant) -> Option<Arc<Policy>> + Send + Sync;

/// The policies of a deployment: the usual one, and those of the tenants that have their own.
///
/// Every [`Policy`] was checked when it was built, so none that is looked up can be wrong. What is not a tenant's to choose is
/// set here and not in a policy: the limits by client address, which an address shares among all tenants.
///
/// ```
/// use otpgate_core::{Policy, PolicyBook, Profile, Tenant};
///
/// let bank = Tenant::new("bank")?;
/// let strict = Policy::builder().code_digits(8).build()?;
/// let book = PolicyBook::new(Policy::default()).tenant(bank.clone(), strict);
/// assert_eq!(book.policy(&bank).code_format(Profile::Identity).length(), 8);
/// assert_eq!(book.policy(&Tenant::default()).code_format(Profile::Identity).length(), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PolicyBook {
    usual: Arc<Policy>,
    own: HashMap<Tenant, Arc<Policy>>,
    chooser: Option<Arc<Chooser>>,
    pub(crate) limit_addresses: bool,
}

impl PolicyBook {
    /// `usual` for every tenant.
    #[must_use]
    pub fn new(usual: Policy) -> Self {
        Self { usual: Arc::new(usual), own: HashMap::new(), chooser: None, limit_addresses: true }
    }

    /// `policy` for `tenant`, in the place of what was named for it before.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant, policy: impl Into<Arc<Policy>>) -> Self {
        self.own.insert(tenant, policy.into());
        self
    }

    /// Asks `choose` about tenants that are not named here; `None` is the usual policy. It is called in every operation: keep
    /// the policies ready, and neither wait nor read a file.
    #[must_use]
    pub fn choose(mut self, choose: impl Fn(&Tenant) -> Option<Arc<Policy>> + Send + Sync + 'static) -> Self {
        self.chooser = Some(Arc::new(choose));
        self
    }

    /// Turns every limit by client address off, for all tenants. Costs: one address may spray, list and flood without end.
    /// For load tests.
    #[must_use]
    pub fn insecure_without_address_limits(mut self) -> Self {
        self.limit_addresses = false;
        self
    }

    /// Tells the log what guessing costs under each policy that is known at start.
    pub(crate) fn tell_budgets(&self) {
        budget::tell(&self.usual, None);
        self.own.iter().for_each(|(tenant, policy)| budget::tell(policy, Some(tenant)));
    }

    /// The policy that holds for `tenant`.
    #[must_use]
    pub fn policy(&self, tenant: &Tenant) -> Arc<Policy> {
        let chosen = || self.chooser.as_ref().and_then(|choose| choose(tenant));
        self.own.get(tenant).cloned().or_else(chosen).unwrap_or_else(|| Arc::clone(&self.usual))
    }
}

impl Default for PolicyBook {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}

impl From<Policy> for PolicyBook {
    fn from(usual: Policy) -> Self {
        Self::new(usual)
    }
}

impl fmt::Debug for PolicyBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyBook").field("usual", &self.usual).field("own", &self.own).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_tenant_goes_before_a_chosen_one_and_both_before_the_usual() {
        let policy = |tries| Arc::new(Policy::builder().max_tries(tries).build().unwrap());
        let tenant = |name: &str| Tenant::new(name).unwrap();
        let two = policy(2);
        let book = PolicyBook::new(Policy::default())
            .choose(move |t| ["named", "chosen"].contains(&t.as_str()).then(|| Arc::clone(&two)))
            .tenant(tenant("named"), policy(5))
            .tenant(tenant("named"), policy(1));
        for (name, tries) in [("named", 1), ("chosen", 2), ("other", 3)] {
            assert_eq!(book.policy(&tenant(name)).max_tries, tries, "{name}");
        }
    }
}
