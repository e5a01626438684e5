//! S1 to S5: what a request costs, in process, on one thread.

use std::sync::Arc;

use axum::Router;
use otpgate::{AccessToken, MemoryStore};

use crate::axum_side::{self, Axum, Noop};
use crate::counted::Counted;
use crate::credentials::{Credentials, Order};
use crate::host::{self, Host};
use crate::peers::{self, Backend, Keys};
use crate::rounds::{Case, Measured, Subject, run};
use crate::table::{Goal, Table};
use crate::{actix_side, credentials};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub rounds: usize,
    pub calls: usize,
    /// How many tokens S3 has.
    pub tokens: usize,
}

impl Size {
    /// For numbers.
    pub const FULL: Self = Self { rounds: 2_000, calls: 64, tokens: 100_000 };
    /// To see that it runs.
    pub const SMOKE: Self = Self { rounds: 3, calls: 4, tokens: 200 };
}

const TOKEN: &str = "auth-token";
const BEARER: &str = "authorization";
/// Room for all tokens of S3: the default of 64 MiB has room for some 60 000.
const CACHE: usize = 256 * 1024 * 1024;

/// Runs all of them and prints two tables: the cases, and the goals.
///
/// # Panics
/// When a case does not answer as it must.
pub async fn all(size: Size) {
    peers::install();
    let mut table = Table::default();
    axum_hot(size, &mut table).await;
    actix_hot(size, &mut table).await;
    at_random(size, &mut table).await;
    first_sight(size, &mut table).await;
    table.print();
}

async fn axum_hot(size: Size, table: &mut Table) {
    let store = Counted::over(MemoryStore::new());
    let host = Host::over(store.clone(), CACHE).await;
    let token = host.log_in(0).await.access.expose().to_owned();
    let ours = || Credentials::one(TOKEN, token.clone());
    let (keys, auth) = (Arc::new(Keys::default()), host.auth.clone());
    let mut cases = vec![
        Case::new("bare", Axum::new(axum_side::bare(), ours())),
        Case::new("no-op layer", Axum::new(axum_side::bare().layer(Noop), ours())),
        Case::new("otpgate, .layer(auth)", Axum::new(axum_side::layered(axum_side::protected(), &auth), ours())),
        Case::new("otpgate, auth.layer(router)", Axum::new(axum_side::around(axum_side::protected(), &auth), ours())),
    ];
    for case in &mut cases[2..] {
        check_ours(case, &host, &token).await;
    }
    for (name, backend) in JWT {
        let bearer = Credentials::one(BEARER, format!("Bearer {}", keys.mint(&host::id(0), 3_600)));
        cases.push(Case::new(name, Axum::new(axum_side::jwt(Arc::clone(&keys)), bearer)).with(backend));
        check_jwt(cases.last_mut().expect("a case"), &keys).await;
    }
    cases.push(logged_in().await);
    let without = [
        ("bare, no credential", axum_side::bare()),
        ("no-op layer, no credential", axum_side::bare().layer(Noop)),
        ("otpgate, .layer(auth), no credential", axum_side::layered(axum_side::bare(), &auth)),
    ];
    for (name, app) in without {
        cases.push(Case::new(name, Axum::new(app, Credentials::none())));
    }
    let around = Axum::new(axum_side::around(axum_side::bare(), &auth), Credentials::none());
    cases.push(Case::new("otpgate, auth.layer(router), no credential", around));

    store.take();
    let m = run(&mut cases, size.rounds, size.calls).await;
    table.asked(store.take());
    table.cases("axum, token seen before", &m, "bare");
    let jwt = fastest(&m, "bare");
    let login = m.over("axum-login + MemoryStore", "bare").median;
    let layer = m.over("otpgate, .layer(auth)", "no-op layer").median;
    let layer_over_bare = m.over("otpgate, .layer(auth)", "bare").median;
    let around = m.over("otpgate, auth.layer(router)", "bare").median;
    table.goal(Goal::ratio("S1", ".layer(auth) over a no-op layer, to jsonwebtoken", layer, jwt, 0.05));
    table.goal(Goal::ratio("S1", ".layer(auth) over a no-op layer, to axum-login", layer, login, 0.04));
    table.goal(Goal::ratio("S1", ".layer(auth) over bare, to jsonwebtoken", layer_over_bare, jwt, 0.11));
    table.goal(Goal::ratio("S1", ".layer(auth) over bare, to axum-login", layer_over_bare, login, 0.09));
    table.goal(Goal::ratio("S1", "auth.layer(router) over bare, to jsonwebtoken", around, jwt, 0.06));
    let layer = m.over("otpgate, .layer(auth), no credential", "no-op layer, no credential").median;
    let around = m.over("otpgate, auth.layer(router), no credential", "bare, no credential").median;
    table.goal(Goal::nanos("S5", "axum, .layer(auth) over a no-op layer, no credential", layer, 20.0));
    table.goal(Goal::nanos("S5", "axum, auth.layer(router) over bare, no credential", around, 40.0));
}

