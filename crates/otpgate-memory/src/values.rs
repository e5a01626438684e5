//! The values of a shard, in blocks of a few sizes and without gaps: what leaves is replaced by the last of its size, and pages
//! that are empty go back to the allocator.

use std::num::NonZeroU32;

use otpgate_core::Owner;

/// Sizes of blocks are multiples of this.
const STEP: usize = 16;
/// The bytes of a page, whatever is in it, so that one that is given back is of use for any other.
pub(crate) const PAGE: usize = 4096;
/// What is before the value in a block: the slot that it belongs to; and in one byte, where the owner was cut out of it, and how
/// many bytes at the end of the block are not its.
const HEAD: usize = 4 + 1;
/// The largest block in a page. Larger values are by themselves.
const LARGEST: usize = 512;
const LARGE: usize = LARGEST / STEP + 1;
/// Bits of a [`Place`] that count blocks; those above are the size in steps.
const BITS: u32 = 25;

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(NonZeroU32);

impl Place {
    fn new(class: usize, n: usize) -> Option<Self> {
        let n = u32::try_from(n).ok().filter(|n| *n < 1 << BITS)?;
        NonZeroU32::new((class as u32) << BITS | n).map(Self)
    }

    fn class(self) -> usize {
        (self.0.get() >> BITS) as usize
    }

    fn n(self) -> usize {
        (self.0.get() & ((1 << BITS) - 1)) as usize
    }
}

#[derive(Default)]
pub(crate) struct Values {
    /// By size; the first, of no bytes, stays empty.
    classes: Vec<Class>,
    large: Vec<(u32, Box<[u8]>)>,
}

/// Blocks of one size.
#[derive(Default)]
struct Class {
    pages: Vec<Vec<u8>>,
    blocks: usize,
}

/// A value as it is kept: without the digest of its owner, which is kept elsewhere, where it has that near its beginning. What
/// core writes of an account or a session has.
struct Kept<'a> {
    before: &'a [u8],
    after: &'a [u8],
    /// How much is before the cut, and one; zero where there is none.
    cut: u8,
}

impl<'a> Kept<'a> {
    fn of(value: &'a [u8], owner: Option<&Owner>) -> Self {
        let places = if owner.is_some() { 0..STEP - 1 } else { 0..0 };
        let begins = |at: &usize| value.get(*at..).and_then(<[u8]>::first_chunk) == owner.map(|owner| &owner.0);
        match places.into_iter().find(begins) {
            Some(at) => Self { before: &value[..at], after: &value[at + 32..], cut: at as u8 + 1 },
            None => Self { before: value, after: &[], cut: 0 },
        }
    }

    fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }

    fn class(&self) -> usize {
        (HEAD + self.len()).div_ceil(STEP).min(LARGE)
    }

    fn write(&self, block: &mut [u8], slot: u32) {
        let rest = block.len() - HEAD - self.len();
        let (head, body) = block.split_at_mut(HEAD);
        head[..HEAD - 1].copy_from_slice(&slot.to_le_bytes());
        head[HEAD - 1] = self.cut << 4 | rest as u8;
        let (before, after) = body.split_at_mut(self.before.len());
        before.copy_from_slice(self.before);
        after[..self.after.len()].copy_from_slice(self.after);
    }

    fn read(block: &[u8], owner: Option<&Owner>) -> Option<Vec<u8>> {
        let (cut, rest) = (block[HEAD - 1] >> 4, block[HEAD - 1] & 0xf);
        let kept = block.get(HEAD..block.len() - usize::from(rest))?;
        let Some(at) = cut.checked_sub(1) else { return Some(kept.to_vec()) };
        let (before, after) = kept.split_at_checked(usize::from(at))?;
        Some([before, &owner?.0, after].concat())
    }
}

