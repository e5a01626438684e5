//! What went wrong with a mail server, in words of ours.

use std::error::Error as _;
use std::{fmt, io};

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::response::{Response, Severity};
use otpgate_core::DeliveryError;

/// Where a delivery stopped and at what.
///
/// The server's own words are dropped: they may repeat the recipient, and some repeat the message (Q53). The reply code and
/// the enhanced status code of RFC 3463 stay.
#[derive(Debug)]
pub(super) struct Failure {
    step: Step,
    what: What,
}

/// The steps of a delivery, named as an operator knows them from the server's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    Tls,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Body,
}

#[derive(Debug)]
enum What {
    Reply { code: u16, enhanced: Option<String> },
    Io(io::ErrorKind),
    Other(&'static str),
    Tls(io::Error),
}

impl Failure {
    pub(super) fn other(step: Step, what: &'static str) -> Self {
        Self { step, what: What::Other(what) }
    }

    pub(super) fn io(step: Step, error: &io::Error) -> Self {
        Self { step, what: What::Io(error.kind()) }
    }

    /// The words of rustls stay: they say what is wrong with the certificate, and hold no secret.
    pub(super) fn tls(error: io::Error) -> Self {
        Self { step: Step::Tls, what: What::Tls(error) }
    }

    pub(super) fn code(step: Step, code: u16) -> Self {
        Self { step, what: What::Reply { code, enhanced: None } }
    }

    pub(super) fn of(step: Step, error: &SmtpError) -> Self {
        let what = match error.status() {
            Some(code) => {
                What::Reply { code: code.into(), enhanced: error.source().and_then(|e| enhanced(&e.to_string())) }
            }
            None => match error.source().and_then(|e| e.downcast_ref::<io::Error>()) {
                Some(error) => What::Io(error.kind()),
                None => What::Other("the answer was no whole reply of SMTP"),
            },
        };
        Self { step, what }
    }

    /// A positive reply of the wrong kind: 250 to DATA would let the message pass as commands.
    pub(super) fn unless(step: Step, reply: &Response, wanted: Severity) -> Result<(), Self> {
        if reply.code().severity == wanted { Ok(()) } else { Err(Self::code(step, reply.code().into())) }
    }

    /// Only what was said of this message is for good; what was said of the connection or the log-in may heal.
    fn is_permanent(&self) -> bool {
        let of_the_message = matches!(self.step, Step::Mail | Step::Rcpt | Step::Data | Step::Body);
        of_the_message && matches!(self.what, What::Reply { code: 500..=599, .. })
    }
}

impl From<Failure> for DeliveryError {
    fn from(failure: Failure) -> Self {
        if failure.is_permanent() { Self::permanent(failure) } else { Self::temporary(failure) }
    }
}

/// The first word, where it is a status code of RFC 3463.
fn enhanced(text: &str) -> Option<String> {
    let word = text.split_whitespace().next()?;
    let parts: Vec<_> = word.split('.').collect();
    let digits = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    (parts.len() == 3 && parts.iter().all(digits)).then(|| word.to_owned())
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.step {
            Step::Connect => "connecting",
            Step::Tls => "the TLS handshake",
            Step::Ehlo => "EHLO",
            Step::StartTls => "STARTTLS",
            Step::Auth => "AUTH",
            Step::Mail => "MAIL FROM",
            Step::Rcpt => "RCPT TO",
            Step::Data => "DATA",
            Step::Body => "the message",
        };
        match &self.what {
            What::Reply { code, enhanced: Some(enhanced) } => {
                write!(f, "the mail server answered {code} {enhanced} to {step}")
            }
            What::Reply { code, enhanced: None } => write!(f, "the mail server answered {code} to {step}"),
            What::Io(kind) => write!(f, "the mail server was lost at {step}: {kind}"),
            What::Other(what) => write!(f, "{step}: {what}"),
            What::Tls(_) => write!(f, "{step} failed"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.what {
            What::Tls(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_5xx_to_the_message_itself_is_for_good() {
        use Step::{Auth, Body, Connect, Data, Ehlo, Mail, Rcpt, StartTls, Tls};
        for step in [Connect, Tls, Ehlo, StartTls, Auth, Mail, Rcpt, Data, Body] {
            let of_the_message = [Mail, Rcpt, Data, Body].contains(&step);
            for (code, negative) in [
                (250, false),
                (354, false),
                (421, false),
                (450, false),
                (499, false),
                (500, true),
                (554, true),
                (599, true),
            ] {
                let error = DeliveryError::from(Failure::code(step, code));
                assert_eq!(error.is_temporary(), !(negative && of_the_message), "{step:?} {code}");
            }
            assert!(DeliveryError::from(Failure::other(step, "x")).is_temporary());
        }
    }

    #[test]
    fn status_codes_are_told_and_words_are_not() {
        for (text, want) in [
            ("5.1.1 <ada@example.com> unknown", Some("5.1.1")),
            ("4.7.100", Some("4.7.100")),
            ("5.1", None),
            ("5.1.1.1 x", None),
            ("ada@example.com", None),
            ("a.b.c", None),
            ("", None),
        ] {
            assert_eq!(enhanced(text).as_deref(), want, "{text}");
        }
    }
}
