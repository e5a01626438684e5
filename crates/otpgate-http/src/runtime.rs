//! The tokio runtime behind the core's [`Runtime`].

use std::time::Duration;

use otpgate_core::Runtime;
use otpgate_core::runtime::BoxFuture;

/// Runs the engine's tasks on the tokio runtime of whoever calls. Both axum and actix-web run on one.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioRuntime;

impl Runtime for TokioRuntime {
    fn spawn(&self, task: BoxFuture<()>) {
        drop(tokio::spawn(task));
    }

    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send + 'static>) {
        drop(tokio::task::spawn_blocking(job));
    }

    fn sleep(&self, span: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(span))
    }
}
