//! How long and how much a client may take. Without these a handful of slow clients holds every connection there is.

use std::time::Duration;

/// The head of a request, from the first byte or the end of the answer before: also how long a connection may lie idle.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(5);
/// The head of a request, in bytes.
pub(crate) const HEAD_SIZE: usize = 16 * 1024;
/// The whole body of a request. How long it may be is the library's to say: 8 KiB.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(10);
/// From the head of a request to the head of its answer.
pub(crate) const REQUEST_TIME: Duration = Duration::from_secs(15);
/// Connections at a time; more wait in the backlog of the socket.
pub(crate) const CONNECTIONS: usize = 4_096;
/// How long requests, and then the work behind them, may take to end after a signal to stop.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(10);
