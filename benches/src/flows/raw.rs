//! A bare driver in the place of otpgate: the same statements, one after another; and the least that a login by code can be.

use std::future::Future;
use std::rc::Rc;

use otpgate::{Key, Record, Revision, Timestamp};

use super::script::{self, Script, Step};

/// A driver with the statements of the store that is built on it. Every one is committed for itself.
pub trait Raw: Clone + 'static {
    fn load(&self, key: Key) -> impl Future<Output = ()>;
    /// Writes a record in the place of one of another revision, or of none; whether it was there.
    fn put(&self, key: Key, over: Option<Revision>, record: &Record) -> impl Future<Output = bool>;
    fn add(&self, key: Key, delta: u32, expires_at: Timestamp) -> impl Future<Output = ()>;

    /// The least, first commit: keeps a code.
    fn keep_code(&self, code: Key, value: &[u8]) -> impl Future<Output = ()>;
    /// The least, second commit: takes the code away and keeps a session; whether the code was there.
    fn code_to_session(&self, code: Key, session: Key, value: &[u8]) -> impl Future<Output = bool>;
}

/// Flow `n` as otpgate has it, statement by statement.
pub async fn same(raw: impl Raw, script: Rc<Script>, n: u64) {
    for (number, step) in script.steps().iter().enumerate() {
        match step {
            Step::Load(at) => raw.load(at.key(n)).await,
            Step::Put { at, over, record } => {
                let revision = script::revision(n, number);
                let owner = record.owner.map(|_| script::owner(n));
                let record = Record { revision, owner, ..record.clone() };
                let over = over.map(|step| script::revision(n, step));
                assert!(raw.put(at.key(n), over, &record).await, "step {number} of flow {n}");
            }
            Step::Add { at, delta, expires_at } => raw.add(at.key(n), *delta, *expires_at).await,
        }
    }
}

/// Flow `n` in two commits: a code is kept, and exchanged for a session. No limit, no count of guesses, no account.
pub async fn least(raw: impl Raw, value: Rc<[u8]>, n: u64) {
    let (code, session) = (Key(script::spread(n, 40)), Key(script::spread(n, 41)));
    raw.keep_code(code, &value).await;
    assert!(raw.code_to_session(code, session, &value).await, "flow {n}");
}