async fn actix_hot(size: Size, table: &mut Table) {
    let store = Counted::over(MemoryStore::new());
    let host = Host::over(store.clone(), CACHE).await;
    let token = host.log_in(0).await.access.expose().to_owned();
    let ours = || Credentials::one(TOKEN, token.clone());
    let (keys, auth) = (Arc::new(Keys::default()), host.auth.clone());
    let mut cases = vec![
        Case::new("bare", actix_side::bare(ours()).await),
        Case::new("no-op middleware", actix_side::noop(ours()).await),
        Case::new("otpgate, .wrap(auth)", actix_side::wrapped(&auth, ours()).await),
    ];
    check_ours(&mut cases[2], &host, &token).await;
    for (name, backend) in JWT {
        let bearer = Credentials::one(BEARER, format!("Bearer {}", keys.mint(&host::id(0), 3_600)));
        cases.push(Case::new(name, actix_side::jwt(Arc::clone(&keys), bearer).await).with(backend));
        check_jwt(cases.last_mut().expect("a case"), &keys).await;
    }
    cases.push(Case::new("bare, no credential", actix_side::bare(Credentials::none()).await));
    cases.push(Case::new("no-op middleware, no credential", actix_side::noop(Credentials::none()).await));
    cases.push(Case::new("otpgate, .wrap(auth), no credential", actix_side::wrapped_public(&auth).await));

    store.take();
    let m = run(&mut cases, size.rounds, size.calls).await;
    table.asked(store.take());
    table.cases("actix-web, token seen before", &m, "bare");
    let jwt = fastest(&m, "bare");
    let wrap = m.over("otpgate, .wrap(auth)", "no-op middleware").median;
    let over_bare = m.over("otpgate, .wrap(auth)", "bare").median;
    table.goal(Goal::ratio("S2", ".wrap(auth) over a no-op middleware, to httpauth + jsonwebtoken", wrap, jwt, 0.05));
    table.goal(Goal::ratio("S2", ".wrap(auth) over bare, to httpauth + jsonwebtoken", over_bare, jwt, 0.15));
    let wrap = m.over("otpgate, .wrap(auth), no credential", "no-op middleware, no credential").median;
    table.goal(Goal::nanos("S5", "actix-web, .wrap(auth) over a no-op middleware, no credential", wrap, 20.0));
}

