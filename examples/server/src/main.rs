//! A complete login server over otpgate, for demos, load tests and as a sidecar. README.md has the whole interface.

mod args;
mod config;
mod limits;
mod me;
mod outlets;
mod parts;
mod secrets;
mod senders;
mod serve_actix;
mod serve_axum;
mod stores;
mod users;

use std::io::Write as _;

use anyhow::Context as _;
use clap::Parser as _;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use args::{Args, Framework};
use config::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // Standard output is for the one line that says where it listens, and for a console mailer.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    run(args).await
}

async fn run(args: Args) -> anyhow::Result<()> {
    let config = Config::read(args.config.as_deref())?;
    let auth = parts::build(&args, &config).await?;
    let stop = stop_signal()?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    // From here on the socket takes connections; what is not served yet waits in its backlog.
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{}", listener.local_addr()?).and_then(|()| out.flush())?;

    match args.framework {
        Framework::Axum => serve_axum::serve(listener, auth.clone(), stop).await?,
        Framework::Actix => serve_actix::serve(listener, auth.clone(), stop).await?,
    }
    if !auth.shutdown(limits::DRAIN_TIME).await {
        tracing::warn!("some work did not end in time: mail may be lost");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Ends when the process is asked to stop. The handlers stand before the server listens: no signal finds it without.
#[cfg(unix)]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
    })
}

/// Ends when the process is asked to stop.
#[cfg(not(unix))]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler nothing is to come; the process is ended from outside.
            std::future::pending::<()>().await;
        }
    })
}
