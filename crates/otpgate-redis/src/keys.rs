use otpgate_core::store::prefix;
use otpgate_core::{ConfigError, Key, Owner};

/// How keys are written. What is in braces decides the hash slot: a record, a counter and an owner's index lie each in a slot of
/// their own, wherever a Cluster has put it.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    /// One to 32 lower-case ASCII letters, digits and underscores, beginning with a letter; or none.
    pub(crate) fn new(namespace: Option<&str>) -> Result<Self, ConfigError> {
        Ok(Self { prefix: prefix(namespace, ':')? })
    }

    pub(crate) fn record(&self, key: &Key) -> String {
        self.name("record", &key.0)
    }

    pub(crate) fn counter(&self, key: &Key) -> String {
        self.name("counter", &key.0)
    }

    /// An owner's entries in the order of their bytes.
    pub(crate) fn owned(&self, owner: &Owner) -> String {
        self.name("owned", &owner.0)
    }

    /// The same by when they may go.
    pub(crate) fn owned_until(&self, owner: &Owner) -> String {
        self.name("owned-until", &owner.0)
    }

    /// Where hints are published.
    pub(crate) fn channel(&self) -> String {
        format!("{}revoked", self.prefix)
    }

    fn name(&self, kind: &str, bytes: &[u8; 32]) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut name = String::with_capacity(self.prefix.len() + kind.len() + 67);
        name.extend([&self.prefix, kind, ":{"]);
        // Some fifteen names a login: a formatter for each byte would cost as much as the driver does.
        for byte in bytes {
            name.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
        }
        name.push('}');
        name
    }
}
