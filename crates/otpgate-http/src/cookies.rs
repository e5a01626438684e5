//! The access token in a cookie, for the pages of a browser: set, read and cleared (RFC 6265).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use otpgate_core::secret::AccessToken;
use otpgate_core::{ConfigError, ConfigErrorKind};
use percent_encoding::percent_decode_str;

use crate::origin::{Origins, Site};

/// The cookie that we set. Browsers take the prefix only with `Secure`, `Path=/` and no `Domain`, so that no other host,
/// and no page without TLS, can put one into its place.
const OWN: &str = "__Host-token";

/// The cookie of older servers.
const LEGACY: &str = "token";

/// The access token of a profile in a cookie too: `__Host-token`, with `HttpOnly`, `Secure`, `SameSite=Strict` and `Path=/`,
/// for as long as the token in it lives. Logging in and renewing set it, logging out clears it.
///
/// A browser adds a cookie by itself, also to requests that another site made it send. So a token that came in a cookie
/// counts for a request that may change something (any method but `GET`, `HEAD` and `OPTIONS`, and any upgrade) only if
/// the request is shown to come from a page of our own, on the host's routes as on ours; else it is refused with 403. The
/// routes of the profile refuse what another site sends even without a cookie, since it could log a person in to somebody
/// else's account. Shown is what the browser says:
///
/// 1. `Origin` is one of those named by [`Cookies::origin`], or
/// 2. `Sec-Fetch-Site` is `same-origin` or `none`, as every browser since 2023 says over TLS and on localhost.
///
/// `Host` proves nothing here. A client that sends neither header gets its token in the body as ever, and no cookie. What a
/// `GET` of the host changes is not guarded. The body of a login still holds the token, as the page of the profile says.
///
/// ```
/// # use otpgate_http::{Cookies, Platform, Profiles};
/// let cookies = Cookies::new().origin("https://app.example.com");
/// let profiles = Profiles::builder().platform(Platform::new().cookies(cookies)).build()?;
/// # Ok::<(), otpgate_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until a profile has them"]
pub struct Cookies {
    same_site: SameSite,
    pub(crate) with_header: bool,
    origins: Origins,
    legacy: Option<LegacyCookie>,
}

impl Cookies {
    /// `__Host-token` beside the profile's header.
    pub fn new() -> Self {
        Self { same_site: SameSite::Strict, with_header: true, origins: Origins::default(), legacy: None }
    }

    /// `SameSite=Lax`: a link from another site finds the person logged in. Costs: such a `GET` acts for the person too.
    pub fn lax(mut self) -> Self {
        self.same_site = SameSite::Lax;
        self
    }

    /// Does not read the token from the profile's header any more.
    pub fn without_header(mut self) -> Self {
        self.with_header = false;
        self
    }

