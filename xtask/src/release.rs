//! `cargo xtask release`: the long checks, by hand.

use anyhow::Result;

use crate::step::{Steps, has};
use crate::{features, test};

pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    test::all(&mut steps)?;
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
    if has("deny") {
        steps.cargo("dependencies", "deny --all-features check")?;
    } else {
        steps.skip("dependencies", "cargo-deny is not installed (`cargo install cargo-deny --locked`)");
    }
    steps.finish("cargo xtask release");
    Ok(())
}
