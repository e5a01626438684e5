//! The HTTP sender against gateways on loopback that are well, ill, slow, hostile or gone.
#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod answers;
mod login;
mod requests;
mod settings;
#[path = "../support/mod.rs"]
mod support;

use otpgate_core::{DeliveryError, SmsSender as _};
use otpgate_mail::{HttpSms, HttpSmsBuilder, Templates};

use support::sms_to;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const TOKEN: &str = "hunter2-token";
const TO: &str = "+15550000001";

fn templates() -> Templates {
    Templates::builder("Example").sms_domain("example.com").build().unwrap()
}

fn webhook(url: &str) -> HttpSmsBuilder {
    HttpSms::webhook(url, templates()).bearer(TOKEN)
}

fn twilio(url: &str, from: &str) -> HttpSmsBuilder {
    HttpSms::twilio(ACCOUNT, TOKEN, from, templates()).base_url(url)
}

async fn send(sms: &HttpSms) -> Result<(), DeliveryError> {
    sms.send(&sms_to(TO)).await
}
