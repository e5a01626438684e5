//! SMS by HTTP.

mod builder;
mod gateway;
mod http_sms;

pub use self::builder::HttpSmsBuilder;
pub use self::http_sms::HttpSms;
