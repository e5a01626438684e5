//! The store beside a plain map, through long runs of the same operations: whatever moves within it, the answers are the map's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use otpgate_core::{Expect, Key, Owner, Record, Revision, Store as _, Swapped, Timestamp};
use otpgate_memory::MemoryStore;

/// Dice that fall the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// The worst of keys: `alike` of each eight begin with the same bytes, and lie in one shard.
fn key(n: u64, alike: u64) -> Key {
    let mut bytes = [7; 32];
    if n % 8 >= alike {
        bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    }
    bytes[24..].copy_from_slice(&n.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes());
    Key(bytes)
}

fn owner(n: u64) -> Option<Owner> {
    (n > 0).then_some(Owner([n as u8; 32]))
}

async fn compare(alike: u64, keys: u64, owners: u64, seed: u64) {
    let (store, mut model, mut dice) = (MemoryStore::new(), BTreeMap::<Key, Record>::new(), Dice(seed));
    for step in 0..6_000_u64 {
        let at = key(dice.below(keys), alike);
        let before = model.get(&at).map(|record| record.revision);
        let expect = before.map_or(Expect::Absent, Expect::Revision);
        match dice.below(100) {
            0..60 => {
                let mut revision = [0; 16];
                revision[..8].copy_from_slice(&step.to_le_bytes());
                let next = Record {
                    revision: Revision(revision),
                    expires_at: Timestamp::from_millis(dice.below(1_000) as i64),
                    owner: owner(dice.below(owners)),
                    value: vec![step as u8; dice.below(700) as usize],
                };
                assert_eq!(store.swap(&at, expect, Some(&next)).await.unwrap(), Swapped::Yes);
                model.insert(at, next);
            }
            60..75 => {
                assert_eq!(store.swap(&at, expect, None).await.unwrap(), Swapped::Yes);
                model.remove(&at);
            }
            75..85 => {
                let wrong = if before.is_some() { Expect::Absent } else { Expect::Revision(Revision([9; 16])) };
                assert_eq!(store.swap(&at, wrong, None).await.unwrap(), Swapped::No);
            }
            85..95 => {
                let (whose, after) = (owner(1 + dice.below(owners)).unwrap(), Some(at).filter(|_| step % 3 > 0));
                let limit = dice.below(40) as usize;
                let records = model
                    .iter()
                    .filter(|(key, record)| record.owner == Some(whose) && after.is_none_or(|after| **key > after));
                let want: Vec<_> = records.map(|(key, record)| (*key, record.clone())).take(limit).collect();
                assert_eq!(store.owned(&whose, after.as_ref(), limit as u32).await.unwrap(), want, "step {step}");
            }
            95..98 => {
                let (line, limit) = (Timestamp::from_millis(dice.below(200) as i64), 1 + dice.below(50));
                let mut gone = Vec::new();
                for (key, record) in &model {
                    if record.expires_at < line {
                        gone.push(*key);
                    }
                }
                let swept = store.sweep(line, limit as u32).await.unwrap();
                assert_eq!(swept, limit.min(gone.len() as u64), "step {step}");
                for key in gone {
                    if store.load(&key).await.unwrap().is_none() {
                        model.remove(&key);
                    }
                }
            }
            _ => {
                let whose = owner(1 + dice.below(owners));
                let there = model.len();
                model.retain(|_, record| record.owner != whose);
                let gone = store.drop_owned(&whose.unwrap()).await.unwrap();
                assert_eq!(gone, (there - model.len()) as u64, "step {step}");
            }
        }
        let at = key(dice.below(keys), alike);
        assert_eq!(store.load(&at).await.unwrap().as_ref(), model.get(&at), "step {step}");
    }
    for n in 0..keys {
        assert_eq!(store.load(&key(n, alike)).await.unwrap().as_ref(), model.get(&key(n, alike)));
    }
}

#[tokio::test]
async fn it_answers_as_a_map_does() {
    compare(0, 3_000, 40, 1).await;
    compare(0, 50, 3, 2).await;
}

#[tokio::test]
async fn it_answers_as_a_map_does_though_keys_begin_alike_and_are_many_to_an_owner() {
    compare(8, 1_000, 2, 3).await;
    compare(4, 1_500, 2, 4).await;
}
