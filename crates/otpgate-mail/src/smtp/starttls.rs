//! The few lines that are said in clear before STARTTLS (RFC 3207).

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::failure::{Failure, Step};

/// What a server may say in clear.
const MOST_BYTES: usize = 16 * 1024;

/// Asks for TLS. When this answers `Ok` the next byte on the stream, in both directions, is TLS.
///
/// Done here and not by lettre, whose reader keeps what came after the server's answer: bytes that someone on the line put
/// there in clear would pass for answers inside TLS.
pub(super) async fn ask(stream: &mut TcpStream, hello: &str) -> Result<(), Failure> {
    let mut talk = Talk { stream, heard: Vec::new(), total: 0 };
    talk.reply(Step::Ehlo, 220).await?;
    let offers = talk.command(Step::Ehlo, &format!("EHLO {hello}\r\n"), 250).await?;
    // Never go on in clear: whoever cuts the offer out of the server's answer gets no mail and no password.
    if !offers.iter().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
        return Err(Failure::other(Step::StartTls, "the mail server does not offer it"));
    }
    talk.command(Step::StartTls, "STARTTLS\r\n", 220).await?;
    if !talk.heard.is_empty() {
        return Err(Failure::other(Step::StartTls, "something came in clear after the answer"));
    }
    Ok(())
}

struct Talk<'a> {
    stream: &'a mut TcpStream,
    heard: Vec<u8>,
    total: usize,
}

impl Talk<'_> {
    async fn command(&mut self, step: Step, command: &str, want: u16) -> Result<Vec<String>, Failure> {
        self.stream.write_all(command.as_bytes()).await.map_err(|e| Failure::io(step, &e))?;
        self.reply(step, want).await
    }

    /// The texts of a reply's lines, when its code is `want`.
    async fn reply(&mut self, step: Step, want: u16) -> Result<Vec<String>, Failure> {
        let mut texts = Vec::new();
        loop {
            let line = self.line(step).await?;
            let malformed = || Failure::other(step, "the answer was no whole reply of SMTP");
            let code: u16 = line.get(..3).and_then(|code| code.parse().ok()).ok_or_else(malformed)?;
            if code != want {
                return Err(Failure::code(step, code));
            }
            let (goes_on, text) = match line.get(3..).and_then(|rest| rest.split_at_checked(1)) {
                Some(("-", text)) => (true, text),
                Some((" ", text)) => (false, text),
                None => (false, ""),
                Some(_) => return Err(malformed()),
            };
            texts.push(text.to_owned());
            if !goes_on {
                return Ok(texts);
            }
        }
    }

    async fn line(&mut self, step: Step) -> Result<String, Failure> {
        loop {
            if let Some(end) = self.heard.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                let line = String::from_utf8(line).map_err(|_| Failure::other(step, "the answer was no text"))?;
                return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.total > MOST_BYTES {
                return Err(Failure::other(step, "the mail server says too much"));
            }
            let got = self.stream.read_buf(&mut self.heard).await.map_err(|e| Failure::io(step, &e))?;
            if got == 0 {
                return Err(Failure::io(step, &std::io::ErrorKind::UnexpectedEof.into()));
            }
            self.total += got;
        }
    }
}
