//! Redis without otpgate: its commands and scripts over the driver's own connection manager.

use otpgate::{Key, Owner, Record, Revision, Timestamp};
use redis::Script;
use redis::aio::ConnectionManager;

use super::raw::Raw;

/// The statements of [`otpgate::RedisStore`]: `GET`, and its scripts for what is a swap or an addition.
#[derive(Clone)]
pub struct Scripts {
    connection: ConnectionManager,
    swap: String,
    add: String,
}

const SWAP: &str = concat!(
    include_str!("../../../crates/otpgate-redis/src/lua/goes.lua"),
    include_str!("../../../crates/otpgate-redis/src/lua/hint.lua"),
    include_str!("../../../crates/otpgate-redis/src/lua/swap.lua")
);
const ADD: &str = concat!(
    include_str!("../../../crates/otpgate-redis/src/lua/goes.lua"),
    include_str!("../../../crates/otpgate-redis/src/lua/add.lua")
);

impl Scripts {
    /// # Panics
    /// When the server does not take the scripts.
    pub async fn over(mut connection: ConnectionManager) -> Self {
        let mut digests = Vec::new();
        for text in [SWAP, ADD] {
            let digest = Script::new(text).prepare_invoke().load_async(&mut connection).await;
            digests.push(digest.expect("a script"));
        }
        let add = digests.pop().expect("two scripts");
        Self { connection, swap: digests.pop().expect("two scripts"), add }
    }
}

impl Raw for Scripts {
    async fn load(&self, key: Key) {
        get(&self.connection, &name("record", &key.0)).await;
    }

    async fn put(&self, key: Key, over: Option<Revision>, record: &Record) -> bool {
        let mut keys = vec![name("record", &key.0)];
        if let Some(Owner(owner)) = &record.owner {
            keys.extend([name("owned", owner), name("owned-until", owner)]);
        }
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.swap).arg(keys.len()).arg(keys);
        command.arg(over.as_ref().map_or(&[][..], |revision| &revision.0[..])).arg(pack(record));
        command.arg(goes_at(record.expires_at, 0)).arg(&key.0[..]).arg(goes_at(record.expires_at, 60));
        command.query_async::<u64>(&mut self.connection.clone()).await.expect("a swap") == 1
    }

    async fn add(&self, key: Key, delta: u32, expires_at: Timestamp) {
        let counter = name("counter", &key.0);
        if delta == 0 {
            return get(&self.connection, &counter).await;
        }
        let mut command = redis::cmd("EVALSHA");
        command.arg(&self.add).arg(1).arg(counter).arg(delta).arg(goes_at(expires_at, 0));
        command.query_async::<u64>(&mut self.connection.clone()).await.expect("a count");
    }

    async fn keep_code(&self, code: Key, value: &[u8]) {
        set(&self.connection, &code, value).await;
    }

    async fn code_to_session(&self, code: Key, session: Key, value: &[u8]) -> bool {
        exchange(&self.connection, code, session, value).await
    }
}

/// As many plain commands: `GET`, `SET` and `INCRBY`, which neither compare nor know an owner nor an end of what is counted.
#[derive(Clone)]
pub struct Plain(pub ConnectionManager);

impl Raw for Plain {
    async fn load(&self, key: Key) {
        get(&self.0, &key.0).await;
    }

    async fn put(&self, key: Key, _: Option<Revision>, record: &Record) -> bool {
        set(&self.0, &key, &record.value).await;
        true
    }

    async fn add(&self, key: Key, delta: u32, _: Timestamp) {
        let mut command = redis::cmd("INCRBY");
        command.arg([b"c", &key.0[..]].concat()).arg(delta);
        command.query_async::<i64>(&mut self.0.clone()).await.expect("a count");
    }

    async fn keep_code(&self, code: Key, value: &[u8]) {
        set(&self.0, &code, value).await;
    }

    async fn code_to_session(&self, code: Key, session: Key, value: &[u8]) -> bool {
        exchange(&self.0, code, session, value).await
    }
}

async fn get(connection: &ConnectionManager, key: impl redis::ToRedisArgs) {
    let mut command = redis::cmd("GET");
    command.arg(key);
    command.query_async::<Option<Vec<u8>>>(&mut connection.clone()).await.expect("a load");
}

async fn set(connection: &ConnectionManager, key: &Key, value: &[u8]) {
    let mut command = redis::cmd("SET");
    command.arg(&key.0[..]).arg(value).arg("EX").arg(3_600);
    command.query_async::<()>(&mut connection.clone()).await.expect("a write");
}

async fn exchange(connection: &ConnectionManager, code: Key, session: Key, value: &[u8]) -> bool {
    let mut both = redis::pipe();
    both.atomic().cmd("GETDEL").arg(&code.0[..]);
    both.cmd("SET").arg(&session.0[..]).arg(value).arg("EX").arg(3_600).ignore();
    let (code,): (Option<Vec<u8>>,) = both.query_async(&mut connection.clone()).await.expect("an exchange");
    code.is_some()
}

/// A record as the store has it: revision, expiry, owner, value.
fn pack(record: &Record) -> Vec<u8> {
    let mut packed = record.revision.0.to_vec();
    packed.extend(record.expires_at.millis().to_be_bytes());
    match &record.owner {
        Some(owner) => packed.extend([&[1][..], &owner.0[..]].concat()),
        None => packed.extend([0; 33]),
    }
    packed.extend(&record.value);
    packed
}

/// When it may go: a day after its end, and empty for what has none.
fn goes_at(expires_at: Timestamp, later: i64) -> String {
    match expires_at {
        Timestamp::NEVER => String::new(),
        ends => (ends.millis() + (86_400 + later) * 1000).to_string(),
    }
}

fn name(kind: &str, bytes: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut name = format!("otpgate:raw:{kind}:{{");
    name.extend(bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])));
    name.push('}');
    name
}
