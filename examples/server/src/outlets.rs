//! What the command line calls stores and outlets. None of them has `Debug`: a URL may hold a password.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::bail;

/// A store and the part of it that is this deployment's.
pub(crate) struct StoreUrl {
    pub(crate) place: Place,
    pub(crate) namespace: Option<String>,
}

pub(crate) enum Place {
    Memory,
    Sqlite(PathBuf),
    /// This and the next two: the URL as the driver takes it.
    Postgres(String),
    MySql(String),
    Redis(String),
}

impl Place {
    /// Its name for people, without what is secret in its URL.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Memory => "memory".to_owned(),
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) | Self::MySql(url) | Self::Redis(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or_default();
                let rest = rest.split('?').next().unwrap_or_default();
                let behind_login = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                format!("{scheme}://{behind_login}")
            }
        }
    }
}

impl FromStr for StoreUrl {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> anyhow::Result<Self> {
        let (place, query) = url.split_once('?').map_or((url, None), |(place, query)| (place, Some(query)));
        let mut namespace = None;
        let mut others = Vec::new();
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            if pair.contains('@') {
                bail!("a `?` in the password of a store's URL is written `%3F`, and an `@` behind it `%40`");
            }
            match pair.split_once('=') {
                Some(("namespace", name)) if !name.is_empty() && namespace.is_none() => {
                    namespace = Some(name.to_owned())
                }
                Some((name, _)) if name != "namespace" => others.push(pair),
                _ => bail!("behind the `?` of a store stands `namespace=NAME`, once"),
            }
        }
        // The rest is the driver's to read.
        let server = || if others.is_empty() { place.to_owned() } else { format!("{place}?{}", others.join("&")) };
        let place = match place.split_once(':') {
            None if place == "memory" => Place::Memory,
            Some(("sqlite", path)) if !path.is_empty() => Place::Sqlite(path.into()),
            Some(("postgres" | "postgresql", rest)) if is_host(rest) => Place::Postgres(server()),
            Some(("mysql" | "mariadb", rest)) if is_host(rest) => Place::MySql(server()),
            Some(("redis", rest)) if is_host(rest) => Place::Redis(server()),
            _ => bail!(
                "this is no store that this build knows: it knows `memory` and `sqlite:PATH`, and `postgres://`, `mysql://` \
                 and `redis://` with `USER:PASSWORD@HOST/DATABASE`"
            ),
        };
        if let (Place::Memory | Place::Sqlite(_), Some(other)) = (&place, others.first()) {
            bail!("behind the `?` of this store stands `namespace=NAME` and nothing else, not `{other}`");
        }
        Ok(Self { place, namespace })
    }
}

/// How nodes tell each other what has ended.
pub(crate) enum BusUrl {
    Store,
    Redis(String),
    None,
}

impl FromStr for BusUrl {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text.split_once(':') {
            None if text == "store" => Ok(Self::Store),
            None if text == "none" => Ok(Self::None),
            Some(("redis", rest)) if is_host(rest) => Ok(Self::Redis(text.to_owned())),
            _ => bail!("this is no bus that this build knows: it knows `store`, `redis://` and `none`"),
        }
    }
}

fn is_host(rest: &str) -> bool {
    rest.strip_prefix("//").is_some_and(|host| !host.is_empty())
}

/// Where mail goes.
pub(crate) enum MailOutlet {
    Console,
    Dir(PathBuf),
    /// A mail server, as [`otpgate::mail::SmtpMailer`] reads it.
    Smtp(String),
}

impl FromStr for MailOutlet {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text.split_once(':') {
            None if text == "console" => Ok(Self::Console),
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Dir(path.into())),
            Some(("smtp" | "smtps" | "smtp+starttls", rest)) if is_host(rest) => Ok(Self::Smtp(text.to_owned())),
            _ => bail!(
                "this is no outlet for mail that this build knows: it knows `console` and `dir:PATH`, and `smtps://`, \
                 `smtp+starttls://` and `smtp://` with `USER:PASSWORD@HOST`"
            ),
        }
    }
}

/// Where SMS go.
pub(crate) enum SmsOutlet {
    Console,
    Dir(PathBuf),
    /// The account at Twilio, or at one of its shape.
    Twilio(String),
    Webhook(String),
}

