//! S6: requests a second over loopback, the server on one core and the load on another, bare beside otpgate. Linux only: `taskset`
//! pins both, and `/proc` says what the server took.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use otpgate_servers::install_tool;

use crate::rounds::Middle;

/// Which core each has to itself.
const SERVER: &str = "0";
const LOAD: &str = "1";
const CONNECTIONS: usize = 32;
const GOAL: f64 = 0.95;
/// `USER_HZ`: in ticks of this many a second the kernel tells what a process took.
const TICKS: f64 = 100.0;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub rounds: usize,
    pub seconds: u32,
}

impl Size {
    /// For numbers.
    pub const FULL: Self = Self { rounds: 9, seconds: 2 };
    /// To see that it runs.
    pub const SMOKE: Self = Self { rounds: 1, seconds: 1 };
}

/// Prints the table.
///
/// # Errors
/// Where there is one core only, no `wrk`, or a request is not answered as it must be.
pub fn table(size: Size) -> Result<()> {
    ensure!(std::thread::available_parallelism()?.get() > 1, "the server and its load need a core each");
    install_tool("wrk", "wrk")?;
    println!("| | what | requests/s | server CPU, µs a request | its core was busy | to bare | goal | |");
    println!("|---|---|---:|---:|---:|---:|---:|---|");
    for (framework, mounts) in [
        ("axum", &[("layer", ".layer(auth)"), ("around", "auth.layer(router)")][..]),
        ("actix-web", &[("wrap", ".wrap(auth)")]),
    ] {
        let ours = mounts.iter().map(|(what, _)| Served::start(framework, what)).collect::<Result<Vec<_>>>()?;
        let mut bare = Served::start(framework, "bare")?;
        bare.token.clone_from(&ours[0].token);
        for ours in &ours {
            ours.check()?;
        }
        let apps: Vec<&Served> = std::iter::once(&bare).chain(&ours).collect();
        let mut loads: Vec<Vec<Load>> = apps.iter().map(|_| Vec::new()).collect();
        // One more, before the others, that only warms up.
        for round in 0..=size.rounds {
            for turn in 0..apps.len() {
                let at = if round % 2 == 0 { turn } else { apps.len() - 1 - turn };
                let load = apps[at].load(size.seconds)?;
                if round > 0 {
                    loads[at].push(load);
                }
            }
        }
        println!("| S6 | {framework}, bare | {} | | | |", Load::shown(&loads[0]));
        for ((_, mount), of_ours) in mounts.iter().zip(&loads[1..]) {
            let ratios = of_ours.iter().zip(&loads[0]).map(|(ours, bare)| ours.rate / bare.rate).collect();
            let ratio = Middle::of(ratios).median;
            let verdict = if ratio >= GOAL { "met" } else { "**missed**" };
            println!("| S6 | {framework}, {mount} | {} | {ratio:.3} | {GOAL} | {verdict} |", Load::shown(of_ours));
        }
    }
    Ok(())
}

/// A server in a process of its own, on a core of its own; it ends when this is dropped, or with us.
struct Served {
    child: Child,
    port: u16,
    token: String,
}

impl Served {
    fn start(framework: &str, what: &str) -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", SERVER]).arg(std::env::current_exe()?).args(["serve", framework, what]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("no `taskset`")?;
        let mut line = String::new();
        let out = child.stdout.take().context("no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let (port, token) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let port = port.parse().with_context(|| format!("{framework}, {what} did not start"))?;
        Ok(Self { child, port, token: token.to_owned() })
    }

    /// Whether it asks for a token at all: a good one, none, and one with another end.
    fn check(&self) -> Result<()> {
        let good = self.token.as_str();
        let flipped = format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { "B" } else { "A" });
        for (header, status) in [
            (format!("auth-token: {good}\r\n"), "200"),
            (String::new(), "401"),
            (format!("auth-token: {flipped}\r\n"), "401"),
        ] {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            write!(stream, "GET /me HTTP/1.1\r\nhost: localhost\r\n{header}connection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            ensure!(answer.split(' ').nth(1) == Some(status), "{status} was due, and came {answer}");
        }
        Ok(())
    }

    /// One round.
    fn load(&self, seconds: u32) -> Result<Load> {
        let (before, begun) = (self.ticks()?, Instant::now());
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", LOAD, "wrk", "--threads=1", &format!("--connections={CONNECTIONS}")]);
        command.args([format!("--duration={seconds}s"), format!("--header=auth-token: {}", self.token)]);
        command.arg(format!("http://127.0.0.1:{}/me", self.port)).stdin(Stdio::null());
        let output = command.output().context("`wrk` did not start")?;
        let (ticks, took) = (self.ticks()? - before, begun.elapsed().as_secs_f64());
        let text = String::from_utf8(output.stdout)?;
        if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
            bail!("the load failed: {text}{}", String::from_utf8_lossy(&output.stderr));
        }
        let number = |after: &str| text.split(after).nth(1)?.split_whitespace().next()?.parse::<f64>().ok();
        let rate = number("Requests/sec:").context("wrk says nothing")?;
        let line = text.lines().find(|line| line.contains(" requests in ")).context("wrk says nothing")?;
        let requests: f64 = line.split_whitespace().next().context("no number")?.parse()?;
        let seconds = ticks / TICKS;
        Ok(Load { rate, micros: seconds * 1e6 / requests, busy: seconds / took })
    }

    /// What it took so far, in user code and in the kernel.
    fn ticks(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // After the name, which may hold anything: the state is field 3, user time 14, system time 15.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        Ok(fields[11].parse::<f64>()? + fields[12].parse::<f64>()?)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of one round.
struct Load {
    rate: f64,
    micros: f64,
    busy: f64,
}

impl Load {
    /// Three cells, the medians of a case's rounds.
    fn shown(rounds: &[Self]) -> String {
        let median = |of: fn(&Self) -> f64| Middle::of(rounds.iter().map(of).collect()).median;
        let busy = median(|r| r.busy) * 100.0;
        format!("{:.0} | {:.2} | {busy:.0} %", median(|r| r.rate), median(|r| r.micros))
    }
}
