//! `cargo xtask release`: the long checks, by hand.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::step::{Steps, has, root};
use crate::{backends, features, footprint, test};

/// How often the tests with several processes do what they do a few times in `cargo xtask test`.
const OFTEN: [(&str, &str); 4] = [
    ("OTPGATE_LOGIN_BURSTS", "1000"),
    ("OTPGATE_GUESS_BURSTS", "200"),
    ("OTPGATE_LOGOUTS", "100"),
    ("OTPGATE_STORE_KILLS", "10"),
];

pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    let servers = test::all(&mut steps)?;
    steps.step("several processes, often", |steps| {
        let arguments =
            "test --release --locked -p otpgate-server --test server -- --nocapture --test-threads=1 nodes::";
        steps.run(steps.command(arguments).envs(backends::variables(&servers)).envs(OFTEN))
    })?;
    let sets = features::sets(&features::of_the_facade()?);
    steps.step(&format!("all {} feature sets", sets.len()), |steps| {
        sets.iter().try_for_each(|set| test::facade_with(steps, set))
    })?;
    // In CI scenarios with many rounds run some of them.
    steps.step("all rounds of every scenario", |steps| {
        ["memory", "sqlite"].iter().try_for_each(|store| {
            let wire = format!("test --quiet --release --locked --package otpgate-matrix --test wire -- ::{store}");
            steps.run(steps.command(&wire).env("OTPGATE_ALL_ROUNDS", "1"))
        })
    })?;
    benches(&mut steps)?;
    fuzz(&mut steps)?;
    if has("deny") {
        steps.cargo("dependencies", "deny --all-features check")?;
    } else {
        steps.skip("dependencies", "cargo-deny is not installed (`cargo install cargo-deny --locked`)");
    }
    steps.finish("cargo xtask release");
    Ok(())
}

/// The benchmarks, a workspace of their own: that they are in order, and that every case runs and answers as it must.
fn benches(steps: &mut Steps) -> Result<()> {
    const OURS: &str = "--manifest-path benches/Cargo.toml";
    steps.cargo("benchmarks: format", &format!("fmt {OURS} --check"))?;
    steps.cargo("benchmarks: clippy", &format!("clippy --locked {OURS} --all-targets -- -D warnings"))?;
    steps.cargo("benchmarks: a few rounds", &format!("bench --locked {OURS} --bench requests -- --smoke"))?;
    steps.cargo("benchmarks: a moment of each table", &format!("run --release --locked {OURS} -- --smoke"))?;
    steps.step("crates that are added to a host", |_| footprint::run(&["--count"]))
}

/// A quarter of an hour of tokens that nobody minted, of which we say what `jsonwebtoken` says.
fn fuzz(steps: &mut Steps) -> Result<()> {
    const NIGHTLY: [&str; 2] = ["run", "nightly"];
    const TOKENS: &str = "cargo fuzz run token -- -max_len=4096 -dict=fuzz/token.dict -max_total_time=900";
    let mut version = Command::new("rustup");
    version.args(NIGHTLY).args(["rustc", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if !has("fuzz") || !version.status().is_ok_and(|status| status.success()) {
        steps.skip("fuzzing", "a nightly toolchain or cargo-fuzz is missing (`cargo install cargo-fuzz --locked`)");
        return Ok(());
    }
    steps.step("fuzzing: access tokens", |steps| {
        let mut run = Command::new("rustup");
        steps.run(run.args(NIGHTLY).args(TOKENS.split_whitespace()).current_dir(root()).stdin(Stdio::null()))
    })
}

/// `cargo xtask timing [STORE..]`: on memory and SQLite unless stores are named. By hand, on a machine that does nothing else.
pub(crate) fn timing(stores: &[&str]) -> Result<()> {
    let steps = Steps::default();
    let run = "run --quiet --release --locked --package otpgate-matrix --example timing --";
    steps.run(steps.command(run).args(stores))
}
