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
struct Case<'a> {
    framework: &'static str,
    added: Added<'a>,
}

enum Added<'a> {
    /// Features of otpgate.
    Ours(&'a str),
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

/// `[--count] [SET..]`: prints the table, of these sets of features with axum or of all, and with `--count` without the seconds, which
/// take minutes.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (builds, sets) = match arguments {
        ["--count", sets @ ..] => (false, sets),
        sets => (true, sets),
    };
    if let Some(other) = sets.iter().find(|set| !set.split(',').any(|feature| feature == "axum")) {
        bail!("`{other}` is no set of features with axum: cargo xtask footprint [--count] [SET..]");
    }
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let host = Host { folder: folder.path(), builds };
    println!("| to | what | crates more | goal | | seconds more, of a cold build | CPU seconds of it |");
    println!("|---|---|---:|---:|---|---:|---:|");
    let of_axum = |added| Case { framework: AXUM, added };
    let cases: Vec<Case> = if sets.is_empty() {
        let ours = OURS.into_iter().chain([ALL]).map(|set| of_axum(Added::Ours(set)));
        let peers = PEERS.map(|(name, lines)| of_axum(Added::Peer(name, lines)));
        ours.chain(peers).chain([Case { framework: ACTIX, added: Added::Ours("actix,memory") }]).collect()
    } else {
        sets.iter().map(|set| of_axum(Added::Ours(set))).collect()
    };
    for (name, framework) in [("axum", AXUM), ("actix-web", ACTIX)] {
        if !cases.iter().any(|case| case.framework == framework) {
            continue;
        }
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
    seconds: Option<Seconds>,
}

/// How long a build took, and what its processes took of the cores: on a busy machine only the second means something.
#[derive(Clone, Copy, Default)]
struct Seconds {
    wall: f32,
    cpu: f32,
}

impl Measured {
    /// Two cells.
    fn shown(&self, base: Option<Seconds>) -> String {
        let base = base.unwrap_or_default();
        let cells = |s: Seconds| format!("{:.0} | {:.0}", s.wall - base.wall, s.cpu - base.cpu);
        self.seconds.map_or(" | ".to_owned(), cells)
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
            let (begun, before) = (Instant::now(), cpu_of_children()?);
            steps.run(steps.command("build --quiet").current_dir(&at).env("CARGO_TARGET_DIR", &target))?;
            seconds = Some(Seconds { wall: begun.elapsed().as_secs_f32(), cpu: cpu_of_children()? - before });
            fs::remove_dir_all(&target)?;
        }
        Ok(Measured { crates, seconds })
    }
}

/// Seconds of processor time of all processes that have ended below this one, as Linux tells them in hundredths.
fn cpu_of_children() -> Result<f32> {
    let stat = fs::read_to_string("/proc/self/stat").context("this kernel does not tell")?;
    // After the name, which may hold anything: the state is field 3, and the children's times are 16 and 17.
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace().skip(13).take(2);
    Ok(fields.filter_map(|ticks| ticks.parse::<f32>().ok()).sum::<f32>() / 100.0)
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
