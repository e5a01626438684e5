//! A server whose clock runs ahead of the app's keeps what it has acknowledged.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use otpgate_core::{Clock as _, Expect, Key, Owner, Record, Revision, Store as _, Swapped, SystemClock, Timestamp};
use otpgate_redis::RedisStore;
use otpgate_servers::{Kind, fresh_namespace, url};

const HOUR: Duration = Duration::from_secs(3_600);

/// What the clock of an app shows that is a year behind.
fn a_year_behind() -> Timestamp {
    SystemClock.now().minus(HOUR * 24 * 365)
}

async fn store() -> RedisStore {
    RedisStore::builder().namespace(fresh_namespace()).open(&url(Kind::Redis)).await.unwrap()
}

#[tokio::test]
async fn a_record_of_an_app_that_is_behind_stays_and_is_found_by_its_owner() {
    let (store, at) = (store().await, Key([3; 32]));
    for (revision, owner) in [(1, Owner([7; 32])), (2, Owner([8; 32]))] {
        let next = Record {
            revision: Revision([revision; 16]),
            expires_at: a_year_behind().plus(HOUR),
            owner: Some(owner),
            value: vec![revision],
        };
        let was = if revision == 1 { Expect::Absent } else { Expect::Revision(Revision([1; 16])) };
        assert_eq!(store.swap(&at, was, Some(&next)).await.unwrap(), Swapped::Yes);
        assert_eq!(store.load(&at).await.unwrap(), Some(next.clone()));
        assert_eq!(store.owned(&owner, None, 10).await.unwrap(), [(at, next)]);
    }
}

#[tokio::test]
async fn a_counter_of_an_app_that_is_behind_goes_on_counting() {
    let (store, at) = (store().await, Key([5; 32]));
    for n in 1..=3 {
        assert_eq!(store.add(&at, 1, a_year_behind()).await.unwrap(), n);
    }
}

#[tokio::test]
async fn what_is_long_over_is_kept_for_a_day_and_its_entry_a_minute_longer() {
    let (namespace, at) = (fresh_namespace(), Key([6; 32]));
    let store = RedisStore::builder().namespace(&namespace).open(&url(Kind::Redis)).await.unwrap();
    let owner = Some(Owner([7; 32]));
    let over = Record { revision: Revision([1; 16]), expires_at: Timestamp::from_millis(0), owner, value: Vec::new() };
    assert_eq!(store.swap(&at, Expect::Absent, Some(&over)).await.unwrap(), Swapped::Yes);
    store.add(&at, 1, over.expires_at).await.unwrap();
    let mut connection =
        redis::Client::open(url(Kind::Redis)).unwrap().get_multiplexed_async_connection().await.unwrap();
    for (kind, byte, later) in [("record", 6, 0), ("counter", 6, 0), ("owned", 7, 60), ("owned-until", 7, 60)] {
        let name = format!("otpgate:{namespace}:{kind}:{{{}}}", format!("{byte:02x}").repeat(32));
        let left: u64 = redis::cmd("TTL").arg(name).query_async(&mut connection).await.unwrap();
        let most = 86_400 + later;
        assert!((most - 30..=most).contains(&left), "{kind} goes in {left} s");
    }
}
