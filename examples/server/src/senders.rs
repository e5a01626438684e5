//! How messages leave.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use otpgate::mail::{ConsoleMailer, FolderMailer, FolderSms, HttpSms, SmtpMailer, Templates};
use otpgate::{Mailer, SmsSender};

use crate::config::{MailTable, SmsTable};
use crate::outlets::{MailOutlet, SmsOutlet};
use crate::secrets::secret_in;

/// The sender of mails into a folder, where nobody has named another.
const FROM: &str = "otpgate <login@otpgate.example>";

pub(crate) fn mailer(outlet: &MailOutlet, table: &MailTable, words: Templates) -> anyhow::Result<Arc<dyn Mailer>> {
    let from = table.from.as_deref();
    Ok(match outlet {
        MailOutlet::Console => Arc::new(ConsoleMailer::stdout()),
        MailOutlet::Dir(folder) => {
            Arc::new(FolderMailer::new(folder, from.unwrap_or(FROM), words).context("`mail.from`")?)
        }
        MailOutlet::Smtp(url) => {
            let from = from.context("a mail server wants to know who sends: `mail.from` in the settings")?;
            let mut builder = SmtpMailer::builder(url, from, words);
            if table.insecure_plaintext {
                builder = builder.insecure_plaintext();
            }
            Arc::new(builder.build().context("the mail server, or `mail.from`")?)
        }
    })
}

pub(crate) fn sms(outlet: &SmsOutlet, table: &SmsTable, words: Templates) -> anyhow::Result<Arc<dyn SmsSender>> {
    let rules = table.rules()?;
    let ruled = |sender: Arc<dyn SmsSender>| match &rules {
        Some(rules) => Arc::new(rules.guard(sender)),
        None => sender,
    };
    let named = || rules.clone().context("a gateway sends nowhere until `sms.countries` names the countries");
    let token = secret_in("OTPGATE_SMS_TOKEN")?;
    let builder = match outlet {
        SmsOutlet::Console => return Ok(ruled(Arc::new(ConsoleMailer::stdout()))),
        SmsOutlet::Dir(folder) => return Ok(ruled(Arc::new(FolderSms::new(folder, words)?))),
        SmsOutlet::Twilio(account) => {
            let token = token.context("the account's token is to stand in OTPGATE_SMS_TOKEN")?;
            let from =
                table.from.as_deref().context("an account wants to know who sends: `sms.from` in the settings")?;
            let builder = HttpSms::twilio(account, &token, from, words, named()?);
            table.base_url.iter().fold(builder, |builder, url| builder.base_url(url))
        }
        SmsOutlet::Webhook(url) => {
            if table.from.is_some() || table.base_url.is_some() {
                bail!("`sms.from` and `sms.base_url` are for `twilio:ACCOUNT`");
            }
            let mut builder = HttpSms::webhook(url, words, named()?);
            if let Some(token) = token {
                builder = builder.bearer(&token);
            }
            match secret_in("OTPGATE_SMS_SIGNING")? {
                Some(secret) => builder.signed(secret),
                None => builder,
            }
        }
    };
    let builder = if table.insecure_plaintext { builder.insecure_plaintext() } else { builder };
    Ok(Arc::new(
        builder.build().context("the SMS gateway (its URL, `sms.from`, OTPGATE_SMS_TOKEN, OTPGATE_SMS_SIGNING)")?,
    ))
}
