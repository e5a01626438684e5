//! The ready stores that need no server.

use std::any::Any;
use std::sync::Arc;

use otpgate_core::Store;
use otpgate_core::runtime::BoxFuture;
use otpgate_memory::MemoryStore;
use otpgate_sqlite::SqliteStore;
use otpgate_testkit::wire::Stores;

/// The memory store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory;

impl Stores for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn open(&self) -> BoxFuture<(Arc<dyn Store>, Arc<dyn Any + Send + Sync>)> {
        Box::pin(async { (Arc::new(MemoryStore::new()) as Arc<dyn Store>, Arc::new(()) as Arc<dyn Any + Send + Sync>) })
    }

    fn answers_at_once(&self) -> bool {
        true
    }
}

/// The SQLite store, each in a database file of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sqlite;

impl Stores for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn open(&self) -> BoxFuture<(Arc<dyn Store>, Arc<dyn Any + Send + Sync>)> {
        Box::pin(async {
            let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
            let store = SqliteStore::open(folder.path().join("otpgate.db")).await;
            let store = store.unwrap_or_else(|error| panic!("no database: {error}"));
            (Arc::new(store) as Arc<dyn Store>, Arc::new(folder) as Arc<dyn Any + Send + Sync>)
        })
    }

    /// Each round waits for the disk some dozen times.
    fn rounds(&self, rounds: usize) -> usize {
        rounds.div_ceil(2)
    }
}
