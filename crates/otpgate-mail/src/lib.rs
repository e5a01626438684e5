//! How otpgate's codes leave: a console for the first try, a folder of mail files, and the words that stand in them.
//!
//! | sender | for | needs |
//! |---|---|---|
//! | [`ConsoleMailer`] | trying it out: recipient, code and life on a terminal | nothing |
//! | `FolderMailer`, `FolderSms` | tests, and a mail server's pick-up folder | feature `folder`, on by default |
//! | `SmtpMailer` | production: a mail server by SMTP over TLS | feature `smtp`, and `webpki-roots` or `native-roots` |
//! | `HttpSms` | production: an SMS gateway by HTTPS | feature `sms-http`, and a root feature as above |
//!
//! [`SmsRules`](otpgate_core::SmsRules) say which countries get SMS, and how many. [`Templates`] holds the words. What cannot be sent safely is refused when it is built, never when a mail goes out.

mod address;
mod console;
#[cfg(feature = "folder")]
mod folder;
#[cfg(feature = "folder")]
mod folder_sms;
mod locale;
#[cfg(any(feature = "folder", feature = "smtp"))]
mod message;
#[cfg(any(feature = "smtp", feature = "sms-http"))]
mod net;
mod pattern;
#[cfg(feature = "sms-http")]
mod sms;
#[cfg(feature = "smtp")]
mod smtp;
#[cfg(feature = "folder")]
mod spool;
mod templates;
mod words;

pub use console::ConsoleMailer;
#[cfg(feature = "folder")]
pub use folder::FolderMailer;
#[cfg(feature = "folder")]
pub use folder_sms::FolderSms;
#[cfg(feature = "sms-http")]
pub use sms::{HttpSms, HttpSmsBuilder};
#[cfg(feature = "smtp")]
pub use smtp::{SmtpBuilder, SmtpMailer};
pub use templates::{Localized, Templates, TemplatesBuilder};
