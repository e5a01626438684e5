//! Which numbers get an SMS, and how many: against those who earn on each one that is sent (A95).

use std::time::Duration;

use crate::{ConfigError, ConfigErrorKind, Timestamp};

/// Which numbers may get an SMS, and how many.
///
/// SMS are off until the host names its countries. What costs money and goes to premium ranges at the other end of the world is
/// what fraud lives on, so name only where your users are, and cap each. `+1` is twenty-odd countries, some of them dear: allow
/// area codes, or block some (`+1876`).
///
/// A cap counts in windows that begin with the epoch, tries included that failed, in the store and so for all nodes together;
/// around the end of a window twice as many can leave. The limits by number stand before it.
///
/// ```
/// use std::time::Duration;
/// use otpgate_core::SmsRules;
///
/// let hour = Duration::from_secs(3_600);
/// let rules = SmsRules::builder()
///     .allow("+49")
///     .allow("+43")
///     .block("+49900")
///     .cap("+43", 50, hour)
///     .cap_each(7, 20, hour)
///     .build()?;
/// assert!(rules.allows("+4915112345678"));
/// assert!(!rules.allows("+18765550100"));
/// assert!(SmsRules::builder().build().is_err());
/// # Ok::<(), otpgate_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SmsRules {
    /// Prefixes, and whether their numbers are allowed.
    gates: Vec<(String, bool)>,
    caps: Vec<Cap>,
}

#[derive(Clone, Debug)]
struct Cap {
    scope: Scope,
    most: u32,
    /// Milliseconds.
    window: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    /// The numbers of one prefix together.
    Prefix(String),
    /// The numbers that share so many first digits.
    Each(usize),
}

/// What one cap counts a number under, at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted<'a> {
    /// The digits that are counted together, with their `+`.
    pub(crate) digits: &'a str,
    /// Whether they are counted for being the first of a number, and not for being a prefix by name.
    pub(crate) each: bool,
    pub(crate) most: u32,
    /// The length of the window and its number since the epoch.
    pub(crate) window: (i64, i64),
    pub(crate) ends: Timestamp,
}

impl SmsRules {
    /// No rules yet, to be opened country by country.
    pub fn builder() -> SmsRulesBuilder {
        SmsRulesBuilder::default()
    }

    /// Whether a number in E.164 form (`+4915112345678`) lies where SMS may go; caps aside.
    ///
    /// The longest prefix decides; of the same one allowed and blocked, blocked.
    #[must_use]
    pub fn allows(&self, number: &str) -> bool {
        let matching = self.gates.iter().filter(|(prefix, _)| number.starts_with(prefix.as_str()));
        matching.max_by_key(|(prefix, allowed)| (prefix.len(), !allowed)).is_some_and(|(_, allowed)| *allowed)
    }

    /// What an SMS to this number counts under now: all of them have to have room.
    pub(crate) fn counted<'a>(&'a self, number: &'a str, now: Timestamp) -> impl Iterator<Item = Counted<'a>> {
        self.caps.iter().filter_map(move |cap| {
            let at = now.millis().div_euclid(cap.window);
            let ends = Timestamp::from_millis(at.saturating_add(1).saturating_mul(cap.window));
            let digits = cap.digits(number)?;
            let each = matches!(cap.scope, Scope::Each(_));
            Some(Counted { digits, each, most: cap.most, window: (cap.window, at), ends })
        })
    }
}

impl Cap {
    /// What the number is counted under, if it is.
    fn digits<'a>(&'a self, number: &'a str) -> Option<&'a str> {
        match &self.scope {
            Scope::Prefix(prefix) => number.starts_with(prefix.as_str()).then_some(prefix),
            // With the `+`; a shorter number is a range of its own.
            Scope::Each(digits) => Some(number.get(..=*digits).unwrap_or(number)),
        }
    }
}

/// Sets up [`SmsRules`]. A prefix is a calling code with or without more digits: `+49`, `+4915`.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct SmsRulesBuilder {
    gates: Vec<(String, bool)>,
    caps: Vec<(Scope, u32, Duration)>,
}

impl SmsRulesBuilder {
    /// Allows the numbers of this prefix.
    pub fn allow(mut self, prefix: &str) -> Self {
        self.gates.push((prefix.to_owned(), true));
        self
    }

    /// Refuses the numbers of this prefix within a shorter one that is allowed.
    pub fn block(mut self, prefix: &str) -> Self {
        self.gates.push((prefix.to_owned(), false));
        self
    }

    /// At most `most` SMS in each `window` to the numbers of this prefix together. All caps that fit a number hold.
    pub fn cap(mut self, prefix: &str, most: u32, window: Duration) -> Self {
        self.caps.push((Scope::Prefix(prefix.to_owned()), most, window));
        self
    }

