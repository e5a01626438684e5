//! Claims letter for letter as we write them, read without a parser of JSON. Whatever is written otherwise is left to one.

use std::borrow::Cow;

use super::claims::Said;
use crate::{Profile, SessionId, Tenant, UserId};

/// How the claims of every token begin that we mint.
pub(super) struct Usual {
    issuer: String,
    audience: String,
    start: String,
}

impl Usual {
    pub(super) fn new(issuer: &str, audience: &str) -> Self {
        let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let start = format!("{{\"iss\":{},\"aud\":{},\"sub\":\"", quoted(issuer), quoted(audience));
        Self { issuer: issuer.to_owned(), audience: audience.to_owned(), start }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn audience(&self) -> &str {
        &self.audience
    }

    /// The claims, or nothing where they are written in any other way.
    pub(super) fn read<'a>(&'a self, json: &'a str) -> Option<Said<'a>> {
        let mut rest = Rest(json);
        rest.skip(&self.start)?;
        let sub = rest.text("\",\"sid\":\"")?;
        let sid = rest.id("\",\"jti\":\"")?;
        let jti = rest.id("\",\"tenant\":\"")?;
        let tenant = rest.text("\",\"profile\":\"")?;
        let profile = rest.text("\",\"iat\":")?;
        let profile = Profile::ALL.into_iter().find(|known| known.name() == profile)?;
        let (iat, nbf, exp) = (rest.number(",\"nbf\":")?, rest.number(",\"exp\":")?, rest.number("}")?);
        let said = Said {
            iss: Cow::Borrowed(&self.issuer),
            aud: Cow::Borrowed(&self.audience),
            sub: UserId::new(sub).ok()?,
            sid: Cow::Borrowed(sid),
            jti: Cow::Borrowed(jti),
            tenant: Tenant::new(tenant).ok()?,
            profile,
            iat,
            nbf,
            exp,
        };
        rest.0.is_empty().then_some(said)
    }
}

/// What has not been read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// What stands before a quote, and `end` after it: such text as means itself (RFC 8259, 7).
    fn text(&mut self, end: &str) -> Option<&'a str> {
        let stop = self.0.bytes().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f))?;
        let (text, rest) = self.0.split_at_checked(stop)?;
        self.0 = rest.strip_prefix(end)?;
        Some(text)
    }

    /// As much as an id has, and a quote and `end` after it. Whoever reads the id looks at every byte of it.
    fn id(&mut self, end: &str) -> Option<&'a str> {
        let (id, rest) = self.0.split_at_checked(SessionId::TEXT)?;
        self.0 = rest.strip_prefix(end)?;
        Some(id)
    }

    /// A whole number that is not negative, of at most 18 digits, and `end` after it.
    fn number(&mut self, end: &str) -> Option<i64> {
        let (mut number, mut digits) = (0, 0);
        let text = self.0.as_bytes();
        while let Some(digit) = text.get(digits).filter(|byte| byte.is_ascii_digit()) {
            if digits == 18 {
                return None;
            }
            number = number * 10 + i64::from(digit - b'0');
            digits += 1;
        }
        if digits == 0 || (digits > 1 && text[0] == b'0') {
            return None;
        }
        self.0 = self.0.get(digits..)?.strip_prefix(end)?;
        Some(number)
    }
}
