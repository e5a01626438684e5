//! An SMTP server on loopback that does what a test tells it to, and keeps every byte that it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// Where a conversation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum At {
    Connect,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After the dot.
    Body,
    Noop,
}

impl At {
    /// The steps of a delivery without TLS and log-in.
    pub(crate) const PLAIN: [Self; 6] = [Self::Connect, Self::Ehlo, Self::Mail, Self::Rcpt, Self::Data, Self::Body];
}

/// What the server does at a step.
#[derive(Clone, Debug)]
pub(crate) enum Do {
    /// Answers as a server that is well.
    Well,
    /// Answers this, line end included.
    Say(String),
    /// Answers well, byte by byte.
    Slowly,
    /// Answers nothing and waits for the other side to go.
    Hang,
    /// Answers nothing and closes.
    Drop,
    /// Writes a line that never ends.
    Flood,
}

#[derive(Clone)]
pub(crate) enum Security {
    None,
    Tls(TlsAcceptor),
    /// Offers STARTTLS.
    StartTls(TlsAcceptor),
}

/// A message as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// The bytes between the answer to DATA and the final dot, not unescaped.
    pub(crate) data: Vec<u8>,
    pub(crate) connection: usize,
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) received: Vec<Received>,
    /// Commands line by line with the connection they came on, log-in included.
    pub(crate) commands: Vec<(usize, String)>,
    /// What came before any TLS, connection by connection.
    pub(crate) in_clear: Vec<Vec<u8>>,
    pub(crate) open: usize,
    pub(crate) most_open: usize,
    /// The steps that were reached, in order.
    pub(crate) reached: Vec<At>,
}

type Script = dyn Fn(At, usize) -> Do + Send + Sync;

pub(crate) struct SmtpServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<Script>,
    security: Security,
    log: Mutex<Log>,
    steps: watch::Sender<usize>,
}

impl SmtpServer {
    /// A server whose `script` says what to do when a step is reached for the n-th time, counted from 0 over all
    /// connections.
    pub(crate) async fn start(security: Security, script: impl Fn(At, usize) -> Do + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            security,
            log: Mutex::default(),
            steps: watch::Sender::new(0),
        });
        let server = Self { address, shared: Arc::clone(&shared) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { shared.connection(stream).await });
            }
        });
        server
    }

    /// A server that is well, without TLS.
    pub(crate) async fn well() -> Self {
        Self::start(Security::None, |_, _| Do::Well).await
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// The same address by the name that certificates are for.
    pub(crate) fn url_with(&self, scheme: &str, login: &str) -> String {
        format!("{scheme}://{login}localhost:{}", self.address.port())
    }

    pub(crate) fn log<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        read(&self.shared.log.lock().unwrap())
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.log(|log| log.received.clone())
    }

    pub(crate) fn commands(&self) -> Vec<String> {
        self.log(|log| log.commands.iter().map(|(_, line)| line.clone()).collect())
    }

    /// Waits until the log is as wished.
    pub(crate) async fn until(&self, wished: impl Fn(&Log) -> bool) {
        let mut steps = self.shared.steps.subscribe();
        while !self.log(&wished) {
            steps.changed().await.unwrap();
        }
    }
}

impl Shared {
    fn note<T>(&self, write: impl FnOnce(&mut Log) -> T) -> T {
        let value = write(&mut self.log.lock().unwrap());
        self.steps.send_modify(|n| *n += 1);
        value
    }

    async fn connection(&self, stream: TcpStream) {
        let me = self.note(|log| {
            log.open += 1;
            log.most_open = log.most_open.max(log.open);
            log.in_clear.push(Vec::new());
            log.in_clear.len() - 1
        });
        // A client that goes away ends the conversation; that is not the server's mistake.
        let _ = self.talk(stream, me).await;
        self.note(|log| log.open -= 1);
    }

    async fn talk(&self, stream: TcpStream, me: usize) -> std::io::Result<()> {
        match &self.security {
            Security::None => self.converse(Peer::new(stream, me, true), true, false).await.map(drop),
            Security::Tls(tls) => {
                self.converse(Peer::new(tls.accept(stream).await?, me, false), true, false).await.map(drop)
            }
            Security::StartTls(tls) => match self.converse(Peer::new(stream, me, true), true, true).await? {
                Some(stream) => {
                    let stream = tls.accept(stream).await?;
                    self.converse(Peer::new(stream, me, false), false, false).await.map(drop)
                }
                None => Ok(()),
            },
        }
    }

