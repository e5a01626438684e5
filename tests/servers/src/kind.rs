//! What is particular to each kind of server.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::process::{as_user, found};

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
    /// Redis.
    Redis,
    /// A node of a Redis Cluster, not yet joined to others.
    RedisNode,
}

impl Kind {
    /// Every kind that `cargo xtask test` starts.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::MariaDb, Self::Redis];

    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
            Self::Redis => "Redis",
            Self::RedisNode => "Redis Cluster",
        }
    }

    /// The environment variable that tests find its URL in.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "OTPGATE_TEST_POSTGRES",
            Self::MariaDb => "OTPGATE_TEST_MYSQL",
            Self::Redis | Self::RedisNode => "OTPGATE_TEST_REDIS",
        }
    }

    /// Debian's package.
    #[must_use]
    pub fn package(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::MariaDb => "mariadb-server",
            Self::Redis | Self::RedisNode => "redis-server",
        }
    }

    /// The system user that its package brings, for who is root: the servers refuse to run as root.
    pub(crate) fn user(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MariaDb => "mysql",
            Self::Redis | Self::RedisNode => "redis",
        }
    }

    pub(crate) fn program(self) -> Option<PathBuf> {
        match self {
            Self::Postgres => postgres_program("postgres"),
            Self::MariaDb => found("mariadbd"),
            Self::Redis | Self::RedisNode => found("redis-server"),
        }
    }

    pub(crate) fn url(self, port: u16) -> String {
        match self {
            Self::Postgres => format!("postgres://otpgate@127.0.0.1:{port}/postgres"),
            Self::MariaDb => format!("mysql://otpgate@127.0.0.1:{port}/otpgate"),
            Self::Redis | Self::RedisNode => format!("redis://127.0.0.1:{port}/"),
        }
    }

    /// Makes what must be in `folder` before the first start.
    pub(crate) fn prepare(self, folder: &Path) -> Result<()> {
        match self {
            Self::Postgres => {
                let program = postgres_program("initdb").context("initdb is missing")?;
                let mut command = as_user(self.user(), &program);
                command.arg("--pgdata").arg(folder.join("data"));
                command.args(["--username=otpgate", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]);
                finish(&mut command)
            }
            Self::MariaDb => {
                let program = found("mariadb-install-db").context("mariadb-install-db is missing")?;
                let mut command = as_user(self.user(), &program);
                command.arg("--no-defaults").arg(format!("--datadir={}", folder.join("data").display()));
                command.arg(format!("--tmpdir={}", folder.display()));
                command.args(["--skip-test-db", "--auth-root-authentication-method=normal"]);
                finish(&mut command)?;
                let first = "CREATE DATABASE IF NOT EXISTS otpgate;\n\
                             CREATE USER IF NOT EXISTS 'otpgate'@'127.0.0.1';\n\
                             GRANT ALL ON otpgate.* TO 'otpgate'@'127.0.0.1';\n";
                fs::write(folder.join("first.sql"), first).context("first.sql cannot be written")
            }
            Self::Redis | Self::RedisNode => Ok(()),
        }
    }

    /// The arguments that start it: settings under which nothing acknowledged is lost, then the caller's.
    pub(crate) fn arguments(self, folder: &Path, port: u16, settings: &[(String, String)]) -> Vec<String> {
        let at = |name: &str| folder.join(name).display().to_string();
        let mut all: Vec<String>;
        match self {
            Self::Postgres => {
                all = vec!["-D".into(), at("data")];
                let ours = [
                    ("listen_addresses", "127.0.0.1".to_owned()),
                    ("port", port.to_string()),
                    ("unix_socket_directories", String::new()),
                    ("max_connections", "200".to_owned()),
                    ("fsync", "on".to_owned()),
                    ("synchronous_commit", "on".to_owned()),
                ];
                let ours = ours.map(|(name, value)| (name.to_owned(), value));
                all.extend(ours.iter().chain(settings).flat_map(|(n, v)| ["-c".to_owned(), format!("{n}={v}")]));
            }
            Self::MariaDb => {
                all = vec!["--no-defaults".into(), format!("--datadir={}", at("data"))];
                all.extend([
                    format!("--port={port}"),
                    "--bind-address=127.0.0.1".into(),
                    // A folder that several share is swept by each of them when it starts.
                    format!("--tmpdir={}", folder.display()),
                    format!("--socket={}", at("socket")),
                    format!("--pid-file={}", at("pid")),
                    format!("--init-file={}", at("first.sql")),
                    "--skip-name-resolve".into(),
                    "--max-connections=400".into(),
                    "--innodb-flush-log-at-trx-commit=1".into(),
                    "--sync-binlog=1".into(),
                ]);
                all.extend(settings.iter().map(|(name, value)| format!("--{name}={value}")));
            }
            Self::Redis | Self::RedisNode => {
                let (port, folder) = (port.to_string(), folder.display().to_string());
                let mut ours = vec![
                    ("port", port.as_str()),
                    ("bind", "127.0.0.1"),
                    ("dir", folder.as_str()),
                    ("appendonly", "yes"),
                    ("appendfsync", "always"),
                    ("save", ""),
                    ("maxmemory-policy", "noeviction"),
                ];
                if self == Self::RedisNode {
                    ours.push(("cluster-enabled", "yes"));
                }
                let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
                all = ours.chain(settings.iter().cloned()).flat_map(|(n, v)| [format!("--{n}"), v]).collect();
            }
        }
        all
    }

    /// Whether it answers.
    pub(crate) fn answers(self, port: u16) -> bool {
        match self {
            Self::Postgres => {
                let Some(program) = postgres_program("pg_isready") else { return false };
                let mut command = Command::new(program);
                command.args(["--quiet", "--host=127.0.0.1", &format!("--port={port}"), "--username=otpgate"]);
                command.status().is_ok_and(|status| status.success())
            }
            // The greeting comes when recovery is over.
            Self::MariaDb => ask(port, b"").is_some_and(|greeting| !greeting.is_empty()),
            Self::Redis | Self::RedisNode => ask(port, b"PING\r\n").is_some_and(|answer| answer.starts_with(b"+PONG")),
        }
    }
}

fn ask(port: u16, question: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(question).ok()?;
    let mut answer = [0; 64];
    let n = stream.read(&mut answer).ok()?;
    Some(answer[..n].to_vec())
}

/// Debian keeps PostgreSQL's programs out of the path: the newest version wins.
fn postgres_program(name: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok();
    let mut programs: Vec<(u32, PathBuf)> = versions
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin").join(name))))
        .filter(|(_, program)| program.exists())
        .collect();
    programs.sort();
    programs.pop().map(|(_, program)| program).or_else(|| found(name))
}

fn finish(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?} did not start"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "{command:?} failed: {}{}", text(&output.stdout), text(&output.stderr));
    Ok(())
}