    /// At most `most` SMS in each `window` to numbers that share their first `digits` digits, whichever these are: fraud
    /// rents ranges of numbers.
    pub fn cap_each(mut self, digits: usize, most: u32, window: Duration) -> Self {
        self.caps.push((Scope::Each(digits), most, window));
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Policy`] where no country is allowed; [`ConfigErrorKind::Name`] for a prefix that is not `+` and 1 to
    /// 15 digits, the first no 0, for 0 or more than 15 digits of [`cap_each`](Self::cap_each), for a window under a second, and
    /// for two caps that count alike.
    pub fn build(self) -> Result<SmsRules, ConfigError> {
        for (prefix, _) in &self.gates {
            check_prefix(prefix)?;
        }
        let mut caps: Vec<Cap> = Vec::new();
        for (scope, most, window) in self.caps {
            match &scope {
                Scope::Prefix(prefix) => check_prefix(prefix)?,
                Scope::Each(digits) if !(1..=15).contains(digits) => return Err(refused("1 to 15 digits are counted")),
                Scope::Each(_) => {}
            }
            let window = i64::try_from(window.as_millis()).ok().filter(|millis| *millis >= 1_000);
            let window = window.ok_or_else(|| refused("a window lasts a second or more"))?;
            if caps.iter().any(|cap| cap.scope == scope && cap.window == window) {
                return Err(refused("two caps count the same numbers in the same window"));
            }
            caps.push(Cap { scope, most, window });
        }
        if !self.gates.iter().any(|(_, allowed)| *allowed) {
            let text = "SMS are off until their countries are named: `SmsRules::builder().allow(\"+49\")`";
            return Err(ConfigError::new(ConfigErrorKind::Policy, text));
        }
        Ok(SmsRules { gates: self.gates, caps })
    }
}

fn check_prefix(prefix: &str) -> Result<(), ConfigError> {
    let digits = prefix.strip_prefix('+').unwrap_or_default();
    if !(1..=15).contains(&digits.len()) || digits.starts_with('0') || !digits.chars().all(|c| c.is_ascii_digit()) {
        return Err(refused("a prefix is `+` and a calling code, such as `+49`, with or without more digits"));
    }
    Ok(())
}

fn refused(text: &str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Name, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn q12_sms_are_off_until_a_country_is_named() {
        let b = SmsRules::builder;
        for builder in [b(), b().block("+49"), b().cap("+49", 10, HOUR), b().cap_each(7, 10, HOUR)] {
            assert_eq!(builder.build().unwrap_err().kind(), ConfigErrorKind::Policy);
        }
        let rules = b().allow("+49").build().unwrap();
        for (number, want) in [("+4915112345678", true), ("+15550000001", false), ("+442071838750", false)] {
            assert_eq!(rules.allows(number), want, "{number}");
        }
    }

    #[test]
    fn the_longest_prefix_decides() {
        let b = SmsRules::builder().allow("+1").block("+1876").allow("+1876555").block("+44").allow("+44").allow("+49");
        let rules = b.build().unwrap();
        for (number, want) in [
            ("+12125550100", true),
            ("+18761234567", false),
            ("+18765550100", true),
            ("+442071838750", false),
            ("+4930901820", true),
            ("+431234567", false),
            ("+4", false),
            ("", false),
            ("004915112345678", false),
        ] {
            assert_eq!(rules.allows(number), want, "{number:?}");
        }
    }

    #[test]
    fn every_cap_that_fits_counts_under_its_digits_and_its_window() {
        let b = SmsRules::builder().allow("+49").cap("+49", 3, HOUR).cap("+43", 9, HOUR).cap_each(7, 2, HOUR * 2);
        let rules = b.build().unwrap();
        let hour = HOUR.as_millis() as i64;
        let counted = |number: &str, now| {
            let counted = rules.counted(number, Timestamp::from_millis(now));
            counted.map(|c| (c.digits.to_owned(), c.most, c.window, c.ends.millis())).collect::<Vec<_>>()
        };
        let want = |number: i64, half: i64| {
            let country = ("+49".to_owned(), 3, (hour, number), (number + 1) * hour);
            [country, ("+4915112".to_owned(), 2, (2 * hour, half), (half + 1) * 2 * hour)]
        };
        assert_eq!(counted("+4915112345678", 3 * hour), want(3, 1));
        assert_eq!(counted("+4915112345678", 4 * hour - 1), want(3, 1));
        assert_eq!(counted("+4915112345678", 4 * hour), want(4, 2));
        // A number that is shorter than what is counted is a range of its own.
        assert_eq!(counted("+49151", 0).last().map(|c| c.0.clone()), Some("+49151".to_owned()));
    }

    #[test]
    fn rules_that_make_no_sense_are_refused_when_built() {
        let b = SmsRules::builder;
        for prefix in ["", "+", "49", "+049", "+49x", "+49 15", "+1234567890123456", "++49"] {
            for builder in [b().allow(prefix), b().block(prefix), b().cap(prefix, 1, HOUR)] {
                assert_eq!(builder.build().unwrap_err().kind(), ConfigErrorKind::Name, "{prefix}");
            }
        }
        let second = Duration::from_millis(999);
        let twice = b().cap("+49", 1, HOUR).cap("+49", 2, HOUR);
        for builder in [b().cap_each(0, 1, HOUR), b().cap_each(16, 1, HOUR), b().cap("+49", 1, second), twice] {
            assert_eq!(builder.allow("+49").build().unwrap_err().kind(), ConfigErrorKind::Name);
        }
    }
}
