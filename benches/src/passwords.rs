//! S11: what password sign-ins do to the requests beside them. Real Argon2id (19 MiB, two passes), a runtime of two threads as a
//! machine of two cores has it, 64 sign-ins of `platform` in flight at all times, each from an address of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use otpgate::{
    Argon2id, Compared, DirectoryError, Identity, MemoryStore, Password, PasswordHash, PasswordParts, PasswordScheme,
    Passwords, Platform, Profiles, Tenant, UserId, async_trait,
};
use tower::ServiceExt as _;

use crate::axum_side;
use crate::credentials::Credentials;
use crate::host::{self, Host};
use crate::probe;
use crate::rounds::Middle;

const IN_FLIGHT: usize = 64;
const PASSWORD: &str = "correct horse battery staple";
const GOAL: f64 = 3.0;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub rounds: usize,
    pub seconds: f32,
}

impl Size {
    /// For numbers.
    pub const FULL: Self = Self { rounds: 5, seconds: 2.0 };
    /// To see that it runs.
    pub const SMOKE: Self = Self { rounds: 1, seconds: 0.3 };
}

/// Prints the table: as many hashes at once as there are cores, one fewer, and as many on threads that yield to all others.
///
/// # Errors
/// When a request is not answered as it must be.
pub fn table(size: Size) -> Result<()> {
    println!(
        "| | hashes at once | a request | p99 idle, µs | p99 with {IN_FLIGHT} sign-ins, µs | median idle, µs | with, µs | sign-ins/s | ratio of the p99 | goal | |"
    );
    println!("|---|---|---|---:|---:|---:|---:|---:|---:|---:|---|");
    let cores = std::thread::available_parallelism()?.get();
    row(size, &format!("{cores}, one a core"), cores, false)?;
    if cores > 1 {
        row(size, &format!("{}", cores - 1), cores - 1, false)?;
    }
    row(size, &format!("{cores}, on threads of nice 10"), cores, true)
}

fn row(size: Size, name: &str, at_a_time: usize, nice: bool) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let place = runtime.block_on(Place::new(at_a_time, nice));
    // Idle and busy in turn; every round compares its own two.
    let (mut over_tcp, mut in_process, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        let span = Duration::from_secs_f32(size.seconds);
        let idle = place.measured(&runtime, span)?;
        let work = Work::begin(&runtime, &place);
        let busy = place.measured(&runtime, span * 2)?;
        rates.push(work.end(&runtime)?);
        over_tcp.push((idle.0, busy.0));
        in_process.push((idle.1, busy.1));
    }
    let rate = Middle::of(rates).median;
    for (what, rounds) in [("over loopback", &over_tcp), ("in process", &in_process)] {
        let median = |of: &dyn Fn(&(Spread, Spread)) -> f64| Middle::of(rounds.iter().map(of).collect()).median;
        let ratio = median(&|(idle, busy)| busy.p99 / idle.p99);
        let verdict = if ratio <= GOAL { "met" } else { "**missed**" };
        println!(
            "| S11 | {name} | {what} | {:.1} | {:.1} | {:.1} | {:.1} | {rate:.0} | {ratio:.2} | {GOAL} | {verdict} |",
            median(&|(idle, _)| idle.p99),
            median(&|(_, busy)| busy.p99),
            median(&|(idle, _)| idle.p50),
            median(&|(_, busy)| busy.p50),
        );
    }
    runtime.shutdown_timeout(Duration::from_secs(5));
    Ok(())
}

/// Microseconds.
struct Spread {
    p50: f64,
    p99: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        Self { p50: probe::quantile(&mut values, 0.5), p99: probe::quantile(&mut values, 0.99) }
    }
}

/// An app with passwords, served over loopback, and a token that is good in it.
struct Place {
    app: Router,
    address: SocketAddr,
    token: Credentials,
}

