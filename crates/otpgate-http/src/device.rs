//! The token of a known device on the wire: the header `otpgate-device`, and a cookie of that name by opt-in.

use cookie::SameSite;
use http::header::{HeaderName, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use otpgate_core::Policy;
use otpgate_core::secret::DeviceToken;

use crate::cookies;

const NAME: &str = "otpgate-device";
const HEADER: HeaderName = HeaderName::from_static(NAME);

/// As long as the token in it; browsers keep no cookie for longer than 400 days.
const COOKIE_LIFE: cookie::time::Duration = cookie::time::Duration::seconds(Policy::DEVICE_LIFE.as_secs() as i64);

/// The token that came with a request: that of the header, else that of the cookie. Several of a kind are none: a token is a
/// favour and no credential, so nothing has to be refused.
pub(crate) fn read(headers: &HeaderMap, with_cookie: bool) -> Option<DeviceToken> {
    let mut found: Vec<DeviceToken> = Vec::new();
    for line in headers.get_all(HEADER) {
        found.push(DeviceToken::presented(line.to_str().unwrap_or_default()));
    }
    if found.is_empty() && with_cookie {
        cookies::each(headers, |name, value| {
            if name == NAME {
                found.push(DeviceToken::presented(value));
            }
        });
    }
    let only = found.pop();
    only.filter(|_| found.is_empty())
}

/// The lines that hand a token out.
pub(crate) fn lines(token: &DeviceToken, with_cookie: bool) -> Vec<(HeaderName, HeaderValue)> {
    let header = HeaderValue::from_str(token.expose()).ok().map(|mut value| {
        value.set_sensitive(true);
        (HEADER, value)
    });
    let cookie = with_cookie.then(|| cookies::line(NAME, token.expose(), SameSite::Strict, COOKIE_LIFE)).flatten();
    header.into_iter().chain(cookie.map(|line| (SET_COOKIE, line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_from_one_header_or_from_one_cookie_where_that_is_on() {
        let read = |lines: &[(&'static str, &'static str)], with_cookie| {
            let mut headers = HeaderMap::new();
            lines.iter().for_each(|(name, value)| {
                headers.append(*name, HeaderValue::from_static(value));
            });
            read(&headers, with_cookie).map(|token| token.expose().to_owned())
        };
        let (header, cookie) = (("otpgate-device", "a"), ("cookie", "x=1; otpgate-device=b"));
        assert_eq!(read(&[header], false).as_deref(), Some("a"));
        assert_eq!(read(&[cookie], true).as_deref(), Some("b"));
        assert_eq!(read(&[cookie], false), None);
        assert_eq!(read(&[cookie, header], true).as_deref(), Some("a"));
        assert_eq!(read(&[header, header], true), None);
        assert_eq!(read(&[cookie, cookie], true), None);
        assert_eq!(read(&[("cookie", "Otpgate-Device=b")], true), None);
    }
}
