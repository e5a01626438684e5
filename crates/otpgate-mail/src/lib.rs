//! crates/otpgate-mail
