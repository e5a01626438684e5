//! Names of people, tenants and sessions; normalised once, here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which of the public interfaces a code or session belongs to (a code sent in one is wrong in another).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// `/identity/user/..`
    Identity,
    /// `/api/user/..`
    Platform,
    /// `/auth/v1/..`
    Engine,
}

impl Profile {
    pub(crate) const ALL: [Self; 3] = [Self::Identity, Self::Platform, Self::Engine];

    /// The name used in settings and in the `profile` claim.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Platform => "platform",
            Self::Engine => "engine",
        }
    }
}

/// One deployment's customer: users, limits and sessions of two tenants never meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tenant(String);

impl Tenant {
    /// A tenant's name: 1 to 128 bytes of printable text.
    ///
    /// # Errors
    /// [`IdentifierError`] for any other text.
    pub fn new(name: impl Into<String>) -> Result<Self, IdentifierError> {
        plain_text(name.into(), 128).map(Self)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Tenant {
    /// The tenant `default`, for a deployment that has one only.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// A user within a tenant: opaque text of the host, 1 to 128 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(String);

impl UserId {
    /// A user's id: 1 to 128 bytes of printable text.
    ///
    /// # Errors
    /// [`IdentifierError`] for any other text.
    pub fn new(id: impl Into<String>) -> Result<Self, IdentifierError> {
        plain_text(id.into(), 128).map(Self)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn plain_text(text: String, most: usize) -> Result<String, IdentifierError> {
    if text.is_empty() || text.len() > most || text.chars().any(char::is_control) {
        return Err(IdentifierError);
    }
    Ok(text)
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A session's public handle: 122 random bits, written as a version 4 UUID (RFC 9562). Not a credential.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId([u8; 16]);

/// A flow's handle in `engine`: written like a [`SessionId`], and never one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowId(SessionId);

impl FlowId {
    /// The id made of these random bytes.
    #[must_use]
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(SessionId::from_random(bytes))
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlowId({self})")
    }
}

impl FromStr for FlowId {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        text.parse().map(Self)
    }
}

impl SessionId {
    /// How long the text is, where the two digits of each byte begin, and where the hyphens stand.
    pub(crate) const TEXT: usize = 36;
    const DIGITS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];

    /// The id made of these random bytes.
    #[must_use]
    pub const fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'-'; SessionId::TEXT];
        for (byte, at) in self.0.iter().zip(SessionId::DIGITS) {
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 0xf)];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = IdentifierError;

    /// One spelling only: lower case, hyphens where a UUID has them.
    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        let text: &[u8; Self::TEXT] = text.as_bytes().try_into().map_err(|_| IdentifierError)?;
        let (mut bytes, mut seen) = ([0; 16], 0);
        for (byte, at) in bytes.iter_mut().zip(Self::DIGITS) {
            let (high, low) = (VALUES[usize::from(text[at])], VALUES[usize::from(text[at + 1])]);
            seen |= high | low;
            *byte = high << 4 | low;
        }
        let hyphens = Self::HYPHENS.iter().all(|at| text[*at] == b'-');
        if hyphens && seen != NO_DIGIT { Ok(Self(bytes)) } else { Err(IdentifierError) }
    }
}

/// What each byte is worth as a digit of base 16 in lower case: what is none leaves its mark in whatever it is joined with.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 16 {
        values[DIGITS[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

const NO_DIGIT: u8 = 0xff;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// What kind of thing a person is reached or known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum IdentifierKind {
    /// An e-mail address.
    Email = 1,
    /// A phone number in E.164 form.
    Phone = 2,
    /// A name chosen by the person or the host.
    Username = 3,
}

/// An e-mail address, phone number or user name in its one canonical spelling; used for keys, MACs and limits.
///
/// `Debug` shows the kind only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    kind: IdentifierKind,
    text: String,
}

