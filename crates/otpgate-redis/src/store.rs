use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use otpgate_core::{ConfigError, Expect, Key, Owner, Record, Store, StoreError, StoreErrorKind, Swapped, Timestamp};
use redis::aio::ConnectionManager;

use crate::keys::Names;
use crate::link::{Link, Scripts, store_error};
use crate::packed::{goes_at, hint_goes_at, owner_mark, pack, unpack};
use crate::{Durability, RedisStoreBuilder};

/// Keeps records in Redis, or a server that speaks like it. Clones share its connection.
///
/// # Security
/// What survives a crash of the server is what [`durability`](Self::durability) says, and the page of this crate explains; with an
/// asynchronous replica that takes over, the last acknowledged writes can be lost.
#[derive(Clone)]
pub struct RedisStore {
    link: Link,
    inner: Arc<Inner>,
}

struct Inner {
    names: Names,
    scripts: Scripts,
    durability: Durability,
}

impl RedisStore {
    /// Uses the host's connection to one server, with keys that begin with `otpgate:`.
    ///
    /// # Errors
    /// [`ConfigError`] when the server would lose acknowledged writes or evict records, with what to set.
    pub async fn connect(connection: ConnectionManager) -> Result<Self, ConfigError> {
        Self::builder().connect(connection).await
    }

    /// Connects to the server at `url` (`redis://user:password@host:6379/0`).
    ///
    /// # Errors
    /// [`ConfigError`] as [`connect`](Self::connect), and when the server cannot be reached.
    pub async fn open(url: &str) -> Result<Self, ConfigError> {
        Self::builder().open(url).await
    }

    /// Begins a store with other settings.
    #[must_use]
    pub fn builder() -> RedisStoreBuilder {
        RedisStoreBuilder::default()
    }

    /// What the server's settings promised when this store was made, the weakest node's where there are several.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.inner.durability
    }

    pub(crate) fn over(link: Link, names: Names, durability: Durability) -> Self {
        Self { link, inner: Arc::new(Inner { names, scripts: Scripts::new(), durability }) }
    }

    /// At most `limit` of an owner's entries after a key, as the index has them.
    async fn hints(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<Key>, StoreError> {
        let from = after.map_or(b"-".to_vec(), |key| [b"(", &key.0[..]].concat());
        let mut command = redis::cmd("ZRANGEBYLEX");
        command.arg(self.inner.names.owned(owner)).arg(from).arg("+").arg("LIMIT").arg(0).arg(limit);
        let members: Vec<Vec<u8>> = self.link.ask(&command).await.map_err(store_error)?;
        let key = |member: Vec<u8>| member.try_into().map(Key);
        let keys: Result<Vec<_>, _> = members.into_iter().map(key).collect();
        keys.map_err(|_| StoreError::unavailable("an owner's index holds something else"))
    }
}

/// How many entries are looked at together.
const PAGE: u32 = 100;

#[async_trait]
impl Store for RedisStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(self.inner.names.record(key));
        let packed: Option<Vec<u8>> = self.link.ask(&command).await.map_err(store_error)?;
        packed.as_deref().map(unpack).transpose()
    }

    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        if next.is_some_and(|record| record.value.len() > Record::MAX_VALUE) {
            return Err(StoreError::new(StoreErrorKind::Invalid));
        }
        let Inner { names, scripts, .. } = &*self.inner;
        let expected = match &expect {
            Expect::Absent => &[][..],
            Expect::Revision(revision) => &revision.0[..],
        };
        let packed = next.map(pack).unwrap_or_default();
        let goes = next.map(|record| goes_at(record.expires_at)).unwrap_or_default();
        let hint_goes = next.map(|record| hint_goes_at(record.expires_at)).unwrap_or_default();
        let mut keys = vec![names.record(key)];
        if let Some(owner) = next.and_then(|record| record.owner.as_ref()) {
            let index = [names.owned(owner), names.owned_until(owner)];
            if self.link.is_single() {
                keys.extend(index);
            } else {
                // The index first: a record that can be seen can be found by its owner.
                let arguments = [&key.0[..], hint_goes.as_bytes()];
                scripts.index.run(&self.link, &index, &arguments).await.map_err(store_error)?;
            }
        }
        let arguments = [expected, &packed, goes.as_bytes(), &key.0, hint_goes.as_bytes()];
        match scripts.swap.run(&self.link, &keys, &arguments).await.map_err(store_error)? {
            0 => Ok(Swapped::No),
            _ => Ok(Swapped::Yes),
        }
    }

    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        let counter = self.inner.names.counter(key);
        if delta == 0 {
            let mut command = redis::cmd("GET");
            command.arg(counter);
            let total: Option<u64> = self.link.ask(&command).await.map_err(store_error)?;
            return Ok(total.unwrap_or(0));
        }
        let (delta, goes) = (delta.to_string(), goes_at(expires_at));
        let arguments = [delta.as_bytes(), goes.as_bytes()];
        self.inner.scripts.add.run(&self.link, &[counter], &arguments).await.map_err(store_error)
    }

    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        let (mut found, mut after, limit) = (Vec::new(), after.copied(), limit as usize);
        while found.len() < limit {
            let keys = self.hints(owner, after.as_ref(), PAGE).await?;
            let Some(last) = keys.last() else { break };
            after = Some(*last);
            let mut command = redis::cmd("MGET");
            command.arg(keys.iter().map(|key| self.inner.names.record(key)).collect::<Vec<_>>());
            let packed: Vec<Option<Vec<u8>>> = self.link.ask(&command).await.map_err(store_error)?;
            for (key, packed) in keys.into_iter().zip(packed) {
                let Some(record) = packed.as_deref().map(unpack).transpose()? else { continue };
                if record.owner == Some(*owner) && found.len() < limit {
                    found.push((key, record));
                }
            }
        }
        Ok(found)
    }

    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        let (mut gone, mut after, mark) = (0, None, owner_mark(owner));
        loop {
            // The entries stay until their time: to take one away while its record is on its way would hide that record.
            let keys = self.hints(owner, after.as_ref(), PAGE).await?;
            let Some(last) = keys.last() else { return Ok(gone) };
            after = Some(*last);
            for key in keys {
                let record = [self.inner.names.record(&key)];
                gone += self.inner.scripts.drop.run(&self.link, &record, &[&mark]).await.map_err(store_error)?;
            }
        }
    }

    /// Nothing to do: Redis drops records and counters by itself, 24 h after they expired.
    async fn sweep(&self, _before: Timestamp, _limit: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("names", &self.inner.names)
            .field("durability", &self.inner.durability)
            .finish_non_exhaustive()
    }
}
