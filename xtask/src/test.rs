//! `cargo xtask test`: what must pass before anything lands.

use anyhow::{Context as _, Result, ensure};
use otpgate_servers::Server;

use crate::step::{Steps, has};
use crate::{backends, features};

pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    let _servers = all(&mut steps)?;
    steps.finish("cargo xtask test");
    Ok(())
}

/// The steps, cheap ones first, and the servers that they have started. The tests come last, so that the runner's closing lines end
/// the output.
pub(crate) fn all(steps: &mut Steps) -> Result<Vec<Server>> {
    steps.step("tools", |_| tools())?;
    steps.cargo("format", "fmt --all --check")?;
    steps.cargo("clippy", "clippy --locked --workspace --all-targets -- -D warnings")?;
    steps.step("docs", |steps| {
        let mut command = steps.command("doc --locked --no-deps --workspace");
        steps.run(command.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    steps.step("feature sets, one by one", |steps| {
        let mut sets = vec![String::new()];
        sets.extend(features::of_the_facade()?.into_iter().map(|feature| feature.name));
        sets.iter().try_for_each(|set| facade_with(steps, set))?;
        ["", "smtp", "sms-http"].iter().try_for_each(|set| only_with(steps, "otpgate-mail", set))
    })?;

    steps.cargo("doc tests", "test --locked --doc --workspace")?;
    let mut servers = Vec::new();
    steps.step("servers", |_| {
        servers = backends::start_all()?;
        Ok(())
    })?;
    let mut tests = "nextest run --locked --workspace";
    if !has("nextest") {
        println!(
            "\ncargo-nextest is not installed (`cargo install cargo-nextest --locked`): the tests run with cargo test"
        );
        tests = "test --locked --workspace --no-fail-fast --lib --bins --tests";
    }
    steps.step("tests", |steps| steps.run(steps.command(tests).envs(backends::variables(&servers))))?;
    Ok(servers)
}

/// The facade with one set of features, comma separated.
pub(crate) fn facade_with(steps: &Steps, set: &str) -> Result<()> {
    only_with(steps, "otpgate", set)
}

fn only_with(steps: &Steps, package: &str, set: &str) -> Result<()> {
    println!("  {package} with [{set}]");
    let arguments =
        format!("clippy --quiet --locked -p {package} --no-default-features --features=,{set} -- -D warnings");
    steps.run(&mut steps.command(&arguments)).with_context(|| format!("{package} with [{set}]"))
}

fn tools() -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        ensure!(has(subcommand), "`cargo {subcommand}` is missing: rustup component add {component}");
    }
    Ok(())
}
