//! Codes on a terminal, for the first try.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use otpgate_core::{CodeMail, CodeSms, DeliveryError, Mailer, SmsSender};

use crate::address;
use crate::pattern::Letter;
use crate::words::Units;

/// Writes each code as a short block of lines. Cheap to clone; clones share the writer.
///
/// For trying things out: whoever reads the output can log in as anyone.
///
/// ```
/// use otpgate_mail::ConsoleMailer;
///
/// let mailer = ConsoleMailer::stdout();
/// let also_a_file = ConsoleMailer::to(Vec::new());
/// # let _ = (mailer, also_a_file);
/// ```
#[derive(Clone)]
pub struct ConsoleMailer(Arc<Mutex<dyn Write + Send>>);

impl ConsoleMailer {
    /// Writes to standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }

    /// Writes to standard error.
    #[must_use]
    pub fn stderr() -> Self {
        Self::to(io::stderr())
    }

    /// Writes to `writer`: one write and one flush for each block.
    #[must_use]
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }

    fn print(&self, kind: &str, letter: Letter<'_>) -> Result<(), DeliveryError> {
        let block = format!(
            "\n--- {kind} to {} ---\nYour code is {}\nIt expires in {}\n\n",
            printable(letter.to),
            printable(letter.code),
            Units::ENGLISH.of(letter.life)
        );
        // A thread that panicked half way left at worst half a block behind: go on.
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(block.as_bytes()).and_then(|()| writer.flush()).map_err(DeliveryError::temporary)
    }
}

#[async_trait]
impl Mailer for ConsoleMailer {
    async fn send(&self, mail: &CodeMail) -> Result<(), DeliveryError> {
        address::mailbox(&mail.to)?;
        self.print("mail", mail.into())
    }
}

#[async_trait]
impl SmsSender for ConsoleMailer {
    async fn send(&self, sms: &CodeSms) -> Result<(), DeliveryError> {
        address::phone(&sms.to)?;
        self.print("SMS", sms.into())
    }
}

impl fmt::Debug for ConsoleMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConsoleMailer(..)")
    }
}

/// One line of text that moves no cursor and starts no line (A101).
fn printable(text: &str) -> String {
    text.chars().flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A writer that the test can read after the mailer took it.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(buf)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(to: &str) -> String {
        let paper = Paper::default();
        let letter = Letter {
            purpose: otpgate_core::MailPurpose::LogIn,
            to,
            code: "012345",
            life: Duration::from_secs(300),
            locale: None,
        };
        ConsoleMailer::to(paper.clone()).print("mail", letter).unwrap();
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn w014_w023_the_block_names_recipient_code_and_life() {
        let want = "\n--- mail to ada@example.com ---\nYour code is 012345\nIt expires in 5 minutes\n\n";
        assert_eq!(printed("ada@example.com"), want);
    }

    #[test]
    fn a101_no_recipient_forges_a_line_or_drives_the_terminal() {
        let plain = printed("ada@example.com").lines().count();
        for to in ["a@x\n2026 INFO login ok", "a\r@x", "\u{1b}[2J@x", "a\u{202e}@x", "a\u{85}@x", "{}%s@x"] {
            let block = printed(to);
            assert_eq!(block.lines().count(), plain, "{to:?}");
            assert!(block.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{to:?}");
        }
    }

    #[test]
    fn a_writer_that_fails_is_tried_again() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let letter = Letter {
            purpose: otpgate_core::MailPurpose::LogIn,
            to: "ada@example.com",
            code: "012345",
            life: Duration::from_secs(300),
            locale: None,
        };
        assert!(ConsoleMailer::to(Broken).print("mail", letter).unwrap_err().is_temporary());
    }
}
