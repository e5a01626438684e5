//! The words that this crate ships, language by language.
//!
//! English was written first. The others were translated by the authors and have not been reviewed by native speakers; a
//! reviewer changes one file, and the checks of the build are the same for all.

mod de;
mod en;
mod es;
mod fr;
mod ja;
mod pt;

/// What is said in one language.
pub(crate) struct Language {
    /// Its tag of BCP 47.
    pub(crate) tag: &'static str,
    pub(crate) units: Units,
    pub(crate) log_in: Sentences,
    pub(crate) reset: Sentences,
    pub(crate) sms_units: Units,
    pub(crate) sms: &'static str,
    /// For a brand that does not fit or cannot be written in an SMS.
    pub(crate) sms_without_brand: &'static str,
}

/// One of a unit and several, each as it stands after the number: with the space, if the language has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Units {
    pub(crate) minute: [&'static str; 2],
    pub(crate) second: [&'static str; 2],
}

/// The sentences of a mail, in the order in which they stand.
pub(crate) struct Sentences {
    pub(crate) subject: &'static str,
    pub(crate) title: &'static str,
    pub(crate) asked: &'static str,
    pub(crate) careful: &'static str,
    /// Ends in the words for "your code": programs that fill in codes look for it near the digits.
    pub(crate) expires: &'static str,
    /// The style of what follows.
    pub(crate) style: &'static str,
}

/// A code is read and typed.
const CODE: &str = "font-family:monospace;font-size:28px;letter-spacing:4px";
/// A token is copied.
const TOKEN: &str = "font-family:monospace;font-size:16px";

pub(crate) const ALL: [&Language; 6] = [&en::WORDS, &de::WORDS, &fr::WORDS, &es::WORDS, &pt::WORDS, &ja::WORDS];

/// The shipped words for a language or one of its regions.
pub(crate) fn of(tag: &str) -> Option<&'static Language> {
    let primary = tag.split('-').next()?;
    ALL.into_iter().find(|language| language.tag == primary)
}

impl Units {
    pub(crate) const ENGLISH: Self = en::WORDS.units;
}

impl Sentences {
    // The code stands last, so that the preview of a locked screen ends before it (Q15), and on a line of its own.
    pub(crate) fn text(&self) -> String {
        format!("{}\n\n{}\n\n{}\n\n    {{code}}\n", self.asked, self.careful, self.expires)
    }

    pub(crate) fn html(&self, tag: &str) -> String {
        let Self { title, asked, careful, expires, style, .. } = self;
        format!(
            "<!DOCTYPE html>\n\
             <html lang=\"{tag}\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body style=\"font-family:sans-serif;font-size:16px;line-height:1.5\">\n\
             <p>{asked}</p>\n<p>{careful}</p>\n<p>{expires}</p>\n\
             <p style=\"{style}\"><strong>{{code}}</strong></p>\n\
             </body></html>\n"
        )
    }
}
