//! All numbers: lives, limits, budgets. Checked when built.

mod book;
mod budget;
mod builder;
mod devices;
mod sms;

use std::time::Duration;

use crate::Profile;

pub use book::PolicyBook;
pub use builder::PolicyBuilder;
pub(crate) use sms::Counted;
pub use sms::{SmsRules, SmsRulesBuilder};

/// At most `limit` events in any rolling `span`, exact at its edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many.
    pub limit: u32,
    /// In how long.
    pub span: Duration,
}

impl Window {
    /// At most `limit` in `seconds` seconds.
    #[must_use]
    pub const fn new(limit: u32, seconds: u64) -> Self {
        Self { limit, span: Duration::from_secs(seconds) }
    }
}

/// What an answer may tell about whether an address is registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disclosure {
    /// Nothing: unknown addresses are answered, counted and timed like known ones.
    #[default]
    Conceal,
    /// The documented failures of each profile. Costs: everybody can list who has an account.
    Reveal,
}

impl Disclosure {
    /// Whether a code that is tried for an unknown address is answered as such: `platform` documents that failure.
    pub(crate) fn tells_at_verification(self, profile: Profile) -> bool {
        self == Self::Reveal && profile == Profile::Platform
    }
}

/// What the alphabet of a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeFormat {
    /// This many decimal digits.
    Digits(u8),
    /// This many characters of Crockford's base 32 alphabet: the digits and the capitals without I, L, O and U. What is typed
    /// may be in small letters, with I or L for 1 and O for 0.
    Base32(u8),
}

impl CodeFormat {
    /// How many characters a code has.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Digits(n) | Self::Base32(n) => n as usize,
        }
    }

    /// Two bytes that no other format has.
    pub(crate) const fn tag(self) -> [u8; 2] {
        match self {
            Self::Digits(n) => [0, n],
            Self::Base32(n) => [1, n],
        }
    }

    /// How many different codes there are.
    #[must_use]
    pub fn space(self) -> f64 {
        match self {
            Self::Digits(n) => 10f64.powi(i32::from(n)),
            Self::Base32(n) => 32f64.powi(i32::from(n)),
        }
    }
}

/// The numbers of `engine`'s flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowPolicy {
    /// How long a flow may take; default 15 minutes, at most a day.
    pub life: Duration,
    /// How long a code of a flow lives, and never longer than its flow; default and at most 600 s.
    pub code_ttl: Duration,
    /// Wrong codes, and wrong passwords, that a flow takes; default 5.
    pub max_tries: u32,
    /// A wrong code this long after the one before starts a new count; default 30 minutes.
    pub attempt_interval: Duration,
    /// Codes that one identifier is sent in one span, besides the limits of all profiles; default no further limit.
    pub sends: Option<Window>,
    /// How long all flows of an identifier are locked when one has used its tries up; default not at all, at most 30 days.
    pub lock: Option<Duration>,
    /// Whether sessions get a key to regenerate their token with; default yes.
    pub regenerate: bool,
    /// How long a key of a mobile session lives; default `None`, without end. Setting one is recommended: a key without an
    /// end is a password that its owner does not know.
    pub key_life: Option<Duration>,
    /// How long after its end a token may still be exchanged on the web route; default 24 h.
    pub expired_grace: Duration,
    /// Open flows of one identifier; default 10, the oldest goes.
    pub most: usize,
}

impl Default for FlowPolicy {
    fn default() -> Self {
        Self {
            life: Duration::from_secs(15 * 60),
            code_ttl: Duration::from_secs(600),
            max_tries: 5,
            attempt_interval: Duration::from_secs(30 * 60),
            sends: None,
            lock: None,
            regenerate: true,
            key_life: None,
            expired_grace: Duration::from_secs(DAY),
            most: 10,
        }
    }
}

impl FlowPolicy {
    fn check(&self) -> Result<(), &'static str> {
        let (second, day) = (Duration::from_secs(1), Duration::from_secs(DAY));
        if self.life < second || self.life > day || self.code_ttl < second || self.code_ttl > Duration::from_secs(600) {
            return Err("a flow lives from 1 s to 24 h and its codes from 1 s to 600 s");
        }
        if !(1..=10).contains(&self.max_tries) || !(1..=10).contains(&self.most) {
            return Err("a flow takes 1 to 10 tries, and an identifier has 1 to 10 flows");
        }
        if self.sends.is_some_and(|w| w.limit == 0 || w.span < second || w.span > Policy::LONGEST_WINDOW) {
            return Err("max OTP count cannot be 0, and its window lasts from 1 s to 24 h");
        }
        if self.lock.is_some_and(|l| l < second || l > 30 * day) || self.key_life.is_some_and(|l| l < second) {
            return Err("a lock of flows holds from 1 s to 30 days, and a key lives at least 1 s");
        }
        if self.expired_grace > 30 * day {
            return Err("an expired token is exchanged for at most 30 days");
        }
        Ok(())
    }
}