impl Place {
    async fn new(at_a_time: usize, nice: bool) -> Self {
        let scheme = Argon2id::new().expect("a scheme");
        let hash = scheme.hash(&Password::typed(PASSWORD), &[7; 16]).expect("a hash");
        let parts = match nice {
            false => PasswordParts::new(OneForAll(hash), scheme, at_a_time),
            true => PasswordParts::new(OneForAll(hash), Nice(scheme), at_a_time),
        };
        let profiles = Profiles::builder().identity(Identity::new(Tenant::default())).platform(Platform::new());
        let profiles = profiles.build().expect("two profiles");
        let host = Host::with(MemoryStore::new(), |auth| auth.profiles(profiles).passwords(parts)).await;
        let token = Credentials::one("auth-token", host.log_in(0).await.access.expose());
        let app = axum_side::layered(axum_side::protected(), &host.auth);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let served = app.clone().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, served).await });
        Self { app, address, token }
    }

    /// One span of requests over loopback, and as long a one of requests in process.
    fn measured(&self, runtime: &tokio::runtime::Runtime, span: Duration) -> Result<(Spread, Spread)> {
        let over_tcp = probe::latencies(self.address, &self.token, span)?;
        let (app, token) = (self.app.clone(), self.token.values[0].clone());
        let in_process = runtime.spawn(async move {
            let (begun, mut took) = (Instant::now(), Vec::new());
            while begun.elapsed() < span {
                let request = Request::get("/me").header("auth-token", &token).body(Body::empty());
                let request = request.expect("a request");
                let asked = Instant::now();
                let Ok(response) = app.clone().oneshot(request).await;
                took.push(asked.elapsed().as_secs_f64() * 1e6);
                assert_eq!(response.status(), StatusCode::OK);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            took
        });
        Ok((Spread::of(over_tcp), Spread::of(runtime.block_on(in_process)?)))
    }
}

/// Sign-ins, so many at all times.
struct Work {
    over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    begun: Instant,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Work {
    fn begin(runtime: &tokio::runtime::Runtime, place: &Place) -> Self {
        let (over, done) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let tasks = (0..IN_FLIGHT).map(|n| {
            let (app, over, done) = (place.app.clone(), Arc::clone(&over), Arc::clone(&done));
            runtime.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    match sign_in(&app, 1_000 + n).await {
                        StatusCode::OK => drop(done.fetch_add(1, Ordering::Relaxed)),
                        // Where hashing is so slow that a turn does not come in ten seconds.
                        StatusCode::SERVICE_UNAVAILABLE => eprintln!("a sign-in was refused: no turn in time"),
                        status => panic!("a sign-in was answered {status}"),
                    }
                }
            })
        });
        let tasks = tasks.collect();
        Self { over, done, begun: Instant::now(), tasks }
    }

    /// Waits for those that are under way; how many there were a second.
    fn end(self, runtime: &tokio::runtime::Runtime) -> Result<f64> {
        let rate = self.done.load(Ordering::Relaxed) as f64 / self.begun.elapsed().as_secs_f64();
        self.over.store(true, Ordering::Relaxed);
        runtime.block_on(async {
            for task in self.tasks {
                task.await?;
            }
            Ok(rate)
        })
    }
}

async fn sign_in(app: &Router, user: usize) -> StatusCode {
    static NEXT: AtomicU32 = AtomicU32::new(0x0a00_0001);
    let body = format!(r#"{{"email":"{}@example.com","password":"{PASSWORD}","PlatformId":"1"}}"#, host::id(user));
    let peer = SocketAddr::from((Ipv4Addr::from(NEXT.fetch_add(1, Ordering::Relaxed)), 1));
    let request = Request::post("/api/user/signin").header("content-type", "application/json");
    let request = request.extension(ConnectInfo(peer)).body(Body::from(body)).expect("a request");
    let Ok(response) = app.clone().oneshot(request).await;
    response.status()
}

/// The same hash for everybody.
struct OneForAll(PasswordHash);

#[async_trait]
impl Passwords for OneForAll {
    async fn password(&self, _: &Tenant, _: &UserId) -> Result<Option<PasswordHash>, DirectoryError> {
        Ok(Some(self.0.clone()))
    }
    async fn set_password(&self, _: &Tenant, _: &UserId, _: &PasswordHash) -> Result<bool, DirectoryError> {
        Ok(false)
    }
    async fn remove_password(&self, _: &Tenant, _: &UserId) -> Result<(), DirectoryError> {
        Ok(())
    }
    async fn swap_password(
        &self,
        _: &Tenant,
        _: &UserId,
        _: &PasswordHash,
        _: &PasswordHash,
    ) -> Result<bool, DirectoryError> {
        Ok(false)
    }
}

/// A scheme that makes the threads it is called on less urgent than all others.
struct Nice(Argon2id);

impl Nice {
    fn yield_to_others() {
        thread_local!(static DONE: bool = rustix::process::nice(10).is_ok());
        DONE.with(|done| assert!(*done, "a thread may always become less urgent"));
    }
}

impl PasswordScheme for Nice {
    fn hash(&self, password: &Password, salt: &[u8; 16]) -> Result<PasswordHash, String> {
        Self::yield_to_others();
        self.0.hash(password, salt)
    }

    fn compare(&self, password: &Password, hash: Option<&PasswordHash>) -> Compared {
        Self::yield_to_others();
        self.0.compare(password, hash)
    }
}
