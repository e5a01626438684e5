use std::sync::atomic::{AtomicU64, Ordering};

use otpgate_core::{Entropy, EntropyError};

/// The same bytes in every run, different ones at each call (SplitMix64 from a seed). For tests only: anyone can predict it.
///
/// ```
/// use otpgate_core::Entropy as _;
/// use otpgate_testkit::FixedEntropy;
///
/// let (mut a, mut b) = ([0; 8], [0; 8]);
/// FixedEntropy::seeded(7).fill(&mut a)?;
/// FixedEntropy::seeded(7).fill(&mut b)?;
/// assert_eq!(a, b);
/// # Ok::<(), otpgate_core::EntropyError>(())
/// ```
#[derive(Debug)]
pub struct FixedEntropy(AtomicU64);

impl FixedEntropy {
    /// The stream of this seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Entropy for FixedEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// A source of random bytes that has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct FailingEntropy;

impl Entropy for FailingEntropy {
    fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
        Err(EntropyError::new("no randomness in this test"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_splitmix64() {
        // The first outputs of the published algorithm for seed 1234567.
        let entropy = FixedEntropy::seeded(1_234_567);
        let first = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([entropy.next(), entropy.next(), entropy.next()], first);
    }

    #[test]
    fn every_byte_is_filled_and_no_call_repeats_another() {
        let entropy = FixedEntropy::seeded(1);
        let (mut a, mut b) = ([0; 21], [0; 21]);
        entropy.fill(&mut a).unwrap();
        entropy.fill(&mut b).unwrap();
        assert_ne!(a, b);
        assert_ne!(a[16..], [0; 5]);
    }

    #[test]
    fn the_failing_source_fails() {
        assert!(FailingEntropy.fill(&mut [0; 4]).is_err());
    }
}
