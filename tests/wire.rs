//! Every scenario over every store, in both frameworks, compared byte for byte.

mod drive;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use otpgate_testkit::wire::scenarios;

use drive::{drivers, stores};

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for scenario in scenarios() {
        for store in stores() {
            let name = format!("{}::{}", scenario.name, store.name());
            trials.push(Trial::test(name, move || {
                let [axum, actix] = drivers();
                scenario.compare([&axum, &actix], &Arc::clone(&store)).map_err(Into::into)
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