impl Values {
    /// Keeps the value of a slot; nothing where no more of its size can be told apart.
    pub(crate) fn put(&mut self, slot: u32, value: &[u8], owner: Option<&Owner>) -> Option<Place> {
        let kept = Kept::of(value, owner);
        let class = kept.class();
        if class == LARGE {
            let place = Place::new(class, self.large.len())?;
            self.large.push((slot, value.into()));
            return Some(place);
        }
        if self.classes.len() <= class {
            self.classes.reserve_exact(class + 1 - self.classes.len());
            self.classes.resize_with(class + 1, Class::default);
        }
        let blocks = self.classes.get_mut(class)?;
        let place = Place::new(class, blocks.blocks)?;
        kept.write(blocks.push(class * STEP)?, slot);
        Some(place)
    }

    /// A value, of whose owner it is.
    pub(crate) fn get(&self, place: Place, owner: Option<&Owner>) -> Option<Vec<u8>> {
        if place.class() == LARGE {
            return self.large.get(place.n()).map(|(_, value)| value.to_vec());
        }
        Kept::read(self.classes.get(place.class())?.block(place.class() * STEP, place.n())?, owner)
    }

    /// Writes over a value by one of the same size; nothing where it has another one.
    pub(crate) fn overwrite(&mut self, place: Place, slot: u32, value: &[u8], owner: Option<&Owner>) -> Option<()> {
        let kept = Kept::of(value, owner);
        let class = kept.class();
        if class != place.class() || class == LARGE {
            return None;
        }
        kept.write(self.classes.get_mut(class)?.block_mut(class * STEP, place.n())?, slot);
        Some(())
    }

    /// Lets a value go. The slot whose value is in its place now, if one is.
    pub(crate) fn remove(&mut self, place: Place) -> Option<u32> {
        let (class, n) = (place.class(), place.n());
        if class == LARGE {
            if n < self.large.len() {
                self.large.swap_remove(n);
            }
            return self.large.get(n).map(|(slot, _)| *slot);
        }
        let blocks = self.classes.get_mut(class)?;
        blocks.swap_remove(class * STEP, n)?;
        let moved = blocks.block(class * STEP, n)?;
        moved.first_chunk().copied().map(u32::from_le_bytes)
    }
}

impl Class {
    /// The page of a block, and where in it the block begins.
    fn spot(size: usize, n: usize) -> (usize, usize) {
        (n / (PAGE / size), n % (PAGE / size) * size)
    }

    fn block(&self, size: usize, n: usize) -> Option<&[u8]> {
        let (page, start) = Self::spot(size, n);
        self.pages.get(page)?.get(start..start + size)
    }

    fn block_mut(&mut self, size: usize, n: usize) -> Option<&mut [u8]> {
        let (page, start) = Self::spot(size, n);
        self.pages.get_mut(page)?.get_mut(start..start + size)
    }

    /// A block more.
    fn push(&mut self, size: usize) -> Option<&mut [u8]> {
        let (page, start) = Self::spot(size, self.blocks);
        if page == self.pages.len() {
            self.pages.push(Vec::new());
        }
        let is_first = page == 0;
        let page = self.pages.get_mut(page)?;
        if page.capacity() < start + size {
            // Where there are few, there is no room for many.
            let doubled = (2 * start).max(size);
            let whole = !is_first || 2 * doubled > PAGE;
            page.reserve_exact(if whole { PAGE } else { doubled } - start);
        }
        page.resize(start + size, 0);
        self.blocks += 1;
        page.get_mut(start..)
    }

