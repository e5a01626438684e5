//! The guess-budget arithmetic: how likely it is that guessing within the limits takes an account.

use super::{Breaker, Policy, Window};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::{Profile, Tenant};

/// The most that a policy may let a year of guessing at one account succeed: 1 %.
pub(super) const YEARLY_BOUND: f64 = 0.01;

/// Guesses a day that the policy lets through: the budget, or tries times sends where that is less.
fn guesses_a_day(policy: &Policy) -> f64 {
    let budget = per_day(&policy.guesses, policy.limit_guesses);
    let tries = policy.max_tries.max(policy.flows.max_tries);
    let by_codes = per_day(&policy.sends, policy.limit_sends) * f64::from(tries);
    budget.min(by_codes)
}

fn per_day(windows: &[Window], on: bool) -> f64 {
    let rate = |w: &Window| f64::from(w.limit) * (86_400.0 / w.span.as_secs_f64()).max(1.0);
    if on { windows.iter().map(rate).fold(f64::INFINITY, f64::min) } else { f64::INFINITY }
}

pub(super) fn yearly_odds(policy: &Policy, profile: Profile) -> f64 {
    of_a_year(policy, profile, guesses_a_day(policy))
}

/// With the budgets of as many known devices as an identifier has at a time.
pub(super) fn yearly_odds_with_devices(policy: &Policy, profile: Profile) -> f64 {
    let by_codes = f64::from(Policy::DEVICE_SENDS.limit * policy.max_tries.max(policy.flows.max_tries));
    let one = per_day(&[Policy::DEVICE_GUESSES], policy.limit_guesses).min(by_codes);
    let devices = if policy.known_devices { one * Policy::MOST_DEVICES as f64 } else { 0.0 };
    of_a_year(policy, profile, guesses_a_day(policy) + devices)
}

/// `1 - (1 - g/S)^365` for `g` guesses a day at one of `S` codes.
fn of_a_year(policy: &Policy, profile: Profile, guesses: f64) -> f64 {
    let daily = (guesses / policy.code_format(profile).space()).min(1.0);
    -(365.0 * (-daily).ln_1p()).exp_m1()
}

/// `365 M g / S` for `g` guesses a day at each of `M` accounts, and at most `8760 G / S` where a breaker lets `G` an hour pass.
pub(super) fn yearly_takeovers(policy: &Policy, profile: Profile, users: u64) -> f64 {
    let by_accounts = 365.0 * users as f64 * guesses_a_day(policy);
    let guesses = match policy.breaker {
        Breaker::Refuse { per_hour } if policy.limit_guesses => by_accounts.min(8_760.0 * per_hour as f64),
        Breaker::Refuse { .. } | Breaker::Observe => by_accounts,
    };
    guesses / policy.code_format(profile).space()
}

/// The most over all profiles.
fn worst(by: impl Fn(Profile) -> f64) -> f64 {
    Profile::ALL.into_iter().map(by).fold(0.0, f64::max)
}

/// Writes what guessing costs under `policy` to the log; `tenant` is none for the usual policy.
pub(crate) fn tell(policy: &Policy, tenant: Option<&Tenant>) {
    tracing::info!(
        target: "otpgate",
        tenant = tenant.map(Tenant::as_str),
        yearly_odds_per_account = worst(|profile| yearly_odds(policy, profile)),
        yearly_takeovers_per_million_users = worst(|profile| yearly_takeovers(policy, profile, 1_000_000)),
        expected_users = policy.expected_users,
        yearly_takeovers = policy.expected_users.map(|users| worst(|profile| yearly_takeovers(policy, profile, users))),
        "the security budget of one-time codes",
    );
}

/// Refuses a policy whose odds are above a bound, unless its limits were switched off by name.
pub(super) fn check(policy: &Policy) -> Result<(), ConfigError> {
    let limited = Policy { limit_sends: true, limit_guesses: true, ..policy.clone() };
    let odds = worst(|profile| yearly_odds(&limited, profile));
    if odds <= YEARLY_BOUND {
        return check_takeovers(policy);
    }
    Err(ConfigError::new(
        ConfigErrorKind::Policy,
        format!(
            "a year of guessing would take an account with odds of {:.2} %, more than {:.0} %: use longer codes, fewer tries or smaller guess windows",
            odds * 100.0,
            YEARLY_BOUND * 100.0
        ),
    ))
}

