//! S9 and S10: whole flows (send a code, verify it, open the session), beside a raw driver that does as many statements of the same
//! kinds, one after another, each committed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use futures_util::future::join_all;
use otpgate::{Identifier, MemoryStore, MySqlStore, PostgresStore, RedisStore, SqliteStore, Store};
use otpgate_servers::{Kind, Server};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::counted::{Counted, Counts};
use crate::host::{self, Host};

/// How long each number is measured, in seconds.
const SPAN: f32 = 4.0;
const VALUE: [u8; 200] = [7; 200];

type Flow = Pin<Box<dyn Future<Output = ()>>>;
type Raw = Box<dyn Fn(u64) -> Flow>;
type Making = Pin<Box<dyn Future<Output = Raw>>>;
type MakeRaw = Box<dyn FnOnce(Counts) -> Making>;

/// Prints the table of one store.
///
/// # Errors
/// For an unknown name, or a server that does not start.
pub async fn table(store: &str) -> Result<()> {
    println!("| store | flows waiting | otpgate, flows/s | raw, flows/s | ratio | goal | |");
    println!("|---|---:|---:|---:|---:|---:|---|");
    let folder = tempfile::tempdir()?;
    match store {
        "memory" => {
            rows(store, MemoryStore::builder().max_records(u64::MAX).max_counters(u64::MAX).build(), None, &[1, 64])
                .await
        }
        "sqlite" => {
            let ours = SqliteStore::open(folder.path().join("ours.db")).await?;
            let options = SqliteConnectOptions::new().filename(folder.path().join("raw.db")).create_if_missing(true);
            let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
            let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
            // One flow at a time: that is what S9 compares with.
            let raw = |counts| sqlite_raw(pool, counts);
            rows(store, ours, Some((Box::new(raw), true)), &[1, 8, 64]).await;
        }
        "postgres" => {
            let server = Server::start(Kind::Postgres)?;
            let ours = PostgresStore::open(&server.url()).await?;
            let pool = PgPoolOptions::new().max_connections(10).connect(&server.url()).await?;
            rows(store, ours, Some((Box::new(|counts| postgres_raw(pool, counts)), false)), &[1, 8, 32]).await;
        }
        "mysql" => {
            let server = Server::start(Kind::MariaDb)?;
            let ours = MySqlStore::open(&server.url()).await?;
            let pool = MySqlPoolOptions::new().max_connections(10).connect(&server.url()).await?;
            rows(store, ours, Some((Box::new(|counts| mysql_raw(pool, counts)), false)), &[1, 8, 32]).await;
        }
        "redis" => {
            let server = Server::start(Kind::Redis)?;
            let ours = RedisStore::open(&server.url()).await?;
            let raw = redis::Client::open(server.url())?.get_connection_manager().await?;
            rows(store, ours, Some((Box::new(|counts| redis_raw(raw, counts)), false)), &[1, 8, 32]).await;
        }
        _ => bail!("no store `{store}`"),
    }
    Ok(())
}

/// Rows for one store. The raw driver runs one flow at a time where the goal says so, else as many as ours.
async fn rows(name: &str, store: impl Store + Clone, raw: Option<(MakeRaw, bool)>, together: &[usize]) {
    let counted = Counted::over(store);
    let host = Host::over(counted.clone(), 1 << 20).await;
    host.log_in(0).await;
    counted.take_counts();
    host.log_in(1).await;
    let counts = counted.take_counts();
    eprintln!("{name}: a flow has {counts:?}");
    let (raw, alone) = match raw {
        Some((make, alone)) => (Some(make(counts).await), alone),
        None => (None, false),
    };
    let host = Arc::new(host);
    let mut next = 10_u64;
    for &n in together {
        // Twice each, ours and theirs in turn; the better of both, since a disturbance only ever slows.
        let (mut ours, mut theirs) = (0.0_f32, 0.0_f32);
        for _ in 0..2 {
            ours = ours.max(rate(n, &mut next, |user| Box::pin(whole(Arc::clone(&host), user))).await);
            if let Some(raw) = &raw {
                theirs = theirs.max(rate(if alone { 1 } else { n }, &mut next, raw).await);
            }
        }
        let goal = match (raw.is_some(), alone) {
            (false, _) => None,
            (true, true) => (n == 64).then_some(5.0),
            (true, false) => (n > 1).then_some(0.85),
        };
        let ratio = ours / theirs;
        let verdict = goal.map_or("", |goal| if ratio >= goal { "met" } else { "**missed**" });
        let (goal, shown) = (
            goal.map_or(String::new(), |g| format!("{g}")),
            if theirs > 0.0 { format!("{ratio:.2}") } else { String::new() },
        );
        let theirs = if theirs > 0.0 { format!("{theirs:.0}") } else { String::new() };
        println!("| {name} | {n} | {ours:.0} | {theirs} | {shown} | {goal} | {verdict} |");
    }
}

/// Flows a second, `together` at a time.
async fn rate(together: usize, next: &mut u64, flow: impl Fn(u64) -> Flow) -> f32 {
    let begun = Instant::now();
    let first = *next;
    let workers = (0..together as u64).map(|worker| {
        let flow = &flow;
        async move {
            let mut at = first + worker;
            let mut done = 0_u64;
            while begun.elapsed().as_secs_f32() < SPAN {
                flow(at).await;
                at += together as u64;
                done += 1;
            }
            (done, at)
        }
    });
    let done = join_all(workers).await;
    let took = begun.elapsed().as_secs_f32();
    *next = done.iter().map(|(_, at)| *at).max().unwrap_or(first) + 1;
    done.iter().map(|(n, _)| *n).sum::<u64>() as f32 / took
}

