//! What is wrong with a server is told when connecting, with what to set; and what the keys look like.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use otpgate_core::{
    ConfigErrorKind, Expect, Key, Owner, Record, Revision, Store as _, StoreErrorKind, Swapped, Timestamp,
};
use otpgate_redis::{Durability, RedisStore};
use otpgate_servers::{Kind, Server, fresh_namespace, url};
use redis::aio::MultiplexedConnection;

async fn raw(url: &str) -> MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn set(connection: &mut MultiplexedConnection, name: &str, value: &str) {
    redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec_async(connection).await.unwrap();
}

fn record(expires_at: Timestamp) -> Record {
    Record { revision: Revision([1; 16]), expires_at, owner: Some(Owner([7; 32])), value: vec![b'x'; 1000] }
}

#[tokio::test]
async fn a_server_that_evicts_is_refused_with_no_switch_to_take_it() {
    let server = Server::start_with(Kind::Redis, &[("maxmemory-policy", "allkeys-lru")]).unwrap();
    let refused = RedisStore::builder().insecure_without_durability().open(&server.url()).await.unwrap_err();
    assert_eq!(refused.kind(), ConfigErrorKind::Backend);
    assert!(refused.to_string().contains("set `maxmemory-policy noeviction`"), "{refused}");
}

#[tokio::test]
async fn what_a_crash_takes_along_is_told() {
    let server = Server::start(Kind::Redis).unwrap();
    let mut connection = raw(&server.url()).await;
    let plain = RedisStore::open(&server.url()).await.unwrap();
    assert_eq!(plain.durability(), Durability::Always);
    RedisStore::builder().require_always().open(&server.url()).await.unwrap();

    set(&mut connection, "appendfsync", "everysec").await;
    assert_eq!(RedisStore::open(&server.url()).await.unwrap().durability(), Durability::EverySecond);
    let refused = RedisStore::builder().require_always().open(&server.url()).await.unwrap_err();
    assert!(refused.to_string().contains("Set `appendfsync always`"), "{refused}");

    for (name, value) in [("appendfsync", "no"), ("appendonly", "no")] {
        set(&mut connection, name, value).await;
        let refused = RedisStore::open(&server.url()).await.unwrap_err();
        assert!(refused.to_string().contains("set `appendonly yes` and `appendfsync always`"), "{refused}");
        let taken = RedisStore::builder().insecure_without_durability().open(&server.url()).await.unwrap();
        assert_eq!(taken.durability(), Durability::Nothing);
    }
}

#[tokio::test]
async fn a_server_that_hides_its_settings_is_taken_with_a_warning() {
    let server = Server::start(Kind::Redis).unwrap();
    let mut acl = redis::cmd("ACL");
    acl.arg("SETUSER").arg("app").arg(&["on", ">secret", "~*", "&*", "+@all", "-config"]);
    acl.exec_async(&mut raw(&server.url()).await).await.unwrap();
    let url = server.url().replace("redis://", "redis://app:secret@");
    assert_eq!(RedisStore::open(&url).await.unwrap().durability(), Durability::Unknown);
    RedisStore::builder().require_always().open(&url).await.unwrap_err();
}

#[tokio::test]
async fn a_replica_and_a_node_of_a_cluster_are_refused() {
    let server = Server::start(Kind::Redis).unwrap();
    let mut connection = raw(&server.url()).await;
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).exec_async(&mut connection).await.unwrap();
    let refused = RedisStore::open(&server.url()).await.unwrap_err();
    assert!(refused.to_string().contains("replica"), "{refused}");
    let node = Server::start(Kind::RedisNode).unwrap();
    let refused = RedisStore::open(&node.url()).await.unwrap_err();
    assert!(refused.to_string().contains("open_cluster"), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let refused = RedisStore::open("redis://127.0.0.1:1/").await.unwrap_err();
    assert!(refused.to_string().contains("could not be reached"), "{refused}");
    assert!(std::error::Error::source(&refused).is_some());
}

/// Clause 5: a full server says so, forgets nothing, and lets records go that are removed.
#[tokio::test]
async fn a_full_server_says_so() {
    let server = Server::start_with(Kind::Redis, &[("maxmemory", "4mb")]).unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let key = |n: u32| Key(std::array::from_fn(|i| n.to_be_bytes()[i % 4]));
    let mut taken = 0;
    let full = loop {
        match store.swap(&key(taken), Expect::Absent, Some(&record(Timestamp::NEVER))).await {
            Ok(answer) => assert_eq!(answer, Swapped::Yes),
            Err(error) => break error,
        }
        taken += 1;
        assert!(taken < 10_000, "4 MB hold no 10 MB");
    };
    assert_eq!(full.kind(), StoreErrorKind::Full);
    // A counter needs less room than a record, and finds some at first.
    let mut counters = 0;
    let full = loop {
        match store.add(&key(counters), 1, Timestamp::NEVER).await {
            Ok(total) => assert_eq!(total, 1),
            Err(error) => break error,
        }
        counters += 1;
        assert!(counters < 10_000, "there is no room for so many");
    };
    assert_eq!(full.kind(), StoreErrorKind::Full);
    for n in 0..taken {
        assert_eq!(store.load(&key(n)).await.unwrap(), Some(record(Timestamp::NEVER)), "record {n} was evicted");
    }
    assert_eq!(store.load(&key(taken)).await.unwrap(), None);
    for n in 0..counters {
        assert_eq!(store.add(&key(n), 0, Timestamp::NEVER).await.unwrap(), 1, "counter {n} was evicted");
    }
    let removed = store.swap(&key(0), Expect::Revision(Revision([1; 16])), None).await.unwrap();
    assert_eq!(removed, Swapped::Yes);
}