impl SmsOutlet {
    /// Whether what it takes stays on this machine.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Console | Self::Dir(_))
    }
}

impl FromStr for SmsOutlet {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text.split_once(':') {
            None if text == "console" => Ok(Self::Console),
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Dir(path.into())),
            Some(("twilio", account)) if !account.is_empty() => Ok(Self::Twilio(account.to_owned())),
            Some(("http" | "https", rest)) if is_host(rest) => Ok(Self::Webhook(text.to_owned())),
            _ => bail!(
                "this is no outlet for SMS that this build knows: it knows `console` and `dir:PATH`, `twilio:ACCOUNT`, and \
                 `https://` for a webhook"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_read() {
        for (url, name, namespace) in [
            ("memory", "memory", None),
            ("sqlite:a/b.db", "sqlite:a/b.db", None),
            ("sqlite:/a:b.db?namespace=shop", "sqlite:/a:b.db", Some("shop")),
            ("postgres://u:p@w@h:1/d?namespace=shop", "postgres://h:1/d", Some("shop")),
            ("mariadb://h/d", "mariadb://h/d", None),
            ("redis://:secret@h:6379/0?namespace=a", "redis://h:6379/0", Some("a")),
        ] {
            let store = url.parse::<StoreUrl>().unwrap();
            assert_eq!((store.place.name().as_str(), store.namespace.as_deref()), (name, namespace), "{url}");
        }
        let Place::Postgres(url) = "postgres://h/d?a=1&namespace=n&b=2".parse::<StoreUrl>().unwrap().place else {
            panic!("PostgreSQL")
        };
        assert_eq!(url, "postgres://h/d?a=1&b=2", "the rest of a query is the driver's");
    }

    #[test]
    fn what_is_no_store_or_outlet_is_refused_without_being_repeated() {
        let stores = [
            "",
            "memory:",
            "sqlite",
            "sqlite:",
            "oracle://pw",
            "postgres:pw",
            "mysql://",
            "sqlite:a?b=c",
            "memory?x",
            "postgres://u:pw?x=1@h/d",
        ];
        let twice = ["sqlite:a?namespace=", "sqlite:a?namespace=a&namespace=b", "redis://h?namespace"];
        for url in stores.into_iter().chain(twice) {
            let error = url.parse::<StoreUrl>().err().unwrap_or_else(|| panic!("{url}")).to_string();
            assert!(!error.contains("pw"), "{error}");
        }
        for outlet in ["", "dir", "dir:", "smtp:x", "https://x", "pigeon"] {
            assert!(outlet.parse::<MailOutlet>().err().unwrap().to_string().contains("dir:PATH"), "{outlet}");
        }
        for outlet in ["", "dir:", "smtp://x", "twilio:", "https:x"] {
            assert!(outlet.parse::<SmsOutlet>().err().unwrap().to_string().contains("dir:PATH"), "{outlet}");
        }
    }

    #[test]
    fn buses_are_read() {
        assert!(matches!("store".parse(), Ok(BusUrl::Store)));
        assert!(matches!("none".parse(), Ok(BusUrl::None)));
        assert!(matches!("redis://h".parse(), Ok(BusUrl::Redis(url)) if url == "redis://h"));
        for bus in ["", "postgres://pw@h", "redis:pw"] {
            let error = bus.parse::<BusUrl>().err().unwrap().to_string();
            assert!(error.contains("`store`, `redis://`") && !error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn outlets_are_read() {
        assert!(matches!("console".parse(), Ok(MailOutlet::Console)));
        assert!(matches!("dir:mail".parse(), Ok(MailOutlet::Dir(path)) if path.as_os_str() == "mail"));
        for url in ["smtps://u:p@h", "smtp+starttls://h:587", "smtp://127.0.0.1:25"] {
            assert!(matches!(url.parse(), Ok(MailOutlet::Smtp(same)) if same == url), "{url}");
        }
        assert!(matches!("console".parse(), Ok(SmsOutlet::Console)));
        assert!(matches!("dir:sms".parse(), Ok(SmsOutlet::Dir(path)) if path.as_os_str() == "sms"));
        assert!(matches!("twilio:AC1".parse(), Ok(SmsOutlet::Twilio(account)) if account == "AC1"));
        assert!(matches!("https://h/x".parse(), Ok(SmsOutlet::Webhook(url)) if url == "https://h/x"));
    }
}
