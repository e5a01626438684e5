//! crates/otpgate-memory
