//! The servers that the stores' tests talk to: private processes on free ports, gone when the run ends, however it ends.

use anyhow::{Context as _, Result};
use otpgate_servers::{Kind, Server, install_missing, stop_all};

/// Starts one of each kind; one that does not start fails the run, so that no store goes untested in silence.
pub(crate) fn start_all() -> Result<Vec<Server>> {
    // Ctrl-C does not unwind: whoever is interrupted still leaves nothing behind.
    ctrlc::set_handler(|| {
        stop_all();
        std::process::exit(130);
    })
    .context("no handler for Ctrl-C")?;
    install_missing()?;
    Kind::ALL
        .into_iter()
        .map(|kind| Server::start(kind).with_context(|| format!("{} did not start", kind.name())))
        .collect()
}

/// Where tests find them, as environment variables.
pub(crate) fn variables(servers: &[Server]) -> Vec<(String, String)> {
    servers.iter().map(|server| (server.kind().variable().to_owned(), server.url())).collect()
}

/// `cargo xtask servers`: the same at a desk.
pub(crate) fn serve() -> Result<()> {
    let servers = start_all()?;
    for (name, value) in variables(&servers) {
        println!("export {name}={value}");
    }
    println!("# running until Ctrl-C");
    loop {
        std::thread::park();
    }
}
