//! The words of a code mail and a code SMS.

use otpgate_core::{CodeMail, CodeSms, ConfigError, ConfigErrorKind, MailPurpose};

use crate::pattern::{Letter, Pattern, Place, html, plain};

const BRAND_CHARS: usize = 64;
const SUBJECT_CHARS: usize = 128;
const BODY_BYTES: usize = 32 * 1024;
const SMS_SEPTETS: usize = 160;

const SUBJECT: &str = "Your sign-in code for {brand}";

// The code stands last, so that the preview of a locked screen ends before it (Q15).
const TEXT: &str = "\
Someone asked to sign in to {brand} with this e-mail address.

If it was not you, ignore this message: nobody gets in without the code. Do not \
pass the code on, and do not type it anywhere but where you asked for it.

This code expires in {life}. Your code is:

    {code}
";

const HTML: &str = "\
<!DOCTYPE html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Your sign-in code</title></head>
<body style=\"font-family:sans-serif;font-size:16px;line-height:1.5\">
<p>Someone asked to sign in to {brand} with this e-mail address.</p>
<p>If it was not you, ignore this message: nobody gets in without the code. Do not pass the code on, and do not type it
anywhere but where you asked for it.</p>
<p>This code expires in {life}. Your code is:</p>
<p style=\"font-family:monospace;font-size:28px;letter-spacing:4px\"><strong>{code}</strong></p>
</body></html>
";

const RESET_SUBJECT: &str = "Your password at {brand}";

const RESET_TEXT: &str = "\
Someone asked to set a new password at {brand} for this e-mail address.

If it was not you, ignore this message: your password stays as it is. Do not pass the token on.

This token expires in {life}. Your token is:

    {code}
";

const RESET_HTML: &str = "\
<!DOCTYPE html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Your password</title></head>
<body style=\"font-family:sans-serif;font-size:16px;line-height:1.5\">
<p>Someone asked to set a new password at {brand} for this e-mail address.</p>
<p>If it was not you, ignore this message: your password stays as it is. Do not pass the token on.</p>
<p>This token expires in {life}. Your token is:</p>
<p style=\"font-family:monospace;font-size:16px\"><strong>{code}</strong></p>
</body></html>
";

const SMS: &str = "{code} is your sign-in code for {brand}. It expires in {life}. Do not pass it on.";
const SMS_WITHOUT_BRAND: &str = "{code} is your sign-in code. It expires in {life}. Do not pass it on.";

/// Subject, text and HTML of the code mail, and the text of the code SMS. Cheap enough to clone.
///
/// ```
/// use otpgate_mail::Templates;
///
/// let templates = Templates::new("Example")?;
/// assert_eq!(templates.subject(), "Your sign-in code for Example");
///
/// // Words of one's own. What is wrong with them is said here, not when the first mail goes out.
/// let german = Templates::builder("Beispiel")
///     .subject("Ihr Anmeldecode")
///     .text("Der Code gilt {minutes} Minuten: {code}\n")
///     .html("<p>Der Code gilt {minutes} Minuten: <b>{code}</b></p>")
///     .sms("{code} ist Ihr Code für {brand}.\n\n@example.com #{code}")
///     .build()?;
/// assert!(Templates::builder("Example").subject("{code} is your code").build().is_err());
/// # let _ = german;
/// # Ok::<(), otpgate_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Templates {
    brand: String,
    log_in: Words,
    reset: Words,
    sms: Pattern,
}

/// The words of one purpose.
#[derive(Clone, Debug)]
struct Words {
    subject: Pattern,
    text: Pattern,
    html: Pattern,
}

impl Templates {
    /// The English words of this crate with the name of the product.
    ///
    /// `brand` is 1 to 64 characters of printable text. Nothing that a mail program would make a link of is taken (a
    /// scheme, `www.`, an address, a dot before a letter or digit as in `example.com`), so that no tenant's name becomes a
    /// link in a mail of ours. An SMS leaves out a brand that the GSM alphabet cannot write.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Name`] for any other brand.
    pub fn new(brand: &str) -> Result<Self, ConfigError> {
        Self::builder(brand).build()
    }

    /// Words of the host's own, one by one; what is not set stays as in [`Templates::new`].
    pub fn builder(brand: &str) -> TemplatesBuilder {
        TemplatesBuilder { brand: brand.to_owned(), log_in: OwnWords::default(), reset: OwnWords::default(), sms: None }
    }

    /// The subject of the code mail. It never holds the code, whatever the template.
    #[must_use]
    pub fn subject(&self) -> String {
        self.subject_of(MailPurpose::LogIn)
    }

    pub(crate) fn subject_of(&self, purpose: MailPurpose) -> String {
        let nothing = Letter { purpose, to: "", code: "", life: std::time::Duration::ZERO };
        self.words(purpose).subject.fill(&self.brand, nothing, plain)
    }

    fn words(&self, purpose: MailPurpose) -> &Words {
        match purpose {
            MailPurpose::LogIn => &self.log_in,
            MailPurpose::ResetPassword => &self.reset,
        }
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

    pub(crate) fn text_of(&self, letter: Letter<'_>) -> String {
        self.words(letter.purpose).text.fill(&self.brand, letter, plain)
    }

    pub(crate) fn html_of(&self, letter: Letter<'_>) -> String {
        self.words(letter.purpose).html.fill(&self.brand, letter, html)
    }

    pub(crate) fn sms_of(&self, letter: Letter<'_>) -> String {
        self.sms.fill(&self.brand, letter, plain)
    }
}

/// Sets the words of [`Templates`] one by one.
///
/// A template is text with places: `{brand}`, `{code}`, `{life}` ("5 minutes", "90 seconds"), `{minutes}` (whole ones,
/// rounded down) and `{seconds}`; `{{` and `}}` are braces. Values are escaped where the template is HTML.
#[derive(Clone, Debug)]
#[must_use]
pub struct TemplatesBuilder {
    brand: String,
    log_in: OwnWords,
    reset: OwnWords,
    sms: Option<String>,
}

/// What the host says in its own words.
#[derive(Clone, Debug, Default)]
struct OwnWords {
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
}

impl TemplatesBuilder {
    /// The subject: one line without `{code}` and without the life.
    pub fn subject(mut self, template: impl Into<String>) -> Self {
        self.log_in.subject = Some(template.into());
        self
    }

