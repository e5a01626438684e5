//! How messages leave.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use otpgate::mail::{ConsoleMailer, FolderMailer, FolderSms, HttpSms, SmtpMailer, Templates};
use otpgate::{Mailer, Sms, SmsSender};

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

pub(crate) fn sms(outlet: &SmsOutlet, table: &SmsTable, words: Templates) -> anyhow::Result<Sms> {
    let rules = table.rules()?;
    // What stays on this machine costs nothing.
    let local = |sender: Arc<dyn SmsSender>| match rules.clone() {
        Some(rules) => Sms::new(sender, rules),
        None => Sms::insecure_without_rules(sender),
    };
    let token = secret_in("OTPGATE_SMS_TOKEN")?;
    let named = || rules.clone().context("a gateway sends nowhere until `sms.countries` names the countries");
    let builder = match outlet {
        SmsOutlet::Console => return Ok(local(Arc::new(ConsoleMailer::stdout()))),
        SmsOutlet::Dir(folder) => return Ok(local(Arc::new(FolderSms::new(folder, words)?))),
        SmsOutlet::Twilio(account) => {
            let token = token.context("the account's token is to stand in OTPGATE_SMS_TOKEN")?;
            let from =
                table.from.as_deref().context("an account wants to know who sends: `sms.from` in the settings")?;
            let builder = HttpSms::twilio(account, &token, from, words);
            table.base_url.iter().fold(builder, |builder, url| builder.base_url(url))
        }
        SmsOutlet::Webhook(url) => {
            if table.from.is_some() || table.base_url.is_some() {
                bail!("`sms.from` and `sms.base_url` are for `twilio:ACCOUNT`");
            }
            let mut builder = HttpSms::webhook(url, words);
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
    let rules = named()?;
    let what = "the SMS gateway (its URL, `sms.from`, `sms.domain`, OTPGATE_SMS_TOKEN, OTPGATE_SMS_SIGNING)";
    Ok(Sms::new(builder.build().context(what)?, rules))
}