async fn whole(host: Arc<Host>, user: u64) {
    let email = format!("{}@example.com", host::id(user as usize));
    let identifier = Identifier::email(&email).expect("an address");
    let (caller, engine) = (host::caller(), host.auth.engine());
    engine.send_code(&caller, &identifier).await.expect("a code is sent");
    let code = host.code_for(&email).await;
    engine.verify_code(&caller, &identifier, &code, None).await.expect("the code is right");
}

fn key(flow: u64, at: usize) -> Vec<u8> {
    let mut key = vec![0_u8; 32];
    // Spread like keys that are MACs.
    key[..8].copy_from_slice(&(flow * 16 + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    key[8..16].copy_from_slice(&(flow * 16 + at as u64).to_be_bytes());
    key
}

macro_rules! raw_sql {
    ($name:ident, $pool:ty, $tables:expr, $load:expr, $put:expr, $add:expr) => {
        fn $name(pool: $pool, counts: Counts) -> Making {
            Box::pin(async move {
                for table in $tables {
                    sqlx::query(table).execute(&pool).await.expect("a table");
                }
                let flow = move |n: u64| -> Flow {
                    let pool = pool.clone();
                    Box::pin(async move {
                        for at in 0..counts.loads {
                            sqlx::query($load).bind(key(n, at)).fetch_optional(&pool).await.expect("a load");
                        }
                        for at in 0..counts.swaps {
                            let put = sqlx::query($put).bind(key(n, at % 3)).bind(&VALUE[..16]).bind(n as i64);
                            put.bind(&VALUE[..32]).bind(&VALUE[..]).execute(&pool).await.expect("a write");
                        }
                        for at in 0..counts.adds {
                            sqlx::query($add)
                                .bind(key(0, at))
                                .bind(1_i64)
                                .bind(1_i64)
                                .execute(&pool)
                                .await
                                .expect("a count");
                        }
                    })
                };
                Box::new(flow) as Raw
            })
        }
    };
}

raw_sql!(
    sqlite_raw,
    sqlx::SqlitePool,
    [
        "CREATE TABLE r (key BLOB NOT NULL UNIQUE, revision BLOB NOT NULL, expires_at INTEGER NOT NULL, owner BLOB, value BLOB NOT NULL) STRICT",
        "CREATE INDEX ro ON r (owner, key)",
        "CREATE INDEX re ON r (expires_at)",
        "CREATE TABLE c (key BLOB NOT NULL PRIMARY KEY, total INTEGER NOT NULL, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    ],
    "SELECT key, revision, expires_at, owner, value FROM r WHERE key = ?",
    "INSERT INTO r (key, revision, expires_at, owner, value) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, value = excluded.value",
    "INSERT INTO c (key, total, expires_at) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET total = total + excluded.total RETURNING total"
);

raw_sql!(
    postgres_raw,
    sqlx::PgPool,
    [
        "CREATE TABLE raw_r (key BYTEA PRIMARY KEY, revision BYTEA NOT NULL, expires_at BIGINT NOT NULL, owner BYTEA, value BYTEA NOT NULL)",
        "CREATE INDEX ON raw_r (owner, key)",
        "CREATE INDEX ON raw_r (expires_at)",
        "CREATE TABLE raw_c (key BYTEA PRIMARY KEY, total BIGINT NOT NULL, expires_at BIGINT NOT NULL)",
    ],
    "SELECT key, revision, expires_at, owner, value FROM raw_r WHERE key = $1",
    "INSERT INTO raw_r (key, revision, expires_at, owner, value) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, value = excluded.value",
    "INSERT INTO raw_c AS c (key, total, expires_at) VALUES ($1, $2, $3)
     ON CONFLICT (key) DO UPDATE SET total = c.total + excluded.total RETURNING total"
);

raw_sql!(
    mysql_raw,
    sqlx::MySqlPool,
    [
        "CREATE TABLE raw_r (`key` BINARY(32) PRIMARY KEY, revision BINARY(16) NOT NULL, expires_at BIGINT NOT NULL, owner BINARY(32), value BLOB NOT NULL, INDEX (owner, `key`), INDEX (expires_at))",
        "CREATE TABLE raw_c (`key` BINARY(32) PRIMARY KEY, total BIGINT NOT NULL, expires_at BIGINT NOT NULL)",
    ],
    "SELECT `key`, revision, expires_at, owner, value FROM raw_r WHERE `key` = ?",
    "INSERT INTO raw_r (`key`, revision, expires_at, owner, value) VALUES (?, ?, ?, ?, ?)
     ON DUPLICATE KEY UPDATE revision = VALUES(revision), value = VALUES(value)",
    "INSERT INTO raw_c (`key`, total, expires_at) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE total = total + VALUES(total)"
);

fn redis_raw(connection: redis::aio::ConnectionManager, counts: Counts) -> Making {
    Box::pin(async move {
        let flow = move |n: u64| -> Flow {
            let mut connection = connection.clone();
            Box::pin(async move {
                for at in 0..counts.loads {
                    let load = redis::cmd("GET").arg(key(n, at)).to_owned();
                    load.query_async::<Option<Vec<u8>>>(&mut connection).await.expect("a load");
                }
                for at in 0..counts.swaps {
                    let put = redis::cmd("SET").arg(key(n, at % 3)).arg(&VALUE[..]).arg("EX").arg(3_600).to_owned();
                    put.query_async::<()>(&mut connection).await.expect("a write");
                }
                for at in 0..counts.adds {
                    let add = redis::cmd("INCRBY").arg(key(0, at)).arg(1).to_owned();
                    add.query_async::<i64>(&mut connection).await.expect("a count");
                }
            })
        };
        Box::new(flow) as Raw
    })
}
