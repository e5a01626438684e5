//! The mail itself, as RFC 5322 bytes; shared by every transport.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use otpgate_core::{ConfigError, ConfigErrorKind, DeliveryError, Timestamp};

use crate::address;
use crate::pattern::Letter;
use crate::templates::{Templates, unseen};

/// The last second that a mail's date can say.
const YEAR_9999: Duration = Duration::from_secs(253_402_300_799);
const NAME_CHARS: usize = 64;

/// Who writes, and in which words.
pub(crate) struct Letterhead {
    from: Mailbox,
    templates: Templates,
}

impl Letterhead {
    /// `from` is `login@example.com` or `Example <login@example.com>`.
    pub(crate) fn new(from: &str, templates: Templates) -> Result<Self, ConfigError> {
        sender(from).map(|from| Self { from, templates }).ok_or_else(|| {
            let text = "the sender must be one address, `login@example.com` or `Example <login@example.com>`";
            ConfigError::new(ConfigErrorKind::Name, text)
        })
    }

    /// The domain of the sender.
    #[cfg(feature = "smtp")]
    pub(crate) fn domain(&self) -> &str {
        self.from.email.domain()
    }

    /// The mail to the one recipient of `letter`. `id` is the message's own, and says nothing about the recipient.
    pub(crate) fn message(&self, letter: Letter<'_>, at: Timestamp, id: &str) -> Result<Message, DeliveryError> {
        let (local, domain) = address::mailbox(letter.to)?;
        let to = Address::new(local, domain).map_err(DeliveryError::permanent)?;
        let since = Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0)).min(YEAR_9999);
        let words = self.templates.of(letter);
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(words.subject_of(letter.purpose))
            .date(UNIX_EPOCH + since)
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            // RFC 3834: no out-of-office answers.
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .multipart(
                MultiPart::alternative()
                    .singlepart(part(ContentType::TEXT_PLAIN, words.text_of(letter))?)
                    .singlepart(part(ContentType::TEXT_HTML, words.html_of(letter))?),
            )
            .map_err(DeliveryError::permanent)
    }
}

/// 32 hexadecimal digits of chance: nothing of the recipient, nothing to guess.
#[cfg(feature = "smtp")]
pub(crate) fn random_hex() -> Result<String, otpgate_core::EntropyError> {
    let mut random = [0; 16];
    otpgate_core::Entropy::fill(&otpgate_core::OsEntropy, &mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A part that survives a transport without dot-stuffing (RUSTSEC-2026-0561): always encoded, CRLF only, no leading dot.
fn part(kind: ContentType, text: String) -> Result<SinglePart, DeliveryError> {
    let encoded = |text, encoding| {
        Body::new_with_encoding(text, encoding)
            .map_err(|_| DeliveryError::permanent("the body of the mail cannot be encoded"))
    };
    let mut body = encoded(text.clone(), ContentTransferEncoding::QuotedPrintable)?;
    if body.as_ref().starts_with(b".") || body.as_ref().windows(2).any(|w| w == b"\n.") {
        body = encoded(text, ContentTransferEncoding::Base64)?;
    }
    Ok(SinglePart::builder().content_type(kind).body(body))
}

fn sender(from: &str) -> Option<Mailbox> {
    let (name, address) = match from.strip_suffix('>') {
        Some(named) => named.rsplit_once('<').map(|(name, address)| (name.trim(), address))?,
        None => ("", from),
    };
    // `=?` begins an encoded word, which some mail programs decode even between quotes.
    if name.chars().any(unseen) || name.contains("=?") || name.chars().count() > NAME_CHARS {
        return None;
    }
    let name = name.strip_prefix('"').and_then(|n| n.strip_suffix('"')).unwrap_or(name);
    // A name that needs escapes, or that looks like an address, is a mistake or worse.
    if name.contains(['"', '\\', '<', '>', '@', ',', ';', ':']) {
        return None;
    }
    let (local, domain) = address::mailbox(address).ok()?;
    let name = (!name.is_empty()).then(|| name.to_owned());
    Some(Mailbox::new(name, Address::new(local, domain).ok()?))
}

#[cfg(test)]
#[path = "message_tests.rs"]
pub(crate) mod tests;
