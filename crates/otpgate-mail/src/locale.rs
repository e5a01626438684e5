//! Languages: their tags (BCP 47), and finding the one that a reader wants (RFC 4647, lookup).

/// Languages of one list that are looked at; a longer one is somebody's joke.
const MOST_TAGS: usize = 16;

/// A tag in lower case; nothing for what is none.
pub(crate) fn tag(text: &str) -> Option<String> {
    let mut parts = text.split('-');
    let primary = parts.next()?;
    let language = (2..=3).contains(&primary.len()) && primary.chars().all(|c| c.is_ascii_alphabetic());
    let rest = parts.all(|part| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()));
    (language && rest && text.len() <= 35).then(|| text.to_ascii_lowercase())
}

/// The first offered tag that `wanted` names: a tag (`de-AT`, also written `de_AT`), or several with commas between them,
/// the most wanted first.
pub(crate) fn lookup<'a>(wanted: &str, offered: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    wanted.split(',').take(MOST_TAGS).find_map(|range| {
        let range = tag(&range.trim().replace('_', "-"))?;
        let mut range = range.as_str();
        loop {
            if let Some(found) = offered.clone().find(|tag| *tag == range) {
                return Some(found);
            }
            // `zh-hant-x-y` becomes `zh-hant`: a single letter only introduces what follows it.
            range = range.rsplit_once('-')?.0;
            if let Some((shorter, last)) = range.rsplit_once('-')
                && last.len() == 1
            {
                range = shorter;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_wanted_most_and_is_there() {
        let rows = [
            ("de", Some("de")),
            ("DE", Some("de")),
            ("de-AT", Some("de")),
            ("de_AT.UTF-8", None),
            ("de_AT", Some("de")),
            ("pt-BR", Some("pt-br")),
            ("pt-PT", Some("pt")),
            ("pt-BR-x-ours", Some("pt-br")),
            ("nl", None),
            ("nl, de", Some("de")),
            ("fr,de", Some("fr")),
            ("fr-CH, de", Some("fr")),
            ("de;q=0.5, fr", Some("fr")),
            ("*", None),
            ("", None),
            (",,;q=1", None),
            ("d", None),
            ("de-", None),
            ("deutsch", None),
            ("../../etc/passwd", None),
            ("de\r\nBcc: b@example.com", None),
            ("\u{212a}", None),
        ];
        let offered = ["en", "de", "fr", "pt", "pt-br"];
        for (wanted, want) in rows {
            assert_eq!(lookup(wanted, offered.into_iter()), want, "{wanted:?}");
        }
        assert_eq!(lookup("zh-Hant-a-x", ["zh-hant"].into_iter()), Some("zh-hant"));
        let many = "xx,".repeat(MOST_TAGS) + "de";
        assert_eq!(lookup(&many, offered.into_iter()), None);
    }

    #[test]
    fn tags_are_tags() {
        for (text, want) in [("de", Some("de")), ("pt-BR", Some("pt-br")), ("zh-Hant-TW", Some("zh-hant-tw"))] {
            assert_eq!(tag(text).as_deref(), want);
        }
        let long = format!("de{}", "-abcdefgh".repeat(4));
        for text in ["", "d", "deutsch", "de-", "-de", "de--at", "de-abcdefghi", "de at", "dé", "d1", long.as_str()] {
            assert_eq!(tag(text), None, "{text:?}");
        }
    }
}
