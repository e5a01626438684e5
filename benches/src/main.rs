//! `cargo run --release -- SUBCOMMAND`: what `cargo bench` does not measure, one table each.

use std::path::Path;

use otpgate_bench::{flows, loopback, memory, passwords, repeat, requests, serve, sizes};

const HELP: &str = "\
flows --store memory|sqlite|postgres|mysql|redis   S9, S10: whole flows a second beside a raw driver
memory [SESSIONS..]                                S7: bytes of a live session, at 1e3, 1e4, 1e5 and 1e6
loopback                                           S6: requests a second of one server core, bare beside otpgate, axum and actix-web
sizes [--stores NAME,..] [--plot FILE] [SESSIONS..]   S8: cost against size, at 1e3 to 1e6 sessions on memory, sqlite and postgres
plot TABLE FILE                                    the picture of S8, from the table in a text
passwords                                          S11: requests beside 64 password sign-ins
profile flow FLOWS                                 whole flows on the memory store, to be run under a profiler
profile CASE REQUESTS                              one case by itself, to be run under a profiler: layer, around, wrap, random,
                                                   unseen, bare, noop, actix-bare, actix-noop; -none without a credential

--repeat N    before any of them: so many times, and every number as the middle of them, with the least and the greatest
--smoke       a moment of each table that is not among `cargo bench -- --smoke`, to see that it runs
";

fn main() -> anyhow::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(times) = repeat::wanted(&mut arguments)? {
        return repeat::repeat(times, &arguments);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["serve", framework, what] = arguments.as_slice() {
        return serve::run(framework, what);
    }
    let system = actix_web::rt::System::new();
    match arguments.as_slice() {
        ["profile", "flow", flows] => system.block_on(flows::alone(flows.parse()?)),
        ["profile", what, calls] => system.block_on(requests::alone(what, calls.parse()?)),
        ["flows", "--store", store] => system.block_on(flows::table(store))?,
        ["memory"] => memory::curve(&[1_000, 10_000, 100_000, 1_000_000])?,
        ["memory", sizes @ ..] => memory::curve(&sizes.iter().map(|n| n.parse()).collect::<Result<Vec<_>, _>>()?)?,
        ["memory-of", users] => system.block_on(memory::row(users.parse()?))?,
        ["loopback"] => loopback::table(loopback::Size::FULL)?,
        ["passwords"] => passwords::table(passwords::Size::FULL)?,
        ["sizes", more @ ..] => system.block_on(sizes::table(sizes::Size::of(more)?))?,
        ["plot", table, file] => sizes::plot::from_table(Path::new(table), Path::new(file))?,
        ["--smoke"] => {
            loopback::table(loopback::Size::SMOKE)?;
            passwords::table(passwords::Size::SMOKE)?;
            system.block_on(sizes::table(sizes::Size::smoke()))?;
        }
        _ => print!("{HELP}"),
    }
    Ok(())
}
