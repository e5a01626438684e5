//! The words of a code mail and a code SMS.

mod builder;
mod check;

use std::sync::Arc;
use std::time::Duration;

#[cfg(any(feature = "folder", feature = "sms-http"))]
use otpgate_core::ConfigErrorKind;
use otpgate_core::{CodeMail, CodeSms, ConfigError, MailPurpose};

use crate::locale;
use crate::pattern::{Letter, Pattern, html, plain};
use crate::words::Units;

pub use self::builder::TemplatesBuilder;
#[cfg(any(feature = "folder", feature = "smtp"))]
pub(crate) use self::check::unseen;

/// Subject, text and HTML of the mails, and the text of the SMS, in one language or several. Cheap to clone.
///
/// The crate ships English, German, French, Spanish, Portuguese and Japanese. **Only the English words are the authors' own;
/// no native speaker has reviewed the other five yet**, so have yours read before they go out, or offer English alone with
/// [`TemplatesBuilder::languages`]. An SMS for a Japanese reader is in English, since the GSM alphabet has no Japanese.
///
/// ```
/// use otpgate_mail::Templates;
///
/// let templates = Templates::new("Example")?;
/// assert_eq!(templates.subject(), "Your sign-in code for Example");
/// assert_eq!(templates.for_locale("de-AT, en").subject(), "Ihr Anmeldecode für Example");
/// assert_eq!(templates.for_locale("nl").locale(), "en");
///
/// // Words of one's own. What is wrong with them is said here, not when the first mail goes out.
/// let own = Templates::builder("Example")
///     .text("Your code is good for {minutes} minutes. Your code:\n{code}\n")
///     .locale("de")
///     .text("Der Code gilt {minutes} Minuten. Ihr Code:\n{code}\n")
///     .sms_domain("example.com")
///     .build()?;
/// assert!(Templates::builder("Example").subject("{code} is your code").build().is_err());
/// # let _ = own;
/// # Ok::<(), otpgate_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Templates {
    brand: Arc<str>,
    /// The first is for readers of none of them.
    languages: Arc<[Language]>,
    /// Whether the host said how an SMS ends.
    #[cfg(any(feature = "folder", feature = "sms-http"))]
    for_sms: bool,
}

/// What is said in one language.
#[derive(Debug)]
struct Language {
    tag: String,
    units: Units,
    log_in: Words,
    reset: Words,
    sms_units: Units,
    sms: Pattern,
}

/// The words of one purpose.
#[derive(Debug)]
struct Words {
    subject: Pattern,
    text: Pattern,
    html: Pattern,
}

impl Templates {
    /// The words of this crate, in all its languages, with the name of the product; English for readers of none of them.
    ///
    /// `brand` is 1 to 64 characters of printable text. Nothing that a mail program would make a link of is taken (a
    /// scheme, `www.`, an address, a dot before a letter or digit as in `example.com`), so that no tenant's name becomes a
    /// link in a mail of ours. An SMS leaves out a brand that the GSM alphabet cannot write.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Name`](otpgate_core::ConfigErrorKind::Name) for any other brand.
    pub fn new(brand: &str) -> Result<Self, ConfigError> {
        Self::builder(brand).build()
    }

    /// Words of the host's own, one by one; what is not set stays as in [`Templates::new`].
    pub fn builder(brand: &str) -> TemplatesBuilder {
        TemplatesBuilder::new(brand)
    }