async fn at_random(size: Size, table: &mut Table) {
    let store = Counted::over(MemoryStore::new());
    let host = Host::over(store.clone(), CACHE).await;
    let (keys, auth) = (Arc::new(Keys::default()), host.auth.clone());
    let mut tokens = Vec::with_capacity(size.tokens);
    for n in 0..size.tokens {
        tokens.push(host.log_in(n).await.access.expose().to_owned());
    }
    let bearers: Vec<_> = (0..size.tokens).map(|n| format!("Bearer {}", keys.mint(&host::id(n), 3_600))).collect();
    let bearers = || Credentials::new(BEARER, bearers.clone(), Order::Random);
    let ours = || Credentials::new(TOKEN, tokens.clone(), Order::Random);
    let mut on_axum = vec![
        Case::new("bare", Axum::new(axum_side::bare(), ours())),
        Case::new("no-op layer", Axum::new(axum_side::bare().layer(Noop), ours())),
        Case::new("otpgate, .layer(auth)", Axum::new(axum_side::layered(axum_side::protected(), &auth), ours())),
        Case::new("otpgate, auth.layer(router)", Axum::new(axum_side::around(axum_side::protected(), &auth), ours())),
    ];
    let mut on_actix = vec![
        Case::new("bare", actix_side::bare(ours()).await),
        Case::new("no-op middleware", actix_side::noop(ours()).await),
        Case::new("otpgate, .wrap(auth)", actix_side::wrapped(&auth, ours()).await),
    ];
    for case in on_axum[2..].iter_mut().chain(&mut on_actix[2..]) {
        check_ours(case, &host, &tokens[0]).await;
    }
    for (name, backend) in JWT {
        on_axum.push(Case::new(name, Axum::new(axum_side::jwt(Arc::clone(&keys)), bearers())).with(backend));
        on_actix.push(Case::new(name, actix_side::jwt(Arc::clone(&keys), bearers()).await).with(backend));
        for case in [&mut on_axum, &mut on_actix] {
            check_jwt(case.last_mut().expect("a case"), &keys).await;
        }
    }
    // Each is seen now, and a verdict holds for a minute: longer than the rounds take.
    let mut first = Axum::new(axum_side::around(axum_side::protected(), &auth), in_turn(&tokens));
    show_all(&mut first, size.tokens).await;
    store.take();
    let m = run(&mut on_axum, size.rounds, size.calls).await;
    table.asked(store.take());
    table.cases(&format!("axum, {} live tokens at random", size.tokens), &m, "bare");
    let jwt = fastest(&m, "bare");
    let layer = m.over("otpgate, .layer(auth)", "no-op layer").median;
    let around = m.over("otpgate, auth.layer(router)", "bare").median;
    table.goal(Goal::ratio("S3", ".layer(auth) over a no-op layer, to jsonwebtoken", layer, jwt, 0.20));
    table.goal(Goal::ratio("S3", "auth.layer(router) over bare, to jsonwebtoken", around, jwt, 0.20));
    let m = run(&mut on_actix, size.rounds, size.calls).await;
    table.asked(store.take());
    table.cases(&format!("actix-web, {} live tokens at random", size.tokens), &m, "bare");
    let wrap = m.over("otpgate, .wrap(auth)", "no-op middleware").median;
    let jwt = fastest(&m, "bare");
    table.goal(Goal::ratio("S3", ".wrap(auth) over a no-op middleware, to httpauth + jsonwebtoken", wrap, jwt, 0.20));
}

