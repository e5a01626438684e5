//! SMS by HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use otpgate_core::{Clock, CodeSms, DeliveryError, SmsSender};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::builder::HttpSmsBuilder;
use super::gateway::Gateway;
use crate::pattern::Letter;
use crate::templates::Templates;

/// Hands each SMS to a gateway by one HTTP request over TLS: Twilio's form API, which others speak too, or a JSON webhook of
/// the host's own.
///
/// | shape | request |
/// |---|---|
/// | [`twilio`](Self::twilio) | `POST /2010-04-01/Accounts/{sid}/Messages.json`, Basic authentication, form fields `To`, `From` or `MessagingServiceSid`, `Body` |
/// | [`webhook`](Self::webhook) | `POST` of `{"to":"+15550000001","body":".."}` with a bearer token, a signature, or both |
///
/// Redirects are not followed, and no proxy is read from the environment. Any 2xx is success; 408, 425, 429, 5xx, a lost
/// connection, a failed handshake and an answer that is no HTTP are temporary errors; all other statuses are permanent. Errors
/// hold the status and none of the gateway's words. A gateway that took a message and then failed to say so is asked again.
///
/// A signed request carries `otpgate-signature: t=<seconds>,v1=<hex>`: HMAC-SHA-256 with the shared secret over
/// `<seconds>.<body>`. The receiver compares in constant time and refuses a time that is minutes off.
///
/// It needs tokio's network and timers when it sends, and nothing when it is built.
///
/// ```
/// use otpgate_core::{Sms, SmsRules};
/// use otpgate_mail::{HttpSms, Templates};
///
/// # fn main() -> Result<(), otpgate_core::ConfigError> {
/// # let url = "http://localhost:8025/sms";
/// // let url = "https://sms.example.com/send";
/// let words = Templates::builder("Example").sms_domain("example.com").build()?;
/// let sender = HttpSms::webhook(url, words).bearer("a secret token").build()?;
/// let sms = Sms::new(sender, SmsRules::builder().allow("+49").build()?);
/// # let _ = sms;
/// # Ok(())
/// # }
/// ```
pub struct HttpSms {
    pub(super) gateway: Gateway,
    pub(super) shape: Shape,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) signing: Option<hmac::Key>,
    pub(super) templates: Templates,
    pub(super) timeout: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

/// How the request is written.
pub(super) enum Shape {
    /// A form, with the field and the value that say who sends.
    Form(&'static str, String),
    Json,
}

impl HttpSms {
    /// Twilio's API, or one of its shape: see [`HttpSmsBuilder::base_url`].
    ///
    /// `from` is a number (`+15550000000`), a sender's name, or the id of a messaging service (`MG` and 32 digits).
    pub fn twilio(account_sid: &str, auth_token: &str, from: &str, templates: Templates) -> HttpSmsBuilder {
        HttpSmsBuilder::twilio(account_sid, auth_token, from, templates)
    }

    /// A JSON webhook at `url`; it needs [`HttpSmsBuilder::bearer`], [`HttpSmsBuilder::signed`], or both.
    pub fn webhook(url: &str, templates: Templates) -> HttpSmsBuilder {
        HttpSmsBuilder::webhook(url, templates)
    }

    async fn deliver(&self, letter: Letter<'_>) -> Result<(), DeliveryError> {
        let to = crate::address::phone(letter.to)?;
        let text = self.templates.of(letter).sms_of(letter);
        let (kind, body) = match &self.shape {
            Shape::Form(field, from) => {
                let form = Serializer::new(String::new())
                    .append_pair("To", &to)
                    .append_pair(field, from)
                    .append_pair("Body", &text)
                    .finish();
                ("application/x-www-form-urlencoded", form)
            }
            Shape::Json => {
                let (to, text) = (Value::from(to), Value::from(text));
                ("application/json", format!("{{\"to\":{to},\"body\":{text}}}"))
            }
        };
        let headers = self.headers(&body)?;
        match tokio::time::timeout(self.timeout, self.gateway.post(kind, headers, body.into_bytes())).await {
            Ok(posted) => posted,
            Err(_) => Err(DeliveryError::temporary("the SMS gateway did not answer in time")),
        }
    }

    fn headers(&self, body: &str) -> Result<HeaderMap, DeliveryError> {
        let mut headers = HeaderMap::new();
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(key) = &self.signing {
            let seconds = self.clock.now().millis().div_euclid(1_000);
            let tag = hmac::sign(key, format!("{seconds}.{body}").as_bytes());
            let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            let value = HeaderValue::try_from(format!("t={seconds},v1={hex}")).map_err(DeliveryError::permanent)?;
            headers.insert("otpgate-signature", value);
        }
        Ok(headers)
    }
}

#[async_trait]
impl SmsSender for HttpSms {
    async fn send(&self, sms: &CodeSms) -> Result<(), DeliveryError> {
        self.deliver(sms.into()).await
    }
}

impl fmt::Debug for HttpSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSms").field("host", &self.gateway.endpoint.host).finish_non_exhaustive()
    }
}
