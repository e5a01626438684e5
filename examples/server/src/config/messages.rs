//! `[mail]` and `[sms]`: the words, who sends, and which countries get SMS.

use std::time::Duration;

use anyhow::Context as _;
use otpgate::SmsRules;
use otpgate::mail::Templates;
use serde::Deserialize;

const BRAND: &str = "otpgate";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MailTable {
    brand: Option<String>,
    pub(crate) from: Option<String>,
    languages: Option<Vec<String>>,
    pub(crate) insecure_plaintext: bool,
    pub(crate) outbox: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SmsTable {
    pub(crate) from: Option<String>,
    pub(crate) base_url: Option<String>,
    domain: Option<String>,
    countries: Vec<String>,
    blocked: Vec<String>,
    caps: Vec<Cap>,
    pub(crate) insecure_plaintext: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cap {
    prefix: String,
    most: u32,
    seconds: u64,
}

impl MailTable {
    /// The words of mail and SMS; those that stay on this machine need no domain.
    pub(crate) fn templates(&self, sms: &SmsTable, local: bool) -> anyhow::Result<Templates> {
        let mut builder = Templates::builder(self.brand.as_deref().unwrap_or(BRAND));
        if let Some(languages) = &self.languages {
            builder = builder.languages(languages.iter().map(String::as_str));
        }
        if let Some(domain) = &sms.domain {
            builder = builder.sms_domain(domain);
        } else if local {
            builder = builder.insecure_without_sms_domain();
        }
        builder.build().context("`mail.brand`, `mail.languages` or `sms.domain`")
    }
}

impl SmsTable {
    /// Which numbers get SMS; `None` where the file says nothing about it.
    pub(crate) fn rules(&self) -> anyhow::Result<Option<SmsRules>> {
        let Self { countries, blocked, caps, .. } = self;
        if countries.is_empty() && blocked.is_empty() && caps.is_empty() {
            return Ok(None);
        }
        let mut builder = countries.iter().fold(SmsRules::builder(), |rules, prefix| rules.allow(prefix));
        builder = blocked.iter().fold(builder, |rules, prefix| rules.block(prefix));
        for Cap { prefix, most, seconds } in caps {
            builder = builder.cap(prefix, *most, Duration::from_secs(*seconds));
        }
        builder.build().map(Some).context("`sms.countries`, `sms.blocked` or `sms.caps`")
    }
}
