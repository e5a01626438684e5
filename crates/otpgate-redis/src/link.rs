use otpgate_core::{StoreError, StoreErrorKind};
use redis::aio::ConnectionManager;
#[cfg(feature = "cluster")]
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, Script, ServerErrorKind};

/// One server, or a Cluster.
#[derive(Clone)]
pub(crate) enum Link {
    Single(ConnectionManager),
    #[cfg(feature = "cluster")]
    Cluster(ClusterConnection),
}

impl Link {
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        match self.clone() {
            Self::Single(mut connection) => command.query_async(&mut connection).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(mut connection) => command.query_async(&mut connection).await,
        }
    }

    /// Whether the keys of two slots may be named in one script.
    pub(crate) fn is_single(&self) -> bool {
        matches!(self, Self::Single(_))
    }
}

/// The scripts, each with its digest.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) swap: Prepared,
    pub(crate) index: Prepared,
    pub(crate) add: Prepared,
    pub(crate) drop: Prepared,
}

#[derive(Debug)]
pub(crate) struct Prepared {
    code: &'static str,
    digest: String,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        let prepared = |code| Prepared { code, digest: Script::new(code).get_hash().to_owned() };
        Self {
            swap: prepared(concat!(
                include_str!("lua/goes.lua"),
                include_str!("lua/hint.lua"),
                include_str!("lua/swap.lua")
            )),
            index: prepared(concat!(
                include_str!("lua/goes.lua"),
                include_str!("lua/hint.lua"),
                include_str!("lua/index.lua")
            )),
            add: prepared(concat!(include_str!("lua/goes.lua"), include_str!("lua/add.lua"))),
            drop: prepared(include_str!("lua/drop.lua")),
        }
    }
}

impl Prepared {
    /// Runs the script. A server that does not know it (a new one, or after a restart) says so and has done nothing: it is sent the
    /// text.
    pub(crate) async fn run(&self, link: &Link, keys: &[String], arguments: &[&[u8]]) -> RedisResult<u64> {
        let command = |verb, script: &str| {
            let mut command = redis::cmd(verb);
            command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        match link.ask(&command("EVALSHA", &self.digest)).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                link.ask(&command("EVAL", self.code)).await
            }
            answer => answer,
        }
    }
}

/// What to tell core about an error of Redis or of the way to it.
pub(crate) fn store_error(error: RedisError) -> StoreError {
    // OOM: `maxmemory` is reached. MISCONF: the append-only file could not be written.
    let no_space = error.code() == Some("MISCONF") && error.to_string().contains("No space left");
    if error.code() == Some("OOM") || no_space {
        return StoreError::new(StoreErrorKind::Full);
    }
    StoreError::unavailable(error)
}
