//! Several nodes on one store: races of a load with a revocation, buses on real servers, and when the polls end.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use otpgate_core::runtime::BoxFuture;
use otpgate_core::{Bus, Expect, Key, Owner, Record, Store, StoreError, Swapped, Timestamp, async_trait};
use otpgate_memory::MemoryStore;
use otpgate_postgres::{PostgresBus, PostgresStore};
use otpgate_redis::{RedisBus, RedisStore};
use otpgate_servers::{Kind, fresh_namespace, url};
use otpgate_testkit::wire::people::A;
use otpgate_testkit::wire::{Driver, Setup, Stores, Tokens, World};
use tokio::sync::Semaphore;

use crate::drive::drivers;

/// A store whose loads can be held after they have read: what they answer is then old by as long as the test likes.
#[derive(Clone)]
struct Held(Arc<Inner>);

struct Inner {
    store: MemoryStore,
    to_hold: AtomicUsize,
    held: Semaphore,
    free: Semaphore,
}

impl Held {
    fn new() -> Self {
        let (held, free) = (Semaphore::new(0), Semaphore::new(0));
        Self(Arc::new(Inner { store: MemoryStore::new(), to_hold: AtomicUsize::new(0), held, free }))
    }

    /// The next `n` loads read, and answer when they are let go.
    fn hold(&self, n: usize) {
        self.0.to_hold.store(n, Ordering::SeqCst);
    }

    /// Waits until `n` loads have read and are held.
    async fn held(&self, n: u32) {
        self.0.held.acquire_many(n).await.unwrap().forget();
    }

    fn let_go(&self) {
        self.0.free.add_permits(16);
    }
}

#[async_trait]
impl Store for Held {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let found = self.0.store.load(key).await;
        let hold = |left: usize| left.checked_sub(1);
        if self.0.to_hold.fetch_update(Ordering::SeqCst, Ordering::SeqCst, hold).is_ok() {
            self.0.held.add_permits(1);
            self.0.free.acquire().await.unwrap().forget();
        }
        found
    }
    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        self.0.store.swap(key, expect, next).await
    }
    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        self.0.store.add(key, delta, expires_at).await
    }
    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        self.0.store.owned(owner, after, limit).await
    }
    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.0.store.drop_owned(owner).await
    }
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.0.store.sweep(before, limit).await
    }
}

/// One store, the same for whoever asks.
struct One(Arc<dyn Store>);

impl Stores for One {
    fn name(&self) -> &'static str {
        "one"
    }

    fn open(&self) -> BoxFuture<(Arc<dyn Store>, Arc<dyn Any + Send + Sync>)> {
        let store = Arc::clone(&self.0);
        Box::pin(async { (store, Arc::new(()) as Arc<dyn Any + Send + Sync>) })
    }
}

async fn world(driver: &Arc<dyn Driver>, store: Arc<dyn Store>, setup: Setup) -> World {
    let stores: Arc<dyn Stores> = Arc::new(One(store));
    World::alone(driver, &stores, setup).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i7_a_load_that_ran_beside_a_log_out_is_not_believed_after_it() {
    for driver in drivers() {
        for on_another_node in [false, true] {
            let held = Held::new();
            let here = Arc::new(world(&driver, Arc::new(held.clone()), Setup::default()).await);
            let there = Arc::new(here.node(|s| s).await);
            let asked = if on_another_node { Arc::clone(&there) } else { Arc::clone(&here) };
            let (token, other) = (here.log_in(A).await.access, here.log_in(A).await.access);
            // Polls are under way on both nodes before it begins.
            for node in [&here, &there] {
                node.me(&other).await.has(200);
            }
            here.runtime().polled().await;
            held.hold(2);
            let asking = tokio::spawn({
                let (asked, token) = (Arc::clone(&asked), token.clone());
                async move { asked.me(&token).await.status }
            });
            held.held(2).await;
            here.log_out(&token).await.has(200);
            held.let_go();
            // It began before the log-out was acknowledged.
            assert_eq!(asking.await.unwrap(), 200);
            if on_another_node {
                here.advance_ms(500);
                here.runtime().polled().await;
            }
            asked.me(&token).await.fails(401, "Not authenticated");
        }
    }
}

#[tokio::test]
async fn polls_end_with_the_last_handle_and_with_shutdown() {
    for driver in drivers() {
        let w = world(&driver, Arc::new(MemoryStore::new()), Setup::default()).await;
        let (first, second) = (w.node(|s| s).await, w.node(|s| s).await);
        let runtime = w.runtime().clone();
        let token = w.log_in(A).await.access;
        for node in [&first, &second] {
            node.me(&token).await.has(200);
        }
        runtime.polled().await;
        drop(first);
        assert!(second.gate().engine().shutdown(std::time::Duration::from_secs(60)).await);
        runtime.empty().await;
    }
}

async fn q32_within_milliseconds<B: Bus>(store: Arc<dyn Store>, bus: impl Fn() -> B) {
    let [driver, _] = drivers();
    let here = world(&driver, store, Setup::default().bus(Arc::new(bus()))).await;
    let there = here.node(|s| s.bus(Arc::new(bus()))).await;
    let mut slowest = std::time::Duration::ZERO;
    let mut tokens = Vec::new();
    for _ in 0..8 {
        tokens.push(here.log_in(A).await);
        here.advance(700);
    }
    for tokens in tokens {
        let next = here.refresh(&tokens.refresh).await;
        let token = Tokens::of(&next).access;
        // Until it answers from what it has seen.
        let mut seen = false;
        while !seen {
            let calls = here.store().all_calls();
            there.me(&token).await.has(200);
            seen = here.store().all_calls() == calls;
        }
        here.log_out(&token).await.has(200);
        let told = std::time::Instant::now();
        // The clock stands still: without the hint no poll would be due, and nothing would lapse.
        while there.me(&token).await.status != 401 {
            tokio::task::yield_now().await;
            assert!(told.elapsed().as_secs() < 20, "the hint does not arrive");
        }
        slowest = slowest.max(told.elapsed());
    }
    assert!(slowest.as_millis() < 500, "{slowest:?} is no better than a poll");
}

#[tokio::test]
async fn q32_a_log_out_is_seen_by_notify() {
    let store = PostgresStore::builder().namespace(fresh_namespace()).open(&url(Kind::Postgres)).await.unwrap();
    let bus: PostgresBus = store.bus();
    q32_within_milliseconds(Arc::new(store), || bus.clone()).await;
}

#[tokio::test]
async fn q32_a_log_out_is_seen_by_pub_sub() {
    let name = fresh_namespace();
    let store = RedisStore::builder().namespace(name.as_str()).open(&url(Kind::Redis)).await.unwrap();
    q32_within_milliseconds(Arc::new(store), || RedisBus::namespaced(&url(Kind::Redis), &name).unwrap()).await;
}
