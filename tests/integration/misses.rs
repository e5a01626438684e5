//! A session that this node does not know is a read of the store: one for all who ask meanwhile, and none whose session has ended while
//! it was under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method};
use otpgate::{
    AccessToken, Caller, Expect, Gate, Identifier, Key, MemoryStore, OtpAuth, Owner, Profile, Record, Secrets, Store,
    StoreError, Swapped, Tenant, Timestamp, async_trait,
};
use otpgate_http::{Refused, Verdict};
use otpgate_testkit::CaptureMailer;
use tokio::sync::watch;

use crate::waits::Ada;

/// A store whose loads read at once and answer when they are let go.
#[derive(Clone)]
struct Held {
    store: MemoryStore,
    loads: Arc<AtomicUsize>,
    held: Arc<watch::Sender<bool>>,
}

impl Held {
    /// Waits until so many loads have begun.
    async fn begun(&self, loads: usize) {
        while self.loads.load(Ordering::SeqCst) < loads {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[async_trait]
impl Store for Held {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let (read, mut held) = (self.store.load(key).await, self.held.subscribe());
        let holds = *held.borrow_and_update();
        self.loads.fetch_add(1, Ordering::SeqCst);
        if holds {
            held.changed().await.unwrap();
        }
        read
    }
    async fn swap(&self, key: &Key, expect: Expect, next: Option<&Record>) -> Result<Swapped, StoreError> {
        self.store.swap(key, expect, next).await
    }
    async fn add(&self, key: &Key, delta: u32, expires_at: Timestamp) -> Result<u64, StoreError> {
        self.store.add(key, delta, expires_at).await
    }
    async fn owned(&self, owner: &Owner, after: Option<&Key>, limit: u32) -> Result<Vec<(Key, Record)>, StoreError> {
        self.store.owned(owner, after, limit).await
    }
    async fn drop_owned(&self, owner: &Owner) -> Result<u64, StoreError> {
        self.store.drop_owned(owner).await
    }
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.store.sweep(before, limit).await
    }
}

/// A node over the store, which reads for nobody but us, and a session.
async fn logged_in() -> (Held, OtpAuth, AccessToken) {
    let (loads, held) = (Arc::default(), Arc::new(watch::channel(false).0));
    let (store, mail) = (Held { store: MemoryStore::new(), loads, held }, CaptureMailer::new());
    let secrets = Secrets::new(otpgate_testkit::wire::usual_master());
    let auth = OtpAuth::builder(secrets, store.clone(), Ada, mail.clone()).single_process().without_sweeps();
    let auth = auth.build().await.unwrap();
    let caller = Caller::new(Profile::Identity, Tenant::default());
    let ada = Identifier::email("ada@example.com").unwrap();
    auth.engine().send_code(&caller, &ada).await.unwrap();
    let code = mail.next().await.code;
    let opened = auth.engine().verify_code(&caller, &ada, &code, None).await.unwrap();
    store.loads.store(0, Ordering::SeqCst);
    (store, auth, opened.access)
}

fn ask(gate: &Gate, token: &AccessToken) -> tokio::task::JoinHandle<Verdict> {
    let (gate, mut headers) = (gate.clone(), HeaderMap::new());
    headers.insert("auth-token", HeaderValue::from_str(token.expose()).unwrap());
    tokio::spawn(async move { gate.judge(&Method::GET, &headers).await.verdict().clone() })
}

/// The record of the session, and that of its account.
const READ: usize = 2;

#[tokio::test]
async fn s10_who_misses_the_same_session_waits_for_one_read() {
    let (store, auth, token) = logged_in().await;
    store.held.send_replace(true);
    let asked: Vec<_> = (0..16).map(|_| ask(auth.gate(), &token)).collect();
    store.begun(READ).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    store.held.send_replace(false);
    for asked in asked {
        assert!(matches!(asked.await.unwrap(), Verdict::Session(_)));
    }
    assert_eq!(store.loads.load(Ordering::SeqCst), READ);
}

#[tokio::test]
async fn a_token_that_was_verified_is_not_read_again_by_who_asks_the_store() {
    let (store, auth, token) = logged_in().await;
    let (gate, get) = (auth.gate(), Method::GET);
    let headers =
        HeaderMap::from_iter([("auth-token".parse().unwrap(), HeaderValue::from_str(token.expose()).unwrap())]);
    let unsettled = gate.judge_at_once(&get, &headers).expect_err("only the store knows its session");
    // Without a header to read it from.
    let judged = gate.settle(unsettled, &get, &HeaderMap::new()).await;
    assert!(matches!(judged.verdict(), Verdict::Session(_)));
    assert_eq!(store.loads.load(Ordering::SeqCst), READ);
    assert!(matches!(gate.judge_at_once(&get, &headers).unwrap().verdict(), Verdict::Session(_)), "and it is kept");
}

#[tokio::test]
async fn i7_a_read_that_a_log_out_went_past_is_believed_by_nobody_who_asked_after_it() {
    let (store, auth, token) = logged_in().await;
    store.held.send_replace(true);
    let before = ask(auth.gate(), &token);
    store.begun(READ).await;
    // The loads of the log-out are let go at once; those that are held stay so, since no value of theirs changes.
    store.held.send_if_modified(|held| {
        *held = false;
        false
    });
    let caller = Caller::new(Profile::Identity, Tenant::default());
    auth.engine().log_out(&caller, &token).await.unwrap();
    let after = ask(auth.gate(), &token);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!after.is_finished(), "it waits for the read that is under way");
    store.held.send_replace(false);
    // Who asked before may be told either.
    before.await.unwrap();
    assert!(matches!(after.await.unwrap(), Verdict::Refused(Refused::Invalid)));
    assert!(matches!(ask(auth.gate(), &token).await.unwrap(), Verdict::Refused(Refused::Invalid)));
}