/// A day after their expiry Redis may drop records, counters and an owner's entries; what never expires has no expiry there.
#[tokio::test]
async fn keys_expire_a_day_late_and_an_index_with_its_last_record() {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    let namespace = fresh_namespace();
    let store = RedisStore::builder().namespace(&namespace).open(&url(Kind::Redis)).await.unwrap();
    let mut connection = raw(&url(Kind::Redis)).await;
    let [early, late] = [4_000_000_000_000, 4_100_000_000_000].map(Timestamp::from_millis);
    let hex = |byte: u8| format!("{byte:02x}").repeat(32);
    let [lex, until] = ["owned", "owned-until"].map(|kind| format!("otpgate:{namespace}:{kind}:{{{}}}", hex(7)));
    let mut expires =
        async |name: String| -> i64 { redis::cmd("PEXPIRETIME").arg(name).query_async(&mut connection).await.unwrap() };
    // In this order: an entry's time is put off and never brought forward.
    for (n, at, index) in
        [(1, early, early), (2, late, late), (3, early, late), (4, Timestamp::NEVER, Timestamp::NEVER)]
    {
        let answer = store.swap(&Key([n; 32]), Expect::Absent, Some(&record(at))).await.unwrap();
        assert_eq!(answer, Swapped::Yes);
        let expected = |at: Timestamp, later| if at == Timestamp::NEVER { -1 } else { at.millis() + DAY + later };
        assert_eq!(expires(format!("otpgate:{namespace}:record:{{{}}}", hex(n))).await, expected(at, 0));
        for name in [&lex, &until] {
            assert_eq!(expires(name.clone()).await, expected(index, 60_000), "record {n}: {name}");
        }
        for _ in 0..2 {
            store.add(&Key([n; 32]), 1, at).await.unwrap();
            store.add(&Key([n; 32]), 1, Timestamp::from_millis(5_000_000_000_000)).await.unwrap();
        }
        assert_eq!(expires(format!("otpgate:{namespace}:counter:{{{}}}", hex(n))).await, expected(at, 0));
    }
}

/// A racer that lost, in a Cluster, has written its entry all the same: it must not bring the winner's forward.
#[tokio::test]
async fn an_entry_s_time_is_only_put_off() {
    let namespace = fresh_namespace();
    let store = RedisStore::builder().namespace(&namespace).open(&url(Kind::Redis)).await.unwrap();
    let mut connection = raw(&url(Kind::Redis)).await;
    let [early, late] = [4_000_000_000_000, 4_100_000_000_000].map(Timestamp::from_millis);
    let at = Key([1; 32]);
    assert_eq!(store.swap(&at, Expect::Absent, Some(&record(late))).await.unwrap(), Swapped::Yes);
    let next = Record { revision: Revision([2; 16]), ..record(early) };
    let answer = store.swap(&at, Expect::Revision(Revision([1; 16])), Some(&next)).await.unwrap();
    assert_eq!(answer, Swapped::Yes);
    let name = format!("otpgate:{namespace}:owned-until:{{{}}}", "07".repeat(32));
    let mut score = redis::cmd("ZSCORE");
    let score: i64 = score.arg(name).arg(&at.0).query_async(&mut connection).await.unwrap();
    assert_eq!(score, late.millis() + 24 * 60 * 60 * 1000 + 60_000);
}

/// The entry stays behind with the one who had it; the record decides.
#[tokio::test]
async fn a_record_that_was_given_away_is_not_dropped_with_its_former_owner() {
    let store = RedisStore::builder().namespace(fresh_namespace()).open(&url(Kind::Redis)).await.unwrap();
    for (n, owner) in [(1, Some(Owner([8; 32]))), (2, None)] {
        let (at, mine) = (Key([n; 32]), record(Timestamp::NEVER));
        let theirs = Record { revision: Revision([2; 16]), owner, ..mine.clone() };
        assert_eq!(store.swap(&at, Expect::Absent, Some(&mine)).await.unwrap(), Swapped::Yes);
        let was = Expect::Revision(mine.revision);
        assert_eq!(store.swap(&at, was, Some(&theirs)).await.unwrap(), Swapped::Yes);
        assert_eq!(store.drop_owned(&Owner([7; 32])).await.unwrap(), 0);
        assert_eq!(store.load(&at).await.unwrap(), Some(theirs));
    }
}

/// An owner who logs in for years leaves no trail: entries whose records are gone for certain go with the next write.
#[tokio::test]
async fn entries_of_records_that_are_gone_go_too() {
    let namespace = fresh_namespace();
    let store = RedisStore::builder().namespace(&namespace).open(&url(Kind::Redis)).await.unwrap();
    let mut connection = raw(&url(Kind::Redis)).await;
    let name = |kind: &str| format!("otpgate:{namespace}:{kind}:{{{}}}", "07".repeat(32));
    // As a day leaves them that has passed.
    for n in 0..40_u8 {
        for (kind, score) in [("owned", 0_u64), ("owned-until", 1_000_000_000_000)] {
            redis::cmd("ZADD").arg(name(kind)).arg(score).arg(&[n; 32]).exec_async(&mut connection).await.unwrap();
        }
    }
    let live = record(Timestamp::from_millis(4_000_000_000_000));
    for n in [100, 101] {
        assert_eq!(store.swap(&Key([n; 32]), Expect::Absent, Some(&live)).await.unwrap(), Swapped::Yes);
    }
    for kind in ["owned", "owned-until"] {
        let entries: u64 = redis::cmd("ZCARD").arg(name(kind)).query_async(&mut connection).await.unwrap();
        assert_eq!(entries, 2, "{kind}");
    }
    let listed = store.owned(&Owner([7; 32]), None, 100).await.unwrap();
    assert_eq!(listed, [100, 101].map(|n| (Key([n; 32]), live.clone())));
}
