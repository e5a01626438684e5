//! Which numbers get an SMS, and how many: against those who earn on each one that is sent (A95).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use otpgate_core::{Clock, CodeSms, ConfigError, ConfigErrorKind, DeliveryError, SmsSender, SystemClock};

use crate::address;

/// Prefixes that one cap counts apart; when there are more, the rest are refused until the window ends.
const MOST_PREFIXES: usize = 10_000;

/// Which numbers may get an SMS, and how many. Cheap to clone; clones share the counts.
///
/// SMS are off until the host names its countries: rules without one refuse every number. What costs money and goes to
/// premium ranges at the other end of the world is what fraud lives on, so name only where your users are, and cap each.
/// `+1` is twenty-odd countries, some of them dear: allow area codes, or block some (`+1876`).
///
/// A cap counts in windows that begin with the epoch, tries included that failed, **in the memory of this process**: a
/// deployment of three nodes sends up to three times as many, and twice as many around the end of a window. The engine's own
/// limits, which the store keeps for all nodes, stand before it.
///
/// ```
/// use std::time::Duration;
/// use otpgate_mail::SmsRules;
///
/// let hour = Duration::from_secs(3_600);
/// let rules = SmsRules::builder()
///     .allow("+49")
///     .allow("+43")
///     .block("+49900")
///     .cap("+43", 50, hour)
///     .cap_each(7, 20, hour)
///     .build()?;
/// assert!(rules.admit("+4915112345678").is_ok());
/// assert!(rules.admit("+18765550100").is_err());
/// # Ok::<(), otpgate_core::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SmsRules(Arc<Inner>);

struct Inner {
    /// Prefixes, and whether their numbers are allowed.
    gates: Vec<(String, bool)>,
    caps: Vec<Cap>,
    clock: Arc<dyn Clock>,
    /// What each cap counted, by the digits that it counts apart.
    counts: Mutex<HashMap<(usize, String), Count>>,
}

#[derive(Clone, Debug)]
struct Cap {
    scope: Scope,
    most: u32,
    window: i64,
}

#[derive(Clone, Debug)]
enum Scope {
    /// The numbers of one prefix together.
    Prefix(String),
    /// The numbers that share so many first digits.
    Each(usize),
}

#[derive(Clone, Copy)]
struct Count {
    window: i64,
    sent: u32,
}

impl SmsRules {
    /// Rules that refuse everything, to be opened country by country.
    pub fn builder() -> SmsRulesBuilder {
        SmsRulesBuilder { gates: Vec::new(), caps: Vec::new(), clock: Arc::new(SystemClock) }
    }

    /// Counts one SMS to this number, if it may have it.
    ///
    /// # Errors
    /// A permanent [`DeliveryError`] for a number that is none, that no rule allows, or whose cap is full; nothing is counted
    /// then. The error names neither the number nor the rule.
    pub fn admit(&self, to: &str) -> Result<(), DeliveryError> {
        let number = address::phone(to)?;
        if !self.0.allows(&number) {
            return Err(DeliveryError::permanent("the rules allow no SMS to this country or range"));
        }
        self.0.count(&number)
    }

    /// Any sender, under these rules.
    pub fn guard<S: SmsSender>(&self, sender: S) -> GuardedSms<S> {
        GuardedSms { rules: self.clone(), sender }
    }
}

impl Inner {
    /// The longest prefix decides; of the same one allowed and blocked, blocked.
    fn allows(&self, number: &str) -> bool {
        let matching = self.gates.iter().filter(|(prefix, _)| number.starts_with(prefix.as_str()));
        matching.max_by_key(|(prefix, allowed)| (prefix.len(), !allowed)).is_some_and(|(_, allowed)| *allowed)
    }

    fn count(&self, number: &str) -> Result<(), DeliveryError> {
        let full = || DeliveryError::permanent("the cap on SMS to this country or range is reached");
        let now = self.clock.now().millis();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        // All caps are asked before any counts, so that a number refused by one does not use up another.
        let mut keys = Vec::new();
        for (index, cap) in self.caps.iter().enumerate() {
            let Some(digits) = cap.digits(number) else { continue };
            let key = (index, digits.to_owned());
            let window = now.div_euclid(cap.window);
            let sent = counts.get(&key).filter(|count| count.window == window).map_or(0, |count| count.sent);
            if sent >= cap.most {
                return Err(full());
            }
            keys.push((key, Count { window, sent: sent + 1 }));
        }
        let new = keys.iter().filter(|(key, _)| !counts.contains_key(key)).count();
        if new > 0 && counts.len() + new > MOST_PREFIXES {
            let runs = |index: &usize, count: &Count| {
                self.caps.get(*index).is_some_and(|cap| count.window == now.div_euclid(cap.window))
            };
            counts.retain(|(index, _), count| runs(index, count));
            if counts.len() + new > MOST_PREFIXES {
                return Err(full());
            }
        }
        counts.extend(keys);
        Ok(())
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

impl fmt::Debug for SmsRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsRules").field("gates", &self.0.gates).field("caps", &self.0.caps).finish_non_exhaustive()
    }
}

/// Sets up [`SmsRules`]. A prefix is a calling code with or without more digits: `+49`, `+4915`.
#[derive(Clone)]
#[must_use]
pub struct SmsRulesBuilder {
    gates: Vec<(String, bool)>,
    caps: Vec<(Scope, u32, Duration)>,
    clock: Arc<dyn Clock>,
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

    /// Another clock for the windows; without this it is the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Name`] for a prefix that is not `+` and 1 to 15 digits, the first no 0, for 0 or more than 15 digits
    /// of [`cap_each`](Self::cap_each), and for a window under a second.
    pub fn build(self) -> Result<SmsRules, ConfigError> {
        for (prefix, _) in &self.gates {
            check_prefix(prefix)?;
        }
        let mut caps = Vec::new();
        for (scope, most, window) in self.caps {
            match &scope {
                Scope::Prefix(prefix) => check_prefix(prefix)?,
                Scope::Each(digits) if !(1..=15).contains(digits) => return Err(refused("1 to 15 digits are counted")),
                Scope::Each(_) => {}
            }
            let window = i64::try_from(window.as_millis()).ok().filter(|millis| *millis >= 1_000);
            caps.push(Cap { scope, most, window: window.ok_or_else(|| refused("a window lasts a second or more"))? });
        }
        let counts = Mutex::default();
        Ok(SmsRules(Arc::new(Inner { gates: self.gates, caps, clock: self.clock, counts })))
    }
}

impl fmt::Debug for SmsRulesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsRulesBuilder").field("gates", &self.gates).field("caps", &self.caps).finish_non_exhaustive()
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

/// A sender of SMS under [`SmsRules`].
#[derive(Clone, Debug)]
pub struct GuardedSms<S> {
    rules: SmsRules,
    sender: S,
}

#[async_trait]
impl<S: SmsSender> SmsSender for GuardedSms<S> {
    async fn send(&self, sms: &CodeSms) -> Result<(), DeliveryError> {
        self.rules.admit(&sms.to)?;
        self.sender.send(sms).await
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