/// Every token is shown once; the sessions behind them have been seen.
async fn first_sight(size: Size, table: &mut Table) {
    const SESSIONS: usize = 64;
    let store = Counted::over(MemoryStore::new());
    let host = Host::over(store.clone(), CACHE).await;
    let (keys, auth) = (Arc::new(Keys::default()), host.auth.clone());
    let (rounds, calls) = (size.rounds.div_ceil(4), size.calls.div_ceil(2));
    let each = (rounds + rounds.div_ceil(10)) * calls;
    let mut refresh = Vec::with_capacity(SESSIONS);
    for n in 0..SESSIONS {
        refresh.push(host.log_in(n).await.refresh);
    }
    let mut unseen = Vec::new();
    for n in 0..2 * each + SESSIONS {
        let at = n % SESSIONS;
        let renewed = auth.engine().refresh(&host::caller(), &refresh[at]).await.expect("a refresh");
        refresh[at] = renewed.refresh;
        unseen.push(renewed.access.expose().to_owned());
    }
    let last = unseen.split_off(2 * each);
    let mut first = Axum::new(axum_side::around(axum_side::protected(), &auth), in_turn(&last));
    show_all(&mut first, last.len()).await;
    let for_actix = unseen.split_off(each);
    let bearers = (0..each).map(|n| format!("Bearer {}", keys.mint(&host::id(n), 3_600)));
    let bearers = Credentials::new(BEARER, bearers.collect::<Vec<_>>(), Order::Once);
    let ours = Axum::new(axum_side::around(axum_side::protected(), &auth), in_turn(&unseen));
    let mut cases = vec![
        Case::new("bare", Axum::new(axum_side::bare(), in_turn(&unseen))),
        Case::new("otpgate, auth.layer(router)", ours),
        Case::new("actix-web, bare", actix_side::bare(in_turn(&for_actix)).await),
        Case::new("actix-web, otpgate, .wrap(auth)", actix_side::wrapped(&auth, in_turn(&for_actix)).await),
    ];
    let of_the_first = &last[(SESSIONS - 2 * each % SESSIONS) % SESSIONS];
    check_ours(&mut cases[1], &host, of_the_first).await;
    check_ours(&mut cases[3], &host, of_the_first).await;
    for (name, backend) in JWT {
        let app = Axum::new(axum_side::jwt(Arc::clone(&keys)), bearers.clone());
        cases.push(Case::new(name, app).with(backend));
        check_jwt(cases.last_mut().expect("a case"), &keys).await;
    }
    for (name, backend) in JWT {
        let app = actix_side::jwt(Arc::clone(&keys), bearers.clone()).await;
        cases.push(Case::new(format!("actix-web, {name}"), app).with(backend));
        check_jwt(cases.last_mut().expect("a case"), &keys).await;
    }
    store.take();
    let m = run(&mut cases, rounds, calls).await;
    table.asked(store.take());
    table.cases("token not seen before, its session in memory", &m, "bare");
    let ours = m.over("otpgate, auth.layer(router)", "bare").median;
    let jwt = fastest(&m, "bare");
    table.goal(Goal::ratio("S4", "axum, auth.layer(router) over bare, to jsonwebtoken", ours, jwt, 0.35));
    let ours = m.over("actix-web, otpgate, .wrap(auth)", "actix-web, bare").median;
    let of = |name: &str| m.over(&format!("actix-web, {name}"), "actix-web, bare").median;
    let jwt = of(JWT[0].0).min(of(JWT[1].0));
    table.goal(Goal::ratio("S4", "actix-web, .wrap(auth) over bare, to httpauth + jsonwebtoken", ours, jwt, 0.35));
}

const JWT: [(&str, Backend); 2] =
    [("jsonwebtoken, aws_lc_rs", Backend::AwsLc), ("jsonwebtoken, rust_crypto", Backend::RustCrypto)];

fn fastest(m: &Measured, base: &str) -> f64 {
    JWT.iter().map(|(name, _)| m.over(name, base).median).fold(f64::INFINITY, f64::min)
}

/// Shows that many tokens once, and lets other tasks run meanwhile.
pub(crate) async fn show_all(subject: &mut impl Subject, count: usize) {
    for at in (0..count).step_by(16) {
        subject.batch(16.min(count - at)).await;
        tokio::task::yield_now().await;
    }
}

fn in_turn(tokens: &[String]) -> Credentials {
    Credentials::new(TOKEN, tokens.to_vec(), credentials::Order::Once)
}

async fn check_ours(case: &mut Case, host: &Host, good: &str) {
    check_with(case, host, good, 9_000_000).await;
}

/// A good token of user 0 twice, junk, none, and the token of a session of user `ending` that has ended.
pub(crate) async fn check_with(case: &mut Case, host: &Host, good: &str, ending: usize) {
    case.expect(Some(good), 200, Some(&host::id(0))).await;
    case.expect(Some(good), 200, Some(&host::id(0))).await;
    case.expect(None, 401, None).await;
    case.expect(Some("junk"), 401, None).await;
    let flipped = if good.ends_with('A') { "B" } else { "A" };
    case.expect(Some(&format!("{}{flipped}", &good[..good.len() - 1])), 401, None).await;
    let ended = host.log_in(ending).await.access;
    case.expect(Some(ended.expose()), 200, Some(&host::id(ending))).await;
    let again = AccessToken::new(ended.expose());
    host.auth.engine().log_out(&host::caller(), &again).await.expect("a logout");
    case.expect(Some(ended.expose()), 401, None).await;
}