    /// Also trusts pages of `origin`: the app's own for browsers that send no `Sec-Fetch-Site`, or one of another host.
    /// Written as browsers send it: `https://app.example.com`. Costs: its pages act for whoever visits them.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Also reads the cookie `token` of an older server, which is cleared as soon as `__Host-token` is set.
    pub fn legacy_cookie(mut self, legacy: LegacyCookie) -> Self {
        self.legacy = Some(legacy);
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.origins.check()?;
        let plain = |domain: &str| domain.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
        match self.legacy.as_ref().and_then(|l| l.domain.as_deref()) {
            Some(domain) if domain.is_empty() || !plain(domain) => {
                Err(ConfigError::new(ConfigErrorKind::Name, format!("`{domain}` is no domain of a cookie")))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn site(&self, headers: &HeaderMap) -> Site {
        self.origins.site(headers)
    }

    /// Every token that came in a cookie. One that is not readable, or badly signed, is a token all the same: a bad one.
    pub(crate) fn tokens(&self, headers: &HeaderMap) -> Vec<AccessToken> {
        let mut found = Vec::new();
        each(headers, |name, value| match (name, &self.legacy) {
            (OWN, _) => found.push(AccessToken::new(value)),
            (LEGACY, Some(legacy)) => found.push(AccessToken::new(legacy.read(value))),
            _ => {}
        });
        found
    }

    /// The lines that put `token` into its cookie for `life`, and an older one away.
    pub(crate) fn set(&self, token: &AccessToken, life: Duration) -> Vec<HeaderValue> {
        // Whole seconds, down: no cookie outlives its token.
        let seconds = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        let own = line(OWN, token.expose(), self.same_site, cookie::time::Duration::seconds(seconds));
        own.into_iter().chain(self.cleared_legacy()).collect()
    }

    /// The lines that put every cookie of ours away.
    pub(crate) fn clear(&self) -> Vec<HeaderValue> {
        line(OWN, "", self.same_site, cookie::time::Duration::ZERO).into_iter().chain(self.cleared_legacy()).collect()
    }

    fn cleared_legacy(&self) -> Option<HeaderValue> {
        let legacy = self.legacy.as_ref()?;
        let mut gone = Cookie::build((LEGACY, "")).path("/").max_age(cookie::time::Duration::ZERO).build();
        if let Some(domain) = &legacy.domain {
            gone.set_domain(domain.as_str());
        }
        HeaderValue::from_str(&gone.to_string()).ok()
    }
}

/// Every cookie with its value, as they came: neither is decoded.
pub(crate) fn each(headers: &HeaderMap, mut take: impl FnMut(&str, &str)) {
    for line in headers.get_all(COOKIE) {
        // Nothing but ASCII: the parser trims white space of all Unicode, and browsers guard `__Host-` only without it.
        let line: String = line.as_bytes().iter().map(|b| if b.is_ascii() { char::from(*b) } else { '?' }).collect();
        Cookie::split_parse(line.as_str()).flatten().for_each(|crumb| take(crumb.name(), crumb.value()));
    }
}

/// A `Set-Cookie` line that scripts and pages without TLS cannot read.
pub(crate) fn line(name: &str, value: &str, same_site: SameSite, life: cookie::time::Duration) -> Option<HeaderValue> {
    let cookie = Cookie::build((name, value)).http_only(true).secure(true).same_site(same_site).path("/");
    let mut line = HeaderValue::from_str(&cookie.max_age(life).build().to_string()).ok()?;
    line.set_sensitive(true);
    Some(line)
}

impl Default for Cookies {
    fn default() -> Self {
        Self::new()
    }
}

/// How the cookie `token` of an older server is read. Costs, all three: its name has no `__Host-` prefix, so that any host
/// below the same domain can set one in a visitor's browser, log the visitor in to another account or, since two
/// credentials are refused, out of the app.
#[derive(Clone)]
#[must_use = "settings do nothing until cookies have them"]
pub struct LegacyCookie {
    plain: bool,
    key: Option<Arc<hmac::Key>>,
    domain: Option<String>,
}

impl LegacyCookie {
    /// The token as it is.
    pub fn plain() -> Self {
        Self { plain: true, key: None, domain: None }
    }

    /// Signed as Express signs (`s:<value>.<HMAC-SHA-256 in base64>`, `cookie-signature` 1.x); nothing else is read.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Key`] for a key of fewer than 32 bytes.
    pub fn signed(key: &[u8]) -> Result<Self, ConfigError> {
        if key.len() < 32 {
            return Err(ConfigError::new(ConfigErrorKind::Key, "the key of a signed cookie needs at least 32 bytes"));
        }
        Ok(Self { plain: false, key: Some(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key))), domain: None })
    }

    /// Either: signed where it begins with `s:`, else the token as it is.
    ///
    /// # Errors
    /// As [`LegacyCookie::signed`].
    pub fn either(key: &[u8]) -> Result<Self, ConfigError> {
        Ok(Self { plain: true, ..Self::signed(key)? })
    }

    /// The `Domain` that the older server set it with: without it such a cookie could not be cleared, and a browser with
    /// both cookies carries two credentials.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// The token in a value; an empty one, which is never good, for a value that is not to be believed.
    fn read(&self, value: &str) -> String {
        let value = percent_decode_str(value).decode_utf8().unwrap_or_default();
        match (value.strip_prefix("s:"), &self.key) {
            (Some(signed), Some(key)) => unsign(signed, key).unwrap_or_default().to_owned(),
            (None, _) if self.plain => value.into_owned(),
            _ => String::new(),
        }
    }
}

/// The value before the last dot, if what follows it is its MAC; compared in constant time.
fn unsign<'a>(signed: &'a str, key: &hmac::Key) -> Option<&'a str> {
    let (value, mac) = signed.rsplit_once('.')?;
    let mac = STANDARD_NO_PAD.decode(mac).ok()?;
    hmac::verify(key, value.as_bytes(), &mac).ok().map(|()| value)
}