/// The lock of `platform`: how many failures in a row start it, and how long it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Wrong passwords and wrong codes of `platform` in a row.
    pub failures: u32,
    /// How long sign-ins of `platform` are refused then.
    pub span: Duration,
}

/// What a tenant's wrong guesses of an hour do, over all its users, addresses and profiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breaker {
    /// An event each time that their number reaches a power of ten from 100: an attacker must not be able to shut a tenant.
    #[default]
    Observe,
    /// The events, and from `per_hour` on no code and no password is compared for whom the host does not trust
    /// ([`crate::engine::Trust`]), right and wrong alike. Costs: so many guesses from anywhere shut everybody else out for up to
    /// an hour. Guesses that are under way together may pass the number by as many as they are.
    Refuse {
        /// Wrong guesses of an hour.
        per_hour: u64,
    },
}

/// How long sessions of a profile live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// An access token.
    pub access: Duration,
    /// A session that is not refreshed; `None` is no limit.
    pub idle: Option<Duration>,
    /// A session, from the authentication that opened it; `None` is no limit.
    pub absolute: Option<Duration>,
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// Which of the limits by client address a request counts under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum Bucket {
    /// All public routes of `identity`: 30 a minute.
    Identity = 0,
    /// `check-availability` alone: 10 a minute.
    Availability = 1,
    /// The five routes of `platform` that take a credential or send mail: 5 a minute.
    Platform = 2,
    /// All routes of `engine`: 100 a minute.
    Engine = 3,
    /// Failed refreshes and regenerates: 30 a minute.
    FailedRefreshes = 4,
    /// Wrong codes and passwords: 60 an hour.
    Guesses = 5,
}

impl Bucket {
    /// What every request of `profile` that takes a credential or sends something counts under.
    #[must_use]
    pub const fn of_routes(profile: Profile) -> &'static [Self] {
        match profile {
            Profile::Identity => &[Self::Identity],
            Profile::Platform => &[Self::Platform],
            Profile::Engine => &[Self::Engine],
        }
    }
}

/// The numbers that decisions go by. [`Policy::default`] is safe; a weaker one than the bound does not build.
///
/// ```
/// use std::time::Duration;
/// use otpgate_core::Policy;
///
/// let policy = Policy::builder().code_ttl(Duration::from_secs(120)).max_tries(3).build()?;
/// assert!(Policy::builder().code_digits(4).build().is_err(), "too easy to guess");
/// assert!(Policy::builder().code_ttl(Duration::from_secs(601)).build().is_err(), "lives too long");
/// # Ok::<(), otpgate_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    format: CodeFormat,
    pub(crate) code_ttl: Duration,
    pub(crate) max_tries: u32,
    pub(crate) sends: Vec<Window>,
    pub(crate) resend_cooldown: Option<Duration>,
    pub(crate) guesses: Vec<Window>,
    pub(crate) max_consecutive_failures: Option<u32>,
    pub(crate) send_valve_per_hour: u64,
    pub(crate) breaker: Breaker,
    pub(crate) expected_users: Option<u64>,
    pub(crate) max_takeovers_per_year: Option<f64>,
    pub(crate) lives: [Lives; 3],
    pub(crate) refresh_grace: Duration,
    pub(crate) max_sessions: usize,
    pub(crate) disclosure: Disclosure,
    pub(crate) lockout: Option<Lockout>,
    pub(crate) resets: Window,
    pub(crate) reset_ttl: Duration,
    pub(crate) least_password: usize,
    pub(crate) flows: FlowPolicy,
    pub(crate) known_devices: bool,
    pub(crate) limit_sends: bool,
    pub(crate) limit_guesses: bool,
}

