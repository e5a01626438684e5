//! The guess-budget arithmetic: how likely it is that guessing within the limits takes an account.

use super::{Policy, Window};
use crate::Profile;
use crate::error::{ConfigError, ConfigErrorKind};

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
    let by_codes = f64::from(Policy::DEVICE_SENDS.limit * policy.max_tries);
    let one = per_day(&[Policy::DEVICE_GUESSES], policy.limit_guesses).min(by_codes);
    let devices = if policy.known_devices { one * Policy::MOST_DEVICES as f64 } else { 0.0 };
    of_a_year(policy, profile, guesses_a_day(policy) + devices)
}

/// `1 - (1 - g/S)^365` for `g` guesses a day at one of `S` codes.
fn of_a_year(policy: &Policy, profile: Profile, guesses: f64) -> f64 {
    let daily = (guesses / policy.code_format(profile).space()).min(1.0);
    -(365.0 * (-daily).ln_1p()).exp_m1()
}

/// Refuses a policy whose odds are above the bound, unless its limits were switched off by name.
pub(super) fn check(policy: &Policy) -> Result<(), ConfigError> {
    let limited = Policy { limit_sends: true, limit_guesses: true, ..policy.clone() };
    let odds = Profile::ALL.into_iter().map(|profile| yearly_odds(&limited, profile)).fold(0.0, f64::max);
    if odds <= YEARLY_BOUND {
        return Ok(());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::CodeFormat;

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
