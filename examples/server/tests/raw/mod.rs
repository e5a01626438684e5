//! Bytes that no client of ours sends: requests that two servers in a row read differently, heads and bodies that never end.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::driver::{LOGIN, Place, Server, login, request};
use crate::in_both_frameworks;

const ADA: &str = "ada@example.com";
/// What is hidden behind another request, and must never be answered.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: x\r\n\r\n";

in_both_frameworks! {
    a68_a_request_of_two_lengths_is_refused_and_ends_its_connection,
    a68_http_2_is_not_spoken_and_ends_its_connection,
    a22_a98_slow_clients_are_closed_count_as_no_guess_and_others_are_served,
    a100_heads_of_any_size_are_refused_and_others_are_served,
}

/// All that the server says to these bytes, and whether it has ended the connection within half the time that it gives to a head.
fn said_to(server: &Server, bytes: &[u8]) -> (String, bool) {
    let mut stream = server.connect();
    stream.set_read_timeout(Some(Duration::from_millis(2_500))).unwrap();
    // It may end the connection before it has read all.
    let _ = stream.write_all(bytes);
    let (mut said, mut some) = (Vec::new(), [0; 4096]);
    let closed = loop {
        match stream.read(&mut some) {
            Ok(0) => break true,
            Ok(n) => said.extend_from_slice(&some[..n]),
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    (String::from_utf8_lossy(&said).into_owned(), closed)
}

fn a68_a_request_of_two_lengths_is_refused_and_ends_its_connection(framework: &'static str) {
    let place = Place::new(framework, "memory", "[limits]\nper_ip = false\n");
    let server = place.start();
    let head = "POST /identity/user/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let chunked = "2\r\n{}\r\n0\r\n\r\n";
    let rows = [
        ("CL.TE", format!("{head}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}")),
        ("TE.CL", format!("{head}transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{chunked}{HIDDEN}")),
        ("a space before the colon", format!("{head}transfer-encoding : chunked\r\n\r\n{chunked}{HIDDEN}")),
        (
            "a space before the colon, and a length",
            format!("{head}content-length: 2\r\ntransfer-encoding : chunked\r\n\r\n{{}}{HIDDEN}"),
        ),
        ("a folded line", format!("{head}transfer-encoding:\r\n chunked\r\n\r\n{chunked}{HIDDEN}")),
        ("a folded line in another header", format!("{head}x-a: b\r\n\tcontent-length: 2\r\n\r\n{HIDDEN}")),
        ("two lengths", format!("{head}content-length: 2\r\ncontent-length: 40\r\n\r\n{{}}{HIDDEN}")),
        ("two lengths in one line", format!("{head}content-length: 2, 40\r\n\r\n{{}}{HIDDEN}")),
        ("a signed length", format!("{head}content-length: +2\r\n\r\n{{}}{HIDDEN}")),
        ("a negative length", format!("{head}content-length: -2\r\n\r\n{{}}{HIDDEN}")),
        ("a length in hexadecimal", format!("{head}content-length: 0x2\r\n\r\n{{}}{HIDDEN}")),
        ("a length without end", format!("{head}content-length: 99999999999999999999\r\n\r\n{{}}{HIDDEN}")),
        ("chunked is not the last", format!("{head}transfer-encoding: chunked, identity\r\n\r\n{chunked}{HIDDEN}")),
        ("an unknown coding", format!("{head}transfer-encoding: xchunked\r\n\r\n{chunked}{HIDDEN}")),
        (
            "chunked in HTTP/1.0",
            format!("{}transfer-encoding: chunked\r\n\r\n{chunked}{HIDDEN}", head.replace("1.1", "1.0")),
        ),
        ("NUL in a name", format!("{head}x\0y: z\r\ncontent-length: 2\r\n\r\n{{}}{HIDDEN}")),
        ("NUL in a value", format!("{head}x-a: b\0c\r\ncontent-length: 2\r\n\r\n{{}}{HIDDEN}")),
        (
            "a bare CR in a value",
            format!("{head}x-a: b\rtransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n{{}}{HIDDEN}"),
        ),
        ("a line without a colon", format!("{head}transfer-encoding chunked\r\n\r\n{chunked}{HIDDEN}")),
        ("a chunk of no number", format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n{HIDDEN}")),
        (
            "a chunk in hexadecimal with a prefix",
            format!("{head}transfer-encoding: chunked\r\n\r\n0x2\r\n{{}}\r\n0\r\n\r\n{HIDDEN}"),
        ),
        (
            "a chunk without end",
            format!("{head}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{{}}\r\n0\r\n\r\n{HIDDEN}"),
        ),
        ("a chunk's line without CR", format!("{head}transfer-encoding: chunked\r\n\r\n2\n{{}}\r\n0\r\n\r\n{HIDDEN}")),
        (
            "a chunk's extension without CR",
            format!("{head}transfer-encoding: chunked\r\n\r\n2;a\n{{}}\r\n0\r\n\r\n{HIDDEN}"),
        ),
        ("a chunk's end without CR", format!("{head}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\n0\r\n\r\n{HIDDEN}")),
        (
            "a chunk longer than it says",
            format!("{head}transfer-encoding: chunked\r\n\r\n1\r\n{{}}\r\n0\r\n\r\n{HIDDEN}"),
        ),
    ];
    // hyper reads the first two as chunked, which RFC 9112 (6.3) lets it, and ends the connection; their body is refused as any other
    // that lacks what a login needs. In both frameworks a bare LF ends a line of the head (2.2 lets them): no length hangs on it.
    let mut wrong = Vec::new();
    for (what, bytes) in rows {
        let (said, closed) = said_to(&server, bytes.as_bytes());
        let answers = said.matches("HTTP/1.").count();
        if !(said.starts_with("HTTP/1.1 400") || said.starts_with("HTTP/1.0 400")) || answers != 1 || !closed {
            wrong.push(format!("{what}: {} {said:?}", if closed { "closed" } else { "open" }));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // None of it has hurt the server, and a pipelined request of one length is no such thing.
    let good =
        format!("{head}content-length: 2\r\n\r\n{{}}GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let (said, closed) = said_to(&server, good.as_bytes());
    assert_eq!(
        (said.matches("HTTP/1.1 400").count(), said.matches("HTTP/1.1 200").count(), closed),
        (1, 1, true),
        "{said}"
    );
}

fn a68_http_2_is_not_spoken_and_ends_its_connection(framework: &'static str) {
    let place = Place::new(framework, "memory", "");
    let server = place.start();
    // So there is no reset to be rapid, and no header that carries a line end from one version into the other.
    let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let (said, closed) = said_to(&server, settings);
    assert!(closed && !said.contains("200") && (said.is_empty() || said.starts_with("HTTP/1.1 4")), "{said:?}");
    let upgrade = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n";
    let (said, _) = said_to(&server, upgrade.as_bytes());
    assert!(said.starts_with("HTTP/1.1 200") && !said.contains("101"), "{said:?}");
}

/// Sends the first bytes, then one of `drops` each second; after how long the connection had ended, and what was said until then.
fn trickle(server: &Server, first: &str, drops: &'static [u8]) -> impl FnOnce() -> (Duration, String) + use<> {
    let mut stream = server.connect();
    stream.write_all(first.as_bytes()).unwrap();
    move || {
        let begin = Instant::now();
        let mut reader = stream.try_clone().unwrap();
        let reads = thread::spawn(move || {
            let mut said = Vec::new();
            // A reset ends it as well as an end does.
            let _ = reader.read_to_end(&mut said);
            (begin.elapsed(), String::from_utf8_lossy(&said).into_owned())
        });
        for drop in drops {
            thread::sleep(Duration::from_secs(1));
            if reads.is_finished() || stream.write_all(&[*drop]).is_err() {
                break;
            }
        }
        let ended = reads.join().unwrap();
        let _ = stream.shutdown(Shutdown::Both);
        ended
    }
}

fn a22_a98_slow_clients_are_closed_count_as_no_guess_and_others_are_served(framework: &'static str) {
    /// Connections beside those that are looked at one by one.
    const CROWD: usize = 200;
    let mut place = Place::new(framework, "memory", "[limits]\nper_ip = false\n");
    let server = place.start();
    server.ask(ADA).expect(200);
    let code = place.code();
    let wrong = login(ADA, if code == "000000" { "000001" } else { "000000" }).to_string();
    let post = format!(
        "POST {LOGIN} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        wrong.len()
    );
    let withheld = format!("{post}expect: 100-continue\r\n\r\n");
    let cut = format!("{post}\r\n{}", &wrong[..wrong.len() - 1]);
    let slow: [(&str, &str, &'static [u8], u64); 6] = [
        ("says nothing", "", b"", 5),
        ("half a head", "GET /healthz HTTP/1.1\r\nhost", b"", 5),
        ("a head byte by byte", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-a: ", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 5),
        ("the body is withheld", &withheld, b"", 10),
        ("the last byte of a guess is withheld", &cut, b"", 10),
        ("a body byte by byte", &format!("{post}\r\n"), b"{                             ", 10),
    ];
    thread::scope(|scope| {
        let clients =
            slow.map(|(what, first, drops, limit)| (what, limit, scope.spawn(trickle(&server, first, drops))));
        // Half of the crowd says nothing, half has a whole guess but for its last byte.
        let crowd: Vec<TcpStream> = (0..CROWD)
            .map(|n| {
                let mut stream = server.connect();
                stream.write_all(if n % 2 == 0 { b"" } else { cut.as_bytes() }).unwrap();
                stream
            })
            .collect();
        // Others are served at once meanwhile.
        for _ in 0..20 {
            let begin = Instant::now();
            server.send("GET", "/healthz", &[], "").expect(200);
            assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        }
        for (what, limit, client) in clients {
            let (took, said) = client.join().unwrap();
            // Timers of both frameworks run in steps of up to a second.
            let span = Duration::from_secs(limit - 1)..Duration::from_secs(limit + 4);
            assert!(span.contains(&took), "{what}: {took:?} instead of {limit} s: {said:?}");
            let said = said.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&said);
            assert!(said.is_empty() || said.starts_with("HTTP/1.1 40"), "{what}: {said:?}");
        }
        for mut stream in crowd {
            let mut said = Vec::new();
            let end = stream.read_to_end(&mut said);
            assert!(!matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock), "it is still open");
            assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1 2"), "a guess without its end was answered");
        }
    });
    // A hundred guesses and more without their last byte: none was compared, and the code has all its tries.
    for _ in 0..2 {
        server.send("POST", LOGIN, &[], &wrong).expect(401);
    }
    server.log_in(ADA, &code).expect(200);
}

fn a100_heads_of_any_size_are_refused_and_others_are_served(framework: &'static str) {
    let place = Place::new(framework, "memory", "");
    let server = place.start();
    let with = |length: usize| server.send("GET", "/healthz", &[("x-long", &"a".repeat(length))], "");
    with(15_000).expect(200);
    with(17_000).expect(431);
    let begin = Instant::now();
    let heads = [
        ("lines", "x-a: b\r\n".repeat(100_000)),
        ("lines of one name each", (0..100_000).map(|n| format!("x-{n}: b\r\n")).collect()),
        ("empty values", "a:\r\n".repeat(100_000)),
        ("one name", "a".repeat(1_000_000)),
        ("one path", format!("/{}", "a".repeat(1_000_000))),
    ];
    for (what, lines) in heads {
        let head = if what == "one path" {
            format!("GET {lines} HTTP/1.1\r\nhost: x\r\n\r\n")
        } else {
            format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n")
        };
        let (said, closed) = said_to(&server, head.as_bytes());
        assert!(closed && (said.is_empty() || said.starts_with("HTTP/1.1 4")), "{what}: {closed} {said:?}");
    }
    // As many keys as a body has room for: read once, and refused for what is missing.
    let keys: Vec<String> = (0..800).map(|n| format!("\"k{n:03}\":0")).collect();
    let body = format!("{{{}}}", keys.join(","));
    server.send("POST", LOGIN, &[], &body).expect(400);
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    let line = request("GET", "/healthz", &[], "");
    assert!(said_to(&server, line.as_bytes()).0.starts_with("HTTP/1.1 200"));
}
