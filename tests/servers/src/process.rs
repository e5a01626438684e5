//! Processes: as whom they run, and how they end.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, geteuid, kill_process_group};

/// A process in a group of its own. Killed with its group when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    folder: PathBuf,
}

/// What is running, for who has to end without unwinding.
static RUNNING: Mutex<Vec<(u32, PathBuf)>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<(u32, PathBuf)>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every server that this process has started and removes their folders: for a handler of Ctrl-C.
pub fn stop_all() {
    for (id, folder) in running().drain(..) {
        kill_group(id);
        let _ = std::fs::remove_dir_all(folder);
    }
}

impl Process {
    pub(crate) fn start(command: &mut Command, folder: &Path, log: &Path) -> Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).context("no log file")?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0).current_dir(folder);
        let child = command.spawn().with_context(|| format!("{command:?} did not start"))?;
        running().push((child.id(), folder.to_owned()));
        Ok(Self { child, folder: folder.to_owned() })
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        running().retain(|(id, folder)| (*id, folder) != (self.child.id(), &self.folder));
        if !self.has_ended() {
            kill_group(self.child.id());
        }
        let _ = self.child.wait();
    }
}

fn kill_group(id: u32) {
    if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// `program`, killed by the kernel when the thread that starts it ends, and as `user` where we are root.
pub(crate) fn as_user(user: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=KILL");
    if is_root() {
        command.args([format!("--reuid={user}"), format!("--regid={user}"), "--init-groups".to_owned()]);
    }
    // A home of the caller's that the user cannot read is only a source of warnings.
    command.arg("--").arg(program).env_remove("HOME");
    command
}

pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

/// A program in the path, or where Debian keeps servers.
pub(crate) fn found(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}