    /// The plain text, with `{code}` and one of `{life}`, `{minutes}`, `{seconds}`.
    ///
    /// Put the code late: the first words show on locked screens.
    pub fn text(mut self, template: impl Into<String>) -> Self {
        self.log_in.text = Some(template.into());
        self
    }

    /// The HTML, with `{code}` and one of `{life}`, `{minutes}`, `{seconds}`. The template itself is sent as it is.
    pub fn html(mut self, template: impl Into<String>) -> Self {
        self.log_in.html = Some(template.into());
        self
    }

    /// The mail that carries a reset token: subject, plain text and HTML as for the code mail, with the token at `{code}`.
    /// The bodies may hold a link of the host's own, `https://app.example/reset#{code}` for example.
    pub fn reset(mut self, subject: impl Into<String>, text: impl Into<String>, html: impl Into<String>) -> Self {
        self.reset = OwnWords { subject: Some(subject.into()), text: Some(text.into()), html: Some(html.into()) };
        self
    }

    /// The SMS, with `{code}`: at most 160 septets of the GSM alphabet.
    pub fn sms(mut self, template: impl Into<String>) -> Self {
        self.sms = Some(template.into());
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Name`] with a sentence that names the part: a brand as in [`Templates::new`]; an unknown
    /// placeholder; `{code}` missing from a body or standing in the subject; a body that does not state the life; control
    /// characters; anything that is or loads a link; a text that is too long.
    pub fn build(self) -> Result<Templates, ConfigError> {
        check_brand(&self.brand).map_err(|what| refused("brand", &what))?;
        let brand = self.brand;
        let log_in = self.log_in.read([SUBJECT, TEXT, HTML], Links::Refused)?;
        let reset = self.reset.read([RESET_SUBJECT, RESET_TEXT, RESET_HTML], Links::Taken)?;
        let sms = match self.sms {
            Some(own) => sms_pattern(&own, &brand),
            // The host did not choose these words, so a brand that does not fit into them is not the host's mistake.
            None => sms_pattern(SMS, &brand).or_else(|_| sms_pattern(SMS_WITHOUT_BRAND, &brand)),
        }
        .map_err(|what| refused("SMS", &what))?;
        Ok(Templates { brand, log_in, reset, sms })
    }
}

/// Whether a body may hold a link: a code mail never does, so that nobody learns to follow one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    Refused,
    Taken,
}

impl OwnWords {
    /// The host's words, and ours where it has none.
    fn read(&self, [subject, text, html]: [&str; 3], links: Links) -> Result<Words, ConfigError> {
        let body = |own: &Option<String>, ours: &str| body_pattern(own.as_deref().unwrap_or(ours), links);
        Ok(Words {
            subject: subject_pattern(self.subject.as_deref().unwrap_or(subject))
                .map_err(|what| refused("subject", &what))?,
            text: body(&self.text, text).map_err(|what| refused("text", &what))?,
            html: body(&self.html, html).map_err(|what| refused("HTML", &what))?,
        })
    }
}

fn refused(part: &str, what: &str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Name, format!("the {part} of the templates: {what}"))
}

fn check_brand(brand: &str) -> Result<(), String> {
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

fn subject_pattern(template: &str) -> Result<Pattern, String> {
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

fn body_pattern(template: &str, links: Links) -> Result<Pattern, String> {
    if template.len() > BODY_BYTES {
        return Err(format!("at most {BODY_BYTES} bytes are taken"));
    }
    let pattern = readable_pattern(template, links)?;
    if !pattern.states_the_life() {
        return Err("it must say how long the code lives, with `{life}`, `{minutes}` or `{seconds}`".to_owned());
    }
    Ok(pattern)
}

fn sms_pattern(template: &str, brand: &str) -> Result<Pattern, String> {
    let pattern = readable_pattern(template, Links::Refused)?;
    // The longest values that a policy allows, so that no message splits into two.
    let longest =
        Letter { purpose: MailPurpose::LogIn, to: "", code: "MMMMMMMM", life: std::time::Duration::from_secs(599) };
    match septets(&pattern.fill(brand, longest, plain)) {
        Some(count) if count <= SMS_SEPTETS => Ok(pattern),
        Some(_) => Err(format!("it can come to more than {SMS_SEPTETS} septets")),
        None => Err("it holds a character that the GSM alphabet lacks".to_owned()),
    }
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
fn septets(text: &str) -> Option<usize> {
    const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§\
                         ¿abcdefghijklmnopqrstuvwxyzäöñüà";
    const EXTENDED: &str = "^{}\\[~]|€";
    text.chars().try_fold(0, |sum, c| match c {
        c if BASIC.contains(c) => Some(sum + 1),
        c if EXTENDED.contains(c) => Some(sum + 2),
        _ => None,
    })
}

#[cfg(test)]
#[path = "templates_tests.rs"]
mod tests;
