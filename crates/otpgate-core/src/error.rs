//! The one error of settings.

use std::fmt;

/// A setting that does not hold; raised when something is built, never when a request comes.
#[derive(Debug)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    text: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a [`ConfigError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// A secret that is too short or too regular.
    Secret,
    /// A policy that is too weak or contradicts itself.
    Policy,
    /// A signing key that does not sign and verify.
    Key,
    /// A tenant, prefix, path, issuer or address range that cannot be used.
    Name,
    /// The store or the directory did not answer.
    Backend,
}

impl ConfigError {
    /// An error of `kind` with a sentence for the person who wrote the setting.
    #[must_use]
    pub fn new(kind: ConfigErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), source: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
