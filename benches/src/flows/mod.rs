//! S9 and S10: whole flows (send a code, verify it, open the session), beside a bare driver that is asked the same statements, one
//! after another, and beside the least that a login by code can be: two commits.

mod raw;
mod redis;
mod script;
mod sql;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::aio::ConnectionManagerConfig;
use anyhow::{Result, bail};
use futures_util::future::join_all;
use otpgate::{Identifier, MemoryStore, MySqlStore, PostgresStore, RedisStore, SqliteStore, Store};
use otpgate_servers::{Kind, Server};

use self::raw::Raw;
use self::script::{Script, Traced};
use crate::host::{self, Host};

/// How long each number is measured, in seconds, and how often in turn; the best counts, since a disturbance only ever slows.
const SPAN: f32 = 3.0;
const ROUNDS: usize = 3;

type Flow = Pin<Box<dyn Future<Output = ()>>>;

/// Prints the table of one store.
///
/// # Errors
/// For an unknown name, or a server that does not start.
pub async fn table(store: &str) -> Result<()> {
    println!(
        "| store | flows waiting | otpgate, flows/s | raw, same statements | ratio | goal | | raw, two commits | ratio |"
    );
    println!("|---|---:|---:|---:|---:|---:|---|---:|---:|");
    let folder = tempfile::tempdir()?;
    let many = [1, 8, 32].map(|n| (n, n, (n > 1).then_some(0.85)));
    match store {
        "memory" => {
            let store = MemoryStore::builder().max_records(u64::MAX).max_counters(u64::MAX).build();
            let mut ours = Ours::over(store).await;
            for n in [1, 64] {
                let rate = ours.rate(n).await;
                println!("| memory | {n} | {rate:.0} | | | | | | |");
            }
        }
        "sqlite" => {
            for n in [1, 8, 64] {
                // Databases of their own for each row: what one has filled would slow the next.
                let file = |name: &str| folder.path().join(format!("{name}-{n}.db"));
                let mut ours = Ours::over(SqliteStore::open(file("ours")).await?).await;
                let raw = SqliteStore::builder().namespace("raw").open(file("raw")).await?;
                // One flow at a time: that is what S9 compares with.
                let row = (n, 1, (n == 64).then_some(5.0));
                ours.beside(store, sql::Sqlite::over(raw.pool()).await, &[row]).await;
            }
        }
        "postgres" => {
            let server = Server::start(Kind::Postgres)?;
            let mut ours = Ours::over(PostgresStore::open(&server.url()).await?).await;
            let raw = PostgresStore::builder().namespace("raw").open(&server.url()).await?;
            ours.beside(store, sql::Postgres::over(raw.pool()).await, &many).await;
        }
        "mysql" => {
            let server = Server::start(Kind::MariaDb)?;
            let mut ours = Ours::over(MySqlStore::open(&server.url()).await?).await;
            let raw = MySqlStore::builder().namespace("raw").open(&server.url()).await?;
            ours.beside(store, sql::MySql::over(raw.pool()).await, &many).await;
        }
        "redis" => {
            let server = Server::start(Kind::Redis)?;
            let mut ours = Ours::over(RedisStore::open(&server.url()).await?).await;
            // As patient as the store.
            let patient = ConnectionManagerConfig::new().set_response_timeout(Some(Duration::from_millis(1_800)));
            let raw = ::redis::Client::open(server.url())?.get_connection_manager_with_config(patient).await?;
            ours.beside(store, redis::Scripts::over(raw.clone()).await, &many).await;
            let plain = many.map(|(ours, theirs, _)| (ours, theirs, None));
            ours.beside("redis, raw without scripts", redis::Plain(raw), &plain).await;
        }
        _ => bail!("no store `{store}`"),
    }
    Ok(())
}

/// otpgate over a store, and what a flow asks of it.
struct Ours {
    host: Arc<Host>,
    script: Rc<Script>,
    next: u64,
}

impl Ours {
    async fn over(store: impl Store + Clone) -> Self {
        let traced = Traced::over(store.clone());
        let host = Host::over(traced.clone(), 1 << 20).await;
        let script = traced.script(async |n| drop(host.log_in(n).await)).await;
        let host = Arc::new(Host::over(store, 1 << 20).await);
        Self { host, script: Rc::new(script), next: 10 }
    }

    async fn rate(&mut self, together: usize) -> f32 {
        let host = &self.host;
        rate(together, &mut self.next, |user| Box::pin(whole(Arc::clone(host), user))).await
    }

    /// Rows beside a driver: how many of ours wait, how many of theirs, and the goal.
    async fn beside(&mut self, name: &str, raw: impl Raw, rows: &[(usize, usize, Option<f32>)]) {
        let (script, value) = (Rc::clone(&self.script), Rc::from(vec![7; self.script.longest()]));
        eprintln!("{name}: a flow is {}", script.told());
        for &(n, theirs, goal) in rows {
            let (mut ours, mut same, mut least) = (0.0_f32, 0.0_f32, 0.0_f32);
            for _ in 0..ROUNDS {
                ours = ours.max(self.rate(n).await);
                let flow = |n| Box::pin(raw::same(raw.clone(), Rc::clone(&script), n)) as Flow;
                same = same.max(rate(theirs, &mut self.next, flow).await);
                let flow = |n| Box::pin(raw::least(raw.clone(), Rc::clone(&value), n)) as Flow;
                least = least.max(rate(theirs, &mut self.next, flow).await);
            }
            let ratio = ours / same;
            let verdict = goal.map_or("", |goal| if ratio >= goal { "met" } else { "**missed**" });
            let goal = goal.map_or(String::new(), |goal| goal.to_string());
            println!(
                "| {name} | {n} | {ours:.0} | {same:.0} | {ratio:.2} | {goal} | {verdict} | {least:.0} | {:.2} |",
                ours / least
            );
        }
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

/// So many whole flows on the memory store, one at a time, for a profiler.
pub async fn alone(flows: u64) {
    let store = MemoryStore::builder().max_records(u64::MAX).max_counters(u64::MAX).build();
    let host = Arc::new(Host::over(store, 1 << 20).await);
    for user in 0..flows {
        whole(Arc::clone(&host), user).await;
    }
}
