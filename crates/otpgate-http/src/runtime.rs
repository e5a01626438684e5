//! The tokio runtime behind the core's [`Runtime`].

use std::time::Duration;

use otpgate_core::Runtime;
use otpgate_core::runtime::BoxFuture;
use tokio::runtime::Handle;

/// Runs the engine's tasks on a tokio runtime: by default that of whoever calls.
///
/// Under actix-web that is the worker's, and what runs in the background ends with the worker. [`TokioRuntime::on`] puts it
/// on another one, that of `main` for example, so that a clean end has something to wait for.
#[derive(Clone, Debug, Default)]
pub struct TokioRuntime(Option<Handle>);

impl TokioRuntime {
    /// Runs them on the runtime of this handle, whichever thread asks.
    #[must_use]
    pub fn on(handle: Handle) -> Self {
        Self(Some(handle))
    }
}

impl Runtime for TokioRuntime {
    fn spawn(&self, task: BoxFuture<()>) {
        drop(match &self.0 {
            Some(handle) => handle.spawn(task),
            None => tokio::spawn(task),
        });
    }

    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send + 'static>) {
        drop(match &self.0 {
            Some(handle) => handle.spawn_blocking(job),
            None => tokio::task::spawn_blocking(job),
        });
    }

    fn sleep(&self, span: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(span))
    }
}