impl Default for Policy {
    fn default() -> Self {
        let lives = |access, idle: Option<u64>, absolute: Option<u64>| Lives {
            access: Duration::from_secs(access),
            idle: idle.map(Duration::from_secs),
            absolute: absolute.map(Duration::from_secs),
        };
        Self {
            format: CodeFormat::Digits(6),
            code_ttl: Duration::from_secs(300),
            max_tries: 3,
            sends: vec![Window::new(3, 60), Window::new(10, HOUR), Window::new(20, DAY)],
            resend_cooldown: None,
            guesses: vec![Window::new(10, HOUR), Window::new(20, DAY)],
            max_consecutive_failures: Some(100),
            send_valve_per_hour: 10_000,
            breaker: Breaker::Observe,
            expected_users: None,
            max_takeovers_per_year: None,
            lives: [
                lives(15 * 60, Some(14 * DAY), Some(30 * DAY)),
                lives(30 * DAY, None, Some(30 * DAY)),
                lives(15 * 60, None, Some(30 * DAY)),
            ],
            refresh_grace: Duration::from_secs(10),
            max_sessions: 20,
            disclosure: Disclosure::Conceal,
            lockout: Some(Lockout { failures: 5, span: Duration::from_secs(15 * 60) }),
            resets: Window::new(3, HOUR),
            reset_ttl: Duration::from_secs(HOUR),
            least_password: 8,
            flows: FlowPolicy::default(),
            known_devices: true,
            limit_sends: true,
            limit_guesses: true,
        }
    }
}

impl Policy {
    /// A builder that starts from the defaults.
    pub fn builder() -> PolicyBuilder {
        PolicyBuilder::default()
    }

    /// For accounts that are worth more: codes of 8 base 32 characters (8 digits in `engine`, whose clients send numbers) and
    /// passwords of at least 15. A year of guessing at one account succeeds with odds below 1e-8 (1e-4 in `engine`). To change
    /// more: [`PolicyBuilder::hardened`].
    #[must_use]
    pub fn hardened() -> Self {
        Self { format: CodeFormat::Base32(8), least_password: 15, ..Self::default() }
    }

    /// What the codes of `profile` look like: in `engine` always digits, 8 of them where the others have base 32.
    #[must_use]
    pub fn code_format(&self, profile: Profile) -> CodeFormat {
        match (profile, self.format) {
            (Profile::Engine, CodeFormat::Base32(_)) => CodeFormat::Digits(8),
            (Profile::Identity | Profile::Platform | Profile::Engine, format) => format,
        }
    }

    /// How long a code lives.
    #[must_use]
    pub fn code_ttl(&self) -> Duration {
        self.code_ttl
    }

    /// How long sessions of `profile` live.
    #[must_use]
    pub fn lives(&self, profile: Profile) -> Lives {
        self.lives[profile as usize]
    }

    /// What answers may tell.
    #[must_use]
    pub fn disclosure(&self) -> Disclosure {
        self.disclosure
    }

    /// How long a client should wait before it offers to send another code: 60 s, as page and clients of `identity` do.
    #[must_use]
    pub fn client_cooldown(&self) -> Duration {
        self.resend_cooldown.unwrap_or(Duration::from_secs(60))
    }

    /// The odds that an attacker who guesses all year within the budget takes one given account by the codes of `profile`.
    ///
    /// The budgets of known devices are not in it: without a token of that very account nobody can use them. See
    /// [`Policy::yearly_guess_odds_with_devices`] for whoever stole some.
    #[must_use]
    pub fn yearly_guess_odds(&self, profile: Profile) -> f64 {
        budget::yearly_odds(self, profile)
    }

    /// The same for a thief of device tokens, five of one identifier or more, who spends their budgets too: at most
    /// [`Policy::MOST_DEVICES`] times [`Policy::DEVICE_GUESSES`] more guesses a day. No bound is asked of it; a reset of the
    /// password ends the tokens.
    #[must_use]
    pub fn yearly_guess_odds_with_devices(&self, profile: Profile) -> f64 {
        budget::yearly_odds_with_devices(self, profile)
    }

    /// How many accounts a year an attacker takes who guesses at all of `users` accounts within the limits, by the codes of
    /// `profile`: `365 M g / S`, and at most `8760 G / S` with [`Breaker::Refuse`].
    #[must_use]
    pub fn yearly_takeovers(&self, profile: Profile, users: u64) -> f64 {
        budget::yearly_takeovers(self, profile, users)
    }

    /// Wrong guesses that a code takes: one of a flow, or one of the other profiles.
    pub(crate) fn tries_of(&self, flow: bool) -> u32 {
        if flow { self.flows.max_tries } else { self.max_tries }
    }

    pub(crate) fn address_window(bucket: Bucket) -> Window {
        match bucket {
            Bucket::Identity | Bucket::FailedRefreshes => Window::new(30, 60),
            Bucket::Availability => Window::new(10, 60),
            Bucket::Platform => Window::new(5, 60),
            Bucket::Engine => Window::new(100, 60),
            Bucket::Guesses => Window::new(60, HOUR),
        }
    }

    /// The longest span that any list of times has to cover.
    pub(crate) const LONGEST_WINDOW: Duration = Duration::from_secs(DAY);
}
