//! The Redis store of otpgate: one server, or a Cluster.
//!
//! ```no_run
//! use otpgate_redis::RedisStore;
//! use redis::aio::ConnectionManager;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = redis::Client::open("redis://localhost/")?;
//! let store = RedisStore::connect(ConnectionManager::new(client).await?).await?;
//! # Ok(()) }
//! ```
//!
//! Every operation is one command or one script, and one round trip (in a Cluster, two for a record with an owner). Works with Redis
//! from version 7, and with what speaks like it; proven on 7.0.
//!
//! # Settings
//! Checked when connecting, on each primary:
//! - `maxmemory-policy noeviction`; there is no switch, because a server that evicts forgets spent guesses and log-outs.
//! - `appendonly yes`; else an error, or a warning with
//!   [`insecure_without_durability`](RedisStoreBuilder::insecure_without_durability).
//! - `appendfsync always` and `no-appendfsync-on-rewrite no`; else a warning, or an error with
//!   [`require_always`](RedisStoreBuilder::require_always). [`RedisStore::durability`] says what was found.
//!
//! A server that has reached `maxmemory` refuses every write alike: Redis has no budget for records with an owner apart. Give
//! otpgate a server of its own, with room to spare. This crate turns on no TLS: for `rediss://`, the host enables one of the redis
//! crate's `tls-*` features.
//!
//! # What survives
//! | what happens | `appendfsync always` | `everysec` |
//! |---|---|---|
//! | the app is killed | stays | stays |
//! | the server is killed (`kill -9`) and restarted | stays; calls fail meanwhile | stays but for the last second or two |
//! | power is lost | stays, as far as the disk keeps what it was told to write | stays but for the last second or two |
//! | a replica takes over | the last writes can be lost | the last writes can be lost |
//!
//! Replication is asynchronous: what a primary acknowledged a moment before it died may not be on the replica that takes over, so
//! that a used code, a spent guess or a log-out can come undone. `min-replicas-to-write 1` and a small `min-replicas-max-lag`
//! keep a primary that was cut off from acknowledging for long; nothing makes it certain. Where that must not be, take PostgreSQL
//! with a synchronous replica. This store does not send `WAIT`.
//!
//! # Cluster
//! With feature `cluster`, `RedisStore::builder().open_cluster(urls)`. A record, a counter and an owner's index lie each in the hash
//! slot of their key, so that every script touches one slot. The index is written before the record. The client is told to send
//! nothing twice; after a failover or while slots move, calls that come to the wrong node fail (503) until the client has the new
//! map.
//!
//! # Several nodes
//! [`RedisBus`] tells the other nodes of a revocation within milliseconds, where their polls take up to a second.
//!
//! # Expiry
//! Redis drops records and counters 24 h after they expired, and never sooner than 24 h after they were written, as garbage: core
//! decides what is expired, and the servers' clocks may be wrong. Where the server's clock is days ahead of the app's, limits of
//! up to a day hold all the same, and sessions that lie idle end early. `sweep` has nothing to do.

mod bus;
#[cfg(feature = "cluster")]
mod cluster;
mod keys;
mod link;
mod open;
mod packed;
mod settings;
mod store;

pub use bus::RedisBus;
pub use open::RedisStoreBuilder;
pub use settings::Durability;
pub use store::RedisStore;
