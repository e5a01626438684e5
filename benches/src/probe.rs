//! How long requests take for clients over loopback, each a thread with one connection that waits for its answer: what a host's
//! client feels while the server does something else beside.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::credentials::Credentials;

/// Two clients: more would be as busy as the two cores that they share with the server.
const CLIENTS: usize = 2;
/// What a client does between two requests, so that it measures no queue of its own making.
const PAUSE: Duration = Duration::from_micros(200);

/// Asks `GET /me` for so long, with credentials one after the other, and says how long each answer took, in microseconds.
///
/// # Errors
/// When an answer is not 200.
pub fn latencies(server: SocketAddr, credentials: &Credentials, span: Duration) -> Result<Vec<f64>> {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            // Another seed each.
            let own = Credentials::new(credentials.header, credentials.values.clone(), credentials.order);
            std::thread::spawn(move || client(server, own, span))
        })
        .collect();
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??);
    }
    Ok(all)
}

fn client(server: SocketAddr, mut credentials: Credentials, span: Duration) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    let (begun, mut took, mut answer) = (Instant::now(), Vec::new(), [0; 4096]);
    while begun.elapsed() < span {
        let at = credentials.pick().context("no credential")?;
        let (header, value) = (credentials.header, &credentials.values[at]);
        let request = format!("GET /me HTTP/1.1\r\nhost: localhost\r\n{header}: {value}\r\n\r\n");
        let asked = Instant::now();
        stream.write_all(request.as_bytes())?;
        let mut length = 0;
        while !is_whole(&answer[..length]) {
            let more = stream.read(&mut answer[length..])?;
            ensure!(more > 0, "the server hung up");
            length += more;
        }
        took.push(asked.elapsed().as_secs_f64() * 1e6);
        ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
        std::thread::sleep(PAUSE);
    }
    Ok(took)
}

/// Whether an answer has all of its body.
fn is_whole(answer: &[u8]) -> bool {
    let text = std::str::from_utf8(answer).unwrap_or("");
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|n| n.parse::<usize>().ok()).is_some_and(|n| body.len() >= n)
}

/// The value below which that share of them is.
///
/// # Panics
/// Without values.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}
