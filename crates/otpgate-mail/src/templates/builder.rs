//! The settings of templates.

use std::collections::BTreeMap;

use otpgate_core::ConfigError;

use super::check::{Links, body_pattern, check_brand, check_domain, refused, sms_pattern, subject_pattern};
use super::{Language, Templates, Words};
use crate::locale;
use crate::words::{self, Sentences, Units};

/// Sets the words of [`Templates`] one by one.
///
/// A template is text with places: `{brand}`, `{code}`, `{life}` ("5 minutes", "90 seconds"; only in the languages that this
/// crate ships), `{minutes}` (whole ones, rounded down) and `{seconds}`; `{{` and `}}` are braces. Values are escaped where
/// the template is HTML. Phones and browsers offer to fill in a code that stands on a line of its own, right after the word
/// for it.
///
/// Words belong to the language last named by [`locale`](Self::locale), and to the fallback before that. All shipped languages
/// are offered as long as the fallback has no words of the host's own; from then on only those that the host names, so that
/// nobody reads words which the host never saw.
#[derive(Clone, Debug)]
#[must_use]
pub struct TemplatesBuilder {
    brand: String,
    fallback: String,
    /// The language that the setters are for; none for the fallback's.
    current: Option<String>,
    own: BTreeMap<Option<String>, Own>,
    languages: Option<Vec<String>>,
    sms_domain: SmsDomain,
}

/// The host that the last line of an SMS names.
#[derive(Clone, Debug)]
enum SmsDomain {
    /// Nobody said: mail can be sent, SMS cannot.
    Unsaid,
    None,
    Host(String),
}

/// What the host says in its own words, in one language.
#[derive(Clone, Debug, Default)]
struct Own {
    log_in: OwnWords,
    reset: OwnWords,
    sms: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct OwnWords {
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
}

impl TemplatesBuilder {
    pub(super) fn new(brand: &str) -> Self {
        Self {
            brand: brand.to_owned(),
            fallback: "en".to_owned(),
            current: None,
            own: BTreeMap::new(),
            languages: None,
            sms_domain: SmsDomain::Unsaid,
        }
    }

    /// The language for readers of none that is offered; English without this.
    pub fn fallback(mut self, tag: &str) -> Self {
        tag.clone_into(&mut self.fallback);
        self
    }

    /// Offers the language of this tag (`de`, `de-AT`), and makes the words that are set from here on its own.
    ///
    /// What is not set is as shipped for the language or its parent; a language that is not shipped needs all its words.
    pub fn locale(mut self, tag: &str) -> Self {
        self.current = Some(tag.to_owned());
        self.own();
        self
    }

    /// Offers these languages and no others, besides the fallback and those named by [`locale`](Self::locale).
    pub fn languages<'a>(mut self, tags: impl IntoIterator<Item = &'a str>) -> Self {
        self.languages = Some(tags.into_iter().map(ToOwned::to_owned).collect());
        self
    }

    /// The subject: one line without `{code}` and without the life.
    pub fn subject(mut self, template: impl Into<String>) -> Self {
        self.own().log_in.subject = Some(template.into());
        self
    }

    /// The plain text, with `{code}` and one of `{life}`, `{minutes}`, `{seconds}`.
    ///
    /// Put the code late: the first words show on locked screens.
    pub fn text(mut self, template: impl Into<String>) -> Self {
        self.own().log_in.text = Some(template.into());
        self
    }

    /// The HTML, with `{code}` and one of `{life}`, `{minutes}`, `{seconds}`. The template itself is sent as it is.
    pub fn html(mut self, template: impl Into<String>) -> Self {
        self.own().log_in.html = Some(template.into());
        self
    }

    /// The mail that carries a reset token: subject, plain text and HTML as for the code mail, with the token at `{code}`.
    /// The bodies may hold a link of the host's own, `https://app.example/reset#{code}` for example.
    pub fn reset(mut self, subject: impl Into<String>, text: impl Into<String>, html: impl Into<String>) -> Self {
        self.own().reset = OwnWords { subject: Some(subject.into()), text: Some(text.into()), html: Some(html.into()) };
        self
    }

    /// The SMS, with `{code}`: at most 160 septets of the GSM alphabet, the line of [`sms_domain`](Self::sms_domain)
    /// included.
    pub fn sms(mut self, template: impl Into<String>) -> Self {
        self.own().sms = Some(template.into());
        self
    }

    /// Ends every SMS with the line `@host #code`: a browser fills the code in on pages of that host and on no other, so that
    /// a page that only looks like the host's gets no code from it. Words for SMS need this, or
    /// [`insecure_without_sms_domain`](Self::insecure_without_sms_domain).
    pub fn sms_domain(mut self, host: &str) -> Self {
        self.sms_domain = SmsDomain::Host(host.to_owned());
        self
    }

