//! What the tests of several transports share.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod authority;
pub(crate) mod gateway;
pub(crate) mod smtp_server;

use std::time::Duration;

use otpgate_core::{Code, CodeMail, CodeSms, MailPurpose, Tenant, Timestamp};

pub(crate) const CODE: &str = "012345";

pub(crate) fn mail_to(to: &str) -> CodeMail {
    mail_with(to, CODE)
}

pub(crate) fn mail_with(to: &str, code: &str) -> CodeMail {
    CodeMail {
        purpose: MailPurpose::LogIn,
        to: to.to_owned(),
        tenant: Tenant::default(),
        code: Code::new(code),
        expires_at: Timestamp::from_millis(0),
        life: Duration::from_secs(300),
        locale: None,
    }
}

pub(crate) fn sms_to(to: &str) -> CodeSms {
    CodeSms {
        to: to.to_owned(),
        tenant: Tenant::default(),
        code: Code::new(CODE),
        expires_at: Timestamp::from_millis(0),
        life: Duration::from_secs(300),
        locale: None,
    }
}

/// An error with all its causes, as a log would show it.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut said = format!("{error:?} {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(&format!(" {error:?} {error}"));
        cause = error.source();
    }
    said
}
