//! A text with places for values, read once when it is built.

use std::time::Duration;

use otpgate_core::MailPurpose;

use crate::words::Units;

/// What a message is about: the parts of a mail or SMS that words are made of.
#[derive(Clone, Copy)]
pub(crate) struct Letter<'a> {
    pub(crate) purpose: MailPurpose,
    pub(crate) to: &'a str,
    pub(crate) code: &'a str,
    pub(crate) life: Duration,
    /// What the reader reads: a language tag, or several with commas between them.
    pub(crate) locale: Option<&'a str>,
}

impl<'a> From<&'a otpgate_core::CodeMail> for Letter<'a> {
    fn from(mail: &'a otpgate_core::CodeMail) -> Self {
        Self {
            purpose: mail.purpose,
            to: &mail.to,
            code: mail.code.expose(),
            life: mail.life,
            locale: mail.locale.as_deref(),
        }
    }
}

impl<'a> From<&'a otpgate_core::CodeSms> for Letter<'a> {
    fn from(sms: &'a otpgate_core::CodeSms) -> Self {
        Self {
            purpose: MailPurpose::LogIn,
            to: &sms.to,
            code: sms.code.expose(),
            life: sms.life,
            locale: sms.locale.as_deref(),
        }
    }
}

/// A place that a value goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Brand,
    Code,
    Life,
    Minutes,
    Seconds,
}

/// A parsed template. Values are put in side by side and never read again, so a brand called `{code}` stays these six
/// characters.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Words(String),
    Value(Place),
}

impl Pattern {
    /// Reads `{brand}`, `{code}`, `{life}`, `{minutes}`, `{seconds}`; `{{` and `}}` are braces.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut words = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            words.push_str(&rest[..at]);
            let brace = &rest[at..];
            if let Some(after) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
                words.push_str(&brace[..1]);
                rest = after;
                continue;
            }
            let named = brace.strip_prefix('{').and_then(|b| b.split_once('}'));
            let Some((name, after)) = named else {
                return Err("a single brace; write `{{` or `}}` for a brace".to_owned());
            };
            let place = Place::named(name).ok_or_else(|| format!("an unknown placeholder `{{{name}}}`"))?;
            pieces.push(Piece::Words(std::mem::take(&mut words)));
            pieces.push(Piece::Value(place));
            rest = after;
        }
        words.push_str(rest);
        pieces.push(Piece::Words(words));
        Ok(Self(pieces))
    }

    pub(crate) fn has(&self, place: Place) -> bool {
        self.0.iter().any(|p| matches!(p, Piece::Value(v) if *v == place))
    }

    pub(crate) fn states_the_life(&self) -> bool {
        [Place::Life, Place::Minutes, Place::Seconds].into_iter().any(|p| self.has(p))
    }

    /// The text with its values, each through `escape`.
    pub(crate) fn fill(&self, brand: &str, units: Units, letter: Letter<'_>, escape: fn(&str) -> String) -> String {
        let value = |place: &Place| match place {
            Place::Brand => escape(brand),
            Place::Code => escape(letter.code),
            Place::Life => units.of(letter.life),
            Place::Minutes => (letter.life.as_secs() / 60).to_string(),
            Place::Seconds => letter.life.as_secs().to_string(),
        };
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Words(words) => words.clone(),
                Piece::Value(place) => value(place),
            })
            .collect()
    }
}

impl Place {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "brand" => Self::Brand,
            "code" => Self::Code,
            "life" => Self::Life,
            "minutes" => Self::Minutes,
            "seconds" => Self::Seconds,
            _ => return None,
        })
    }
}

impl Units {
    /// Whole minutes where they are whole, seconds otherwise; a broken second is cut, so that no text promises too much.
    pub(crate) fn of(self, life: Duration) -> String {
        let seconds = life.as_secs();
        let whole = seconds >= 60 && seconds.is_multiple_of(60);
        let (number, [one, many]) = if whole { (seconds / 60, self.minute) } else { (seconds, self.second) };
        format!("{number}{}", if number == 1 { one } else { many })
    }
}

/// The value as it is.
pub(crate) fn plain(value: &str) -> String {
    value.to_owned()
}

/// The value as text of an HTML element or of a quoted attribute.
pub(crate) fn html(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, brand: &str) -> String {
        let life = Duration::from_secs(300);
        let letter = Letter { purpose: MailPurpose::LogIn, to: "", code: "012345", life, locale: None };
        Pattern::parse(text).unwrap().fill(brand, Units::ENGLISH, letter, html)
    }

    #[test]
    fn values_go_in_once_and_escaped() {
        let rows = [
            ("{code}", "x", "012345"),
            ("a{brand}b{brand}", "x", "axbx"),
            ("{brand}", "{code}", "{code}"),
            ("{brand}", "<b>&\"'", "&lt;b&gt;&amp;&quot;&#39;"),
            ("{{code}} }}", "x", "{code} }"),
            ("{life}, {minutes}, {seconds}", "x", "5 minutes, 5, 300"),
            ("", "x", ""),
            ("ü{code}ü", "x", "ü012345ü"),
        ];
        for (text, brand, want) in rows {
            assert_eq!(filled(text, brand), want, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in ["{", "}", "{code", "code}", "{}", "{Code}", "{ code }", "{{code}", "{foo}", "{code}}"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn w023_the_life_is_in_minutes_where_they_are_whole() {
        let rows = [
            (Duration::from_secs(300), "5 minutes"),
            (Duration::from_secs(60), "1 minute"),
            (Duration::from_secs(90), "90 seconds"),
            (Duration::from_secs(59), "59 seconds"),
            (Duration::from_secs(1), "1 second"),
            (Duration::from_millis(299_999), "299 seconds"),
            (Duration::ZERO, "0 seconds"),
        ];
        for (life, want) in rows {
            assert_eq!(Units::ENGLISH.of(life), want);
        }
    }
}
