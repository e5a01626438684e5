//! The facade's features, read from its manifest so that no list here goes stale.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::step::root;

/// A feature and those that it turns on, by name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Feature {
    pub(crate) name: String,
    implies: Vec<String>,
}

/// The features of crate `otpgate` but `default`.
pub(crate) fn of_the_facade() -> Result<Vec<Feature>> {
    let path = root().join("crates/otpgate/Cargo.toml");
    let manifest = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let features = parse(&manifest);
    ensure!(!features.is_empty(), "{} has no features", path.display());
    Ok(features)
}

/// Features that stand beside each other, the stores with a driver and the senders: none of them knows another, so that all at once
/// is as good as every mixture. Each alone is a step of `cargo xtask test`.
const ALIKE: [&[&str]; 2] = [&["sqlite", "postgres", "mysql", "redis"], &["smtp", "smtp-native-roots", "sms-http"]];

/// Every set of features, without those that mean the same as another because one feature turns on the next.
pub(crate) fn sets(features: &[Feature]) -> Vec<String> {
    (0_u32..1 << features.len())
        .filter_map(|bits| {
            let chosen: Vec<&Feature> =
                features.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, f)| f).collect();
            let has = |name: &String| chosen.iter().any(|f| f.name == *name);
            let whole = chosen.iter().flat_map(|f| &f.implies).all(has);
            let names: Vec<&str> = chosen.iter().map(|f| f.name.as_str()).collect();
            let together = |group: &&[&str]| {
                let mut there = group.iter().filter(|name| features.iter().any(|f| f.name == **name)).peekable();
                let first = there.peek().is_some_and(|name| names.contains(*name));
                there.all(|name| names.contains(name) == first)
            };
            (whole && ALIKE.iter().all(together)).then(|| names.join(","))
        })
        .collect()
}

/// One line for each feature is all that the manifest uses, and the test below says so when that changes.
fn parse(manifest: &str) -> Vec<Feature> {
    let lines = manifest.lines().skip_while(|line| line.trim() != "[features]").skip(1);
    let entries = lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('='));
    let mut features: Vec<Feature> = entries
        .map(|(name, list)| Feature {
            name: name.trim().to_owned(),
            implies: list.split('"').skip(1).step_by(2).map(str::to_owned).collect(),
        })
        .filter(|feature| feature.name != "default")
        .collect();
    let names: Vec<String> = features.iter().map(|f| f.name.clone()).collect();
    for feature in &mut features {
        feature.implies.retain(|implied| names.contains(implied));
    }
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"x\"\n[features]\ndefault = [\"a\"]\na = []\nb = [\"a\", \"dep:c\"]\n\
                            c = [\"dep:c\", \"d/e\"]\n\n[dependencies]\nz = \"1\"\n";

    #[test]
    fn features_are_read_with_what_they_turn_on() {
        let feature = |name: &str, implies: &[&str]| Feature {
            name: name.to_owned(),
            implies: implies.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(parse(MANIFEST), [feature("a", &[]), feature("b", &["a"]), feature("c", &[])]);
    }

    #[test]
    fn sets_that_mean_the_same_are_tried_once() {
        assert_eq!(sets(&parse(MANIFEST)), ["", "a", "a,b", "c", "a,c", "a,b,c"]);
    }

    #[test]
    fn stores_that_stand_beside_each_other_are_tried_together() {
        let manifest = "[features]\na = []\npostgres = []\nmysql = []\nredis = []\n";
        assert_eq!(sets(&parse(manifest)), ["", "a", "postgres,mysql,redis", "a,postgres,mysql,redis"]);
        let facade = of_the_facade().unwrap();
        for name in ALIKE.into_iter().flatten() {
            assert!(facade.iter().any(|feature| feature.name == *name), "{name}");
        }
        // At some five seconds each, all of them stay under an hour.
        assert!(sets(&facade).len() < 400, "{}", sets(&facade).len());
    }

    #[test]
    fn the_facade_s_own_manifest_can_be_read() {
        let path = root().join("crates/otpgate/Cargo.toml");
        let manifest = fs::read_to_string(path).unwrap();
        let block = manifest.split("[features]").nth(1).unwrap().split("\n[").next().unwrap();
        let lines = block.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        for line in lines {
            assert!(line.contains(" = [") && line.ends_with(']'), "write a feature on one line: {line}");
        }
        assert!(of_the_facade().unwrap().iter().any(|feature| feature.name == "axum"));
    }
}
