//! crates/otpgate-sqlite
