//! S7: what a live session takes in the memory of the process, as the kernel counts it.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use otpgate::MemoryStore;

use crate::axum_side::{self, Axum};
use crate::credentials::{Credentials, Order};
use crate::host::Host;
use crate::requests::show_all;

const GOAL: f64 = 320.0;

/// A row for each size, each measured in a process of its own: memory that was freed is not given back.
///
/// # Errors
/// When a process fails.
pub fn curve(sizes: &[usize]) -> Result<()> {
    println!(
        "| sessions | a user with the first session, B | a further session, B | goal | | an entry of the token cache, B |"
    );
    println!("|---:|---:|---:|---:|---|---:|");
    for size in sizes {
        let this = std::env::current_exe()?;
        let done = Command::new(this).args(["memory-of", &size.to_string()]).output()?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        print!("{}", String::from_utf8(done.stdout)?);
    }
    Ok(())
}

/// One row: `users` users log in once, then once more, then half of their tokens are shown.
///
/// # Errors
/// Where the kernel does not tell.
pub async fn row(users: usize) -> Result<()> {
    let store = MemoryStore::builder().max_records(u64::MAX).max_owned(u64::MAX).max_counters(u64::MAX).build();
    let host = Host::over(store, usize::MAX / 4).await;
    host.log_in(users).await; // what is made at the first login is nobody's
    let before = resident()?;
    let mut first = 0.0;
    let mut tokens = Vec::new();
    let shown = users.min(100_000);
    let mut kept = 0;
    for further in [false, true] {
        for n in 0..users {
            let session = host.log_in(n).await;
            if further && n < shown {
                tokens.push(session.access.expose().to_owned());
                kept += tokens[n].capacity() + 16;
            }
        }
        if !further {
            first = (resident()? - before) / users as f64;
        }
    }
    kept += tokens.capacity() * size_of::<String>();
    let second = (resident()? - before - kept as f64) / users as f64 - first;
    let app = axum_side::around(axum_side::protected(), &host.auth);
    let mut subject = Axum::new(app, Credentials::new("auth-token", tokens, Order::Once));
    let before = resident()?;
    show_all(&mut subject, shown).await;
    let entry = (resident()? - before) / shown as f64;
    let verdict = if second <= GOAL { "met" } else { "**missed**" };
    println!("| {users} | {first:.0} | {second:.0} | {GOAL:.0} | {verdict} | {entry:.0} |");
    Ok(())
}

fn resident() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024.0)
}
