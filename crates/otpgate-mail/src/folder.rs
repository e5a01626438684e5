//! Mail as files in a folder.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use otpgate_core::{Clock, CodeMail, ConfigError, DeliveryError, Mailer};

use crate::message::Letterhead;
use crate::pattern::Letter;
use crate::spool::Spool;
use crate::templates::Templates;

/// Writes each mail as one `.eml` file (RFC 5322) into a folder: for tests, and for a mail server's pick-up folder.
///
/// The names sort by time. A file appears whole and synced to the disk, or not at all; files whose name starts with a dot
/// are still being written. Whoever can read the folder can log in as anyone, so on Unix folder and files are made for
/// their owner only. The files are written by a thread of the mailer's own, which ends with it.
///
/// A mail has one recipient, in the stored spelling, and always the same eight headers; the code is in its text and in its
/// HTML and nowhere else; both are encoded, so that no transport can misread them.
///
/// ```
/// use otpgate_mail::{FolderMailer, Templates};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path().join("mail");
/// let mailer = FolderMailer::new(folder, "Example <login@example.com>", Templates::new("Example")?)?;
/// # let _ = mailer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FolderMailer {
    letterhead: Letterhead,
    spool: Spool,
}

impl FolderMailer {
    /// A mailer that writes to `folder`, which is made if it is missing. `from` is `login@example.com` or
    /// `Example <login@example.com>`.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Name`](otpgate_core::ConfigErrorKind::Name) for a `from` that is not one plain address, or a folder that cannot be written.
    pub fn new(folder: impl Into<PathBuf>, from: &str, templates: Templates) -> Result<Self, ConfigError> {
        Ok(Self { letterhead: Letterhead::new(from, templates)?, spool: Spool::open(folder.into())? })
    }

    /// The same with another clock for dates and file names; without this it is the machine's.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { spool: self.spool.with_clock(clock), ..self }
    }

    async fn deliver(&self, letter: Letter<'_>) -> Result<(), DeliveryError> {
        let stamp = self.spool.stamp()?;
        let message = self.letterhead.message(letter, stamp.at, &stamp.random())?;
        self.spool.put(&stamp, "eml", message.formatted()).await
    }
}

#[async_trait]
impl Mailer for FolderMailer {
    async fn send(&self, mail: &CodeMail) -> Result<(), DeliveryError> {
        self.deliver(mail.into()).await
    }
}

impl fmt::Debug for FolderMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderMailer").field("folder", &self.spool.folder()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::address::HOSTILE;
    use crate::message::tests::check_code_mail;

    const CODE: &str = "012345";

    fn mailer(folder: &std::path::Path) -> FolderMailer {
        FolderMailer::new(folder, "login@example.com", Templates::new("Example").unwrap()).unwrap()
    }

    fn letter(to: &str) -> Letter<'_> {
        Letter {
            purpose: otpgate_core::MailPurpose::LogIn,
            to,
            code: CODE,
            life: Duration::from_secs(300),
            locale: None,
        }
    }

    fn files(folder: &std::path::Path) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        files
    }

    #[tokio::test]
    async fn w014_each_mail_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let mailer = mailer(folder.path());
        let to = ["ada@example.com", "bob@example.com", "cid@example.com"];
        for to in to {
            mailer.deliver(letter(to)).await.unwrap();
        }
        let files = files(folder.path());
        assert_eq!(files.len(), to.len());
        for (file, to) in files.iter().zip(to) {
            assert_eq!(file.extension().unwrap(), "eml");
            check_code_mail(&fs::read(file).unwrap(), to, "Your sign-in code for Example");
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(!name.contains(CODE) && !name.contains(&to[..3]), "{name}");
        }
    }

    #[tokio::test]
    async fn a49_a_hostile_recipient_is_refused_for_good_and_writes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mailer = mailer(folder.path());
        for to in HOSTILE {
            assert!(!mailer.deliver(letter(to)).await.unwrap_err().is_temporary(), "{to:?}");
        }
        assert_eq!(files(folder.path()).len(), 0);
    }

    #[tokio::test]
    async fn w024_a_folder_that_vanished_is_worth_another_try() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("mail");
        let mailer = mailer(&folder);
        fs::remove_dir(&folder).unwrap();
        assert!(mailer.deliver(letter("ada@example.com")).await.unwrap_err().is_temporary());
    }

    #[test]
    fn a_hostile_sender_makes_no_folder() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("mail");
        assert!(FolderMailer::new(&folder, "a@b.example,c@d.example", Templates::new("Example").unwrap()).is_err());
        assert!(!folder.exists());
    }
}
