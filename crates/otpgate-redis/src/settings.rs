use std::collections::HashMap;

use otpgate_core::{ConfigError, ConfigErrorKind};

/// What a killed Redis still has of what it acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Durability {
    /// Nothing certain: no append-only file, or one that is written whenever the system likes.
    Nothing,
    /// All but the last second or two: `appendfsync everysec`, or a file that is not written while it is being rewritten.
    EverySecond,
    /// The server has an append-only file and does not let its settings be read (`CONFIG` is not allowed).
    Unknown,
    /// Everything: `appendfsync always`.
    Always,
}

/// What one server says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    info: HashMap<String, String>,
    /// None where `CONFIG` is not allowed.
    config: Option<HashMap<String, String>>,
}

impl Settings {
    /// From the answer to `INFO`, and that to `CONFIG GET *append*` if it was allowed.
    pub(crate) fn new(info: &str, config: Option<HashMap<String, String>>) -> Self {
        let lines = info.lines().filter_map(|line| line.split_once(':'));
        Self { info: lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect(), config }
    }

    fn info(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    /// Why the store cannot work there at all.
    pub(crate) fn contradicts(&self, is_cluster: bool) -> Option<String> {
        let version = self.info("redis_version");
        let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
        if major < 7 {
            return Some(format!("version 7 is needed, and this is `{version}`"));
        }
        if self.info("role") != "master" {
            return Some(
                "this is a replica: it answers with what was true a moment ago, and takes no writes. Connect to the primary"
                    .into(),
            );
        }
        let policy = self.info("maxmemory_policy");
        if policy != "noeviction" {
            return Some(format!(
                "with `maxmemory-policy {policy}` a full server forgets guess counters and log-outs and says nothing: set \
                 `maxmemory-policy noeviction`"
            ));
        }
        if (self.info("redis_mode") == "cluster") != is_cluster {
            let (is, take) = if is_cluster {
                ("no node of a Cluster", "`RedisStore::open`")
            } else {
                ("a node of a Cluster", "feature `cluster` and `RedisStore::builder().open_cluster(..)`")
            };
            return Some(format!("this is {is}: take {take}"));
        }
        None
    }

    pub(crate) fn durability(&self) -> Durability {
        if self.info("aof_enabled") != "1" {
            return Durability::Nothing;
        }
        let Some(config) = &self.config else { return Durability::Unknown };
        let is = |name: &str, value: &str| config.get(name).is_some_and(|v| v == value);
        if is("appendfsync", "always") && is("no-appendfsync-on-rewrite", "no") {
            Durability::Always
        } else if is("appendfsync", "always") || is("appendfsync", "everysec") {
            Durability::EverySecond
        } else {
            Durability::Nothing
        }
    }
}

impl Durability {
    /// What can be lost and what to set, but for [`Durability::Always`].
    pub(crate) fn warning(self) -> Option<&'static str> {
        match self {
            Self::Always => None,
            Self::Unknown => Some(
                "whether an acknowledged write survives a crash cannot be told, because `CONFIG GET` is not allowed; it should \
                 have `appendonly yes` and `appendfsync always`",
            ),
            Self::EverySecond => Some(
                "a crash can take the last second or two of acknowledged writes along: a used code can be used again, spent \
                 guesses come back, and a log-out is undone. Set `appendfsync always` and `no-appendfsync-on-rewrite no`",
            ),
            Self::Nothing => Some(
                "a crash can take acknowledged writes along, all of them: set `appendonly yes` and `appendfsync always`",
            ),
        }
    }
}

/// A setting that does not hold.
pub(crate) fn refused(text: impl AsRef<str>) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Backend, format!("Redis: {}", text.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(info: &str, config: Option<&[(&str, &str)]>) -> Settings {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Settings::new(info, config.map(|config| config.iter().map(owned).collect()))
    }

    #[test]
    fn each_server_is_judged() {
        let good = "redis_version:7.0.15\r\nredis_mode:standalone\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n";
        for (from, to, is_cluster, names) in [
            ("", "", false, None),
            ("standalone", "cluster", true, None),
            ("standalone", "cluster", false, Some("open_cluster")),
            ("", "", true, Some("RedisStore::open")),
            ("7.0.15", "8.2.1", false, None),
            ("7.0.15", "6.2.14", false, Some("version 7")),
            ("role:master", "role:slave", false, Some("replica")),
            ("noeviction", "allkeys-lru", false, Some("noeviction")),
            ("noeviction", "volatile-ttl", false, Some("noeviction")),
        ] {
            let told = settings(&good.replace(from, to), None).contradicts(is_cluster);
            let fits = match (&told, names) {
                (None, None) => true,
                (Some(text), Some(names)) => text.contains(names),
                _ => false,
            };
            assert!(fits, "{from} -> {to}: {told:?}");
        }
        assert!(settings("", None).contradicts(false).is_some());
    }

    #[test]
    fn the_append_only_file_decides_what_survives() {
        let (always, rewrites) = (("appendfsync", "always"), ("no-appendfsync-on-rewrite", "no"));
        for (info, config, expected) in [
            ("aof_enabled:1", Some(&[always, rewrites][..]), Durability::Always),
            ("aof_enabled:1", Some(&[always, ("no-appendfsync-on-rewrite", "yes")]), Durability::EverySecond),
            ("aof_enabled:1", Some(&[("appendfsync", "everysec"), rewrites]), Durability::EverySecond),
            ("aof_enabled:1", Some(&[("appendfsync", "no"), rewrites]), Durability::Nothing),
            ("aof_enabled:1", None, Durability::Unknown),
            ("aof_enabled:0", Some(&[always, rewrites]), Durability::Nothing),
            ("aof_enabled:0", None, Durability::Nothing),
            ("", None, Durability::Nothing),
        ] {
            assert_eq!(settings(info, config).durability(), expected, "{info} {config:?}");
            assert_eq!(expected.warning().is_none(), expected == Durability::Always);
        }
    }
}
