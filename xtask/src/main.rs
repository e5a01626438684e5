//! The project's own commands: `cargo xtask test` before every push and in CI, `cargo xtask release` before a release.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks on the terminal")]

mod backends;
mod features;
mod footprint;
mod release;
mod step;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test      what CI runs: format, clippy, docs, feature sets, doc tests, all tests
cargo xtask release   the same, then every feature set and the dependency rules
cargo xtask timing    how long concealing routes take for known and unknown users, as a table
cargo xtask footprint how many crates and seconds of a build each set of features adds to a host, as a table
cargo xtask servers   the databases that the tests need, running until Ctrl-C
cargo xtask help      this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["test"] => test::run(),
        ["release"] => release::run(),
        ["timing", stores @ ..] => release::timing(stores),
        ["footprint", more @ ..] => footprint::run(more),
        ["servers"] => backends::serve(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("unknown command `{}`\n\n{HELP}", arguments.join(" "));
            return ExitCode::FAILURE;
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nFAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}
