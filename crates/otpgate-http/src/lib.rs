//! crates/otpgate-http
