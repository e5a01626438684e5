//! Private servers for tests: each a process of its own on a free port of the loopback, with its data in a temporary folder.
//!
//! A server ends when its [`Server`] is dropped, and when the thread that started it ends in any other way (the kernel sees
//! to it). Only processes that were started here are ever stopped.

mod install;
mod kind;
mod process;
mod server;
#[cfg(feature = "trials")]
pub mod trials;

pub use install::{install_missing, install_tool};
pub use kind::Kind;
pub use process::stop_all;
pub use server::Server;

/// Where the server of `kind` is that `cargo xtask test` has started.
///
/// # Panics
/// When no such server was named: a test that needs one must not pass without it.
#[must_use]
pub fn url(kind: Kind) -> String {
    let name = kind.variable();
    match std::env::var(name) {
        Ok(url) if !url.is_empty() => url,
        _ => panic!(
            "{name} is not set: this test needs a running {}; run `cargo xtask test`, which starts one, or \
             `cargo xtask servers` at a desk and set what it prints",
            kind.name()
        ),
    }
}

/// A namespace that no other test has, so that tests can share a server.
#[must_use]
pub fn fresh_namespace() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::{SystemTime, UNIX_EPOCH};

    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    format!("t{:x}_{:x}_{:x}", since & 0xff_ffff_ffff, std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
