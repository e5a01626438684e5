//! crates/otpgate
