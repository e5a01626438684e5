//! SMS gateways on loopback: a real HTTP server that is well, and a raw one that answers what a test wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// A request as an HTTP server understood it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An axum server that answers every request with one status.
pub(crate) struct HttpGateway {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl HttpGateway {
    pub(crate) async fn answering(status: u16) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new().fallback(note).with_state((Arc::clone(&asked), status));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn note(State((asked, status)): State<(Arc<Mutex<Vec<Asked>>>, u16)>, request: Request) -> StatusCode {
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let request = Asked { method: parts.method, uri: parts.uri.to_string(), headers: parts.headers, body };
    asked.lock().unwrap().push(request);
    StatusCode::from_u16(status).unwrap()
}

/// What a raw gateway does after it read a request.
#[derive(Clone)]
pub(crate) enum Raw {
    Say(Vec<u8>),
    Hang,
    /// Writes for ever.
    Flood,
    /// Closes before it read anything.
    Slam,
}

/// A server that keeps the bytes it was sent, over TLS if wanted.
pub(crate) struct RawGateway {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    ended: watch::Sender<usize>,
}

impl RawGateway {
    pub(crate) async fn start(tls: Option<TlsAcceptor>, what: Raw) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ended = watch::Sender::new(0);
        let server = Self { address, heard: Arc::clone(&heard), ended: ended.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, what, heard, ended) = (tls.clone(), what.clone(), Arc::clone(&heard), ended.clone());
                tokio::spawn(async move {
                    // A client that goes away ends the connection; that is not the server's mistake.
                    let _ = match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, what, &heard).await,
                            Err(_) => Ok(()),
                        },
                        None => serve(stream, what, &heard).await,
                    };
                    ended.send_modify(|n| *n += 1);
                });
            }
        });
        server
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}/sms", self.address.port())
    }

    /// Waits until so many connections have ended.
    pub(crate) async fn until_ended(&self, connections: usize) {
        self.ended.subscribe().wait_for(|n| *n >= connections).await.unwrap();
    }

    /// The requests, as they came.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    what: Raw,
    heard: &Mutex<Vec<Vec<u8>>>,
) -> std::io::Result<()> {
    if matches!(what, Raw::Slam) {
        return Ok(());
    }
    let mut bytes = Vec::new();
    while !is_whole(&bytes) {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    heard.lock().unwrap().push(bytes);
    match what {
        Raw::Say(answer) => {
            stream.write_all(&answer).await?;
            stream.shutdown().await
        }
        Raw::Hang => stream.read_to_end(&mut Vec::new()).await.map(drop),
        Raw::Flood => loop {
            stream.write_all(&[b'x'; 4096]).await?;
        },
        Raw::Slam => Ok(()),
    }
}

/// Whether the head and as many bytes as it announces are there.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.is_none_or(|length| body.len() >= length.trim().parse().unwrap())
}
