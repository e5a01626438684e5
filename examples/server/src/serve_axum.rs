//! Serving with axum.
//!
//! `axum::serve` sets no timer for the head of a request, so a client that sends one byte a minute keeps its connection for
//! ever. The loop here serves each connection by hyper itself, with its timer on.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use otpgate::{Layer as _, OtpAuth};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_http::timeout::{RequestBodyDeadlineLayer, TimeoutLayer};

use crate::limits::{BODY_TIME, CONNECTIONS, DRAIN_TIME, HEAD_SIZE, HEAD_TIME, REQUEST_TIME};
use crate::me::{healthz_axum, me_axum};

/// Serves until `stop`, then lets the requests under way end.
pub(crate) async fn serve(listener: TcpListener, auth: OtpAuth, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let app = Router::new()
        .route("/me", get(me_axum))
        .route("/healthz", get(healthz_axum))
        .layer(auth)
        .layer(RequestBodyDeadlineLayer::new(BODY_TIME))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIME));

    // HTTP/1.1 only: hyper has no timer for the head of a request in HTTP/2, nor for the bytes that tell the two apart. A
    // proxy in front speaks HTTP/2 to the world.
    let mut hyper = Builder::new(TokioExecutor::new()).http1_only();
    hyper.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_SIZE);

    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let open = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        // Room first: a connection that was accepted is one that is served.
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await?;
            anyhow::Ok((accept(&listener).await, permit))
        };
        let ((stream, address), permit) = tokio::select! {
            next = next => next?,
            () = &mut stop => break,
        };
        // The library's limits by client address need the address.
        let service = TowerToHyperService::new(Extension(ConnectInfo(address)).layer(app.clone()));
        let connection = hyper.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = open.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIME, open.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time");
    }
    Ok(())
}

/// The next connection. What makes `accept` fail passes: a client that left, or all descriptors of the process in use.
async fn accept(listener: &TcpListener) -> (tokio::net::TcpStream, SocketAddr) {
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Answers are small and whole: nothing is won by waiting for more.
                let _ = stream.set_nodelay(true);
                return (stream, address);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
