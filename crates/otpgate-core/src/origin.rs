//! Where a session was opened from, as coarsely as a person needs it to tell their own devices apart.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The network of a client's address: enough to say "not mine", and not enough to find a household.
///
/// The last 8 bits of an IPv4 address and the last 80 of an IPv6 address are never kept.
///
/// ```
/// # use otpgate_core::Network;
/// assert_eq!(Network::of("192.0.2.77".parse()?).to_string(), "192.0.2.0/24");
/// assert_eq!(Network::of("2001:db8:1:2::3".parse()?).to_string(), "2001:db8:1::/48");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// The first 24 bits of an IPv4 address.
    V4([u8; 3]),
    /// The first 48 bits of an IPv6 address.
    V6([u8; 6]),
}

impl Network {
    /// The network of `address`; an IPv4 address written as IPv6 counts as what it is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, ..] = v6.octets();
                Self::V6([a, b, c, d, e, f])
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4([a, b, c]) => write!(f, "{a}.{b}.{c}.0/24"),
            Self::V6([a, b, c, d, e, g]) => {
                let pair = |high: &u8, low: &u8| u16::from_be_bytes([*high, *low]);
                let net = std::net::Ipv6Addr::new(pair(a, b), pair(c, d), pair(e, g), 0, 0, 0, 0, 0);
                write!(f, "{net}/48")
            }
        }
    }
}

/// What a client says it is (RFC 9110, 10.1.5), for a person who looks at their sessions. Anybody can say anything: nothing is
/// decided by it.
///
/// At most [`Agent::LONGEST`] bytes of printable ASCII; whatever else came is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent(String);

impl Agent {
    /// The longest text that is kept, in bytes.
    pub const LONGEST: usize = 128;

    /// What is printable of `text`, up to the longest; nothing when nothing is left.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let kept: String = text.chars().filter(|c| matches!(c, ' '..='~')).take(Self::LONGEST).collect();
        let kept = kept.trim();
        (!kept.is_empty()).then(|| Self(kept.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_all_that_is_kept_of_an_address() {
        for (address, network) in [
            ("192.0.2.255", "192.0.2.0/24"),
            ("::ffff:192.0.2.1", "192.0.2.0/24"),
            ("2001:db8:ffff:eeee::1", "2001:db8:ffff::/48"),
            ("::1", "::/48"),
        ] {
            assert_eq!(Network::of(address.parse().unwrap()).to_string(), network);
        }
    }

    #[test]
    fn a_name_is_short_and_cannot_break_a_line_or_a_terminal() {
        let long = "x".repeat(10_000);
        assert_eq!(Agent::read(&long).unwrap().as_str().len(), Agent::LONGEST);
        assert_eq!(Agent::read(" Mozilla/5.0\r\n\u{1b}[31m\u{202e}\u{0}é ").unwrap().as_str(), "Mozilla/5.0[31m");
        for nothing in ["", "   ", "\r\n", "é"] {
            assert_eq!(Agent::read(nothing), None);
        }
    }
}