    /// The words for a reader of `wanted`: a language tag (`de-AT`), or several with commas between them, the most wanted
    /// first.
    ///
    /// The tag or its nearest parent is looked up (RFC 4647, section 3.4); a reader of none gets the fallback.
    #[must_use]
    pub fn for_locale(&self, wanted: &str) -> Localized<'_> {
        let found = locale::lookup(wanted, self.languages.iter().map(|language| language.tag.as_str()));
        let language = self.languages.iter().find(|language| Some(language.tag.as_str()) == found);
        Localized { brand: &self.brand, language: language.unwrap_or(self.fallback()) }
    }

    /// The tags of the languages that are offered, in lower case; the first is the fallback.
    pub fn locales(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(|language| language.tag.as_str())
    }

    /// The subject of the code mail in the fallback language. It never holds the code, whatever the template.
    #[must_use]
    pub fn subject(&self) -> String {
        self.in_fallback().subject()
    }

    /// The plain text of the mail, in its reader's language where the mail names one; lines end with LF.
    #[must_use]
    pub fn text(&self, mail: &CodeMail) -> String {
        self.of(mail.into()).text(mail)
    }

    /// The HTML of the mail, in its reader's language where the mail names one, its values escaped; lines end with LF.
    #[must_use]
    pub fn html(&self, mail: &CodeMail) -> String {
        self.of(mail.into()).html(mail)
    }

    /// The text of the SMS, in its reader's language where it names one: at most 160 septets of the GSM alphabet for a code of
    /// up to 8 characters.
    #[must_use]
    pub fn sms(&self, sms: &CodeSms) -> String {
        self.of(sms.into()).sms(sms)
    }

    /// That the host said how an SMS ends; else it would have no domain, and nobody would have decided that.
    #[cfg(any(feature = "folder", feature = "sms-http"))]
    pub(crate) fn expect_for_sms(&self) -> Result<(), ConfigError> {
        let say = "SMS end in the domain that their code is for: say it with `Templates::builder(..).sms_domain(host)`";
        self.for_sms.then_some(()).ok_or_else(|| ConfigError::new(ConfigErrorKind::Name, say))
    }

    /// The words for the reader of a letter.
    pub(crate) fn of(&self, letter: Letter<'_>) -> Localized<'_> {
        letter.locale.map_or_else(|| self.in_fallback(), |wanted| self.for_locale(wanted))
    }

    fn in_fallback(&self) -> Localized<'_> {
        Localized { brand: &self.brand, language: self.fallback() }
    }

    #[expect(clippy::indexing_slicing, reason = "the builder puts the fallback first")]
    fn fallback(&self) -> &Language {
        &self.languages[0]
    }
}

/// The words of [`Templates`] in one language.
#[derive(Clone, Copy, Debug)]
pub struct Localized<'a> {
    brand: &'a str,
    language: &'a Language,
}

impl Localized<'_> {
    /// The tag of the language, in lower case.
    #[must_use]
    pub fn locale(&self) -> &str {
        &self.language.tag
    }

    /// The subject of the code mail. It never holds the code, whatever the template.
    #[must_use]
    pub fn subject(&self) -> String {
        self.subject_of(MailPurpose::LogIn)
    }

    /// The plain text of the mail; lines end with LF.
    #[must_use]
    pub fn text(&self, mail: &CodeMail) -> String {
        self.text_of(mail.into())
    }

    /// The HTML of the mail, its values escaped; lines end with LF.
    #[must_use]
    pub fn html(&self, mail: &CodeMail) -> String {
        self.html_of(mail.into())
    }

    /// The text of the SMS: at most 160 septets of the GSM alphabet for a code of up to 8 characters.
    #[must_use]
    pub fn sms(&self, sms: &CodeSms) -> String {
        self.sms_of(sms.into())
    }

    pub(crate) fn subject_of(&self, purpose: MailPurpose) -> String {
        let nothing = Letter { purpose, to: "", code: "", life: Duration::ZERO, locale: None };
        self.words(purpose).subject.fill(self.brand, self.language.units, nothing, plain)
    }

    pub(crate) fn text_of(&self, letter: Letter<'_>) -> String {
        self.words(letter.purpose).text.fill(self.brand, self.language.units, letter, plain)
    }

    pub(crate) fn html_of(&self, letter: Letter<'_>) -> String {
        self.words(letter.purpose).html.fill(self.brand, self.language.units, letter, html)
    }

    pub(crate) fn sms_of(&self, letter: Letter<'_>) -> String {
        self.language.sms.fill(self.brand, self.language.sms_units, letter, plain)
    }

    fn words(&self, purpose: MailPurpose) -> &Words {
        match purpose {
            MailPurpose::LogIn => &self.language.log_in,
            MailPurpose::ResetPassword => &self.language.reset,
        }
    }
}

#[cfg(test)]
mod tests;
