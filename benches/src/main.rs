//! `cargo run --release -- SUBCOMMAND`: what `cargo bench` does not measure, one table each.

use otpgate_bench::{flows, memory, requests};

const HELP: &str = "\
flows --store memory|sqlite|postgres|mysql|redis   S9, S10: whole flows a second beside a raw driver
memory [SESSIONS..]                                S7: bytes of a live session, at 1e3, 1e4, 1e5 and 1e6
profile flow FLOWS                                 whole flows on the memory store, to be run under a profiler
profile CASE REQUESTS                              one case by itself, to be run under a profiler: layer, around, wrap, random,
                                                   unseen, bare, noop, actix-bare, actix-noop; -none without a credential
";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let system = actix_web::rt::System::new();
    match arguments.as_slice() {
        ["profile", "flow", flows] => system.block_on(flows::alone(flows.parse()?)),
        ["profile", what, calls] => system.block_on(requests::alone(what, calls.parse()?)),
        ["flows", "--store", store] => system.block_on(flows::table(store))?,
        ["memory"] => memory::curve(&[1_000, 10_000, 100_000, 1_000_000])?,
        ["memory", sizes @ ..] => memory::curve(&sizes.iter().map(|n| n.parse()).collect::<Result<Vec<_>, _>>()?)?,
        ["memory-of", users] => system.block_on(memory::row(users.parse()?))?,
        _ => print!("{HELP}"),
    }
    Ok(())
}