/// A good token, junk, none, and a token that has ended; nobody can take one back.
async fn check_jwt(case: &mut Case, keys: &Keys) {
    case.expect(Some(&format!("Bearer {}", keys.mint(&host::id(0), 600))), 200, Some(&host::id(0))).await;
    case.expect(None, 401, None).await;
    case.expect(Some("Bearer junk"), 401, None).await;
    case.expect(Some(&format!("Bearer {}", keys.mint(&host::id(0), -600))), 401, None).await;
}

async fn logged_in() -> Case {
    let app: Router = axum_side::login(2);
    let ask = Axum::new(app.clone(), Credentials::one("cookie", "id=none"));
    let mut case = Case::new("axum-login + MemoryStore", ask);
    let (status, ended) = case.subject.ask("POST", &format!("/login/{}", host::id(1)), None).await;
    assert_eq!(status, 200, "{ended}");
    case.expect(Some(&ended), 200, Some(&host::id(1))).await;
    assert_eq!(case.subject.ask("POST", "/logout", Some(&ended)).await.0, 200);
    case.expect(Some(&ended), 401, None).await;
    case.expect(None, 401, None).await;
    case.expect(Some("id=junk"), 401, None).await;
    let (_, cookie) = case.subject.ask("POST", &format!("/login/{}", host::id(0)), None).await;
    case.expect(Some(&cookie), 200, Some(&host::id(0))).await;
    Case::new("axum-login + MemoryStore", Axum::new(app, Credentials::one("cookie", cookie)))
}

/// One case by itself, for a profiler, so many requests: `layer`, `around`, `wrap`, `random` or `unseen`, and what they are compared
/// with; `-none` without a credential.
///
/// # Panics
/// For another name.
pub async fn alone(what: &str, calls: usize) {
    peers::install();
    let tokens = if what == "random" { 100_000 } else { 1 };
    let host = Host::over(MemoryStore::new(), CACHE).await;
    let mut logged_in = Vec::with_capacity(tokens);
    for n in 0..tokens {
        logged_in.push(host.log_in(n).await);
    }
    let (auth, app) = (host.auth.clone(), axum_side::protected());
    let mut shown: Vec<String> = logged_in.iter().map(|l| l.access.expose().to_owned()).collect();
    if what == "unseen" {
        let mut refresh = logged_in[0].refresh.clone();
        shown.clear();
        for _ in 0..calls {
            let renewed = auth.engine().refresh(&host::caller(), &refresh).await.expect("a refresh");
            refresh = renewed.refresh;
            shown.push(renewed.access.expose().to_owned());
        }
    }
    let order = if what == "unseen" { Order::Once } else { Order::Random };
    show_all(&mut Axum::new(axum_side::around(app.clone(), &auth), in_turn(&shown[..tokens.min(shown.len())])), tokens)
        .await;
    let credentials = Credentials::new(TOKEN, shown, order);
    let (bare, none) = (axum_side::bare(), Credentials::none());
    let mut subject: Box<dyn Subject> = match what {
        "bare" => Box::new(Axum::new(bare, credentials)),
        "noop" => Box::new(Axum::new(bare.layer(Noop), credentials)),
        "layer" => Box::new(Axum::new(axum_side::layered(app, &auth), credentials)),
        "around" | "random" | "unseen" => Box::new(Axum::new(axum_side::around(app, &auth), credentials)),
        "bare-none" => Box::new(Axum::new(bare, none)),
        "noop-none" => Box::new(Axum::new(bare.layer(Noop), none)),
        "layer-none" => Box::new(Axum::new(axum_side::layered(bare, &auth), none)),
        "around-none" => Box::new(Axum::new(axum_side::around(bare, &auth), none)),
        "actix-bare" => Box::new(actix_side::bare(credentials).await),
        "actix-noop" => Box::new(actix_side::noop(credentials).await),
        "wrap" => Box::new(actix_side::wrapped(&auth, credentials).await),
        "actix-noop-none" => Box::new(actix_side::noop(none).await),
        "wrap-none" => Box::new(actix_side::wrapped_public(&auth).await),
        _ => panic!("no case `{what}`"),
    };
    for _ in 0..calls / 64 {
        subject.batch(64).await;
        tokio::task::yield_now().await;
    }
}
