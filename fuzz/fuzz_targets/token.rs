//! Access tokens signed by HS256: we say of every one of them what `jsonwebtoken` says.
//!
//! `cargo +nightly fuzz run token -- -max_len=4096 -dict=fuzz/token.dict`
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use otpgate_core::token::fuzzing::Both;

static BOTH: LazyLock<Both> = LazyLock::new(Both::new);

fuzz_target!(|data: &[u8]| BOTH.show(data));