    /// Ends no SMS with a domain. Costs: phones offer the code on whatever page asks for one, so that a page which only looks
    /// like the host's gets it with one tap. For codes that are typed into an app and never into a page.
    pub fn insecure_without_sms_domain(mut self) -> Self {
        self.sms_domain = SmsDomain::None;
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Name`](otpgate_core::ConfigErrorKind::Name) with a sentence that names the part: a brand as in
    /// [`Templates::new`]; an unknown placeholder; `{code}` missing from a body or standing in the subject; a body that does
    /// not state the life; control characters; anything that is or loads a link; a text that is too long; a tag that is none;
    /// a language that is not shipped and lacks words.
    pub fn build(self) -> Result<Templates, ConfigError> {
        check_brand(&self.brand).map_err(|what| refused("brand", &what))?;
        let domain = match &self.sms_domain {
            SmsDomain::Host(host) => Some(host.as_str()),
            SmsDomain::Unsaid | SmsDomain::None => None,
        };
        if let Some(domain) = domain {
            check_domain(domain).map_err(|what| refused("SMS domain", &what))?;
        }
        let fallback = read_tag(&self.fallback)?;
        let mut own: BTreeMap<String, Own> = BTreeMap::new();
        for (tag, words) in &self.own {
            let tag = tag.as_deref().map_or_else(|| Ok(fallback.clone()), read_tag)?;
            own.entry(tag).or_default().take(words);
        }
        let mut tags = vec![fallback.clone()];
        match &self.languages {
            Some(languages) => {
                for tag in languages {
                    tags.push(read_tag(tag)?);
                }
            }
            None if own.contains_key(&fallback) => {}
            None => tags.extend(words::ALL.iter().map(|language| language.tag.to_owned())),
        }
        tags.extend(own.keys().cloned());
        let mut languages: Vec<Language> = Vec::new();
        for tag in tags {
            if !languages.iter().any(|language| language.tag == tag) {
                let own = own.get(&tag).cloned().unwrap_or_default();
                languages.push(own.read(tag, &self.brand, domain)?);
            }
        }
        Ok(Templates {
            brand: self.brand.into(),
            languages: languages.into(),
            #[cfg(any(feature = "folder", feature = "sms-http"))]
            for_sms: !matches!(self.sms_domain, SmsDomain::Unsaid),
        })
    }

    fn own(&mut self) -> &mut Own {
        self.own.entry(self.current.clone()).or_default()
    }
}

fn read_tag(tag: &str) -> Result<String, ConfigError> {
    locale::tag(tag).ok_or_else(|| refused("language", "it must be a tag such as `de` or `pt-BR`"))
}

impl Own {
    /// What is set there and not here.
    fn take(&mut self, other: &Self) {
        self.log_in.take(&other.log_in);
        self.reset.take(&other.reset);
        self.sms = self.sms.take().or_else(|| other.sms.clone());
    }

    /// The host's words, and the shipped ones where it has none.
    fn read(self, tag: String, brand: &str, sms_domain: Option<&str>) -> Result<Language, ConfigError> {
        let shipped = words::of(&tag);
        let last = sms_domain.map_or_else(String::new, |host| format!("\n\n@{host} #{{code}}"));
        let sms = |words: &str, units| sms_pattern(&format!("{words}{last}"), brand, units);
        let (sms, sms_units) = match (&self.sms, shipped) {
            (Some(own), shipped) => (sms(own, shipped.map(|l| l.units)), shipped.map(|l| l.units)),
            // The host did not choose these words, so a brand that does not fit into them is not the host's mistake.
            (None, Some(l)) => {
                let units = Some(l.sms_units);
                (sms(l.sms, units).or_else(|_| sms(l.sms_without_brand, units)), units)
            }
            (None, None) => (Err(missing(&tag)), None),
        };
        let sms = sms.map_err(|what| refused("SMS", &what))?;
        let units = shipped.map(|l| l.units);
        Ok(Language {
            log_in: self.log_in.read(&tag, shipped.map(|l| &l.log_in), Links::Refused)?,
            reset: self.reset.read(&tag, shipped.map(|l| &l.reset), Links::Taken)?,
            sms,
            // No pattern of a language without units has a place for them.
            sms_units: sms_units.unwrap_or(Units::ENGLISH),
            units: units.unwrap_or(Units::ENGLISH),
            tag,
        })
    }
}

impl OwnWords {
    fn take(&mut self, other: &Self) {
        self.subject = self.subject.take().or_else(|| other.subject.clone());
        self.text = self.text.take().or_else(|| other.text.clone());
        self.html = self.html.take().or_else(|| other.html.clone());
    }

    fn read(self, tag: &str, shipped: Option<&Sentences>, links: Links) -> Result<Words, ConfigError> {
        let part = |name: &str, own: Option<String>, ours: Option<String>, read: &dyn Fn(&str) -> _| {
            let words = own.or(ours).ok_or_else(|| missing(tag));
            words.and_then(|words| read(&words)).map_err(|what| refused(name, &what))
        };
        let units = shipped.is_some();
        let subject = shipped.map(|s| s.subject.to_owned());
        Ok(Words {
            subject: part("subject", self.subject, subject, &subject_pattern)?,
            text: part("text", self.text, shipped.map(Sentences::text), &|words| body_pattern(words, links, units))?,
            html: part("HTML", self.html, shipped.map(|s| s.html(tag)), &|words| body_pattern(words, links, units))?,
        })
    }
}

fn missing(tag: &str) -> String {
    format!("no words are shipped for the language `{tag}`, and none are set")
}
