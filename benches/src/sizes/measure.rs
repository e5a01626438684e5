//! One store at one size, in process and on one thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::routing::get;
use foldhash::fast::RandomState;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};

use super::kept::Kept;
use super::mould::settings;
use super::row::Row;
use crate::axum_side::{self, Axum};
use crate::credentials::{Credentials, Order};
use crate::host::{self, Host};
use crate::requests::check_with;
use crate::rounds::{Case, Measured, Middle, Subject as _, run};

const TOKEN: &str = "auth-token";
/// As much as S3 has for each of its tokens, and never less than the default.
const CACHE: (usize, usize) = (2_684, 64 * 1024 * 1024);
/// A verdict holds for a minute: what cannot be seen in less is not measured as seen.
const PATIENCE: Duration = Duration::from_secs(45);
/// First sights that are timed before it is judged whether all can be seen in time.
const SAMPLE: usize = 4_096;
const CALLS: usize = 64;

/// Of these tokens the one of user 0 is `first`.
pub(super) async fn row(kept: &Kept, tokens: &Arc<[String]>, first: &str, rounds: usize) -> Row {
    let cache = CACHE.1.max(tokens.len() * CACHE.0);
    let host = Host::with(kept.store(), |auth| settings(auth).cache_bytes(cache)).await;
    let app = || Axum::new(axum_side::around(axum_side::protected(), &host.auth), any(tokens));

    let mut one = Case::new("one", Axum::new(axum_side::around(axum_side::protected(), &host.auth), only(tokens)));
    check_with(&mut one, &host, first, 3_000_000 + tokens.len()).await;
    let bare = Case::new("bare", Axum::new(axum_side::bare(), only(tokens)));
    let m = run(&mut [bare, one], rounds, CALLS).await;
    let (bare, hot) = (m.of("bare").median, over(&m, "one"));

    let seen = see(&host, tokens).await;
    let mut cases = vec![Case::new("bare", Axum::new(axum_side::bare(), any(tokens)))];
    cases.push(Case::new("map", Axum::new(map(tokens), any(tokens))));
    if seen.all {
        cases.push(Case::new("any", app()));
    }
    let m = run(&mut cases, rounds, CALLS).await;
    drop(cases);
    Row {
        store: kept.name().to_owned(),
        sessions: tokens.len() as f64,
        bare,
        hot,
        random: seen.all.then(|| over(&m, "any")),
        map: over(&m, "map"),
        first: seen.micros,
        flow: flow(&host, tokens.len(), rounds).await,
    }
}

fn any(tokens: &Arc<[String]>) -> Credentials {
    Credentials::new(TOKEN, Arc::clone(tokens), Order::Random)
}

fn only(tokens: &Arc<[String]>) -> Credentials {
    Credentials::one(TOKEN, tokens[0].clone())
}

fn over(m: &Measured, name: &str) -> f64 {
    m.over(name, "bare").median
}

/// What came of showing every token once.
struct Seen {
    micros: f64,
    all: bool,
}

/// Shows all tokens, if that can be done while the first of them is still believed.
async fn see(host: &Host, tokens: &Arc<[String]>) -> Seen {
    let once = Credentials::new(TOKEN, Arc::clone(tokens), Order::Once);
    let mut app = Axum::new(axum_side::around(axum_side::protected(), &host.auth), once);
    let (mut shown, mut sample) = (0, Vec::new());
    let begun = Instant::now();
    while shown < tokens.len() {
        let calls = 16.min(tokens.len() - shown);
        let took = app.batch(calls).await;
        shown += calls;
        sample.push(took.as_secs_f64() * 1e6 / calls as f64);
        let whole = begun.elapsed().mul_f64(tokens.len() as f64 / shown as f64);
        if shown > SAMPLE && whole > PATIENCE {
            return Seen { micros: Middle::of(sample).median, all: false };
        }
        // The polls for revocations run here.
        tokio::task::yield_now().await;
    }
    Seen { micros: Middle::of(sample).median, all: true }
}

/// Microseconds of a whole flow, one at a time: the middle of some hundred.
async fn flow(host: &Host, sessions: usize, rounds: usize) -> f64 {
    let (begun, mut took) = (Instant::now(), Vec::new());
    while took.len() < rounds.min(50) || (took.len() < rounds && begun.elapsed() < Duration::from_secs(3)) {
        // Users that nobody was before.
        let user = 2_000_000 + sessions + took.len();
        let asked = Instant::now();
        host.log_in(user).await;
        took.push(asked.elapsed().as_secs_f64() * 1e6);
    }
    Middle::of(took).median
}

/// What remembering tokens costs in a well-kept map, with a fast seeded hash of all bytes and the same keys, where whatever is found is
/// believed.
type Map = Cache<Box<str>, Arc<Believed>, UnitWeighter, RandomState>;

struct Believed {
    user: String,
}

struct User(Arc<Believed>);

fn map(tokens: &Arc<[String]>) -> Router {
    let room = tokens.len() * 2;
    let map = Map::with(room, room as u64, UnitWeighter, RandomState::default(), DefaultLifecycle::default());
    for token in tokens.iter() {
        map.insert(token.as_str().into(), Arc::new(Believed { user: host::id(0) }));
    }
    let me = async |User(believed): User| believed.user.clone();
    Router::new().route("/me", get(me)).with_state(Arc::new(map))
}

impl FromRequestParts<Arc<Map>> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, map: &Arc<Map>) -> Result<Self, StatusCode> {
        static NAME: HeaderName = HeaderName::from_static(TOKEN);
        let token = parts.headers.get(&NAME).and_then(|value| value.to_str().ok()).ok_or(StatusCode::UNAUTHORIZED)?;
        map.get(token).map(Self).ok_or(StatusCode::UNAUTHORIZED)
    }
}
