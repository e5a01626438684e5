use std::fmt;
use std::panic::Location;

use otpgate_core::StoreError;

/// What a store did against its contract.
#[derive(Debug)]
pub struct Violation {
    what: String,
    source: Option<StoreError>,
}

impl Violation {
    /// A violation described in one sentence.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Violation {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}

impl From<StoreError> for Violation {
    // The place is all that tells which of many calls failed.
    #[track_caller]
    fn from(error: StoreError) -> Self {
        let place = Location::caller();
        let kind = error.kind();
        Self {
            what: format!("a call that must be answered failed ({kind:?}, {}:{})", place.file(), place.line()),
            source: Some(error),
        }
    }
}

/// Returns a [`Violation`] unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err($crate::store::Violation::new(format!($($what)+)));
        }
    };
}
pub(crate) use ensure;
