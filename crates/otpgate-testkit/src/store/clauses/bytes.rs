//! Clause 9: bytes.

use otpgate_core::{Expect, Key, Owner, Record, Revision, Swapped, Timestamp};

use crate::store::kit::{key, owner, random};
use crate::store::race::race;
use crate::store::violation::ensure;
use crate::store::{Kit, Violation};

/// Clause 9: values, keys and owners come back byte for byte, and no two of them are taken for one.
///
/// # Errors
/// What the store did against it.
pub async fn clause_9_bytes_come_back(kit: &Kit) -> Result<(), Violation> {
    for value in values() {
        let record = Record { revision: Revision([0; 16]), ..kit.owned_record(Owner(random()), &value) };
        comes_back(kit, key(), &record).await?;
    }
    for expires_at in [kit.later(), kit.later().plus(std::time::Duration::from_millis(1)), Timestamp::NEVER] {
        comes_back(kit, key(), &kit.record_until(expires_at, "when")).await?;
    }
    let long = race(kit, |i, store| {
        let (at, record) = (key(), kit.record(vec![i as u8; Record::MAX_VALUE]));
        async move {
            ensure!(store.swap(&at, Expect::Absent, Some(&record)).await? == Swapped::Yes, "a fresh key was taken");
            Ok(store.load(&at).await?.as_ref() == Some(&record))
        }
    })
    .await?;
    ensure!(long.iter().all(|same| *same), "a value of {} bytes came back changed", Record::MAX_VALUE);
    keys_are_told_apart(kit).await?;
    owners_are_told_apart(kit).await
}

fn values() -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = [
        &b""[..],
        b"\0",
        b"\0\0\0\0",
        b"before\0after",
        b" ",
        b"  spaces  ",
        b"\r\n",
        b"0012",
        b"1e3",
        b"NULL",
        b"\\x41",
        b"\xff\xfe invalid \xc3\x28",
        b"'); DROP TABLE records; --",
        "\u{e9} e\u{301} \u{1f600}".as_bytes(),
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    values.push((0..=255).collect());
    values.extend([0, 0xff, b'a'].map(|byte| vec![byte; Record::MAX_VALUE]));
    values
}

async fn comes_back(kit: &Kit, at: Key, record: &Record) -> Result<(), Violation> {
    ensure!(kit.first().swap(&at, Expect::Absent, Some(record)).await? == Swapped::Yes, "a fresh key was taken");
    for store in kit.both() {
        let seen = store.load(&at).await?;
        let start = &record.value[..record.value.len().min(16)];
        ensure!(
            seen.as_ref() == Some(record),
            "{record:?} with a value that begins {start:02x?} came back as {seen:?}"
        );
    }
    Ok(())
}

/// 32 bytes that differ only where careless columns do not look: case, NUL, padding, digits, the ends.
fn lookalikes() -> Vec<[u8; 32]> {
    let stem: [u8; 32] = random();
    let at_end = [
        b"ABCDEFGH",
        b"abcdefgh",
        b"AbCdEfGh",
        b"abcdefg\0",
        b"abcdefg ",
        b"abcdefg\n",
        b"abcd\0\0\0\0",
        b"abcd    ",
        b"\0\0\0\0\0\0\0\0",
        b"        ",
        b"00000000",
        b"00000001",
        b"0000000a",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xc3\xa9\0\0\0\0\0\0",
        b"e\xcc\x81\0\0\0\0\0",
    ];
    let ends = at_end.map(|end| {
        let mut bytes = stem;
        bytes[24..].copy_from_slice(end);
        bytes
    });
    let starts = [0, b' ', b'0', b'A', b'a', 0x80, 0xff].map(|start| {
        let mut bytes = stem;
        bytes[0] = start;
        bytes
    });
    let after_nul = [b'x', b'y'].map(|byte| {
        let mut bytes = stem;
        bytes[1] = 0;
        bytes[31] = byte;
        bytes
    });
    let mut all: Vec<_> = ends.into_iter().chain(starts).chain(after_nul).collect();
    // Chance may have made two alike.
    all.sort_unstable();
    all.dedup();
    all
}

async fn keys_are_told_apart(kit: &Kit) -> Result<(), Violation> {
    let places: Vec<_> = lookalikes().into_iter().map(Key).collect();
    let mut written = Vec::new();
    for (i, at) in places.iter().enumerate() {
        let record = kit.record(format!("record {i}"));
        let answer = kit.first().swap(at, Expect::Absent, Some(&record)).await?;
        ensure!(answer == Swapped::Yes, "key {:02x?} was taken for another", at.0);
        let total = kit.first().add(at, i as u32 + 1, kit.later()).await?;
        ensure!(total == i as u64 + 1, "counter {:02x?} was taken for another", at.0);
        written.push(record);
    }
    for (at, record) in places.iter().zip(&written) {
        let seen = kit.second().load(at).await?;
        ensure!(seen.as_ref() == Some(record), "key {:02x?} leads to another record", at.0);
    }
    Ok(())
}

async fn owners_are_told_apart(kit: &Kit) -> Result<(), Violation> {
    let owners: Vec<_> = lookalikes().into_iter().map(Owner).chain([owner()]).collect();
    let mut written = Vec::new();
    for whose in &owners {
        let (at, record) = (key(), kit.owned_record(*whose, "theirs"));
        comes_back(kit, at, &record).await?;
        written.push((at, record));
    }
    for (whose, (at, _)) in owners.iter().zip(&written) {
        let listed = kit.first().owned(whose, None, 100).await?;
        ensure!(listed.iter().all(|(k, _)| k == at), "owner {:02x?} was taken for another", whose.0);
    }
    let (first, rest) = (owners[0], &written[1..]);
    let _ = kit.first().drop_owned(&first).await?;
    for (at, record) in rest {
        let there = kit.first().load(at).await?;
        ensure!(there.as_ref() == Some(record), "dropping one owner took the record of another");
    }
    Ok(())
}
