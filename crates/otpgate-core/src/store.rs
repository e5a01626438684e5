//! The store contract: compare-and-swap for state, one atomic counter for limits.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{ConfigError, ConfigErrorKind, Timestamp};

/// Where a record lives: 32 bytes that core derives with a keyed hash; a store may shard and compare them, nothing else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 32]);

/// Whose a record is: a keyed digest of tenant and user.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub [u8; 32]);

/// Which writing of a record this is: random, chosen by core, never used twice (no ABA).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub [u8; 16]);

macro_rules! hex_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "("))?;
                for byte in &self.0[..4] {
                    write!(f, "{byte:02x}")?;
                }
                f.write_str("..)")
            }
        }
    )*};
}
hex_debug!(Key, Owner, Revision);

/// A stored record. The value is opaque to the store and comes back byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Which writing this is.
    pub revision: Revision,
    /// When it may vanish; never before.
    pub expires_at: Timestamp,
    /// Whose it is, if anybody's.
    pub owner: Option<Owner>,
    /// The bytes, at most [`Record::MAX_VALUE`] of them.
    pub value: Vec<u8>,
}

impl Record {
    /// The longest value that a store must take: 64 KiB.
    pub const MAX_VALUE: usize = 64 * 1024;
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("revision", &self.revision)
            .field("expires_at", &self.expires_at)
            .field("owner", &self.owner)
            .field("value", &format_args!("{} bytes", self.value.len()))
            .finish()
    }
}

/// What a swap expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// No record, not even an expired one.
    Absent,
    /// The record with this revision.
    Revision(Revision),
}

/// Whether a swap took place.
#[must_use = "a swap that was lost has written nothing"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// It did: later loads see what was given.
    Yes,
    /// It did not: nothing changed.
    No,
}

/// Keeps otpgate's records; implemented by the host or taken ready-made.
///
/// `otpgate-testkit` has one test for each clause: `otpgate_testkit::store_conformance!(async { MyStore::connect().await })`.
///
/// # Contract
/// 1. `swap` is atomic per key: of any number of racers that name one expectation, exactly one gets [`Swapped::Yes`] if no
///    other change intervenes, and never two.
/// 2. After `Yes`, later `load`s on any connection see exactly `next`, or nothing when `next` is `None`; `No` means that nothing changed.
/// 3. [`Expect::Absent`] wins only if the key holds no record; an expired record is still a record.
/// 4. A removed record never comes back by itself; a swap that names its revision gets `No`.
/// 5. A record may vanish after `expires_at`, never before ([`Timestamp::NEVER`] means never): no LRU, no eviction by size. A
///    full store says so with an error, and records with an owner have a budget of their own, so that a flood of anonymous
///    ones cannot refuse a login's session.
/// 6. The store never reads a clock: `load` may return an expired record, core decides. (A store with its own garbage
///    collection may let records go 24 h after `expires_at`.)
/// 7. `add` is atomic, returns the new total, counts from 0 for a missing key and keeps the first `expires_at`;
///    `add(key, 0, _)` reads and creates nothing; after an `Err` it may have counted. Counters and records do not share keys.
/// 8. `drop_owned` removes every record of that owner, also those written through other handles, and says how many; `owned`
///    lists them in ascending key order after a cursor, at most `limit`; an index, where there is one, is written before the
///    record and its entries are hints; `sweep` removes only records and counters whose `expires_at` is before `before`, at
///    most `limit`, and says how many.
/// 9. Values, keys and owners come back byte for byte (zero bytes, empty values, 64 KiB).
/// 10. An `Err` leaves the outcome unknown: the write may have happened. Core loads again and looks for its own revision.
///
/// # Security
/// Codes, guess counters and revocations are these records. A store that loses an update lets a code be used twice; one
/// that evicts forgets counters; one that answers from a stale replica accepts a logged-out session.
///
/// # Cancel safety
/// A dropped future may or may not have written, as after an `Err`.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The record at `key`, expired or not.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot say.
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError>;

    /// Puts `next` (or nothing) in the place of what is expected at `key`.
    ///
    /// # Errors
    /// [`StoreError`]; the outcome is then unknown.
    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError>;

    /// Adds `delta` to the counter at `key` and returns the new total.
    ///
    /// # Errors
    /// [`StoreError`]; it may have counted.
    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError>;

    /// The records of `owner` with keys after `after`, ascending, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot say.
    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError>;

    /// Removes every record of `owner` and returns how many there were; for erasure only.
    ///
    /// # Errors
    /// [`StoreError`]; some may have been removed.
    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError>;

    /// Removes at most `limit` records and counters that expired before `before` and returns how many.
    ///
    /// # Errors
    /// [`StoreError`]; some may have been removed.
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

macro_rules! forward_store {
    ($($pointer:ident),*) => {$(
        #[async_trait]
        impl<T: Store + ?Sized> Store for $pointer<T> {
            async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
                (**self).load(key).await
            }
            async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
                (**self).swap(key, expect, next).await
            }
            async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
                (**self).add(key, delta, expires_at).await
            }
            async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
                (**self).owned(owner, after, limit).await
            }
            async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
                (**self).drop_owned(owner).await
            }
            async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
                (**self).sweep(before, limit).await
            }
        }
    )*};
}
forward_store!(Arc, Box);

/// The store could not do or say what was asked.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Why a store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// It could not be reached, or answered too late, or with an error of its own.
    Unavailable,
    /// It has no room for another record.
    Full,
    /// It was asked something that its contract does not allow, a value that is too long for example.
    Invalid,
}

impl StoreError {
    /// An error of `kind` without a cause.
    #[must_use]
    pub fn new(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// The driver's error, as [`StoreErrorKind::Unavailable`].
    #[must_use]
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { kind: StoreErrorKind::Unavailable, source: Some(source.into()) }
    }

    /// Why it failed.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::Unavailable => "the store is not available",
            StoreErrorKind::Full => "the store is full",
            StoreErrorKind::Invalid => "the store was asked something outside its contract",
        })
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

/// The beginning of every name, of tables or keys, that a store gives its things, so that several deployments share one database:
/// `otpgate_` and, with a namespace, `otpgate_shop_`, in which `_` is `between`.
///
/// ```
/// use otpgate_core::store::prefix;
///
/// assert_eq!(prefix(None, '_')?, "otpgate_");
/// assert_eq!(prefix(Some("shop"), ':')?, "otpgate:shop:");
/// assert!(prefix(Some("shop; DROP"), '_').is_err());
/// # Ok::<(), otpgate_core::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigErrorKind::Name`] for a namespace that is not one to 32 lower-case ASCII letters, digits and
/// underscores, beginning with a letter.
///
/// # Security
/// Stores write the prefix into the text of their statements: it holds nothing that ends a name.
pub fn prefix(namespace: Option<&str>, between: char) -> Result<String, ConfigError> {
    let Some(name) = namespace else { return Ok(format!("otpgate{between}")) };
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !plain || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 32 {
        let text = "a namespace is 1 to 32 of a-z, 0-9 and _, and begins with a letter";
        return Err(ConfigError::new(ConfigErrorKind::Name, text));
    }
    Ok(format!("otpgate{between}{name}{between}"))
}
