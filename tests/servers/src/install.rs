//! Debian's packages, where they are missing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::Kind;
use crate::process::{found, is_root};

/// Installs what is missing, where we are root on Debian.
///
/// # Errors
/// With the names of what is missing where it cannot be installed.
pub fn install_missing() -> Result<()> {
    let missing: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.program().is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|kind| kind.package()).collect();
    let packages = packages.join(" ");
    install(&packages)?;
    let still: Vec<_> = missing.iter().filter(|kind| kind.program().is_none()).map(|kind| kind.name()).collect();
    ensure!(still.is_empty(), "installed, and not found: {}", still.join(", "));
    Ok(())
}

/// The same for a tool that a measurement needs: `program`, of Debian's `package`.
///
/// # Errors
/// As [`install_missing`].
pub fn install_tool(program: &str, package: &str) -> Result<()> {
    if found(program).is_none() {
        install(package)?;
        ensure!(found(program).is_some(), "installed, and not found: {program}");
    }
    Ok(())
}

fn install(packages: &str) -> Result<()> {
    if !is_root() || found("apt-get").is_none() {
        bail!("this needs what is missing: `apt-get install --no-install-recommends {packages}`");
    }
    let _idle = NoServices::hold()?;
    apt("update")?;
    apt(&format!("install --yes --no-install-recommends {packages}"))
}

fn apt(arguments: &str) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments.split(' ')).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let status = command.status().context("apt-get did not start")?;
    ensure!(status.success(), "`apt-get {arguments}` ended with {status}");
    Ok(())
}

/// While it is held, Debian's packages start no service of their own: the tests use private processes, and a service that
/// nobody asked for is none of our business to stop.
struct NoServices {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServices {
    fn hold() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n").with_context(|| format!("{POLICY} cannot be written"))?;
        let held = Self { ours: true };
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755)).context("its mode cannot be set")?;
        Ok(held)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_file(POLICY);
        }
    }
}