impl fmt::Debug for LegacyCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plain, key, domain } = self;
        let signed = key.is_some();
        f.debug_struct("LegacyCookie").field("plain", plain).field("signed", &signed).field("domain", domain).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"a cookie key of thirty-two bytes";

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    fn read(cookies: &Cookies, lines: &[&[u8]]) -> Vec<String> {
        cookies.tokens(&headers(lines)).iter().map(|t| t.expose().to_owned()).collect()
    }

    #[test]
    fn w097_each_cookie_is_read_only_where_it_is_switched_on() {
        // Made by node with the call that `cookie-signature` makes: `createHmac("sha256", key)`, base64, `=` cut off.
        let signed = "s:a.b.c.jYnqxQ/fp+IbeHYWQyFXVs8CCtkkycDd6WmtUMG3koM";
        let encoded = signed.replace(':', "%3A").replace('+', "%2B").replace('/', "%2F");
        let (own, plain) = ("x=1; __Host-token=a.b.c", "token=a.b.c");
        let (signed, encoded) = (format!("token={signed}"), format!("y=; token={encoded}; z"));
        let legacy = |legacy| Cookies::new().legacy_cookie(legacy);
        let rows = [
            ("off", Cookies::new(), [Some("a.b.c"), None, None, None]),
            ("plain", legacy(LegacyCookie::plain()), [Some("a.b.c"), Some("a.b.c"), Some(""), Some("")]),
            (
                "signed",
                legacy(LegacyCookie::signed(KEY).unwrap()),
                [Some("a.b.c"), Some(""), Some("a.b.c"), Some("a.b.c")],
            ),
            ("either", legacy(LegacyCookie::either(KEY).unwrap()), [Some("a.b.c"); 4]),
            (
                "another key",
                legacy(LegacyCookie::either(b"another key of thirty-two bytes!").unwrap()),
                [Some("a.b.c"), Some("a.b.c"), Some(""), Some("")],
            ),
        ];
        for (name, cookies, want) in rows {
            for (line, want) in [own, plain, &signed, &encoded].into_iter().zip(want) {
                let want: Vec<String> = want.map(str::to_owned).into_iter().collect();
                assert_eq!(read(&cookies, &[line.as_bytes()]), want, "{name}: {line}");
            }
        }
        assert!(LegacyCookie::signed(&KEY[..31]).is_err());
    }

    #[test]
    fn a_signed_value_that_was_touched_is_no_token() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, KEY);
        let mac = STANDARD_NO_PAD.encode(hmac::sign(&key, b"a.b.c"));
        assert_eq!(unsign(&format!("a.b.c.{mac}"), &key), Some("a.b.c"));
        for touched in [
            format!("a.b.d.{mac}"),
            format!("a.b.c.{mac}="),
            format!("a.b.c.{}", &mac[..42]),
            format!("a.b.c.{mac} "),
            format!("a.b.c{mac}"),
            "a.b.c.".to_owned(),
            "a.b.c".to_owned(),
            String::new(),
        ] {
            assert_eq!(unsign(&touched, &key), None, "{touched}");
        }
    }

    #[test]
    fn a67_every_cookie_of_the_name_counts_and_no_other() {
        let cookies = Cookies::new();
        let two: [&[&[u8]]; 3] = [
            &[b"__Host-token=a; __Host-token=b"],
            &[b"__Host-token=a", b"__Host-token=b"],
            &[b"__Host-token=a;__Host-token=a"],
        ];
        for lines in two {
            assert_eq!(read(&cookies, lines).len(), 2);
        }
        // Names that a browser does not guard, and a server that decodes or trims too much would take for ours.
        let none: [&[u8]; 7] = [
            "\u{2000}__Host-token=a".as_bytes(),
            "\u{85}__Host-token=a".as_bytes(),
            b"\xa0__Host-token=a",
            b"%5F%5FHost-token=a",
            b"__host-token=a",
            b"__Host-token",
            b"$Version=1; x=\"__Host-token=a\"",
        ];
        for line in none {
            assert!(read(&cookies, &[line]).is_empty(), "{}", String::from_utf8_lossy(line));
        }
        assert_eq!(read(&cookies, &["n\u{e4}me=\u{e4}; __Host-token=a".as_bytes()]), ["a"], "others do not disturb");
    }

    #[test]
    fn q40_the_lines_are_written_as_browsers_want_them() {
        let text =
            |lines: Vec<HeaderValue>| -> Vec<String> { lines.iter().map(|l| l.to_str().unwrap().to_owned()).collect() };
        let token = AccessToken::new("a.b.c");
        let life = Duration::from_millis(900_999);
        assert_eq!(
            text(Cookies::new().set(&token, life)),
            ["__Host-token=a.b.c; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=900"]
        );
        let legacy = Cookies::new().lax().legacy_cookie(LegacyCookie::plain().domain("example.com"));
        assert_eq!(
            text(legacy.set(&token, life)),
            [
                "__Host-token=a.b.c; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=900",
                "token=; Path=/; Domain=example.com; Max-Age=0"
            ]
        );
        assert_eq!(text(legacy.clear())[0], "__Host-token=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
        assert!(Cookies::new().legacy_cookie(LegacyCookie::plain().domain("a; Secure")).check().is_err());
        assert!(Cookies::new().origin("example.com").check().is_err());
    }

    #[test]
    fn i14_the_key_is_not_printed() {
        let printed = format!("{:?}", Cookies::new().legacy_cookie(LegacyCookie::signed(KEY).unwrap()));
        assert!(!printed.contains("thirty") && printed.contains("signed: true"), "{printed}");
    }
}
