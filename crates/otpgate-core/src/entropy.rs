//! Where unpredictable bytes come from, and the dice handed to a decision.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroize;

/// The source of unpredictable bytes.
///
/// # Contract
/// 1. `fill` fills the whole slice from a cryptographically secure generator, or fails and the operation is refused.
///
/// # Security
/// Codes, session ids and refresh seeds are these bytes. A predictable source gives every account away.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `buffer` with unpredictable bytes.
    ///
    /// # Errors
    /// [`EntropyError`] when the source cannot deliver; nothing is granted then.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError>;
}

/// The source of unpredictable bytes failed.
#[derive(Debug)]
pub struct EntropyError(Option<Box<dyn std::error::Error + Send + Sync>>);

impl EntropyError {
    /// An error that carries what the source said.
    #[must_use]
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Some(source.into()))
    }
}

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source of random bytes failed")
    }
}

impl std::error::Error for EntropyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_deref().map(|e| e as _)
    }
}

/// The operating system's generator (getrandom).
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(buffer).map_err(EntropyError::new)
    }
}

impl<T: Entropy + ?Sized> Entropy for Arc<T> {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        (**self).fill(buffer)
    }
}

impl<T: Entropy + ?Sized> Entropy for Box<T> {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        (**self).fill(buffer)
    }
}

/// 64 unpredictable bytes for one decision, so that a decision itself rolls nothing; wiped when dropped.
pub struct Dice([u8; 64]);

impl Dice {
    /// Dice that show exactly these bytes.
    #[must_use]
    pub const fn showing(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Dice rolled by `entropy`.
    ///
    /// # Errors
    /// What `entropy` says.
    pub fn roll(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut dice = Self([0; 64]);
        entropy.fill(&mut dice.0)?;
        Ok(dice)
    }

    /// Bytes 0..16.
    #[must_use]
    pub fn first_16(&self) -> [u8; 16] {
        *self.0.first_chunk().unwrap_or(&[0; 16])
    }

    /// Bytes 16..32, disjoint from the others: for what is made beside a decision, as the revision of what it writes.
    pub(crate) fn second_16(&self) -> [u8; 16] {
        self.0[16..].first_chunk().copied().unwrap_or([0; 16])
    }

    /// Bytes 32..64, disjoint from the others.
    #[must_use]
    pub fn last_32(&self) -> [u8; 32] {
        *self.0.last_chunk().unwrap_or(&[0; 32])
    }
}

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dice(..)")
    }
}

impl Drop for Dice {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
