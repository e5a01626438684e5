//! How long the concealing routes take for somebody and for nobody: `cargo xtask timing`.
//!
//! Each route is asked in pairs, one known and one unknown identifier, in an order that changes from pair to pair. The
//! identifiers are new in each pair, each request comes from an address of its own, and nothing is switched off: the numbers
//! are those of a deployment, with Argon2 as it is set by default and messages written by the folder mailer.
#![expect(clippy::print_stdout, reason = "a program that prints a table")]
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on says so by panicking")]

#[path = "../drive/mod.rs"]
mod drive;

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use otpgate::mail::{FolderMailer, FolderSms, Templates};
use otpgate::{
    Argon2id, Brand, Engine, Gate, Identity, MasterSecret, OtpAuth, Password, PasswordParts, PasswordScheme as _,
    Passwords as _, Platform, Policy, PolicyBook, Profiles, Secrets, Sms, Store, StoreDirectory, Tenant, TokioRuntime,
    User, UserId,
};
use otpgate_testkit::wire::{Mounted, Reply, Request, Stores};
use serde_json::{Value, json};
use tokio::runtime::Handle;

/// Pairs that are measured, after some that are not.
const PAIRS: usize = 300;
const WARM_UP: usize = 20;
/// What the medians may differ by.
const GOAL: Duration = Duration::from_millis(1);
const NEW: &str = "a new long passphrase";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.is_empty() {
        wanted = vec!["memory".into(), "sqlite".into()];
    }
    let mut good = true;
    for store in drive::stores().into_iter().filter(|store| wanted.iter().any(|name| name == store.name())) {
        for driver in drive::drivers() {
            println!("{} over {}: medians of {PAIRS} pairs, in milliseconds\n", driver.name(), store.name());
            let place = Place::new(&store).await;
            good &= table(&place.measured(&*driver.mount(place.gate.clone())).await);
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was measured of one route: for each pair the time of the known one and of the unknown one.
struct Row {
    route: &'static str,
    pairs: Vec<[Duration; 2]>,
}

/// Prints a table and says whether every route met the goal.
fn table(rows: &[Row]) -> bool {
    println!("| route | known | unknown | difference | known was slower in | |\n|---|---:|---:|---:|---:|---|");
    let ms = |d: Duration| d.as_secs_f64() * 1_000.0;
    let mut good = true;
    for Row { route, pairs } in rows {
        let [known, unknown] = [0, 1].map(|i| ms(median(pairs.iter().map(|pair| pair[i]))));
        let slower = pairs.iter().filter(|pair| pair[0] > pair[1]).count() * 100 / pairs.len();
        let difference = known - unknown;
        let met = difference.abs() < ms(GOAL);
        good &= met;
        let verdict = if met { "ok" } else { "MISSED" };
        println!("| {route} | {known:.3} | {unknown:.3} | {difference:+.3} | {slower} % | {verdict} |");
    }
    println!();
    good
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// A deployment with users, and what has to live as long as it.
struct Place {
    gate: Gate,
    _keep: (Arc<dyn std::any::Any + Send + Sync>, tempfile::TempDir),
}

impl Place {
    async fn new(stores: &Arc<dyn Stores>) -> Self {
        let (store, kept) = stores.open().await;
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::new(MasterSecret::new(*b"a master secret to measure by, 32+").unwrap());
        let (tenant, scheme) = (Tenant::default(), Argon2id::new().unwrap());
        let directory = Arc::new(StoreDirectory::new(Arc::clone(&store), &secrets));
        let hash = scheme.hash(&Password::typed("correct horse battery staple"), &[7; 16]).unwrap();
        for n in 0..PAIRS + WARM_UP {
            for who in [Who::Known.address(n), Who::Known.address_of_flow(n)] {
                let id = UserId::new(who.clone()).unwrap();
                let phone = (who == Who::Known.address(n)).then(|| Who::Known.phone(n));
                let user = User { email: Some(who), phone, verified: true, ..User::new(id) };
                assert!(directory.add(&tenant, &user).await.unwrap());
                assert!(directory.set_password(&tenant, &user.id, &hash).await.unwrap());
            }
        }
        let profiles = Profiles::builder()
            .identity(Identity::new(tenant.clone()).passwords())
            .platform(Platform::new())
            .engine(Engine::new([Brand::new(tenant)]));
        let templates = || Templates::builder("timing").sms_domain("login.example").build().unwrap();
        let mailer = FolderMailer::new(folder.path().join("mail"), "login@example.com", templates()).unwrap();
        let auth = OtpAuth::builder(secrets, Arc::clone(&store) as Arc<dyn Store>, Arc::clone(&directory), mailer)
            .profiles(profiles.build().unwrap())
            .policy(PolicyBook::new(Policy::default()))
            .passwords(PasswordParts::new(directory, scheme, 2))
            .sms(Sms::insecure_without_rules(FolderSms::new(folder.path().join("sms"), templates()).unwrap()))
            .runtime(TokioRuntime::on(Handle::current()))
            .build()
            .await
            .unwrap();
        Self { gate: auth.gate().clone(), _keep: (kept, folder) }
    }

    async fn measured(&self, app: &dyn Mounted) -> Vec<Row> {
        let mut rows: Vec<Row> = ROUTES.iter().map(|route| Row { route, pairs: Vec::new() }).collect();
        for n in 0..PAIRS + WARM_UP {
            let mut flows = [Value::Null, Value::Null];
            for (at, row) in rows.iter_mut().enumerate() {
                let mut pair = [Duration::ZERO; 2];
                let mut replies: [Option<Reply>; 2] = [None, None];
                let first = (n + at) % 2;
                for i in [first, 1 - first] {
                    let who = [Who::Known, Who::Unknown][i];
                    let request = who.request(row.route, n, &flows[i]);
                    let begun = Instant::now();
                    let reply = app.answer(request).await;
                    pair[i] = begun.elapsed();
                    if row.route.ends_with("/token/generate") {
                        flows[i] = reply.at("/user/sessionId").into();
                    }
                    replies[i] = Some(reply);
                }
                let [Some(known), Some(unknown)] = replies else { unreachable!("both were asked") };
                assert_eq!(known.status, unknown.status, "{}: {known}\n{unknown}", row.route);
                assert!([200, 401].contains(&known.status), "{}: {known}", row.route);
                if n >= WARM_UP {
                    row.pairs.push(pair);
                }
            }
        }
        rows
    }
}

const ROUTES: [&str; 17] = [
    "/identity/user/otp/email",
    "/identity/user/login",
    "/identity/user/login (password)",
    "/api/user/signin",
    "/api/user/signin-otp",
    "/api/user/verify-otp",
    "/api/user/forgot-password",
    "/auth/v1/token/generate",
    "/auth/v1/otp/generate",
    "/auth/v1/otp/validate",
    "/auth/v1/password/validate",
    "/auth/v1/password/forget",
    "/auth/v1/web/token/generate",
    "/auth/v1/web/otp/generate",
    "/auth/v1/web/otp/validate",
    "/auth/v1/web/password/validate",
    "/auth/v1/web/password/forget",
];

#[derive(Clone, Copy)]
enum Who {
    Known,
    Unknown,
}

impl Who {
    fn digit(self) -> usize {
        match self {
            Self::Known => 1,
            Self::Unknown => 2,
        }
    }

    fn address(self, n: usize) -> String {
        format!("p{}{n:04}@example.com", self.digit())
    }

    fn address_of_flow(self, n: usize) -> String {
        format!("f{}{n:04}@example.com", self.digit())
    }

    fn phone(self, n: usize) -> String {
        format!("+49151{}{n:07}", self.digit())
    }

    /// The request of a route, from an address of its own. A guess is wrong but for once in a million times.
    fn request(self, route: &str, n: usize, flow: &Value) -> Request {
        static PEERS: AtomicU32 = AtomicU32::new(0x0a00_0000);
        let peer = IpAddr::V4(Ipv4Addr::from(PEERS.fetch_add(1, Ordering::Relaxed)));
        let (path, by_password) = match route.strip_suffix(" (password)") {
            Some(path) => (path, true),
            None => (route, false),
        };
        let mut body = if let Some(route) = path.strip_prefix("/auth/v1") {
            let (kind, value) = match route.strip_prefix("/web") {
                Some(_) => ("EMAIL", self.address_of_flow(n)),
                None => ("MOBILE", self.phone(n)),
            };
            json!({ "identifierType": kind, "identifierValue": value, "brand": "default", "deviceId": "a device" })
        } else {
            json!({ "email": self.address(n), "PlatformId": "default" })
        };
        if !flow.is_null() && path.starts_with("/auth/v1") {
            body["sessionId"] = flow.clone();
        }
        let more = match path.rsplit('/').next().unwrap_or_default() {
            "login" if by_password => json!({ "password": "not the one", "isOTP": false }),
            "login" => json!({ "password": "000000", "isOTP": true }),
            "verify-otp" => json!({ "otp": "000000" }),
            "validate" if path.ends_with("/otp/validate") => json!({ "otp": "000000" }),
            "signin" | "validate" => json!({ "password": "not the one" }),
            "forget" => json!({ "password": NEW, "confirmPassword": NEW }),
            _ => json!({}),
        };
        more.as_object().into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        Request::json(path, &body).from(peer)
    }
}
