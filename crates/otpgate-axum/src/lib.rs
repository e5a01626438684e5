//! crates/otpgate-axum