impl Identifier {
    /// An e-mail address: white space at the ends is dropped, the domain and an ASCII local part are lower-cased, nothing
    /// else is folded (no plus, no dots).
    ///
    /// Taken are `dot-atom@domain` of RFC 5321 with at most 64 and 254 bytes and at least two domain labels. Quoted local
    /// parts, address literals, lists, display names, control characters and non-ASCII text are refused; a non-ASCII domain
    /// becomes punycode with feature `idn` (UTS 46, strict).
    ///
    /// ```
    /// use otpgate_core::Identifier;
    ///
    /// let a = Identifier::email(" Ada+news@Example.COM ").unwrap();
    /// assert_eq!(a.as_str(), "ada+news@example.com");
    /// assert!(Identifier::email("\"a b\"@example.com").is_err());
    /// ```
    ///
    /// # Errors
    /// [`IdentifierError`] for everything else.
    pub fn email(text: &str) -> Result<Self, IdentifierError> {
        const WHITE: [char; 4] = [' ', '\t', '\r', '\n'];
        let text = text.trim_matches(WHITE);
        if text.len() > 254 || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(IdentifierError);
        }
        let (local, domain) = text.split_once('@').ok_or(IdentifierError)?;
        let domain = ascii_domain(domain)?;
        let text = format!("{}@{domain}", local.to_ascii_lowercase());
        let options = email_address::Options::default()
            .with_minimum_sub_domains(2)
            .without_domain_literal()
            .without_display_text();
        email_address::EmailAddress::parse_with_options(&text, options).map_err(|_| IdentifierError)?;
        // Narrower than the RFC: look-alikes and quoting have been used to make one mailbox pass for another.
        let atext = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&b);
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        let numeric_tld = domain.rsplit('.').next().is_none_or(|l| l.bytes().all(|b| b.is_ascii_digit()));
        if text.len() > 254 || !local.bytes().all(atext) || !domain.split('.').all(label) || numeric_tld {
            return Err(IdentifierError);
        }
        Ok(Self { kind: IdentifierKind::Email, text })
    }

    /// A phone number: 8 to 15 ASCII digits, the first not 0, with or without a leading `+`; spaces, hyphens, dots and
    /// parentheses between are dropped (E.164).
    ///
    /// # Errors
    /// [`IdentifierError`] for everything else.
    pub fn phone(text: &str) -> Result<Self, IdentifierError> {
        let text = text.trim_matches(' ');
        let rest = text.strip_prefix('+').unwrap_or(text);
        let digits: String = rest.chars().filter(|c| !" -.()".contains(*c)).collect();
        let fits = (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        if text.len() > 32 || !fits || digits.starts_with('0') {
            return Err(IdentifierError);
        }
        Ok(Self { kind: IdentifierKind::Phone, text: format!("+{digits}") })
    }

    /// A user name: 1 to 64 of ASCII letters, digits, `.`, `_` and `-`, lower-cased; never an `@`, so that no user name is
    /// another person's address.
    ///
    /// # Errors
    /// [`IdentifierError`] for everything else.
    pub fn username(text: &str) -> Result<Self, IdentifierError> {
        let text = text.trim_matches(' ');
        let fits =
            (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !fits {
            return Err(IdentifierError);
        }
        Ok(Self { kind: IdentifierKind::Username, text: text.to_ascii_lowercase() })
    }

    /// What kind it is.
    #[must_use]
    pub fn kind(&self) -> IdentifierKind {
        self.kind
    }

    /// The canonical spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({:?})", self.kind)
    }
}

#[cfg(not(feature = "idn"))]
fn ascii_domain(domain: &str) -> Result<String, IdentifierError> {
    if domain.is_ascii() { Ok(domain.to_ascii_lowercase()) } else { Err(IdentifierError) }
}

