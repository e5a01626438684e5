//! The stream under lettre's conversation: bounded, and able to say a greeting that TLS made unnecessary.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::{io, net};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::Socket;

/// What a server may say during one delivery. Replies are short; a server that never ends a line would fill the memory.
const MOST_BYTES: usize = 256 * 1024;

/// How much the server may still say.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// For one more delivery.
    pub(super) fn renew(&self) {
        self.0.store(MOST_BYTES, Ordering::Relaxed);
    }
}

/// A socket that reads `ahead` first, and no more than the allowance.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    ahead: &'static [u8],
    allowance: Allowance,
}

impl Wire {
    pub(super) fn new(socket: Socket, ahead: &'static [u8], allowance: Allowance) -> Self {
        Self { socket, ahead, allowance }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let (now, later) = self.ahead.split_at(self.ahead.len().min(buf.remaining()));
            buf.put_slice(now);
            self.ahead = later;
            return Poll::Ready(Ok(()));
        }
        let left = self.allowance.0.load(Ordering::Relaxed);
        if left == 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::FileTooLarge, "the mail server says too much")));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.allowance.0.store(left.saturating_sub(buf.filled().len() - before), Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<net::SocketAddr> {
        self.socket.peer_addr()
    }
}
