use std::num::NonZeroU32;

/// So many that a lock is held for microseconds, and seldom waited for.
pub(crate) const SHARDS: usize = 512;

/// Places that a shard has: as many as four bytes can tell apart.
pub(crate) const PLACES: u32 = u32::MAX / SHARDS as u32 - 1;

/// A place in one of the shards, in four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At(NonZeroU32);

impl At {
    /// Nothing for a shard or a place that there is not.
    pub(crate) fn new(shard: usize, place: u32) -> Option<Self> {
        let fits = shard < SHARDS && place < PLACES;
        let number = fits.then(|| (place + 1) * SHARDS as u32 + shard as u32)?;
        NonZeroU32::new(number).map(Self)
    }

    pub(crate) fn shard(self) -> usize {
        self.0.get() as usize % SHARDS
    }

    pub(crate) fn place(self) -> u32 {
        self.0.get() / SHARDS as u32 - 1
    }
}

/// The shard of a key or an owner. They are digests, so any of their bytes spread them evenly.
///
/// The shards' shares are unequal, the first twice the last: their indexes double one after another and not all at the same size,
/// which would be a stop, and half of them empty afterwards.
pub(crate) fn shard_of(digest: &[u8; 32]) -> usize {
    const ONE: u64 = 1 << 16;
    let x = u64::from(u16::from_le_bytes([digest[0], digest[1]]));
    // About 2^x - 1, for x from 0 to 1.
    let share = x * (2 * ONE + x) / (3 * ONE);
    (share * SHARDS as u64 / ONE) as usize
}

/// Where a key or an owner is looked for within its shard. They are digests under a key that nobody else has, and cannot be
/// chosen so that they meet.
pub(crate) fn hash_of(digest: &[u8; 32]) -> u64 {
    digest.chunks_exact(8).fold(0, |hash: u64, word| {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_from_every_other_in_four_bytes() {
        for (shard, place) in [(0, 0), (SHARDS - 1, 0), (7, 12_345), (SHARDS - 1, PLACES - 1)] {
            let at = At::new(shard, place).unwrap();
            assert_eq!((at.shard(), at.place()), (shard, place));
        }
        assert!(At::new(SHARDS, 0).is_none() && At::new(0, PLACES).is_none());
        assert_eq!(size_of::<Option<At>>(), 4);
    }

    #[test]
    fn every_shard_has_its_share_and_the_first_has_twice_the_last() {
        let mut shares = vec![0; SHARDS];
        for x in 0..=u16::MAX {
            let mut digest = [0; 32];
            digest[..2].copy_from_slice(&x.to_le_bytes());
            shares[shard_of(&digest)] += 1;
        }
        let of_all = (1 << 16) as f64 / SHARDS as f64;
        assert!((f64::from(shares[0]) / of_all - 1.5).abs() < 0.02, "{}", shares[0]);
        assert!((f64::from(shares[SHARDS - 1]) / of_all - 0.75).abs() < 0.02, "{}", shares[SHARDS - 1]);
        assert!(shares.windows(2).all(|two| two[1] <= two[0] + 1));
    }
}