    /// Puts the last block in the place of another, which goes.
    fn swap_remove(&mut self, size: usize, n: usize) -> Option<()> {
        let last = self.blocks.checked_sub(1).filter(|last| n <= *last)?;
        let mut moved = [0; LARGEST];
        let moved = moved.get_mut(..size)?;
        moved.copy_from_slice(self.block(size, last)?);
        self.block_mut(size, n)?.copy_from_slice(moved);
        let (page, start) = Self::spot(size, last);
        self.pages.get_mut(page)?.truncate(start);
        if start == 0 {
            self.pages.pop();
        }
        self.blocks = last;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn owner(slot: u32) -> Option<Owner> {
        (!slot.is_multiple_of(4)).then_some(Owner([slot as u8; 32]))
    }

    /// What a shard does with it: it notes where the values of its slots are.
    #[derive(Default)]
    struct Noted {
        values: Values,
        places: HashMap<u32, Place>,
        expected: HashMap<u32, Vec<u8>>,
    }

    impl Noted {
        fn put(&mut self, slot: u32, value: Vec<u8>) {
            let before = self.places.get(&slot).copied();
            if before.is_none_or(|place| self.values.overwrite(place, slot, &value, owner(slot).as_ref()).is_none()) {
                self.places.insert(slot, self.values.put(slot, &value, owner(slot).as_ref()).unwrap());
                before.into_iter().for_each(|place| self.let_go(place));
            }
            self.expected.insert(slot, value);
        }

        fn remove(&mut self, slot: u32) {
            self.expected.remove(&slot);
            self.places.remove(&slot).into_iter().for_each(|place| self.let_go(place));
        }

        fn let_go(&mut self, place: Place) {
            if let Some(moved) = self.values.remove(place) {
                assert!(self.places.insert(moved, place).is_some(), "slot {moved} has no value");
            }
        }

        fn check(&self) {
            for (slot, value) in &self.expected {
                let read = self.values.get(self.places[slot], owner(*slot).as_ref());
                assert_eq!(read.as_ref(), Some(value), "slot {slot}");
            }
        }
    }

    #[test]
    fn values_of_all_lengths_come_and_go_and_leave_nothing_behind() {
        let mut noted = Noted::default();
        let mut dice = 1_u64;
        for round in 0..20_000_u32 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (slot, length) = ((dice >> 33) as u32 % 300, (dice >> 44) as usize % 700);
            if dice >> 60 < 6 {
                noted.remove(slot);
            } else {
                let mut value: Vec<_> = (0..length).map(|i| (i as u32 + round) as u8).collect();
                if let Some(owner) = owner(slot).filter(|_| round % 3 > 0) {
                    let at = value.len().min(round as usize % 20);
                    value.splice(at..at, owner.0);
                }
                noted.put(slot, value);
            }
            if round % 997 == 0 {
                noted.check();
            }
        }
        noted.check();
        for slot in 0..300 {
            noted.remove(slot);
        }
        assert!(
            noted.values.large.is_empty() && noted.values.classes.iter().all(|c| c.pages.is_empty() && c.blocks == 0)
        );
    }

    #[test]
    fn every_length_has_its_block_with_and_without_its_owner() {
        let (mut values, whose) = (Values::default(), Owner([7; 32]));
        for length in (0..600).chain([65_536]) {
            for (at, owner) in [(0, None), (0, Some(&whose)), (3, Some(&whose)), (14, Some(&whose)), (15, Some(&whose))]
            {
                let mut value = vec![length as u8; length];
                if length >= at + 32 {
                    value[at..at + 32].copy_from_slice(&whose.0);
                }
                let place = values.put(7, &value, owner).unwrap();
                assert_eq!(values.get(place, owner), Some(value), "{length} {at}");
            }
        }
    }

    #[test]
    fn an_owner_is_cut_out_of_a_value_once_and_only_near_its_beginning() {
        let whose = Owner([7; 32]);
        for (value, cut) in [
            (vec![7; 32], 1),
            (vec![7; 64], 1),
            ([vec![1, 2], vec![7; 32]].concat(), 3),
            ([vec![1; 14], vec![7; 33]].concat(), 15),
            ([vec![1; 15], vec![7; 33]].concat(), 0),
            (vec![7; 31], 0),
            (Vec::new(), 0),
        ] {
            let kept = Kept::of(&value, Some(&whose));
            assert_eq!((kept.cut, kept.len()), (cut, value.len() - if cut > 0 { 32 } else { 0 }));
            assert_eq!(Kept::of(&value, None).cut, 0);
        }
    }
}