/// Here switched-off limits count: who names a bound wants it held.
fn check_takeovers(policy: &Policy) -> Result<(), ConfigError> {
    let Some(most) = policy.max_takeovers_per_year else { return Ok(()) };
    let refuse = |text: String| Err(ConfigError::new(ConfigErrorKind::Policy, text));
    let Some(users) = policy.expected_users else {
        return refuse("a bound on takeovers a year needs the number of expected users".to_owned());
    };
    let expected = worst(|profile| yearly_takeovers(policy, profile, users));
    if most.is_finite() && expected <= most {
        return Ok(());
    }
    refuse(format!(
        "guessing at all of {users} users would take {expected:.3} accounts a year, more than {most}: use longer codes, smaller guess windows or a breaker that refuses"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::CodeFormat;

    #[test]
    fn q22_the_published_takeovers_come_out_and_a_bound_on_them_holds() {
        let million = 1_000_000;
        let five = |format| Policy { format, guesses: vec![Window::new(5, 86_400)], ..Policy::default() };
        let refuse = |format, per_hour| Policy { breaker: Breaker::Refuse { per_hour }, ..five(format) };
        let rows = [
            (five(CodeFormat::Digits(6)), 1_825.0),
            (five(CodeFormat::Digits(8)), 18.25),
            (five(CodeFormat::Base32(8)), 0.00166),
            (refuse(CodeFormat::Digits(6), 1_000), 8.76),
            (refuse(CodeFormat::Digits(8), 1_000), 0.0876),
            (refuse(CodeFormat::Digits(6), 100), 0.876),
            (refuse(CodeFormat::Digits(6), 1_000_000), 1_825.0),
        ];
        for (policy, want) in rows {
            let got = policy.yearly_takeovers(Profile::Identity, million);
            assert!((got - want).abs() / want < 0.01, "{got} is not {want}");
        }
        let bound = |most| Policy::builder().expected_users(million).max_takeovers_per_year(most);
        let breaker = Breaker::Refuse { per_hour: 100 };
        for (name, builder, good) in [
            ("six digits", bound(10.0), false),
            ("hardened", bound(100.0).hardened(), true),
            ("the eight digits of engine count", bound(10.0).hardened(), false),
            ("a breaker", bound(10.0).breaker(breaker), true),
            ("no limits, no breaker", bound(10.0).breaker(breaker).insecure_without_guess_limits(), false),
            ("no users named", Policy::builder().max_takeovers_per_year(10.0), false),
            ("no number", bound(f64::NAN), false),
        ] {
            assert_eq!(builder.build().is_ok(), good, "{name}");
        }
    }

    #[test]
    fn the_published_table_of_odds_comes_out() {
        let odds = |format, day, sends, tries| {
            Policy {
                format,
                guesses: vec![Window::new(day, 86_400)],
                sends: vec![Window::new(sends, 86_400)],
                max_tries: tries,
                flows: super::super::FlowPolicy { max_tries: tries, ..Default::default() },
                ..Policy::default()
            }
            .yearly_guess_odds(Profile::Identity)
        };
        let rows = [
            (odds(CodeFormat::Digits(6), 1_000, 5, 3), 0.0055),
            (odds(CodeFormat::Digits(6), 20, 20, 3), 0.0073),
            (odds(CodeFormat::Digits(8), 20, 20, 3), 7.3e-5),
            (odds(CodeFormat::Base32(8), 20, 20, 3), 6.6e-9),
            (odds(CodeFormat::Digits(6), 1_000, 10, 5), 0.018),
            (odds(CodeFormat::Digits(4), 1_000, 10, 5), 0.84),
            (odds(CodeFormat::Digits(6), 100_000, 1_440, 5), 0.93),
            (odds(CodeFormat::Digits(6), 100_000, 1_440, 3), 0.79),
        ];
        for (got, want) in rows {
            assert!((got - want).abs() / want < 0.02, "{got} is not {want}");
        }
        let profile = Profile::Identity;
        assert!((Policy::default().yearly_guess_odds(profile) - 0.0073).abs() < 1e-4);
        let hardened = Profile::ALL.map(|profile| Policy::hardened().yearly_guess_odds(profile));
        assert!(hardened[0] < 1e-8 && hardened[1] < 1e-8 && hardened[2] < 1e-4, "{hardened:?}");
        // 5 devices with 10 guesses each, and the open 20: 70 a day.
        assert!((Policy::default().yearly_guess_odds_with_devices(profile) - 0.0252).abs() < 1e-4);
        let without = Policy { known_devices: false, ..Policy::default() };
        let more = without.yearly_guess_odds_with_devices(profile) - without.yearly_guess_odds(profile);
        assert!(more.abs() < 1e-12);
    }
}
