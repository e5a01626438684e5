//! Building a policy; what does not hold fails here.

use std::time::Duration;

use super::{Breaker, CodeFormat, Disclosure, FlowPolicy, Lockout, Policy, Window, budget};
use crate::Profile;
use crate::error::{ConfigError, ConfigErrorKind};

/// Changes the defaults of a [`Policy`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct PolicyBuilder(Policy);

impl PolicyBuilder {
    /// Codes of `digits` decimal digits; default 6, at most 9.
    pub fn code_digits(mut self, digits: u8) -> Self {
        self.0.format = CodeFormat::Digits(digits);
        self
    }

    /// What [`Policy::hardened`] says of codes and passwords.
    pub fn hardened(mut self) -> Self {
        let Policy { format, least_password, .. } = Policy::hardened();
        (self.0.format, self.0.least_password) = (format, least_password);
        self
    }

    /// Codes of `length` base 32 characters, at most 16; `engine` has 8 digits then.
    pub fn code_base32(mut self, length: u8) -> Self {
        self.0.format = CodeFormat::Base32(length);
        self
    }

    /// How long a code lives; default 300 s, from 1 s to 600 s (NIST SP 800-63B-4, 3.1.3.2).
    pub fn code_ttl(mut self, life: Duration) -> Self {
        self.0.code_ttl = life;
        self
    }

    /// Wrong guesses after which a code is dead; default 3.
    pub fn max_tries(mut self, tries: u32) -> Self {
        self.0.max_tries = tries;
        self
    }

    /// Codes sent to one identifier; default 3 a minute, 10 an hour, 20 a day.
    pub fn sends(mut self, windows: impl Into<Vec<Window>>) -> Self {
        self.0.sends = windows.into();
        self
    }

    /// Least time between two codes to one identifier; default none.
    pub fn resend_cooldown(mut self, span: impl Into<Option<Duration>>) -> Self {
        self.0.resend_cooldown = span.into();
        self
    }

    /// Wrong codes of one identifier over all codes and routes; default 10 an hour, 20 a day.
    pub fn guesses(mut self, windows: impl Into<Vec<Window>>) -> Self {
        self.0.guesses = windows.into();
        self
    }

    /// Wrong codes in a row after which an identifier is closed until it is unlocked; default 100 (NIST SP 800-63B-4, 3.2.2).
    pub fn max_consecutive_failures(mut self, most: impl Into<Option<u32>>) -> Self {
        self.0.max_consecutive_failures = most.into();
        self
    }

    /// Codes a tenant may send in an hour; default 10 000.
    pub fn send_valve_per_hour(mut self, most: u64) -> Self {
        self.0.send_valve_per_hour = most;
        self
    }

    /// What a tenant's wrong guesses of an hour do; default [`Breaker::Observe`].
    pub fn breaker(mut self, breaker: Breaker) -> Self {
        self.0.breaker = breaker;
        self
    }

    /// How many users the tenant is expected to have; default not said. Used by [`PolicyBuilder::max_takeovers_per_year`] and
    /// told at start, and nowhere else.
    pub fn expected_users(mut self, users: u64) -> Self {
        self.0.expected_users = Some(users);
        self
    }

    /// Refuses to build where guessing at all expected users would take more accounts a year than this; default no bound.
    pub fn max_takeovers_per_year(mut self, most: f64) -> Self {
        self.0.max_takeovers_per_year = Some(most);
        self
    }

    /// How long access tokens of `profile` live.
    pub fn access_ttl(mut self, profile: Profile, life: Duration) -> Self {
        self.0.lives[profile as usize].access = life;
        self
    }

    /// How long a session of `profile` lives without a refresh.
    pub fn session_idle(mut self, profile: Profile, span: impl Into<Option<Duration>>) -> Self {
        self.0.lives[profile as usize].idle = span.into();
        self
    }

    /// How long a session of `profile` lives at all.
    pub fn session_absolute(mut self, profile: Profile, span: impl Into<Option<Duration>>) -> Self {
        self.0.lives[profile as usize].absolute = span.into();
        self
    }

    /// How long after a rotation the refresh token before it still gets the same successor; default 10 s, 0 turns it off.
    pub fn refresh_grace(mut self, span: Duration) -> Self {
        self.0.refresh_grace = span;
        self
    }

    /// Sessions of one user at a time; default 20, the oldest goes.
    pub fn max_sessions(mut self, most: usize) -> Self {
        self.0.max_sessions = most;
        self
    }

    /// What answers may tell; default [`Disclosure::Conceal`].
    pub fn disclosure(mut self, disclosure: Disclosure) -> Self {
        self.0.disclosure = disclosure;
        self
    }

    /// The lock of `platform`; default 5 failures in a row for 15 minutes, `None` turns it off.
    pub fn lockout(mut self, lockout: impl Into<Option<Lockout>>) -> Self {
        self.0.lockout = lockout.into();
        self
    }

    /// The numbers of `engine`'s flows.
    pub fn flows(mut self, flows: FlowPolicy) -> Self {
        self.0.flows = flows;
        self
    }

    /// Password resets that may be asked for one address; default 3 an hour.
    pub fn resets(mut self, window: Window) -> Self {
        self.0.resets = window;
        self
    }

    /// How long a reset token lives; default and at most one hour.
    pub fn reset_ttl(mut self, life: Duration) -> Self {
        self.0.reset_ttl = life;
        self
    }

