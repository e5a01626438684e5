//! SMS: what may leave at all, and how it leaves by HTTP.

mod rules;

#[cfg(feature = "sms-http")]
mod builder;
#[cfg(feature = "sms-http")]
mod gateway;
#[cfg(feature = "sms-http")]
mod http_sms;

#[cfg(feature = "sms-http")]
pub use self::builder::HttpSmsBuilder;
#[cfg(feature = "sms-http")]
pub use self::http_sms::HttpSms;
pub use self::rules::{GuardedSms, SmsRules, SmsRulesBuilder};
