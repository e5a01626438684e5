//! Servers that store tests talk to. None yet: the memory and the SQLite store run inside the test process.

use anyhow::{Context as _, Result};

/// A kind of server, started before the tests on a free port and in a temporary folder.
pub(crate) trait Backend {
    fn name(&self) -> &'static str;
    /// Starts it. It stops when the answer is dropped.
    fn start(&self) -> Result<Box<dyn Server>>;
}

/// A server that runs.
pub(crate) trait Server {
    /// Where tests find it, as environment variables.
    fn variables(&self) -> Vec<(String, String)>;
}

/// Every kind there is.
const ALL: &[&dyn Backend] = &[];

/// Starts all of them; one that does not start fails the run, so that no store goes untested in silence.
pub(crate) fn start_all() -> Result<Vec<Box<dyn Server>>> {
    ALL.iter().map(|backend| backend.start().with_context(|| format!("{} did not start", backend.name()))).collect()
}