    /// The shortest password that may be set, in characters; default 8, and never less (NIST SP 800-63B-4, 3.1.1.2).
    pub fn least_password(mut self, characters: usize) -> Self {
        self.0.least_password = characters;
        self
    }

    /// Hands out no device tokens and takes none. Costs: whoever knows an address can keep its owner from logging in, by
    /// code or password, for up to a day.
    pub fn without_known_devices(mut self) -> Self {
        self.0.known_devices = false;
        self
    }

    /// Turns the limits on sending off. Costs: anybody can fill anybody's mailbox. For load tests.
    pub fn insecure_without_send_limits(mut self) -> Self {
        self.0.limit_sends = false;
        self
    }

    /// Turns the guess budgets and the lock of `platform` off; the tries of one code still hold. Costs: with unlimited sends a 6-digit code falls
    /// within days. For load tests.
    pub fn insecure_without_guess_limits(mut self) -> Self {
        self.0.limit_guesses = false;
        self
    }

    /// The policy.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Policy`] for a code life outside 1 s to 600 s, guessing odds above 1 % a year, more expected takeovers
    /// than the bound that was set, empty or endless windows, or lives that contradict each other.
    pub fn build(self) -> Result<Policy, ConfigError> {
        let p = self.0;
        let refuse = |text: &str| Err(ConfigError::new(ConfigErrorKind::Policy, text));
        let second = Duration::from_secs(1);
        if !matches!(p.format, CodeFormat::Digits(1..=9) | CodeFormat::Base32(1..=16)) {
            return refuse("a code has 1 to 9 digits or 1 to 16 base 32 characters");
        }
        if p.code_ttl < second || p.code_ttl > Duration::from_secs(600) {
            return refuse("a code lives from 1 s to 600 s");
        }
        if p.max_tries == 0 || p.max_tries > 10 {
            return refuse("a code has 1 to 10 tries");
        }
        for windows in [&p.sends, &p.guesses] {
            let fits =
                |w: &Window| (1..=1_000).contains(&w.limit) && w.span >= second && w.span <= Policy::LONGEST_WINDOW;
            if windows.is_empty() || !windows.iter().all(fits) {
                return refuse("a limit allows 1 to 1000 events in 1 s to 24 h");
            }
        }
        if p.max_consecutive_failures == Some(0)
            || p.send_valve_per_hour == 0
            || p.breaker == (Breaker::Refuse { per_hour: 0 })
            || p.max_sessions == 0
            || p.max_sessions > 1_000
        {
            return refuse("a limit of none at all would lock everybody out");
        }
        if p.resend_cooldown.is_some_and(|c| c > Policy::LONGEST_WINDOW) || p.refresh_grace > Duration::from_secs(60) {
            return refuse("a cool-down is at most 24 h and a refresh grace at most 60 s");
        }
        if p.reset_ttl < second
            || p.reset_ttl > Duration::from_secs(3_600)
            || p.resets.limit == 0
            || p.resets.span > Policy::LONGEST_WINDOW
        {
            return refuse(
                "a reset token lives from 1 s to 1 h, and at least one reset fits its window of at most 24 h",
            );
        }
        if p.least_password < 8 || p.least_password > 64 {
            return refuse("the shortest password has 8 to 64 characters");
        }
        if p.lockout.is_some_and(|l| l.failures == 0 || l.span < second || l.span > Policy::LONGEST_WINDOW) {
            return refuse("a lock starts after at least one failure and holds from 1 s to 24 h");
        }
        if let Err(text) = p.flows.check() {
            return refuse(text);
        }
        for lives in p.lives {
            let least = lives.idle.into_iter().chain(lives.absolute).min();
            if lives.access < second || least.is_some_and(|l| l < lives.access) {
                return refuse("an access token lives at least 1 s and not longer than its session");
            }
        }
        budget::check(&p)?;
        Ok(p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a18_weak_policies_do_not_build() {
        let b = Policy::builder;
        let hour = Duration::from_secs(3_600);
        let weak = [
            ("4 digits", b().code_digits(4)),
            ("5 digits", b().code_digits(5)),
            ("3 characters", b().code_base32(3)),
            ("no digits", b().code_digits(0)),
            ("life of 601 s", b().code_ttl(Duration::from_secs(601))),
            ("no life", b().code_ttl(Duration::ZERO)),
            ("no tries", b().max_tries(0)),
            ("50 guesses a day", b().guesses([Window::new(50, 86_400)])),
            ("10 guesses an hour and no more", b().guesses([Window::new(10, 3_600)])),
            ("no windows", b().sends([])),
            ("a breaker that is always open", b().breaker(Breaker::Refuse { per_hour: 0 })),
            ("no sessions", b().max_sessions(0)),
            ("access outlives the session", b().session_absolute(Profile::Identity, Duration::from_secs(10))),
            ("access for no time", b().access_ttl(Profile::Platform, Duration::ZERO)),
            ("a day's grace", b().refresh_grace(24 * hour)),
        ];
        for (name, builder) in weak {
            let error = builder.build().expect_err(name);
            assert_eq!(error.kind(), ConfigErrorKind::Policy, "{name}");
        }
        let strong = [
            b(),
            b().code_digits(8),
            b().code_base32(8),
            b().hardened(),
            b().code_ttl(Duration::from_secs(600)),
            b().insecure_without_guess_limits(),
        ];
        for builder in strong {
            builder.build().unwrap();
        }
    }
}
