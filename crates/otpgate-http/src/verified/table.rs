//! Tokens that have verified, in sets of four: the first look-up of a request reads one line of the processor's cache for a set and its
//! lock, then the token itself with what is known of it. A map that keeps an order of use waits for more of them (BENCHMARKS.md, S3).
//!
//! What is thrown out is thrown out in turn. An order of use would tell little more: nothing in here holds for longer than a minute.

use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::RandomState;
use zeroize::Zeroizing;

/// How many tokens a set holds: as many as leave room for the lock in one line of 64 bytes.
const WAYS: usize = 4;

/// What a place is worth in bytes when the sets are made: there are more than fill up, so that few are full when all memory is used.
const ROOMY: usize = 384;

/// No table is larger: 64 MiB of sets, for four million tokens.
const MOST_SETS: usize = 1 << 20;

/// The end of a token is hashed, which holds the signature: what has verified differs there from all else that has, and nothing else
/// is in the table.
const END: usize = 64;

/// At most so many bytes of tokens, with what is known of them; nothing gets in that has not verified, so junk throws nothing out.
pub(super) struct Table<V> {
    sets: Box<[Line<V>]>,
    hasher: RandomState,
    most: usize,
    held: AtomicUsize,
    count: AtomicUsize,
    /// The set that gives something up next, where memory is full.
    hand: AtomicUsize,
}

#[repr(align(64))]
struct Line<V>(RwLock<Set<V>>);

struct Set<V> {
    /// Of each token another part of its hash than chose the set, so that seldom more than the right one is looked at.
    tags: [u16; WAYS],
    /// The place that is taken next, where none is free.
    next: u8,
    places: [Option<Box<Entry<V>>>; WAYS],
}

struct Entry<V> {
    value: V,
    weight: usize,
    token: Text,
}

/// All bytes of a token, most or all of them beside what is known of it; wiped when it leaves.
struct Text {
    length: usize,
    head: Zeroizing<[u8; HEAD]>,
    tail: Zeroizing<Box<[u8]>>,
}

/// As much as fills an entry up to 512 bytes: all of a token whose user's id has up to some forty.
const HEAD: usize = 464;

impl<V> Table<V> {
    /// Room for about `bytes`, the table itself among them.
    pub(super) fn new(bytes: usize) -> Self {
        let sets = (bytes / (WAYS * ROOMY)).clamp(1, MOST_SETS).next_power_of_two();
        Self {
            sets: std::iter::repeat_with(Line::empty).take(sets).collect(),
            hasher: RandomState::default(),
            most: bytes.saturating_sub(sets * size_of::<Line<V>>()),
            held: AtomicUsize::new(0),
            count: AtomicUsize::new(0),
            hand: AtomicUsize::new(0),
        }
    }

    /// How many tokens there are.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// What `ask` says of a token that is here, by a compare of all its bytes. What that takes tells nothing: two that differ meet only
    /// where a hash is the same whose seed nobody knows, or where whoever asks has the signature of the one that is kept, and so
    /// nothing left to find out that would serve them.
    #[inline]
    pub(super) fn with<T>(&self, token: &[u8], ask: impl FnOnce(&V) -> T) -> Option<T> {
        let (line, tag) = self.line(token);
        let set = line.read();
        let entry = set.at(tag, token).and_then(|at| set.places[at].as_ref())?;
        Some(ask(&entry.value))
    }

