//! Passwords: which may be set, and how they are hashed.

#[cfg(feature = "passwords")]
mod argon2id;

use std::fmt;

use zeroize::Zeroizing;

use crate::{Policy, Refusal};

#[cfg(feature = "passwords")]
pub use argon2id::Argon2id;

/// The longest password that is looked at, in bytes.
const LONGEST: usize = 1_024;

/// A password in clear. No `Display`, no `Serialize`, no `PartialEq`; `Debug` is redacted; wiped when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The password that was typed: every byte of it counts, nothing is trimmed or folded.
    #[must_use]
    pub fn typed(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The bytes to hash.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether it is short enough to be hashed at all.
    pub(crate) fn fits(&self) -> bool {
        !self.0.is_empty() && self.0.len() <= LONGEST
    }

    /// Whether it may be set: long enough, and none of the common ones (NIST SP 800-63B-4, 3.1.1.2; no rules of composition).
    pub(crate) fn check(&self, policy: &Policy) -> Result<(), Refusal> {
        let long_enough = self.0.chars().count() >= policy.least_password;
        if long_enough && self.fits() && !is_common(&self.0) { Ok(()) } else { Err(Refusal::WeakPassword) }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// The 3 500 most common passwords of eight and more characters in the list that Django ships, sorted.
const COMMON: &str = include_str!("common.txt");

fn is_common(password: &str) -> bool {
    let folded = password.to_lowercase();
    COMMON.lines().any(|common| common == folded)
}

/// A password hash as the host keeps it: a PHC string, `$argon2id$v=19$m=19456,t=2,p=1$..`. `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash that was kept.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The PHC string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// What a scheme found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Right.
    Right,
    /// Right, and hashed with parameters of the past: hash it again.
    RightButOld,
    /// Wrong, or the hash cannot be read.
    Wrong,
}

/// Hashes passwords. Every call is slow on purpose; the engine calls it off the threads that drive futures.
///
/// # Contract
/// 1. `compare` takes about as long for every password and hash of the present parameters.
/// 2. `compare` with `None` takes as long and is [`Compared::Wrong`]: nobody learns who has a password.
///
/// # Security
/// For passwords only. A code has 20 bits and needs a keyed MAC instead.
pub trait PasswordScheme: Send + Sync + 'static {
    /// The hash of `password` with this salt.
    ///
    /// # Errors
    /// A text for the log when the scheme fails.
    fn hash(&self, password: &Password, salt: &[u8; 16]) -> Result<PasswordHash, String>;

    /// Whether `password` is the one of `hash`.
    fn compare(&self, password: &Password, hash: Option<&PasswordHash>) -> Compared;
}

/// Proof that a password matched its hash; only [`compare`] makes one.
#[derive(Debug)]
pub(crate) struct Matches {
    pub(crate) is_old: bool,
}

impl Matches {
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self { is_old: false }
    }
}

/// Compares, blocking.
pub(crate) fn compare(
    scheme: &dyn PasswordScheme,
    password: &Password,
    hash: Option<&PasswordHash>,
) -> Option<Matches> {
    match scheme.compare(password, hash) {
        Compared::Right => Some(Matches { is_old: false }),
        Compared::RightButOld => Some(Matches { is_old: true }),
        Compared::Wrong => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q45_common_short_and_endless_passwords_are_refused_and_odd_ones_are_not() {
        let policy = Policy::default();
        let check = |text: &str| Password::typed(text).check(&policy);
        for bad in ["", "short", "1234567", "password", "PassWord", "12345678", "qwertyuiop", &"a".repeat(1_025)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in [
            "correct horse battery staple",
            "        x",
            "\u{1f511}\u{1f511}\u{1f511}\u{1f511}\u{1f511}\u{1f511}\u{1f511}\u{1f511}",
            &"xy".repeat(512),
        ] {
            assert!(check(good).is_ok(), "{good:?}");
        }
        assert!(COMMON.lines().count() >= 3_000);
        let hardened = |text: &str| Password::typed(text).check(&Policy::hardened());
        assert!(hardened("fourteen chars").is_err() && hardened("fifteen signs..").is_ok());
    }

    #[test]
    fn i14_passwords_and_hashes_are_not_printed() {
        let printed = format!("{:?}{:?}", Password::typed("open sesame"), PasswordHash::from_text("$argon2id$x"));
        assert!(!printed.contains("sesame") && !printed.contains("argon2"));
    }
}
