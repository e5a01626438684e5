//! The MariaDB and MySQL store of otpgate, on sqlx and the host's pool.
//!
//! Proven on MariaDB 10.11. Written for MySQL 8 as well, with nothing that only MariaDB has, and **not run there**: Debian has no
//! MySQL for the tests to start.
//!
//! ```no_run
//! use otpgate_mysql::MySqlStore;
//! use sqlx::mysql::MySqlPoolOptions;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = MySqlPoolOptions::new().max_connections(20).connect("mysql://app@localhost/app").await?;
//! let store = MySqlStore::connect(pool).await?;
//! # Ok(()) }
//! ```
//!
//! Every operation is one statement, one transaction and one round trip; a swap is a conditional `INSERT`, `UPDATE` or `DELETE`
//! whose row count is the answer. So REPEATABLE READ, where a transaction goes on reading what is long past, has nothing to read.
//! A statement that the server has undone because of others (a deadlock, a lock that did not come) is sent again.
//!
//! # Settings
//! Checked when connecting: `innodb_flush_log_at_trx_commit` is 1; `sync_binlog` is 1 where the binary log is on; `sql_mode` is
//! strict; `autocommit` is on; the server is not `read_only`. What does not hold is an error that says what to set;
//! [`insecure_without_durability`](MySqlStoreBuilder::insecure_without_durability) makes a warning of the first two.
//!
//! sqlx tests each connection of a pool with a ping before it hands it out, unless the pool says
//! `.test_before_acquire(false)`: that is a second round trip for each operation. [`MySqlStore::open`] makes a pool that pings only
//! what lay idle for a second. This crate turns on no TLS: to connect with it, the host enables one of sqlx's `tls-*` features.
//! MySQL 8's `caching_sha2_password` needs TLS, or a user without it.
//!
//! # What survives
//! | what happens | acknowledged writes |
//! |---|---|
//! | the app is killed | stay |
//! | the server is killed (`kill -9`) and restarted | stay; calls fail meanwhile |
//! | power is lost | stay, as far as the disk keeps what it was told to write |
//! | a replica takes over | stay with semi-synchronous replication that waits before the commit (`rpl_semi_sync_master_wait_point = AFTER_SYNC`) and never falls back; else the last ones can be lost, so that a used code, a spent guess or a log-out can come undone |
//!
//! Reads must go to the primary as well: a replica that lags accepts a logged-out session. On a Galera cluster, send all of an
//! app's nodes to one of its servers, or set `wsrep_sync_wait = 1`.
//!
//! # Tables
//! `connect` makes them and brings them to this release's version, under a lock of the server (`GET_LOCK`). A host with a tool of
//! its own runs [`MySqlStore::schema_sql`] and says [`without_migrations`](MySqlStoreBuilder::without_migrations).
//!
//! A disk that is full refuses every write alike: the server has no budget for records with an owner apart.

mod error;
mod lease;
mod migrate;
mod open;
mod rows;
mod settings;
mod sql;
mod store;

pub use open::MySqlStoreBuilder;
pub use store::MySqlStore;
