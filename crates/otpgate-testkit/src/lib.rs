//! crates/otpgate-testkit
