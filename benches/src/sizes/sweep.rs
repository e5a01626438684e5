//! What a sweep does to the requests beside it, as their clients feel it over loopback: twenty-five expired records a step and
//! two milliseconds between two, as the engine's own sweeper has it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use otpgate::{OtpAuth, OtpAuthBuilder};

use super::kept::Kept;
use super::mould::settings;
use crate::axum_side;
use crate::credentials::{Credentials, Order};
use crate::host::Host;
use crate::probe;

pub(super) const HEAD: &str = "| | store | a request | p99.9 without, µs | p99.9 during a sweep, µs | median without, µs | during, µs | swept | longest step, ms | ratio of the p99.9 | goal | |
|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|";

const GOAL: f64 = 2.0;
const STEP: u32 = 25;
const PAUSE: Duration = Duration::from_millis(2);
/// Tokens that the requests with cache show: all of them are seen before anything is timed.
const FEW: usize = 256;

/// Two lines: with the cache, and with a question to the store for every request.
pub(super) fn row(kept: &Kept, tokens: &Arc<[String]>, spans: usize, span: f32) -> Result<String> {
    // A runtime of its own, as a server has one; here one is busy already.
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            let lines = measured(&runtime, kept, tokens, spans, span);
            runtime.shutdown_timeout(Duration::from_secs(5));
            lines
        });
        thread.join().map_err(|_| anyhow!("it panicked"))?
    })
}

fn measured(
    runtime: &tokio::runtime::Runtime,
    kept: &Kept,
    tokens: &Arc<[String]>,
    spans: usize,
    span: f32,
) -> Result<String> {
    let store = runtime.block_on(kept.again())?;
    let serve = |more: fn(OtpAuthBuilder) -> OtpAuthBuilder| {
        runtime.block_on(served(Host::with(Arc::clone(&store), |auth| more(settings(auth)))))
    };
    let few: Arc<[String]> = tokens[..FEW.min(tokens.len())].into();
    let cases = [
        ("token seen before", serve(|auth| auth)?, Credentials::new("auth-token", few, Order::Random)),
        (
            "asks the store",
            serve(OtpAuthBuilder::without_cache)?,
            Credentials::new("auth-token", Arc::clone(tokens), Order::Random),
        ),
    ];
    let span = Duration::from_secs_f32(span);
    for (_, (address, _), credentials) in &cases {
        probe::latencies(*address, credentials, span)?;
    }
    let mut took: [[Vec<f64>; 2]; 2] = Default::default();
    let mut swept = [Swept::default(); 2];
    for _ in 0..spans {
        for (at, (_, (address, auth), credentials)) in cases.iter().enumerate() {
            took[at][0].extend(probe::latencies(*address, credentials, span)?);
            let over = Arc::<AtomicBool>::default();
            let sweeping = runtime.spawn(sweep(auth.clone(), Arc::clone(&over)));
            took[at][1].extend(probe::latencies(*address, credentials, span)?);
            over.store(true, Ordering::Relaxed);
            let more = runtime.block_on(sweeping)?;
            swept[at].count += more.count;
            swept[at].longest = swept[at].longest.max(more.longest);
        }
    }
    let mut lines = Vec::new();
    for (((what, ..), [without, during]), swept) in cases.iter().zip(&mut took).zip(swept) {
        let mut of = |share: f64| [probe::quantile(without, share), probe::quantile(during, share)];
        let ([quiet, busy], [median, median_during]) = (of(0.999), of(0.5));
        let ratio = busy / quiet;
        let verdict = if ratio <= GOAL { "met" } else { "**missed**" };
        let (name, count, longest) = (kept.name(), swept.count, swept.longest.as_secs_f64() * 1e3);
        lines.push(format!(
            "| S8 | {name}, {} sessions | {what} | {quiet:.0} | {busy:.0} | {median:.0} | {median_during:.0} | {count} | {longest:.0} | {ratio:.2} | {GOAL} | {verdict} |",
            tokens.len()
        ));
    }
    Ok(lines.join("\n"))
}

async fn served(host: impl Future<Output = Host>) -> Result<(SocketAddr, OtpAuth)> {
    let auth = host.await.auth;
    let app = axum_side::layered(axum_side::protected(), &auth);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((address, auth))
}

/// What was removed, and how long the longest step took.
#[derive(Clone, Copy, Default)]
struct Swept {
    count: u64,
    longest: Duration,
}

async fn sweep(auth: OtpAuth, over: Arc<AtomicBool>) -> Swept {
    let mut swept = Swept::default();
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let gone = auth.engine().sweep(STEP).await.expect("a store");
        if gone > 0 {
            swept = Swept { count: swept.count + gone, longest: swept.longest.max(begun.elapsed()) };
        }
        tokio::time::sleep(PAUSE).await;
    }
    swept
}
