//! What has expired is removed: in small steps, by one node at a time, and never in the way of anybody.

use std::time::Duration;

use otpgate::mail::ConsoleMailer;
use otpgate::{
    Caller, Clock as _, Expect, Identifier, Key, MasterSecret, MemoryStore, OtpAuth, Profile, Record, Revision,
    Secrets, Store as _, StoreDirectory, StoreErrorKind, Swapped, Tenant, Timestamp,
};
use otpgate_testkit::wire::PacedRuntime;
use otpgate_testkit::{Failure, FlakyStore, SetClock, StoreOp};

const MINUTE: Duration = Duration::from_secs(60);

/// A process with its own timers and its own way to the store that all share.
struct Node {
    auth: OtpAuth,
    store: FlakyStore<MemoryStore>,
    runtime: PacedRuntime,
}

impl Node {
    async fn over(store: &MemoryStore, clock: &SetClock) -> Self {
        Self::built(store, clock, |builder| builder).await
    }

    async fn built(
        store: &MemoryStore,
        clock: &SetClock,
        change: impl FnOnce(otpgate::OtpAuthBuilder) -> otpgate::OtpAuthBuilder,
    ) -> Self {
        let secrets = Secrets::new(MasterSecret::new(*b"a master secret for tests, 32+ bytes").unwrap());
        let (store, runtime) = (FlakyStore::over(store.clone()), PacedRuntime::following(clock.clone()));
        let users = StoreDirectory::new(store.clone(), &secrets);
        let builder = OtpAuth::builder(secrets, store.clone(), users, ConsoleMailer::stdout())
            .clock(clock.clone())
            .runtime(runtime.clone());
        Self { auth: change(builder).build().await.unwrap(), store, runtime }
    }

    /// The first operation begins it.
    async fn begin(&self) {
        self.ask().await;
        self.runtime.sleeping(MINUTE).await;
    }

    async fn ask(&self) {
        let caller = Caller::new(Profile::Identity, Tenant::default());
        self.auth.send_code(&caller, &Identifier::email("nobody@example.com").unwrap()).await.unwrap();
    }

    /// Lets this node see that the clock has moved, and do what was due.
    async fn catch_up(&self) {
        self.runtime.advance(Duration::ZERO);
        self.runtime.sleeping(MINUTE).await;
    }

    fn sweeps(&self) -> u64 {
        self.store.calls(StoreOp::Sweep)
    }
}

/// A minute passes for all, the first one first.
async fn a_minute_passes(clock: &SetClock, nodes: &[&Node]) {
    clock.advance(MINUTE);
    for node in nodes {
        node.catch_up().await;
    }
}

/// Puts so many records that end then into the store.
async fn fill(store: &MemoryStore, first: u32, count: u32, ends: Timestamp) {
    for n in first..first + count {
        let record = Record { revision: Revision([1; 16]), expires_at: ends, owner: None, value: vec![1] };
        assert_eq!(store.swap(&key(n), Expect::Absent, Some(&record)).await.unwrap(), Swapped::Yes);
    }
}

fn key(n: u32) -> Key {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&n.to_be_bytes());
    Key(key)
}

async fn left(store: &MemoryStore, keys: std::ops::Range<u32>) -> usize {
    let mut left = 0;
    for n in keys {
        left += usize::from(store.load(&key(n)).await.unwrap().is_some());
    }
    left
}

#[tokio::test]
async fn only_what_has_expired_for_five_minutes_goes_and_in_small_steps() {
    let (store, clock) = (MemoryStore::new(), SetClock::default());
    let node = Node::over(&store, &clock).await;
    let sweep_at = clock.now().plus(MINUTE);
    fill(&store, 0, 2_500, sweep_at.minus(Duration::from_millis(300_001))).await;
    fill(&store, 5_000, 1, sweep_at.minus(Duration::from_secs(300))).await;
    fill(&store, 6_000, 1, sweep_at.plus(MINUTE)).await;
    fill(&store, 7_000, 1, Timestamp::NEVER).await;
    node.begin().await;
    assert_eq!(node.sweeps(), 0, "it rests first");
    let loads = node.store.calls(StoreOp::Load);
    a_minute_passes(&clock, &[&node]).await;
    assert_eq!(node.sweeps(), 101, "25 at a time, and once more to find no more");
    assert_eq!(node.store.calls(StoreOp::Load) - loads, 3, "the lease is looked at for 40 steps at a time");
    assert_eq!(left(&store, 0..2_500).await, 0);
    assert_eq!([left(&store, 5_000..5_001).await, left(&store, 6_000..7_001).await], [1, 2]);
    a_minute_passes(&clock, &[&node]).await;
    assert_eq!((node.sweeps(), left(&store, 5_000..5_001).await), (102, 0));
}

