//! Where a request comes from: what stands against forged requests wherever a browser adds the credential by itself.
//!
//! The scheme is that of Go 1.25's `CrossOriginProtection` and tower-http's `csrf`: `Sec-Fetch-Site` first, `Origin` where
//! that is missing. Unlike them, an `Origin` is compared with the list of the host alone and never with `Host`, which a
//! proxy may have rewritten, and a request that shows neither is not taken for one of our own pages.

use http::header::{HeaderName, ORIGIN, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Uri};
use otpgate_core::{ConfigError, ConfigErrorKind};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whose page sent a request, as far as its headers show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// Our own, one that the host named, or the person at the address bar.
    Own,
    /// Another one.
    Foreign,
    /// It does not say: no browser of today.
    Unknown,
}

/// The origins that the host named, as browsers write them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    pub(crate) fn push(&mut self, origin: String) {
        self.0.push(origin);
    }

    /// Whether each is what a browser would send: compared byte for byte, any other spelling would never match.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match self.0.iter().find(|origin| !is_origin(origin)) {
            None => Ok(()),
            Some(origin) => Err(ConfigError::new(
                ConfigErrorKind::Name,
                format!(
                    "`{origin}` is no origin as browsers send it: `https://app.example.com`, in lower case, without path and default port"
                ),
            )),
        }
    }

    /// Whose page sent the request with these headers.
    pub(crate) fn site(&self, headers: &HeaderMap) -> Site {
        let (Ok(fetch), Ok(origin)) = (only(headers, &SEC_FETCH_SITE), only(headers, &ORIGIN)) else {
            // Twice is what no browser does.
            return Site::Foreign;
        };
        if origin.is_some_and(|origin| self.0.iter().any(|named| named.as_bytes() == origin.as_bytes())) {
            return Site::Own;
        }
        match (fetch, origin) {
            (Some(site), _) if site == "same-origin" || site == "none" => Site::Own,
            (None, None) => Site::Unknown,
            _ => Site::Foreign,
        }
    }
}

/// Whether a request may change something: any method but these, and an upgrade, since a WebSocket begins with a `GET`.
pub(crate) fn may_change(method: &Method, headers: &HeaderMap) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) || headers.contains_key(UPGRADE)
}

/// The only line of this name; an error for several.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, ()> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (_, Some(_)) => Err(()),
        (line, None) => Ok(line),
    }
}

fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    let default = if scheme == "https" { 443 } else { 80 };
    matches!(scheme, "http" | "https")
        && uri.port_u16() != Some(default)
        && !authority.as_str().contains('@')
        && text == format!("{scheme}://{authority}")
        && !text.bytes().any(|b| b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_would_send_is_an_origin() {
        for good in ["https://example.com", "http://localhost:3000", "https://a.example.com:8443", "http://[::1]:8080"]
        {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "example.com",
            "https://",
            "https://example.com/",
            "https://example.com:443",
            "http://example.com:80",
            "https://Example.com",
            "HTTPS://example.com",
            "https://a@example.com",
            "ftp://example.com",
            "https://example.com?x",
            "https://exämple.com",
            "/",
            "https://*.example.com/",
        ] {
            let mut origins = Origins::default();
            origins.push(bad.to_owned());
            assert!(origins.check().is_err(), "{bad}");
        }
    }

    #[test]
    fn w097_where_a_request_comes_from() {
        let mut origins = Origins::default();
        origins.push("https://app.example.com".to_owned());
        let site = |lines: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
            }
            origins.site(&headers)
        };
        let (fetch, origin, host) = ("sec-fetch-site", "origin", "host");
        let rows: [(&[(&str, &str)], Site); 17] = [
            (&[(fetch, "same-origin")], Site::Own),
            (&[(fetch, "none")], Site::Own),
            (&[(fetch, "same-origin"), (origin, "null")], Site::Own),
            (&[(origin, "https://app.example.com")], Site::Own),
            (&[(fetch, "cross-site"), (origin, "https://app.example.com")], Site::Own),
            (&[(fetch, "same-site")], Site::Foreign),
            (&[(fetch, "cross-site")], Site::Foreign),
            (&[(fetch, "Same-Origin")], Site::Foreign),
            (&[(fetch, "")], Site::Foreign),
            (&[(fetch, "same-origin"), (fetch, "same-origin")], Site::Foreign),
            (&[(origin, "https://app.example.com"), (origin, "https://app.example.com")], Site::Foreign),
            (&[(origin, "null")], Site::Foreign),
            (&[(origin, "https://app.example.com.evil.org")], Site::Foreign),
            (&[(origin, "http://app.example.com")], Site::Foreign),
            (&[(origin, "https://api.example.com"), (host, "api.example.com")], Site::Foreign),
            (&[(host, "app.example.com"), ("referer", "https://app.example.com/x")], Site::Unknown),
            (&[], Site::Unknown),
        ];
        for (lines, want) in rows {
            assert_eq!(site(lines), want, "{lines:?}");
        }
    }

    #[test]
    fn what_may_change_something() {
        let (none, mut upgrade) = (HeaderMap::new(), HeaderMap::new());
        upgrade.insert(UPGRADE, HeaderValue::from_static("websocket"));
        for (method, changes) in [("GET", false), ("HEAD", false), ("OPTIONS", false), ("POST", true), ("PUT", true)] {
            assert_eq!(may_change(&method.parse().unwrap(), &none), changes, "{method}");
        }
        for method in ["PATCH", "DELETE", "TRACE", "CONNECT", "get", "QUERY"] {
            assert!(may_change(&method.parse().unwrap(), &none), "{method}");
        }
        assert!(may_change(&Method::GET, &upgrade), "a WebSocket begins with a GET");
    }
}
