//! What the macro's tests call.

use std::future::Future;
use std::time::Duration;

use super::Kit;
use super::clauses::{Clause, ClauseFuture};

/// Which tokio runtime a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// One thread: tasks change places only where they wait.
    CurrentThread,
    /// Four threads.
    MultiThread,
}

impl Flavor {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::CurrentThread, Self::MultiThread];

    /// Runs `future` to its end on a runtime of its own.
    ///
    /// # Panics
    /// When the runtime cannot be built.
    pub fn block_on<T>(self, future: impl Future<Output = T>) -> T {
        let mut builder = match self {
            Self::CurrentThread => tokio::runtime::Builder::new_current_thread(),
            Self::MultiThread => tokio::runtime::Builder::new_multi_thread(),
        };
        match builder.worker_threads(4).enable_all().build() {
            Ok(runtime) => runtime.block_on(future),
            Err(error) => panic!("no runtime: {error}"),
        }
    }
}

/// The pointer that a store is called through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// `Arc<dyn Store>`.
    Arc,
    /// `Box<dyn Store>`.
    Box,
}

/// Runs one clause against a fresh kit and panics with what it found.
///
/// # Panics
/// When the store breaks the clause, or does not end.
pub fn run<F, K, C>(flavor: Flavor, name: &str, connect: F, clause: C)
where
    F: Future<Output = K>,
    K: Into<Kit>,
    C: for<'a> Fn(&'a Kit) -> ClauseFuture<'a>,
{
    flavor.block_on(async {
        let kit = connect.await.into();
        check(name, &kit, clause).await;
    });
}

/// Runs every clause through a pointer.
///
/// # Panics
/// When the store breaks a clause, or does not end.
pub fn run_through<F, K>(pointer: Pointer, connect: F)
where
    F: Future<Output = K>,
    K: Into<Kit>,
{
    Flavor::MultiThread.block_on(async {
        let kit: Kit = connect.await.into();
        let kit = match pointer {
            Pointer::Arc => kit.through_arc(),
            Pointer::Box => kit.through_box(),
        };
        for clause in Clause::ALL {
            check(clause.name(), &kit, |kit| clause.check(kit)).await;
        }
    });
}

async fn check<C>(name: &str, kit: &Kit, clause: C)
where
    C: for<'a> Fn(&'a Kit) -> ClauseFuture<'a>,
{
    // Not a wait: a store that never answers must fail its test, not hang the run.
    match tokio::time::timeout(Duration::from_secs(120), clause(kit)).await {
        Ok(Ok(())) => {}
        Ok(Err(violation)) => {
            let cause = std::error::Error::source(&violation).map(|e| {
                let deeper = e.source().map(|s| format!(": {s}")).unwrap_or_default();
                format!(" ({e}{deeper})")
            });
            panic!("{name} is broken: {violation}{}", cause.unwrap_or_default())
        }
        Err(_) => panic!("{name} did not end within two minutes"),
    }
}
