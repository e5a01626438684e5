//! What a client reads, from `Accept-Language` (RFC 9110, 12.5.4): it chooses the words of a message and nothing else.

use std::cmp::Reverse;

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// How much of the header is read.
const MOST_BYTES: usize = 256;

/// How many languages are of use; no mailer has words in the ninth.
const MOST_TAGS: usize = 8;

/// The tags that the first header line wants, in lower case, the most wanted first, with commas between them.
///
/// Only letters, digits, `-` and `,` come out of here: what a client writes reaches no log, header or mail as it wrote it.
pub(crate) fn wanted(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(ACCEPT_LANGUAGE)?.as_bytes();
    let text = match value.get(..MOST_BYTES) {
        // Cut in the middle of an item, perhaps: that one is left out.
        Some(head) if value.len() > MOST_BYTES => head.rsplitn(2, |b| *b == b',').nth(1)?,
        _ => value,
    };
    let mut tags: Vec<(String, u16)> = std::str::from_utf8(text).ok()?.split(',').filter_map(item).collect();
    // Stable: of equal weights the first stands first.
    tags.sort_by_key(|(_, weight)| Reverse(*weight));
    tags.truncate(MOST_TAGS);
    let tags: Vec<String> = tags.into_iter().map(|(tag, _)| tag).collect();
    (!tags.is_empty()).then(|| tags.join(","))
}

/// A tag and its weight in thousandths; nothing for what is malformed or not wanted. `*` says nothing of a language.
fn item(item: &str) -> Option<(String, u16)> {
    let mut parts = item.split(';').map(|part| part.trim_matches([' ', '\t']));
    let tag = parts.next().filter(|tag| is_tag(tag))?.to_ascii_lowercase();
    let weight = match parts.next() {
        Some(weight) => thousandths(weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q="))?)?,
        None => 1000,
    };
    (weight > 0 && parts.next().is_none()).then_some((tag, weight))
}

/// A language and what narrows it, of the lengths that BCP 47 allows.
fn is_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let language =
        parts.next().is_some_and(|p| (2..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphabetic()));
    let narrow = |p: &str| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
    language && parts.all(narrow) && text.len() <= 35
}

/// `0.8` as 800.
fn thousandths(q: &str) -> Option<u16> {
    let (whole, part) = q.split_once('.').unwrap_or((q, ""));
    if part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" => (part == 0).then_some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(line: &[u8]) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_bytes(line).unwrap());
        wanted(&headers)
    }

    #[test]
    fn the_most_wanted_language_comes_first() {
        let rows = [
            ("de", "de"),
            ("DE-at", "de-at"),
            ("nl, de", "nl,de"),
            ("de;q=0.5, fr;q=0.9", "fr,de"),
            ("de;q=0.9,fr;q=0.9", "de,fr"),
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", "fr-ch,fr,en,de"),
            ("de;q=0, fr", "fr"),
            ("de;q=0.001, fr;Q=1.000", "fr,de"),
            ("de ; q=0.2 , fr", "fr,de"),
            ("zh-Hant-TW", "zh-hant-tw"),
        ];
        for (line, want) in rows {
            assert_eq!(of(line.as_bytes()).as_deref(), Some(want), "{line}");
        }
        assert_eq!(wanted(&HeaderMap::new()), None);
    }

    #[test]
    fn garbage_names_no_language() {
        let long = format!("de{}", "-abcdefgh".repeat(4));
        let rows = [
            "",
            "*",
            ",,;q=1",
            "d",
            "deutsch",
            "de-",
            "de--at",
            "de_AT",
            "d1",
            "../../etc/passwd",
            "de; charset=utf-8",
            "de;q=1.5",
            "de;q=2",
            "de;q=",
            "de;q=.5",
            "de;q=0.5;q=0.5",
            "de;q=0",
            "de\tBcc: b@example.com",
            "<script>",
            "{code}",
            long.as_str(),
        ];
        for line in rows {
            assert_eq!(of(line.as_bytes()), None, "{line}");
        }
        assert_eq!(of(b"de, \xff\xfe"), None);
        assert_eq!(of("de, \u{212a}g, fr".as_bytes()).as_deref(), Some("de,fr"));
    }

    #[test]
    fn a_long_line_is_read_in_part() {
        let line = format!("{}de", "xx;q=0,".repeat(36));
        assert_eq!((line.len(), of(line.as_bytes()).as_deref()), (254, Some("de")));
        // What stands beyond, or is cut, is not there.
        assert_eq!(of(format!("fr,{line}").as_bytes()).as_deref(), Some("fr"));
        assert_eq!(of(format!("fr,{},de-DE", "x".repeat(250)).as_bytes()).as_deref(), Some("fr"));
        assert_eq!(of("x".repeat(1 << 16).as_bytes()), None);
        let many: Vec<String> = (b'a'..=b'z').map(|c| format!("x{}", char::from(c))).collect();
        assert_eq!(of(many.join(",").as_bytes()).map(|t| t.split(',').count()), Some(MOST_TAGS));
    }
}
