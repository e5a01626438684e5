//! A mail server on this machine.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::code_in;

/// Lives until the tests end; one connection at a time.
pub(crate) struct MailServer {
    pub(crate) url: String,
    accepts: Arc<AtomicBool>,
    mails: Receiver<String>,
}

impl MailServer {
    /// It `accepts` mail, or asks everybody to come again later.
    pub(crate) fn start(accepts: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let accepts = Arc::new(AtomicBool::new(accepts));
        let (well, (taken, mails)) = (Arc::clone(&accepts), channel());
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A conversation that breaks off was with a process that is gone.
                let _ = converse(stream.unwrap(), well.load(Ordering::SeqCst), &taken);
            }
        });
        Self { url, accepts, mails }
    }

    pub(crate) fn accept(&self) {
        self.accepts.store(true, Ordering::SeqCst);
    }

    /// To whom the next mail is, and the code in it.
    pub(crate) fn next(&self) -> (String, String) {
        // A try that a process died in is made again after 90 s, by whoever looks every 15 s.
        code_in(self.mails.recv_timeout(Duration::from_secs(120)).unwrap().as_bytes())
    }

    /// Mails that came and were not read.
    pub(crate) fn unread(&self) -> usize {
        self.mails.try_iter().count()
    }
}

fn converse(mut stream: TcpStream, well: bool, taken: &Sender<String>) -> io::Result<()> {
    if !well {
        return stream.write_all(b"421 not now\r\n");
    }
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(b"220 here\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        if line != "DATA" {
            stream.write_all(b"250 good\r\n")?;
            continue;
        }
        stream.write_all(b"354 go on\r\n")?;
        let mut mail = String::new();
        while let Some(line) = lines.next().transpose()?.filter(|line| line != ".") {
            mail += &line;
            mail += "\r\n";
        }
        // Nobody waits for it where the test has ended.
        let _ = taken.send(mail);
        stream.write_all(b"250 taken\r\n")?;
    }
    Ok(())
}
