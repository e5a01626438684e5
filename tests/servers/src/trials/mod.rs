//! What every store on a server of its own must go through, besides the kit: bursts over two pools, a server that is killed
//! under load, and namespaces that do not meet.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "what cannot go on has failed; times are shown on request"
)]

mod burst;
mod killed;
mod namespaces;

use otpgate_core::{Entropy as _, Key, OsEntropy, Owner, Record, Revision, Timestamp};

pub use burst::{RACERS, burst};
pub use killed::{Losses, killed_under_load};
pub use namespaces::namespaces_do_not_meet;

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    assert!(OsEntropy.fill(&mut bytes).is_ok(), "no random bytes");
    bytes
}

fn key() -> Key {
    Key(random())
}

fn owned_record(owner: Option<Owner>, value: impl AsRef<[u8]>) -> Record {
    Record { revision: Revision(random()), expires_at: Timestamp::NEVER, owner, value: value.as_ref().to_vec() }
}
