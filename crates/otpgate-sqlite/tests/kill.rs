//! An acknowledged write survives `kill -9`: this test starts itself as a child, kills it in the middle, and counts.
#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use otpgate_core::{Expect, Key, Owner, Record, Revision, Store as _, Swapped, Timestamp};
use otpgate_sqlite::SqliteStore;

const FOLDER: &str = "OTPGATE_KILL_TEST_FOLDER";
/// So many write at once that most commits are shared.
const WRITERS: u64 = 32;

fn key(n: u64) -> Key {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    bytes[24..].copy_from_slice(&n.to_be_bytes());
    Key(bytes)
}

fn record(n: u64, revision: u8) -> Record {
    Record {
        revision: Revision([revision; 16]),
        expires_at: Timestamp::NEVER,
        owner: n.is_multiple_of(2).then_some(Owner([1; 32])),
        value: vec![revision; 100 + n as usize % 50],
    }
}

/// Prints the number of each write that was acknowledged, for ever: each is made and then replaced, and counted.
#[test]
#[ignore = "the child of the other test, which kills it"]
fn writes_until_it_is_killed() {
    let folder = std::env::var(FOLDER).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(Path::new(&folder).join("db")).await.unwrap();
        let next = Arc::new(AtomicU64::new(0));
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..WRITERS {
            let (store, next) = (store.clone(), Arc::clone(&next));
            writers.spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let (made, changed) = (record(n, 1), record(n, 2));
                    assert_eq!(store.swap(&key(n), Expect::Absent, Some(&made)).await.unwrap(), Swapped::Yes);
                    let expect = Expect::Revision(made.revision);
                    assert_eq!(store.swap(&key(n), expect, Some(&changed)).await.unwrap(), Swapped::Yes);
                    store.add(&key(0), 1, Timestamp::NEVER).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "acknowledged {n}").unwrap();
                    out.flush().unwrap();
                }
            });
        }
        // None of them ends but by a panic.
        writers.join_next().await.unwrap().unwrap()
    });
}

fn start(folder: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "writes_until_it_is_killed", "--ignored", "--nocapture"]).env(FOLDER, folder);
    child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn i8_what_was_acknowledged_is_there_after_a_kill() {
    for (round, kill_after) in [1, 50, 400].into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start(folder.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let number = |line: String| line.split_once("acknowledged ").and_then(|(_, n)| n.parse::<u64>().ok());
        let mut acknowledged: Vec<u64> =
            lines.by_ref().map(Result::unwrap).filter_map(number).take(kill_after).collect();
        child.kill().unwrap();
        // What it had said before it died counts, too; its last line may be cut short.
        acknowledged.extend(lines.map_while(Result::ok).filter_map(number));
        child.wait().unwrap();
        assert!(acknowledged.len() >= kill_after, "round {round}: the child died by itself");

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = SqliteStore::open(folder.path().join("db")).await.unwrap();
            for n in &acknowledged {
                let there = store.load(&key(*n)).await.unwrap();
                assert_eq!(there, Some(record(*n, 2)), "round {round}: write {n} was acknowledged");
            }
            let counted = store.add(&key(0), 0, Timestamp::NEVER).await.unwrap();
            let (least, most) = (acknowledged.len() as u64, acknowledged.len() as u64 + WRITERS);
            assert!((least..=most).contains(&counted), "round {round}: {counted} counted, {least} acknowledged");
            let sound: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(store.pool()).await.unwrap();
            assert_eq!(sound, "ok");
        });
    }
}
