//! What a request shows, and in which order many of them are shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The header that carries a credential, and the values that requests take in turn.
#[derive(Clone)]
pub struct Credentials {
    pub header: &'static str,
    pub values: Arc<[String]>,
    pub order: Order,
    next: usize,
    dice: u64,
}

/// Which value comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Any, as the dice fall; the one, where there is one.
    Random,
    /// Each once: it is an error to ask for more.
    Once,
}

impl Credentials {
    pub fn new(header: &'static str, values: impl Into<Arc<[String]>>, order: Order) -> Self {
        // Another seed each time: two cases must not warm the cache for one another, token by token.
        static SEED: AtomicU64 = AtomicU64::new(1);
        let dice = SEED.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { header, values: values.into(), order, next: 0, dice }
    }

    /// No credential at all.
    pub fn none() -> Self {
        Self::new("", Vec::new(), Order::Random)
    }

    /// The one `value`, for every request.
    pub fn one(header: &'static str, value: impl Into<String>) -> Self {
        Self::new(header, vec![value.into()], Order::Random)
    }

    /// The index of the next value; nothing where there are none.
    pub fn pick(&mut self) -> Option<usize> {
        let count = self.values.len();
        if count == 0 {
            return None;
        }
        match self.order {
            Order::Once => {
                assert!(self.next < count, "all {count} credentials were shown");
                self.next += 1;
                Some(self.next - 1)
            }
            Order::Random if count == 1 => Some(0),
            Order::Random => {
                // Marsaglia's xorshift: the order need only be one that no cache foresees.
                self.dice ^= self.dice << 13;
                self.dice ^= self.dice >> 7;
                self.dice ^= self.dice << 17;
                Some((self.dice % count as u64) as usize)
            }
        }
    }
}
