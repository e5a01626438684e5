//! One running server.

use std::net::TcpListener;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::Kind;
use crate::process::{Process, as_user, is_root};

/// A private server. It stops, and its folder goes, when this is dropped.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    port: u16,
    settings: Vec<(String, String)>,
    // Before the folder: the process must be gone when that is removed.
    process: Option<Process>,
    folder: TempDir,
}

impl Server {
    /// Starts one with settings under which nothing acknowledged is lost.
    ///
    /// # Errors
    /// When its package is missing, or it does not start; with what it wrote.
    pub fn start(kind: Kind) -> Result<Self> {
        Self::start_with(kind, &[])
    }

    /// The same with settings of its own, which win over the usual ones.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(kind: Kind, settings: &[(&str, &str)]) -> Result<Self> {
        if kind.program().is_none() {
            bail!("{} is not installed: `apt-get install --no-install-recommends {}`", kind.name(), kind.package());
        }
        let folder = tempfile::Builder::new().prefix("otpgate-").tempdir().context("no temporary folder")?;
        own(folder.path(), kind.user())?;
        kind.prepare(folder.path())?;
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut server = Self { kind, port: 0, settings, process: None, folder };
        // Another may take the free port before the server does.
        for _ in 0..5 {
            server.port = free_port(kind)?;
            if server.launch().is_ok() {
                return Ok(server);
            }
        }
        server.launch()?;
        Ok(server)
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        self.kind.url(self.port)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Kills it and all its children at once, as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again on its data and its port, and waits until it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.launch()
    }

    fn launch(&mut self) -> Result<()> {
        let name = self.kind.name();
        let program = self.kind.program().with_context(|| format!("{name} is not installed"))?;
        let (log, begun) = (self.folder.path().join("log"), Instant::now());
        while begun.elapsed() < Duration::from_secs(60) {
            let mut command = as_user(self.kind.user(), &program);
            command.args(self.kind.arguments(self.folder.path(), self.port, &self.settings));
            let mut process = Process::start(&mut command, self.folder.path(), &log)?;
            while begun.elapsed() < Duration::from_secs(60) {
                if process.has_ended() {
                    break;
                }
                if self.kind.answers(self.port) && !process.has_ended() {
                    self.process = Some(process);
                    return Ok(());
                }
                sleep(Duration::from_millis(20));
            }
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            // The children of a killed PostgreSQL take a moment to notice; it says so and refuses to start until then.
            if !text.lines().rev().take(5).any(|line| line.contains("pre-existing shared memory block")) {
                let last: Vec<_> = text.lines().rev().take(12).collect();
                bail!("{name} did not start:\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
            }
            sleep(Duration::from_millis(50));
        }
        bail!("{name} did not answer within a minute")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Gives the folder to the user that the server runs as.
fn own(folder: &Path, user: &str) -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let users = std::fs::read_to_string("/etc/passwd").context("no list of users")?;
    let line = users.lines().find(|line| line.split(':').next() == Some(user));
    let mut fields = line.with_context(|| format!("there is no user `{user}`"))?.split(':').skip(2);
    let mut id = || fields.next().and_then(|id| id.parse().ok());
    std::os::unix::fs::chown(folder, id(), id()).context("the folder cannot be given away")
}

/// A free port; a Cluster node takes the one 10000 above it, too.
fn free_port(kind: Kind) -> Result<u16> {
    for _ in 0..100 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
        let port = listener.local_addr()?.port();
        if kind != Kind::RedisNode
            || port.checked_add(10_000).is_some_and(|bus| TcpListener::bind(("127.0.0.1", bus)).is_ok())
        {
            return Ok(port);
        }
    }
    bail!("no free port")
}