    /// Keeps a token with `value`, instead of what was known of it. `weight` is in bytes, without the place of the entry itself.
    pub(super) fn put(&self, token: &[u8], value: V, weight: usize) {
        let weight = size_of::<Entry<V>>() + token.len().saturating_sub(HEAD) + weight;
        if weight > self.most {
            return;
        }
        let entry = Box::new(Entry { value, weight, token: Text::of(token) });
        // Counted before anybody can find it and take it out again.
        self.held.fetch_add(weight, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        let (line, tag) = self.line(token);
        let before = line.write().put(tag, token, entry);
        self.forget(before);
        // In one round every set gives something up: that is enough, or there is nothing.
        for _ in 0..self.sets.len() {
            if self.held.load(Ordering::Relaxed) <= self.most {
                break;
            }
            let at = self.hand.fetch_add(1, Ordering::Relaxed) & (self.sets.len() - 1);
            let given = self.sets[at].write().give();
            self.forget(given);
        }
    }

    /// Forgets a token.
    pub(super) fn remove(&self, token: &[u8]) {
        let (line, tag) = self.line(token);
        let removed = {
            let mut set = line.write();
            set.at(tag, token).and_then(|at| set.places[at].take())
        };
        self.forget(removed);
    }

    /// Drops what is in no set any more, outside of every lock.
    fn forget(&self, entry: Option<Box<Entry<V>>>) {
        if let Some(entry) = entry {
            self.held.fetch_sub(entry.weight, Ordering::Relaxed);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn line(&self, token: &[u8]) -> (&Line<V>, u16) {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(&token[token.len().saturating_sub(END)..]);
        let hash = hasher.finish();
        (&self.sets[hash as usize & (self.sets.len() - 1)], (hash >> 48) as u16)
    }
}

impl<V> Line<V> {
    fn empty() -> Self {
        Self(RwLock::new(Set { tags: [0; WAYS], next: 0, places: [const { None }; WAYS] }))
    }

    fn read(&self) -> RwLockReadGuard<'_, Set<V>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Set<V>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Set<V> {
    fn at(&self, tag: u16, token: &[u8]) -> Option<usize> {
        let is = |at: usize| self.tags[at] == tag && self.places[at].as_ref().is_some_and(|e| e.token.is(token));
        (0..WAYS).find(|at| is(*at))
    }

    /// Puts it where the token stands, else where nothing does, else in turn; what stood there.
    fn put(&mut self, tag: u16, token: &[u8], entry: Box<Entry<V>>) -> Option<Box<Entry<V>>> {
        let free = || self.places.iter().position(Option::is_none);
        let at = self.at(tag, token).or_else(free).unwrap_or_else(|| usize::from(self.turn()));
        self.tags[at] = tag;
        self.places[at].replace(entry)
    }

    /// Gives one up, in turn.
    fn give(&mut self) -> Option<Box<Entry<V>>> {
        (0..WAYS).find_map(|_| {
            let at = usize::from(self.turn());
            self.places[at].take()
        })
    }

    fn turn(&mut self) -> u8 {
        let at = self.next;
        self.next = (at + 1) % WAYS as u8;
        at
    }
}

impl Text {
    fn of(token: &[u8]) -> Self {
        let (start, end) = token.split_at(token.len().min(HEAD));
        let mut head = Zeroizing::new([0; HEAD]);
        head[..start.len()].copy_from_slice(start);
        Self { length: token.len(), head, tail: Zeroizing::new(end.into()) }
    }

    fn is(&self, token: &[u8]) -> bool {
        if self.length != token.len() {
            return false;
        }
        // Two empty slices are not left to `memcmp`: where there is nothing to read, its masked load of it takes a hundred nanoseconds.
        let (start, end) = token.split_at(token.len().min(HEAD));
        self.head[..start.len()] == *start && (end.is_empty() || **self.tail == *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn token(n: usize) -> Vec<u8> {
        format!("{n:0>420}").into_bytes()
    }

    /// What the sets hold, counted one by one, beside what the table believes.
    fn check<V>(table: &Table<V>) {
        let of = |line: &Line<V>| line.read().places.iter().flatten().map(|entry| entry.weight).collect::<Vec<_>>();
        let weights: Vec<usize> = table.sets.iter().flat_map(of).collect();
        assert_eq!(weights.len(), table.len());
        assert_eq!(weights.iter().sum::<usize>(), table.held.load(Ordering::Relaxed));
        assert!(table.held.load(Ordering::Relaxed) <= table.most);
    }

    #[test]
    fn a_set_and_its_lock_are_one_line() {
        assert_eq!(size_of::<Line<[usize; 2]>>(), 64);
        assert_eq!(size_of::<Entry<[usize; 2]>>(), 512);
    }

    #[test]
    fn a_token_is_found_by_all_of_its_bytes() {
        let table = Table::new(MIB);
        for length in [1, 2, END - 1, END, END + 1, 420, HEAD - 1, HEAD, HEAD + 1, 4096] {
            let kept = vec![b'a'; length];
            table.put(&kept, length, 0);
            assert_eq!(table.with(&kept, |n| *n), Some(length));
            for at in 0..length {
                let mut other = kept.clone();
                other[at] ^= 1;
                assert_eq!(table.with(&other, |n| *n), None, "byte {at} of {length}");
            }
        }
        assert_eq!(table.with(b"", |n| *n), None);
        assert_eq!(table.with(&[b'a'; 419], |n| *n), None);
        check(&table);
    }

    #[test]
    fn a_token_has_one_place() {
        let table = Table::new(MIB);
        for n in 0..9 {
            table.put(&token(1), n, n);
            assert_eq!((table.len(), table.with(&token(1), |n| *n)), (1, Some(n)));
            check(&table);
        }
        table.remove(&token(2));
        assert_eq!(table.len(), 1);
        table.remove(&token(1));
        assert_eq!((table.len(), table.with(&token(1), |n| *n)), (0, None));
        check(&table);
    }

    #[test]
    fn a96_the_bound_holds_whatever_the_tokens_weigh_and_most_of_it_is_used() {
        for (bytes, weight) in [(2 * MIB, 400), (2 * MIB, 0), (MIB, 20_000), (MIB / 16, 900)] {
            let table = Table::new(bytes);
            for n in 0..20_000 {
                table.put(&token(n), n, weight);
                assert!(table.held.load(Ordering::Relaxed) <= table.most, "{bytes} {weight}");
            }
            check(&table);
            let used = table.held.load(Ordering::Relaxed) as f64 / bytes as f64;
            // Where tokens are smaller than was thought there are not places enough for all of the memory.
            assert!(used > 0.85 || (weight == 0 && used > 0.7), "{used} of {bytes}, {weight}");
            let last = (19_000..20_000).filter(|n| table.with(&token(*n), |_| ()).is_some()).count();
            assert!(last > 0, "the last are not the first to go");
        }
        let small = Table::new(1_000);
        small.put(&token(1), (), 1_000);
        assert_eq!(small.len(), 0, "what is more than all of it is not kept");
    }

    #[test]
    fn hardly_a_set_overflows_before_the_memory_is_used() {
        // As many as fill three quarters of it.
        let table = Table::new(16 * MIB);
        let many = 16 * MIB / 4 * 3 / 1_000;
        (0..many).for_each(|n| table.put(&token(n), n, 1_000 - size_of::<Entry<usize>>()));
        assert!(table.len() * 100 > many * 97, "{} of {many}", table.len());
        check(&table);
    }

    #[test]
    fn threads_that_put_look_and_remove_leave_it_true() {
        let table = Table::new(MIB / 4);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let table = &table;
                scope.spawn(move || {
                    for n in 0..20_000 {
                        let at = n * 7 % 500 + thread;
                        match n % 3 {
                            0 => table.put(&token(at), at, at),
                            1 => assert!(table.with(&token(at), |n| *n).is_none_or(|n| n == at)),
                            _ => table.remove(&token(at + 1)),
                        }
                    }
                });
            }
        });
        check(&table);
    }
}