#[cfg(feature = "idn")]
fn ascii_domain(domain: &str) -> Result<String, IdentifierError> {
    if domain.is_ascii() {
        return Ok(domain.to_ascii_lowercase());
    }
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| IdentifierError)?;
    // One that reads back otherwise held something that the mapping drops or replaces: zero width, full width, look-alikes.
    let (back, readable) = idna::domain_to_unicode(&ascii);
    if readable.is_ok() && back == domain.to_lowercase() { Ok(ascii) } else { Err(IdentifierError) }
}

/// The text is no identifier of its kind. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentifierError;

impl fmt::Display for IdentifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is not a valid identifier")
    }
}

impl std::error::Error for IdentifierError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A long text of what makes readers with backtracking, or a search in each step, take for ever. Here it takes milliseconds;
    /// quadratic it would take minutes.
    #[test]
    fn a100_any_identifier_is_read_in_linear_time() {
        const LONG: usize = 1 << 17;
        for part in [
            "a", "a.", "@", "a@", "\"", "(", "<a@b.c>,", "-", "\u{e4}", " ", "\t", "xn--", "1", "+", " a", "\\\"",
            "%00",
        ] {
            let fill = part.repeat(LONG / part.len());
            for text in [
                fill.clone(),
                format!("a@{fill}"),
                format!("{fill}@example.com"),
                format!(" {fill}a@example.com{fill}"),
            ] {
                let begun = std::time::Instant::now();
                let read = [
                    Identifier::email(&text).is_ok(),
                    Identifier::phone(&text).is_ok(),
                    Identifier::username(&text).is_ok(),
                ];
                // White space at the ends is dropped, however much of it there is.
                let is_address = part.trim().is_empty() && text.contains("a@example.com");
                assert_eq!(read, [is_address, false, false], "{part:?}");
                assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{part:?}: {:?}", begun.elapsed());
            }
        }
    }

    #[test]
    fn a43_a55_e_mail_addresses_have_one_spelling_or_none() {
        let same = [
            ("A@EXAMPLE.com", "a@example.com"),
            ("  ada@example.org\t", "ada@example.org"),
            ("\r\nada@example.org\n", "ada@example.org"),
            ("a+tag@example.com", "a+tag@example.com"),
            ("a.b@gmail.com", "a.b@gmail.com"),
            ("o'hara@example.co.uk", "o'hara@example.co.uk"),
            ("a%0d%0aBcc:x@example.com", ""),
            ("x_y-z@xn--bcher-kva.example", "x_y-z@xn--bcher-kva.example"),
        ];
        for (given, want) in same {
            let got = Identifier::email(given).map(|i| i.as_str().to_owned()).unwrap_or_default();
            assert_eq!(got, want, "{given:?}");
        }
        let refused = [
            "",
            " ",
            "a",
            "@",
            "a@",
            "@b.c",
            "a@b",
            "a@localhost",
            "a@b.",
            "a@.b",
            "a@b..c",
            "a@b.c.",
            ".a@b.c",
            "a.@b.c",
            "a..b@b.c",
            "a b@c.de",
            "a@b c.de",
            "a@@b.c",
            "a@b@c.de",
            "\"a b\"@x.de",
            "\"a\"@x.de",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@x,b@y",
            "a@x.de,b@y.de",
            "a@x.de;b@y.de",
            "<a@x.de>",
            "Name <a@x.de>",
            "a@x.de\0@y.de",
            "a\r\nRCPT TO:<e@x.de>@x.de",
            "a@x.de\nb",
            "m\u{131}ke@example.org",
            "\u{17f}@example.org",
            "\u{212a}@example.org",
            "\u{df}@example.org",
            "\u{fb01}@example.org",
            "\u{ff41}@example.com",
            "a\u{200b}@example.com",
            "a\u{202e}@example.com",
            "a\u{ad}@example.com",
            "\u{feff}a@example.com",
            "jos\u{e9}@example.com",
            "\u{a0}a@example.com",
            "a@-x.de",
            "a@x-.de",
            "a@x_y.de",
            "a@x.de\u{2003}",
            "a\u{ff20}example.com",
            "a(c)@x.de",
            "a@x.de(c)",
            "a\\@x.de",
        ];
        for given in refused {
            assert!(Identifier::email(given).is_err(), "{given:?}");
        }
    }

    #[test]
    fn a50_length_is_bounded_before_anything_else() {
        let at = |l: usize, d: usize| format!("{}@{}.de", "a".repeat(l), "b".repeat(d));
        assert!(Identifier::email(&at(64, 63)).is_ok());
        assert!(Identifier::email(&at(65, 10)).is_err());
        assert!(Identifier::email(&at(10, 64)).is_err());
        let long = format!("{}@{}de", "a".repeat(64), format!("{}.", "b".repeat(62)).repeat(3));
        assert_eq!(long.len(), 256);
        assert!(Identifier::email(&long).is_err());
        assert!(Identifier::email(&"a".repeat(1 << 20)).is_err());
    }

    #[test]
    #[cfg(not(feature = "idn"))]
    fn a46_without_idn_a_non_ascii_domain_is_refused() {
        assert!(Identifier::email("a@b\u{fc}cher.example").is_err());
    }

    #[test]
    #[cfg(feature = "idn")]
    fn a46_a_homoglyph_domain_is_another_domain() {
        assert_eq!(Identifier::email("a@b\u{fc}cher.example").unwrap().as_str(), "a@xn--bcher-kva.example");
        assert_ne!(Identifier::email("a@ex\u{430}mple.com").ok(), Identifier::email("a@example.com").ok());
        for other in
            ["a@e\u{200b}xample.com", "a@\u{ff45}xample.com", "a@b\u{fc}\u{ad}cher.example", "a@bu\u{308}cher.example"]
        {
            assert!(Identifier::email(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn a53_phone_numbers_have_one_spelling_or_none() {
        for given in ["+1 (555) 010-9999", "15550109999", "+15550109999", "1.555.010.9999"] {
            assert_eq!(Identifier::phone(given).unwrap().as_str(), "+15550109999");
        }
        for given in [
            "",
            "+",
            "+0155501099",
            "0049301234567",
            "555",
            "+1555010999;ext=1",
            "\u{661}\u{665}55010999",
            "++15550109999",
            "+1555010999999999",
        ] {
            assert!(Identifier::phone(given).is_err(), "{given:?}");
        }
    }

    #[test]
    fn a54_a_user_name_is_never_an_address() {
        assert_eq!(Identifier::username("Ada_1").unwrap().as_str(), "ada_1");
        for given in ["", "a@b.c", "a b", "\u{e9}", "a\0"] {
            assert!(Identifier::username(given).is_err(), "{given:?}");
        }
    }

    #[test]
    fn a_session_id_has_one_spelling() {
        let id = SessionId::from_random([0xab; 16]);
        assert_eq!(id.to_string(), "abababab-abab-4bab-abab-abababababab");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "ABABABAB-abab-4bab-abab-abababababab",
            "abababababab4bababababababababab",
            "abababab-abab-4bab-abab-ababababab+b",
            "abababab-abab-4bab-abab-abababababa",
            "abababab-abab-4bab-abab-ababababababa",
            "abababab-abab-4bab-abab-ababababab-b",
            "ababababaabab-4bab-abab-abababababab",
            "abababababab--4bab-abab-abababababab",
            "abababab-abab-4bab-abab-abababababa\u{e9}",
        ] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad:?}");
        }
        // Every byte of the text: what is read from a changed one is written as it was read.
        let text = id.to_string();
        for (at, byte) in (0..text.len()).flat_map(|at| (0..128).map(move |byte| (at, byte))) {
            let mut changed = text.clone().into_bytes();
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            let written = changed.parse().map(|id: SessionId| id.to_string());
            let good = byte == b'-' && text.as_bytes()[at] == b'-'
                || text.as_bytes()[at] != b'-' && matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            assert_eq!(written, if good { Ok(changed) } else { Err(IdentifierError) });
        }
    }
}
