//! `cargo xtask footprint`: what otpgate adds to a host, by set of features: crates, and seconds of a build from nothing.
//!
//! A crate counts once a version, as what is linked or expanded on this platform (`cargo tree --edges normal`), ours and all; the host
//! itself does not count. Beside it the same of what a host may take instead. A build is one of the profile `dev` of a host that
//! is empty but for its dependencies, into an empty folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::step::{Steps, root};

const AXUM: &str = r#"axum = { version = "0.8.9", default-features = false, features = ["http1", "tokio", "json"] }"#;
const ACTIX: &str = r#"actix-web = { version = "4.18.1", default-features = false, features = ["macros"] }"#;

/// The most that the features `axum,memory` may add.
const GOAL: usize = 60;

/// A host's framework, and what it may add.
struct Case {
    framework: &'static str,
    added: Added,
}

enum Added {
    /// Features of otpgate.
    Ours(&'static str),
    /// Lines of a manifest.
    Peer(&'static str, &'static str),
}

const OURS: [&str; 11] = [
    "axum,memory",
    "axum,sqlite",
    "axum,postgres",
    "axum,mysql",
    "axum,redis",
    "axum,memory,idn",
    "axum,memory,passwords",
    "axum,memory,mail",
    "axum,memory,smtp",
    "axum,memory,sms-http",
    "axum,sqlite,passwords,smtp",
];

const ALL: &str = "axum,memory,sqlite,postgres,mysql,redis,smtp,sms-http,idn,passwords";

const PEERS: [(&str, &str); 2] = [
    ("jsonwebtoken, aws_lc_rs", r#"jsonwebtoken = { version = "11.1", features = ["aws_lc_rs"] }"#),
    ("axum-login and tower-sessions", "axum-login = \"0.18\"\ntower-sessions = \"0.14\""),
];

/// Prints the table; with `--count` without the seconds, which take minutes.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let builds = match arguments {
        [] => true,
        ["--count"] => false,
        _ => bail!("cargo xtask footprint [--count]"),
    };
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let host = Host { folder: folder.path(), builds };
    println!("| to | what | crates more | goal | | seconds more, of a cold build |");
    println!("|---|---|---:|---:|---|---:|");
    let ours = OURS.into_iter().chain([ALL]).map(|set| Case { framework: AXUM, added: Added::Ours(set) });
    let peers = PEERS.map(|(name, lines)| Case { framework: AXUM, added: Added::Peer(name, lines) });
    let actix = Case { framework: ACTIX, added: Added::Ours("actix,memory") };
    let cases: Vec<Case> = ours.chain(peers).chain([actix]).collect();
    for (name, framework) in [("axum", AXUM), ("actix-web", ACTIX)] {
        let alone = host.measure(framework, "", "Cargo.lock")?;
        println!("| {name} | nothing | {} | | | {} |", alone.crates.len(), alone.shown(None));
        for Case { added, .. } in cases.iter().filter(|case| case.framework == framework) {
            let (what, lines, lock) = match added {
                Added::Ours(set) => (format!("otpgate, `{set}`"), ours_with(set), "Cargo.lock"),
                Added::Peer(what, lines) => ((*what).to_owned(), (*lines).to_owned(), "benches/Cargo.lock"),
            };
            let with = host.measure(framework, &lines, lock)?;
            let more = with.crates.difference(&alone.crates).count();
            let (goal, verdict) = match added {
                Added::Ours("axum,memory") if more <= GOAL => (GOAL.to_string(), "met"),
                Added::Ours("axum,memory") => (GOAL.to_string(), "**missed**"),
                _ => (String::new(), ""),
            };
            println!("| {name} | {what} | {more} | {goal} | {verdict} | {} |", with.shown(alone.seconds));
        }
    }
    Ok(())
}

fn ours_with(set: &str) -> String {
    let features: Vec<String> = set.split(',').map(|feature| format!("{feature:?}")).collect();
    let (path, features) = (root().join("crates/otpgate"), features.join(", "));
    format!("otpgate = {{ path = {path:?}, default-features = false, features = [{features}] }}")
}

/// What a host depends on, and how long it takes to build.
struct Measured {
    crates: BTreeSet<String>,
    seconds: Option<f32>,
}

impl Measured {
    fn shown(&self, base: Option<f32>) -> String {
        self.seconds.map_or(String::new(), |seconds| format!("{:.0}", seconds - base.unwrap_or(0.0)))
    }
}

struct Host<'a> {
    folder: &'a Path,
    builds: bool,
}

impl Host<'_> {
    /// An empty host with these dependencies, of the versions that are in `lock`.
    fn measure(&self, framework: &str, more: &str, lock: &str) -> Result<Measured> {
        let (at, target) = (self.folder.join("host"), self.folder.join("target"));
        fs::create_dir_all(at.join("src"))?;
        fs::write(at.join("src/main.rs"), "fn main() {}\n")?;
        let package = "[package]\nname = \"host\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";
        fs::write(at.join("Cargo.toml"), format!("{package}\n[dependencies]\n{framework}\n{more}\n"))?;
        fs::copy(root().join(lock), at.join("Cargo.lock")).with_context(|| format!("no {lock}"))?;
        let steps = Steps::default();
        let mut tree = steps.command("tree --quiet --edges normal --prefix none --no-dedupe --format {p}");
        let output = tree.current_dir(&at).output().context("cargo did not start")?;
        if !output.status.success() {
            bail!("cargo tree: {}", String::from_utf8_lossy(&output.stderr));
        }
        let crates = crates(&String::from_utf8(output.stdout)?);
        let mut seconds = None;
        if self.builds {
            // What is not there yet is fetched before the clock runs.
            steps.run(steps.command("fetch --quiet").current_dir(&at))?;
            let begun = Instant::now();
            steps.run(steps.command("build --quiet").current_dir(&at).env("CARGO_TARGET_DIR", &target))?;
            seconds = Some(begun.elapsed().as_secs_f32());
            fs::remove_dir_all(&target)?;
        }
        Ok(Measured { crates, seconds })
    }
}

/// Name and version of each crate but the first, which is the host.
fn crates(tree: &str) -> BTreeSet<String> {
    let lines = tree.lines().skip(1).map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_counts_once_a_version_and_the_host_does_not() {
        let tree = "host v0.0.0 (/tmp/host)\na v1.0.0\nb v1.0.0 (proc-macro)\na v1.0.0\na v2.0.0\n";
        assert_eq!(crates(tree).into_iter().collect::<Vec<_>>(), ["a v1.0.0", "a v2.0.0", "b v1.0.0"]);
    }

    #[test]
    fn every_feature_of_the_facade_is_in_a_set() {
        let sets: Vec<&str> = OURS.into_iter().chain([ALL, "actix,memory"]).flat_map(|set| set.split(',')).collect();
        for feature in crate::features::of_the_facade().unwrap() {
            // These come with others, or add what the machine has.
            let beside = ["tower", "smtp-native-roots"].contains(&feature.name.as_str());
            assert!(beside || sets.contains(&feature.name.as_str()), "{}", feature.name);
        }
    }
}
