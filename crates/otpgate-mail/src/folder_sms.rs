//! SMS as files in a folder.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use otpgate_core::{Clock, CodeSms, ConfigError, DeliveryError, SmsSender};
use serde_json::Value;

use crate::address;
use crate::pattern::Letter;
use crate::spool::Spool;
use crate::templates::Templates;

/// Writes each SMS as one JSON file `{"to":"+15550000001","body":".."}` into a folder, in the manner of
/// [`FolderMailer`](crate::FolderMailer).
///
/// ```
/// use otpgate_mail::{FolderSms, Templates};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path().join("sms");
/// let words = Templates::builder("Example").sms_domain("example.com").build()?;
/// let sms = FolderSms::new(folder, words)?;
/// # let _ = sms;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FolderSms {
    templates: Templates,
    spool: Spool,
}

impl FolderSms {
    /// A sender that writes to `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Name`](otpgate_core::ConfigErrorKind::Name) for a folder that cannot be written, and for templates that
    /// say nothing of a domain ([`TemplatesBuilder::sms_domain`](crate::TemplatesBuilder::sms_domain)).
    pub fn new(folder: impl Into<PathBuf>, templates: Templates) -> Result<Self, ConfigError> {
        templates.expect_for_sms()?;
        Ok(Self { templates, spool: Spool::open(folder.into())? })
    }

    /// The same with another clock for the file names; without this it is the machine's.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { spool: self.spool.with_clock(clock), ..self }
    }

    async fn deliver(&self, letter: Letter<'_>) -> Result<(), DeliveryError> {
        let to = Value::from(address::phone(letter.to)?);
        let body = Value::from(self.templates.of(letter).sms_of(letter));
        let stamp = self.spool.stamp()?;
        self.spool.put(&stamp, "json", format!("{{\"to\":{to},\"body\":{body}}}\n").into_bytes()).await
    }
}

#[async_trait]
impl SmsSender for FolderSms {
    async fn send(&self, sms: &CodeSms) -> Result<(), DeliveryError> {
        self.deliver(sms.into()).await
    }
}

impl fmt::Debug for FolderSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderSms").field("folder", &self.spool.folder()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    fn letter(to: &str) -> Letter<'_> {
        Letter {
            purpose: otpgate_core::MailPurpose::LogIn,
            to,
            code: "012345",
            life: Duration::from_secs(300),
            locale: None,
        }
    }

    #[tokio::test]
    async fn each_sms_is_one_json_file_with_number_and_words() {
        let folder = tempfile::tempdir().unwrap();
        let templates =
            Templates::builder("The \"Shop\"").sms("{code} for {brand}").sms_domain("example.com").build().unwrap();
        let sender = FolderSms::new(folder.path(), templates).unwrap();
        sender.deliver(letter("+1 555 000-0001")).await.unwrap();
        let file = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        assert_eq!(file.extension().unwrap(), "json");
        let json: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let body = "012345 for The \"Shop\"\n\n@example.com #012345";
        assert_eq!(json, serde_json::json!({ "to": "+15550000001", "body": body }));
    }

    #[tokio::test]
    async fn a_hostile_number_is_refused_for_good_and_writes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let sender =
            FolderSms::new(folder.path(), Templates::builder("Example").sms_domain("example.com").build().unwrap())
                .unwrap();
        for to in ["", "+1\r\n5550000001", "+15550000001,+15550000002", "+15550000001\",\"x\":\"", "ada@example.com"] {
            assert!(!sender.deliver(letter(to)).await.unwrap_err().is_temporary(), "{to:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_folder_that_vanished_is_worth_another_try() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("sms");
        let sender =
            FolderSms::new(&folder, Templates::builder("Example").sms_domain("example.com").build().unwrap()).unwrap();
        fs::remove_dir(&folder).unwrap();
        assert!(sender.deliver(letter("+15550000001")).await.unwrap_err().is_temporary());
    }
}
