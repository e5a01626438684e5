//! The PostgreSQL store of otpgate, on sqlx and the host's pool.
//!
//! ```no_run
//! use otpgate_postgres::PostgresStore;
//! use sqlx::postgres::PgPoolOptions;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = PgPoolOptions::new().max_connections(20).connect("postgres://app@localhost/app").await?;
//! let store = PostgresStore::connect(pool).await?;
//! # Ok(()) }
//! ```
//!
//! Every operation is one statement and one round trip; a swap is a conditional `INSERT`, `UPDATE` or `DELETE` whose row count
//! is the answer, so that it holds at every isolation level. READ COMMITTED, the server's default, is the fastest: above it the server
//! undoes all racers for a key but one, and their statements are sent again.
//!
//! # Settings
//! Checked when connecting: `synchronous_commit` is not `off`, `fsync` and `full_page_writes` are `on`, and the server is no
//! replica. What does not hold is an error that says what to set;
//! [`insecure_without_durability`](PostgresStoreBuilder::insecure_without_durability) makes it a warning.
//!
//! sqlx tests each connection of a pool with a ping before it hands it out, unless the pool says
//! `.test_before_acquire(false)`: that is a second round trip for each operation. [`PostgresStore::open`] makes a pool that
//! pings only what lay idle for a second. This crate turns on no TLS: to connect with it, the host enables one of sqlx's `tls-*`
//! features. Behind PgBouncer, transaction pooling needs a version that keeps prepared statements (1.21).
//!
//! # What survives
//! | what happens | acknowledged writes |
//! |---|---|
//! | the app is killed | stay |
//! | the server is killed (`kill -9`) and restarted | stay; calls fail meanwhile |
//! | power is lost | stay, as far as the disk keeps what it was told to write |
//! | a replica takes over | stay if `synchronous_standby_names` names it and `synchronous_commit` is `on` or `remote_apply`; with an asynchronous replica the last ones can be lost, so that a used code, a spent guess or a log-out can come undone |
//!
//! Reads must go to the primary as well: a replica that lags accepts a logged-out session.
//!
//! # Several nodes
//! [`PostgresStore::bus`] tells the other nodes of a revocation within milliseconds, where their polls take up to a second.
//!
//! # Tables
//! `connect` makes them and brings them to this release's version, under an advisory lock. A host with a tool of its own runs
//! [`PostgresStore::schema_sql`] and says [`without_migrations`](PostgresStoreBuilder::without_migrations).
//!
//! A disk that is full refuses every write alike: PostgreSQL has no budget for records with an owner apart.

mod bus;
mod error;
mod lease;
mod migrate;
mod open;
mod rows;
mod sql;
mod store;

pub use bus::PostgresBus;
pub use open::PostgresStoreBuilder;
pub use store::PostgresStore;
