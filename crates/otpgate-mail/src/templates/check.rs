//! What is refused when templates are built.

use std::time::Duration;

use otpgate_core::{ConfigError, ConfigErrorKind, MailPurpose};

use crate::pattern::{Letter, Pattern, Place, plain};
use crate::words::Units;

const BRAND_CHARS: usize = 64;
pub(super) const SUBJECT_CHARS: usize = 128;
pub(super) const BODY_BYTES: usize = 32 * 1024;
pub(super) const SMS_SEPTETS: usize = 160;

/// Whether a body may hold a link: a code mail never does, so that nobody learns to follow one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Refused,
    Taken,
}

pub(super) fn refused(part: &str, what: &str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Name, format!("the {part} of the templates: {what}"))
}

pub(super) fn check_brand(brand: &str) -> Result<(), String> {
    if brand.is_empty() || brand.trim() != brand || brand.chars().count() > BRAND_CHARS {
        return Err(format!("1 to {BRAND_CHARS} characters without white space at the ends are taken"));
    }
    check_line(brand)?;
    check_links(brand)?;
    let dotted = brand.split('.').skip(1).any(|after| after.starts_with(char::is_alphanumeric));
    if dotted || brand.contains(['@', '/', '\\']) {
        return Err("mail programs would make a link of it; leave out `@`, slashes and dots before letters".to_owned());
    }
    Ok(())
}

pub(super) fn subject_pattern(template: &str) -> Result<Pattern, String> {
    check_line(template)?;
    check_links(template)?;
    if template.trim().is_empty() || template.chars().count() > SUBJECT_CHARS {
        return Err(format!("1 to {SUBJECT_CHARS} characters are taken"));
    }
    let pattern = Pattern::parse(template)?;
    if pattern.has(Place::Code) {
        return Err("the code shows on locked screens when it stands here; leave `{code}` out".to_owned());
    }
    if pattern.states_the_life() {
        return Err("only `{brand}` is known here".to_owned());
    }
    Ok(pattern)
}

pub(super) fn body_pattern(template: &str, links: Links, has_units: bool) -> Result<Pattern, String> {
    if template.len() > BODY_BYTES {
        return Err(format!("at most {BODY_BYTES} bytes are taken"));
    }
    let pattern = readable_pattern(template, links)?;
    check_units(&pattern, has_units)?;
    if !pattern.states_the_life() {
        return Err("it must say how long the code lives, with `{life}`, `{minutes}` or `{seconds}`".to_owned());
    }
    Ok(pattern)
}

pub(super) fn sms_pattern(template: &str, brand: &str, units: Option<Units>) -> Result<Pattern, String> {
    let pattern = readable_pattern(template, Links::Refused)?;
    check_units(&pattern, units.is_some())?;
    // The longest values that a policy allows, so that no message splits into two.
    let life = Duration::from_secs(599);
    let longest = Letter { purpose: MailPurpose::LogIn, to: "", code: "MMMMMMMM", life, locale: None };
    match septets(&pattern.fill(brand, units.unwrap_or(Units::ENGLISH), longest, plain)) {
        Some(count) if count <= SMS_SEPTETS => Ok(pattern),
        Some(_) => Err(format!("it can come to more than {SMS_SEPTETS} septets")),
        None => Err("it holds a character that the GSM alphabet lacks".to_owned()),
    }
}

fn check_units(pattern: &Pattern, has_units: bool) -> Result<(), String> {
    if pattern.has(Place::Life) && !has_units {
        return Err("`{life}` has no words in this language; write `{minutes}` or `{seconds}` and the word".to_owned());
    }
    Ok(())
}

fn readable_pattern(template: &str, links: Links) -> Result<Pattern, String> {
    let template = template.replace("\r\n", "\n");
    if template.chars().any(|c| c != '\n' && unseen(c)) {
        return Err("control and invisible characters other than line ends are not taken".to_owned());
    }
    if links == Links::Refused {
        check_links(&template)?;
    }
    let pattern = Pattern::parse(&template)?;
    if !pattern.has(Place::Code) {
        return Err("`{code}` is missing".to_owned());
    }
    Ok(pattern)
}

/// What goes into a header: one line, nothing invisible, nothing that reads as an encoded word of RFC 2047.
fn check_line(text: &str) -> Result<(), String> {
    if text.chars().any(unseen) || text.contains("=?") {
        return Err("control characters, invisible characters and `=?` are not taken".to_owned());
    }
    Ok(())
}

/// Nothing that is a link, or that makes a mail program fetch something.
fn check_links(text: &str) -> Result<(), String> {
    let text = text.to_lowercase();
    let links = ["://", "www.", "mailto:", "href", "src=", "srcset", "url(", "<form", "<script", "<base", "http-equiv"];
    match links.into_iter().find(|link| text.contains(link)) {
        Some(link) => Err(format!("a code mail has no links and loads nothing; leave out `{link}`")),
        None => Ok(()),
    }
}

/// Control characters, line and paragraph separators, and what is not seen but turns text around or hides it.
pub(crate) fn unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The length in the GSM 7-bit default alphabet (3GPP TS 23.038); nothing when it lacks a character.
pub(super) fn septets(text: &str) -> Option<usize> {
    const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§\
                         ¿abcdefghijklmnopqrstuvwxyzäöñüà";
    const EXTENDED: &str = "^{}\\[~]|€";
    text.chars().try_fold(0, |sum, c| match c {
        c if BASIC.contains(c) => Some(sum + 1),
        c if EXTENDED.contains(c) => Some(sum + 2),
        _ => None,
    })
}

/// The host of a line `@host #code`: lower case, as browsers compare it.
pub(super) fn check_domain(domain: &str) -> Result<(), String> {
    let label = |l: &str| {
        let inside = l.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        (1..=63).contains(&l.len()) && inside && !l.starts_with('-') && !l.ends_with('-')
    };
    if domain.len() > 253 || !domain.split('.').all(label) {
        return Err("only the lower-case ASCII name of a host is taken, such as `example.com`".to_owned());
    }
    Ok(())
}
