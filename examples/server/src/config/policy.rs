//! The numbers of a tenant: those of `[policy]`, and of `[tenants.NAME]` on top of them.

use std::time::Duration;

use anyhow::{Context as _, bail};
use otpgate::{Breaker, Disclosure, FlowPolicy, Lockout, Policy, PolicyBuilder, Profile};
use serde::Deserialize;

use super::Limits;

const PROFILES: [Profile; 3] = [Profile::Identity, Profile::Platform, Profile::Engine];

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PolicyTable {
    hardened: Option<bool>,
    disclosure: Option<Disclosing>,
    code_digits: Option<u8>,
    code_base32: Option<u8>,
    code_ttl_seconds: Option<u64>,
    max_tries: Option<u32>,
    access_ttl_seconds: Option<u64>,
    session_idle_seconds: Option<u64>,
    session_absolute_seconds: Option<u64>,
    refresh_grace_seconds: Option<u64>,
    max_sessions: Option<usize>,
    least_password: Option<usize>,
    known_devices: Option<bool>,
    resend_cooldown_seconds: Option<u64>,
    send_valve_per_hour: Option<u64>,
    breaker_per_hour: Option<u64>,
    expected_users: Option<u64>,
    max_takeovers_per_year: Option<f64>,
    lockout_failures: Option<u32>,
    lockout_seconds: Option<u64>,
    key_ttl_seconds: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Disclosing {
    Conceal,
    Reveal,
}

impl PolicyTable {
    /// The usual policy.
    pub(super) fn policy(&self, limits: &Limits) -> anyhow::Result<Policy> {
        let builder = self.apply(Policy::builder(), self.hardened == Some(true)).context("`policy`")?;
        finish(builder, limits).context("`policy`")
    }

    /// That of a tenant: this table over the usual one.
    pub(super) fn over(&self, usual: &Self, limits: &Limits) -> anyhow::Result<Policy> {
        let usual_hardened = self.hardened.is_none() && usual.hardened == Some(true);
        let builder = usual.apply(Policy::builder(), usual_hardened)?;
        finish(self.apply(builder, self.hardened == Some(true))?, limits)
    }

    fn apply(&self, mut builder: PolicyBuilder, hardened: bool) -> anyhow::Result<PolicyBuilder> {
        let seconds = Duration::from_secs;
        if hardened {
            builder = builder.hardened();
        }
        builder = match (self.code_digits, self.code_base32) {
            (None, None) => builder,
            (Some(digits), None) => builder.code_digits(digits),
            (None, Some(length)) => builder.code_base32(length),
            (Some(_), Some(_)) => bail!("`code_digits` and `code_base32` contradict each other"),
        };
        if let Some(disclosing) = self.disclosure {
            builder = builder.disclosure(match disclosing {
                Disclosing::Conceal => Disclosure::Conceal,
                Disclosing::Reveal => Disclosure::Reveal,
            });
        }
        for profile in PROFILES {
            if let Some(life) = self.access_ttl_seconds {
                builder = builder.access_ttl(profile, seconds(life));
            }
            if let Some(span) = self.session_idle_seconds {
                builder = builder.session_idle(profile, seconds(span));
            }
            if let Some(span) = self.session_absolute_seconds {
                builder = builder.session_absolute(profile, seconds(span));
            }
        }
        if let Some(per_hour) = self.breaker_per_hour {
            builder = builder.breaker(Breaker::Refuse { per_hour });
        }
        if self.known_devices == Some(false) {
            builder = builder.without_known_devices();
        }
        if self.lockout_failures.is_some() || self.lockout_seconds.is_some() {
            let (failures, span) = (self.lockout_failures.unwrap_or(5), seconds(self.lockout_seconds.unwrap_or(900)));
            builder = builder.lockout((failures > 0).then_some(Lockout { failures, span }));
        }
        if let Some(life) = self.key_ttl_seconds {
            builder = builder.flows(FlowPolicy { key_life: Some(seconds(life)), ..FlowPolicy::default() });
        }
        // The keys that one method of the builder has.
        builder = set(builder, self.code_ttl_seconds.map(seconds), PolicyBuilder::code_ttl);
        builder = set(builder, self.max_tries, PolicyBuilder::max_tries);
        builder = set(builder, self.refresh_grace_seconds.map(seconds), PolicyBuilder::refresh_grace);
        builder = set(builder, self.max_sessions, PolicyBuilder::max_sessions);
        builder = set(builder, self.least_password, PolicyBuilder::least_password);
        builder = set(builder, self.resend_cooldown_seconds.map(seconds), PolicyBuilder::resend_cooldown);
        builder = set(builder, self.send_valve_per_hour, PolicyBuilder::send_valve_per_hour);
        builder = set(builder, self.expected_users, PolicyBuilder::expected_users);
        Ok(set(builder, self.max_takeovers_per_year, PolicyBuilder::max_takeovers_per_year))
    }
}

fn set<T>(builder: PolicyBuilder, value: Option<T>, with: impl Fn(PolicyBuilder, T) -> PolicyBuilder) -> PolicyBuilder {
    match value {
        Some(value) => with(builder, value),
        None => builder,
    }
}

/// The switches for load tests hold for every tenant.
fn finish(mut builder: PolicyBuilder, limits: &Limits) -> anyhow::Result<Policy> {
    if !limits.sends {
        builder = builder.insecure_without_send_limits();
    }
    if !limits.guesses {
        builder = builder.insecure_without_guess_limits();
    }
    Ok(builder.build()?)
}
