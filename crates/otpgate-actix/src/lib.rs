//! crates/otpgate-actix
