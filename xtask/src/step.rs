//! Named steps, timed; the first that fails ends the run.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// The steps of one run, with what each came to.
#[derive(Default)]
pub(crate) struct Steps {
    lines: Vec<String>,
}

impl Steps {
    /// Does `work` as the step `name`.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        println!("\n==> {name}");
        let _ = io::stdout().flush();
        let begun = Instant::now();
        let done = work(self);
        let seconds = begun.elapsed().as_secs_f32();
        let line = format!("{:<7} {seconds:>7.1} s  {name}", if done.is_ok() { "ok" } else { "FAILED" });
        println!("{line}");
        self.lines.push(line);
        if done.is_err() {
            self.print_lines();
        }
        done.with_context(|| format!("step `{name}`"))
    }

    /// One cargo command as the step `name`.
    pub(crate) fn cargo(&mut self, name: &str, arguments: &str) -> Result<()> {
        self.step(name, |steps| steps.run(&mut steps.command(arguments)))
    }

    /// A step that could not be done here: said in the summary, never passed over in silence.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        let line = format!("skipped            {name}: {why}");
        println!("\n{line}");
        self.lines.push(line);
    }

    /// The summary.
    pub(crate) fn finish(&self, what: &str) {
        self.print_lines();
        let skipped = self.lines.iter().filter(|line| line.starts_with("skipped")).count();
        println!("\n{what}: {} steps passed, {skipped} skipped", self.lines.len() - skipped);
    }

    /// `cargo` with `arguments`, split at blanks, at the repository's root.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(cargo());
        command.args(arguments.split_whitespace()).current_dir(root()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        let status = command.status().with_context(|| format!("{command:?} did not start"))?;
        if !status.success() {
            bail!("{command:?} ended with {status}");
        }
        Ok(())
    }

    fn print_lines(&self) {
        println!("\n----");
        self.lines.iter().for_each(|line| println!("{line}"));
    }
}

/// Whether `cargo <subcommand>` is installed.
pub(crate) fn has(subcommand: &str) -> bool {
    let mut command = Command::new(cargo());
    command.args([subcommand, "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(here).join("..")
}

fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_ends_the_run_with_its_name() {
        let mut steps = Steps::default();
        steps.step("good", |_| Ok(())).unwrap();
        let error = steps.step("bad", |_| bail!("why")).unwrap_err();
        assert_eq!(format!("{error:#}"), "step `bad`: why");
        assert_eq!(steps.lines.len(), 2);
        assert!(steps.lines[1].starts_with("FAILED"));
    }

    #[test]
    fn a_command_that_fails_or_is_missing_is_an_error() {
        let mut steps = Steps::default();
        assert!(steps.cargo("bad", "no-such-subcommand").is_err());
        assert!(steps.run(&mut Command::new("/no/such/program")).is_err());
        steps.cargo("good", "--version").unwrap();
        assert!(!has("no-such-subcommand"));
    }
}
