//! The client's address: the socket's peer, or the right-most hop that no trusted proxy wrote.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use otpgate_core::{ConfigError, ConfigErrorKind};

/// Hops that are looked at, from the right.
const MOST_HOPS: usize = 64;

/// Whose word is taken for a client's address. The default takes nobody's: the address is the socket's peer.
#[derive(Clone, Debug, Default)]
pub struct PeerPolicy {
    trusted: Vec<IpNet>,
    header: Option<HeaderName>,
}

impl PeerPolicy {
    /// Proxies in these networks are trusted to write `header`: `x-forwarded-for` or another list of addresses, or
    /// `forwarded` (RFC 7239). All other forwarding headers stay unread.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Name`] for what is no network or no header name.
    pub fn behind<'a>(trusted: impl IntoIterator<Item = &'a str>, header: &str) -> Result<Self, ConfigError> {
        let wrong = |text: String| ConfigError::new(ConfigErrorKind::Name, text);
        let network = |text: &str| {
            let single = text.parse::<IpAddr>().map(IpNet::from);
            text.parse::<IpNet>().or(single).map_err(|_| wrong(format!("`{text}` is no address or network")))
        };
        let trusted = trusted.into_iter().map(network).collect::<Result<_, _>>()?;
        let header = HeaderName::try_from(header).map_err(|_| wrong(format!("`{header}` is no header name")))?;
        Ok(Self { trusted, header: Some(header) })
    }

    /// The client behind `peer`.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut last = peer.to_canonical();
        let Some(header) = self.header.as_ref().filter(|_| self.is_trusted(last)) else { return last };
        let lines: Vec<&str> = headers.get_all(header).iter().map(|v| v.to_str().unwrap_or("?")).collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for hop in hops.take(MOST_HOPS) {
            // What cannot be read was not written by a proxy of ours: the hop before is the client.
            let Some(address) = address_of(header, hop) else { return last };
            last = address;
            if !self.is_trusted(last) {
                return last;
            }
        }
        last
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }
}

fn address_of(header: &HeaderName, hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let hop = if *header == http::header::FORWARDED {
        let pairs = hop.split(';').filter_map(|pair| pair.trim().split_once('='));
        let mut named = pairs.filter(|(name, _)| name.eq_ignore_ascii_case("for")).map(|(_, value)| value);
        named.next().filter(|_| named.next().is_none())?.trim_matches('"')
    } else {
        hop
    };
    let plain = hop.parse::<IpAddr>().ok();
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|s| s.ip());
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::from);
    plain.or_else(with_port).or_else(bracketed).map(|a| a.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(policy: &PeerPolicy, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        policy.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a11_forwarding_headers_are_ignored_from_whom_nobody_trusts() {
        let spoofed = [
            ("x-forwarded-for", "9.9.9.9"),
            ("forwarded", "for=9.9.9.9"),
            ("x-real-ip", "9.9.9.9"),
            ("cf-connecting-ip", "9.9.9.9"),
            ("true-client-ip", "9.9.9.9"),
        ];
        assert_eq!(client(&PeerPolicy::default(), "1.2.3.4", &spoofed), "1.2.3.4");
        let behind = PeerPolicy::behind(["127.0.0.1/32"], "x-forwarded-for").unwrap();
        assert_eq!(client(&behind, "1.2.3.4", &spoofed), "1.2.3.4");
        assert_eq!(client(&behind, "127.0.0.1", &[("x-real-ip", "9.9.9.9")]), "127.0.0.1");
    }

    #[test]
    fn a12_the_right_most_untrusted_hop_is_the_client() {
        let behind = PeerPolicy::behind(["127.0.0.1/32", "10.0.0.0/8"], "x-forwarded-for").unwrap();
        let rows = [
            (&["9.9.9.9, 1.2.3.4"][..], "1.2.3.4"),
            (&["9.9.9.9", "1.2.3.4"], "1.2.3.4"),
            (&["9.9.9.9, 1.2.3.4, 10.0.0.7"], "1.2.3.4"),
            (&["1.2.3.4:5678"], "1.2.3.4"),
            (&["[2001:db8::1]:99"], "2001:db8::1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["::ffff:1.2.3.4"], "1.2.3.4"),
            (&["10.0.0.9"], "10.0.0.9"),
            (&[], "127.0.0.1"),
        ];
        for (lines, want) in rows {
            let lines: Vec<_> = lines.iter().map(|l| ("x-forwarded-for", *l)).collect();
            assert_eq!(client(&behind, "127.0.0.1", &lines), want, "{lines:?}");
        }
        assert_eq!(client(&behind, "::ffff:127.0.0.1", &[("x-forwarded-for", "1.2.3.4")]), "1.2.3.4");
    }

    #[test]
    fn a13_garbage_falls_back_to_the_last_hop_that_can_be_read() {
        let behind = PeerPolicy::behind(["127.0.0.1", "10.0.0.0/8"], "x-forwarded-for").unwrap();
        for garbage in
            ["unknown", "[::1%25eth0]:99", "9.9.9.9, _hidden", "9.9.9.9,", "9.9.9.9, ,", "1.2.3.4.5", "\u{e9}"]
        {
            assert_eq!(client(&behind, "127.0.0.1", &[("x-forwarded-for", garbage)]), "127.0.0.1", "{garbage}");
        }
        assert_eq!(client(&behind, "127.0.0.1", &[("x-forwarded-for", "9.9.9.9, x, 10.0.0.7")]), "10.0.0.7");
        let long = vec!["10.0.0.1"; 10_000].join(",");
        assert_eq!(client(&behind, "127.0.0.1", &[("x-forwarded-for", &long)]), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        let behind = PeerPolicy::behind(["127.0.0.1"], "forwarded").unwrap();
        let rows = [
            ("for=1.2.3.4;proto=https", "1.2.3.4"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=9.9.9.9, for=1.2.3.4;by=127.0.0.1", "1.2.3.4"),
            ("proto=https", "127.0.0.1"),
            ("for=unknown", "127.0.0.1"),
            ("for=1.1.1.1;for=2.2.2.2", "127.0.0.1"),
        ];
        for (line, want) in rows {
            assert_eq!(client(&behind, "127.0.0.1", &[("forwarded", line)]), want, "{line}");
        }
    }

    #[test]
    fn wrong_settings_fail_when_they_are_made() {
        assert!(PeerPolicy::behind(["127.0.0.1/33"], "x-forwarded-for").is_err());
        assert!(PeerPolicy::behind(["proxy.example"], "x-forwarded-for").is_err());
        assert!(PeerPolicy::behind(["127.0.0.1"], "x forwarded").is_err());
    }
}