#[tokio::test]
async fn of_two_nodes_one_sweeps_and_the_other_takes_over_when_its_lease_has_run_out() {
    let (store, clock) = (MemoryStore::new(), SetClock::default());
    let (one, two) = (Node::over(&store, &clock).await, Node::over(&store, &clock).await);
    one.begin().await;
    two.begin().await;
    for minute in 1..=10 {
        a_minute_passes(&clock, &[&one, &two]).await;
        assert_eq!((one.sweeps(), two.sweeps()), (minute, 0));
    }
    // The first one is gone: nobody renews its lease of three minutes, the last time at nine or ten.
    assert!(one.auth.shutdown(MINUTE).await);
    let mut minutes = 0;
    while two.sweeps() == 0 {
        a_minute_passes(&clock, &[&two]).await;
        minutes += 1;
        assert!(minutes <= 3, "nobody takes over");
    }
    assert!(minutes >= 2, "a lease was taken that had not run out");
    assert_eq!((one.sweeps(), two.sweeps()), (10, 1));
}

#[tokio::test]
async fn a_node_that_sees_the_others_renewals_never_takes_over() {
    let (store, clock) = (MemoryStore::new(), SetClock::default());
    let (one, two) = (Node::over(&store, &clock).await, Node::over(&store, &clock).await);
    two.begin().await;
    one.begin().await;
    a_minute_passes(&clock, &[&two, &one]).await;
    for _ in 0..20 {
        // Whoever comes first.
        a_minute_passes(&clock, &[&one, &two]).await;
    }
    assert_eq!((one.sweeps(), two.sweeps()), (0, 21));
}

#[tokio::test]
async fn a_store_that_fails_is_swept_a_minute_later_and_nobody_is_refused() {
    let (store, clock) = (MemoryStore::new(), SetClock::default());
    let node = Node::over(&store, &clock).await;
    fill(&store, 0, 10, clock.now().minus(MINUTE * 6)).await;
    node.begin().await;
    node.store.fail(StoreOp::Sweep, Failure::Refuse(StoreErrorKind::Unavailable));
    for _ in 0..3 {
        a_minute_passes(&clock, &[&node]).await;
        node.ask().await;
    }
    assert_eq!((node.sweeps(), left(&store, 0..10).await), (3, 10));
    node.store.heal();
    a_minute_passes(&clock, &[&node]).await;
    assert_eq!((node.sweeps(), left(&store, 0..10).await), (4, 0));
    // Without a lease there is no sweep.
    node.store.fail(StoreOp::Load, Failure::Refuse(StoreErrorKind::Unavailable));
    a_minute_passes(&clock, &[&node]).await;
    assert_eq!(node.sweeps(), 4);
}

#[tokio::test]
async fn a_sweep_that_hangs_is_given_up_and_keeps_nobody_waiting() {
    let (store, clock) = (MemoryStore::new(), SetClock::default());
    let node = Node::over(&store, &clock).await;
    node.begin().await;
    node.store.fail_nth(StoreOp::Sweep, 1, Failure::Hang);
    clock.advance(MINUTE);
    node.runtime.advance(Duration::ZERO);
    node.runtime.sleeping(Duration::from_secs(10)).await;
    node.ask().await;
    node.runtime.advance(Duration::from_secs(10));
    node.runtime.sleeping(MINUTE).await;
    a_minute_passes(&clock, &[&node]).await;
    assert_eq!(node.sweeps(), 2);
}

#[tokio::test]
async fn it_ends_with_a_shutdown_and_with_the_last_handle() {
    let (store, clock) = (MemoryStore::new(), SetClock::default());
    let node = Node::over(&store, &clock).await;
    node.begin().await;
    assert!(node.auth.shutdown(MINUTE).await);
    node.runtime.idle().await;

    let Node { auth, runtime, .. } = Node::over(&store, &clock).await;
    auth.sweep(1).await.unwrap();
    runtime.sleeping(MINUTE).await;
    drop(auth);
    runtime.idle().await;
}

#[tokio::test]
async fn a_host_may_sweep_by_itself() {
    let (store, clock) = (MemoryStore::new(), SetClock::default());
    let node = Node::built(&store, &clock, |builder| builder.without_sweeps()).await;
    fill(&store, 0, 25, clock.now().minus(MINUTE * 6)).await;
    node.ask().await;
    node.runtime.idle().await;
    assert_eq!(node.sweeps(), 0);
    let mut gone = Vec::new();
    while gone.last().is_none_or(|gone| *gone == 10) {
        gone.push(node.auth.sweep(10).await.unwrap());
    }
    assert_eq!((gone, left(&store, 0..25).await), (vec![10, 10, 5], 0));
    node.store.fail(StoreOp::Sweep, Failure::Refuse(StoreErrorKind::Unavailable));
    assert!(node.auth.sweep(10).await.is_err());
}
