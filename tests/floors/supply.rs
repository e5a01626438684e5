//! A112: what a build pulls in without being asked. `cargo xtask release` looks for advisories and licences, by deny.toml.

use std::process::Command;

use crate::house::House;
use crate::rules::matches;

/// Never, with whatever features: key handling that leaks by its timing, and TLS that would be forced on the host.
const NEVER: [&str; 7] = ["rsa", "native-tls", "openssl", "openssl-sys", "tokio-native-tls", "hyper-tls", "schannel"];
/// Not without being asked for: a framework, a database, a mail server, a hash of passwords, a second clock or pool.
const NOT_BY_DEFAULT: [&str; 14] = [
    "axum*",
    "actix*",
    "hyper*",
    "sqlx*",
    "redis",
    "lettre",
    "rustls*",
    "webpki-roots",
    "argon2*",
    "libsqlite3-sys",
    "chrono",
    "ring",
    "reqwest",
    "idna*",
];
/// The crates of which an app is made, each with its own defaults.
const PUBLISHED: [&str; 11] = [
    "otpgate",
    "otpgate-core",
    "otpgate-http",
    "otpgate-tower",
    "otpgate-axum",
    "otpgate-actix",
    "otpgate-memory",
    "otpgate-sqlite",
    "otpgate-postgres",
    "otpgate-mysql",
    "otpgate-redis",
];

/// The names of all that a package depends on, tests apart.
fn tree(house: &House, package: &str, more: &[&str]) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["tree", "--package", package, "--edges", "normal,build", "--prefix", "none"]).args(more);
    let output = command.current_dir(&house.root).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.starts_with(&format!("{package} ")), "{said}");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn among<'a>(tree: &'a [String], never: &[&str]) -> Vec<&'a str> {
    let bad = |name: &&String| never.iter().any(|pattern| matches(pattern, name));
    let mut found: Vec<&str> = tree.iter().filter(bad).map(String::as_str).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn a112_no_feature_pulls_in_rsa_or_a_tls_of_its_own_and_the_defaults_next_to_nothing() {
    let house = House::read();
    for package in PUBLISHED.iter().chain(&["otpgate-mail"]) {
        assert_eq!(among(&tree(&house, package, &["--all-features"]), &NEVER), Vec::<&str>::new(), "{package}");
    }
    let default = tree(&house, "otpgate", &[]);
    assert_eq!(among(&default, &NOT_BY_DEFAULT), Vec::<&str>::new());
    let own = |name: &&String| !name.starts_with("otpgate");
    let mut foreign: Vec<&String> = default.iter().filter(own).collect();
    foreign.sort();
    foreign.dedup();
    assert!(foreign.len() <= MOST, "{} crates by default: {foreign:?}", foreign.len());
    // The lock file is the workspace's: what is nowhere in it is in no build.
    let lock = std::fs::read_to_string(house.root.join("Cargo.lock")).unwrap();
    for never in ["rsa", "native-tls", "openssl", "openssl-sys"] {
        assert!(!lock.contains(&format!("name = \"{never}\"\n")), "{never} is in Cargo.lock");
    }
    let denied = std::fs::read_to_string(house.root.join("deny.toml")).unwrap();
    assert!(
        ["rsa", "openssl", "openssl-sys", "native-tls"]
            .iter()
            .all(|never| denied.contains(&format!("crate = \"{never}\"")))
    );
}

/// So many crates of others an app gets by default; whoever adds one changes this number, and knows it.
const MOST: usize = 81;

#[test]
fn what_is_not_to_be_there_is_seen() {
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(among(&names(&["serde", "rsa", "openssl-sys", "rsa"]), &NEVER), ["openssl-sys", "rsa"]);
    assert_eq!(among(&names(&["serde", "rsa-x", "sqlx-core"]), &NEVER), Vec::<&str>::new());
    assert_eq!(among(&names(&["sqlx-core", "http"]), &NOT_BY_DEFAULT), ["sqlx-core"]);
}
