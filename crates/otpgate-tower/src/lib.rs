//! crates/otpgate-tower
