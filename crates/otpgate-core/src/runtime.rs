//! What the engine needs of an async runtime, so that it names none.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A boxed future that may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Tasks, blocking work and timers.
///
/// # Contract
/// 1. `spawn` runs the future to its end, whoever waits for it or not, until the process ends.
/// 2. `spawn_blocking` runs the job off the threads that drive futures.
/// 3. `sleep` ends no earlier than after `span`.
///
/// # Security
/// The part of a guess between load and commit is spawned, so that a client that hangs up gets no free guess; a runtime
/// that drops spawned futures breaks that.
pub trait Runtime: Send + Sync + 'static {
    /// Runs `task` detached from the caller.
    fn spawn(&self, task: BoxFuture<()>);
    /// Runs `job` where blocking is allowed.
    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send + 'static>);
    /// A timer.
    fn sleep(&self, span: Duration) -> BoxFuture<()>;
}

impl<T: Runtime + ?Sized> Runtime for Arc<T> {
    fn spawn(&self, task: BoxFuture<()>) {
        (**self).spawn(task);
    }
    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send + 'static>) {
        (**self).spawn_blocking(job);
    }
    fn sleep(&self, span: Duration) -> BoxFuture<()> {
        (**self).sleep(span)
    }
}
