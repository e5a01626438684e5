//! One POST over HTTP/1.1: a connection for each, no redirects, no cookies, no proxy.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::{fmt, io};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use otpgate_core::DeliveryError;

use crate::net::{Endpoint, Socket, Tls};

/// Where the requests go.
pub(super) struct Gateway {
    pub(super) endpoint: Endpoint,
    pub(super) tls: Option<Tls>,
    pub(super) host: HeaderValue,
    /// Path and query.
    pub(super) target: Uri,
}

/// What went wrong. Nothing of what the gateway said is kept: it may repeat the number or the text (Q53).
#[derive(Debug)]
enum Failure {
    Io(io::ErrorKind),
    Tls(io::Error),
    Http,
    Status(StatusCode),
}

impl Gateway {
    /// Posts `body`; `Ok` is any status of success.
    pub(super) async fn post(&self, kind: &'static str, extra: HeaderMap, body: Vec<u8>) -> Result<(), DeliveryError> {
        let status = self.status(kind, extra, body).await.map_err(DeliveryError::temporary)?;
        let failure = Failure::Status(status);
        match status {
            _ if status.is_success() => Ok(()),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Err(DeliveryError::temporary(failure))
            }
            _ if status.is_server_error() => Err(DeliveryError::temporary(failure)),
            // A redirect, too: the code and the secret go where the host said and nowhere else.
            _ => Err(DeliveryError::permanent(failure)),
        }
    }

    async fn status(&self, kind: &'static str, extra: HeaderMap, body: Vec<u8>) -> Result<StatusCode, Failure> {
        let stream = self.endpoint.dial().await.map_err(|e| Failure::Io(e.kind()))?;
        let socket = match &self.tls {
            Some(tls) => tls.wrap(stream).await.map_err(Failure::Tls)?,
            None => Socket::Plain(stream),
        };
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = hyper::Method::POST;
        request.uri_mut().clone_from(&self.target);
        let headers = request.headers_mut();
        headers.extend(extra);
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("otpgate/", env!("CARGO_PKG_VERSION"))));

        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|_| Failure::Http)?;
        let (mut answer, mut connection) = (pin!(sender.send_request(request)), pin!(connection));
        let mut running = true;
        // Both are driven here rather than one by a task: a call that is dropped leaves nothing behind.
        let answer = poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            if running && connection.as_mut().poll(cx).is_ready() {
                running = false;
                // The answer is here, or never comes: ask once more.
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        });
        answer.await.map(|response| response.status()).map_err(|_| Failure::Http)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(kind) => write!(f, "the SMS gateway cannot be reached: {kind}"),
            Self::Tls(_) => f.write_str("the TLS handshake with the SMS gateway failed"),
            Self::Http => f.write_str("the SMS gateway gave no whole answer of HTTP"),
            Self::Status(status) => write!(f, "the SMS gateway answered {}", status.as_u16()),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            _ => None,
        }
    }
}