    /// Answers until the client goes, or asks for TLS: then the stream comes back.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut peer: Peer<S>,
        greets: bool,
        offers_tls: bool,
    ) -> std::io::Result<Option<S>> {
        if greets && !self.answer(&mut peer, At::Connect, "220 test ESMTP\r\n").await? {
            return Ok(None);
        }
        let (mut from, mut to) = (String::new(), Vec::<String>::new());
        while let Some(line) = peer.line(self).await? {
            self.note(|log| log.commands.push((peer.me, line.clone())));
            let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            let ehlo = if offers_tls { "250-test\r\n250 STARTTLS\r\n" } else { "250-test\r\n250 AUTH PLAIN LOGIN\r\n" };
            let (at, well) = match word.as_str() {
                "EHLO" => (At::Ehlo, ehlo),
                "STARTTLS" => (At::StartTls, "220 go ahead\r\n"),
                "AUTH" => (At::Auth, "235 welcome\r\n"),
                "MAIL" => (At::Mail, "250 ok\r\n"),
                "RCPT" => (At::Rcpt, "250 ok\r\n"),
                "DATA" => (At::Data, "354 go ahead\r\n"),
                "NOOP" => (At::Noop, "250 ok\r\n"),
                "QUIT" => return Ok(None),
                _ => {
                    peer.stream.write_all(b"500 what?\r\n").await?;
                    continue;
                }
            };
            // As strict as RFC 5321, 4.1.4: a transaction that was not ended is in the way of the next.
            let out_of_order = match at {
                At::Mail => !from.is_empty(),
                At::Rcpt => from.is_empty(),
                At::Data => to.is_empty(),
                _ => false,
            };
            if out_of_order {
                peer.say("503 bad sequence\r\n").await?;
                continue;
            }
            match at {
                At::Mail => from = line.clone(),
                At::Rcpt => to.push(line.clone()),
                _ => {}
            }
            if !self.answer(&mut peer, at, well).await? {
                return Ok(None);
            }
            let accepted = peer.last_code == b'2' || peer.last_code == b'3';
            if at == At::StartTls && accepted {
                return Ok(Some(peer.stream));
            }
            if at == At::Data && peer.last_code == b'3' {
                let Some(data) = peer.data(self).await? else { return Ok(None) };
                let (from, to) = (std::mem::take(&mut from), std::mem::take(&mut to));
                let received = Received { from, to, data, connection: peer.me };
                self.note(|log| log.received.push(received));
                if !self.answer(&mut peer, At::Body, "250 taken\r\n").await? {
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Whether the conversation goes on.
    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        peer: &mut Peer<S>,
        at: At,
        well: &str,
    ) -> std::io::Result<bool> {
        let nth = self.note(|log| {
            log.reached.push(at);
            log.reached.iter().filter(|a| **a == at).count() - 1
        });
        match (self.script)(at, nth) {
            Do::Well => peer.say(well).await?,
            Do::Say(line) => peer.say(&line).await?,
            Do::Slowly => {
                for byte in well.as_bytes() {
                    peer.stream.write_all(&[*byte]).await?;
                    peer.stream.flush().await?;
                    tokio::task::yield_now().await;
                }
                peer.last_code = well.as_bytes()[0];
            }
            Do::Hang => {
                // Ends when the client does.
                let mut rest = Vec::new();
                peer.stream.read_to_end(&mut rest).await?;
                return Ok(false);
            }
            Do::Drop => return Ok(false),
            Do::Flood => loop {
                peer.stream.write_all(&[b'2'; 4096]).await?;
            },
        }
        Ok(true)
    }
}

struct Peer<S> {
    stream: S,
    me: usize,
    in_clear: bool,
    heard: Vec<u8>,
    last_code: u8,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    fn new(stream: S, me: usize, in_clear: bool) -> Self {
        Self { stream, me, in_clear, heard: Vec::new(), last_code: b'0' }
    }

    async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.last_code = line.as_bytes()[0];
        self.stream.write_all(line.as_bytes()).await?;
        self.stream.flush().await
    }

    /// Everything up to and with `end`; nothing when the client went first.
    async fn until(&mut self, shared: &Shared, end: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.heard.windows(end.len()).position(|w| w == end) {
                return Ok(Some(self.heard.drain(..at + end.len()).collect()));
            }
            let before = self.heard.len();
            if self.stream.read_buf(&mut self.heard).await? == 0 {
                return Ok(None);
            }
            if self.in_clear {
                let new = self.heard[before..].to_vec();
                shared.note(|log| log.in_clear[self.me].extend(new));
            }
        }
    }

    async fn line(&mut self, shared: &Shared) -> std::io::Result<Option<String>> {
        let line = self.until(shared, b"\r\n").await?;
        Ok(line.map(|line| String::from_utf8(line).unwrap().trim_end().to_owned()))
    }

    async fn data(&mut self, shared: &Shared) -> std::io::Result<Option<Vec<u8>>> {
        let data = self.until(shared, b"\r\n.\r\n").await?;
        Ok(data.map(|mut data| {
            data.truncate(data.len() - 3);
            data
        }))
    }
}
