//! Files in a folder that a reader never sees by halves.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use futures_channel::oneshot;
use otpgate_core::{
    Clock, ConfigError, ConfigErrorKind, DeliveryError, Entropy as _, OsEntropy, SystemClock, Timestamp,
};

/// Files that may wait for the disk; more is a disk that does not keep up.
const QUEUE: usize = 1024;
/// Files of one millisecond; the next one borrows the next millisecond.
const SAME_MILLI: u32 = 999_999;

/// A folder and the one thread that writes to it.
///
/// A file is synced to the disk before it is renamed, which can take a tenth of a second: on a thread of its own that
/// stalls no executor, and needs no particular one.
pub(crate) struct Spool {
    folder: PathBuf,
    jobs: SyncSender<Job>,
    clock: Arc<dyn Clock>,
    last: Mutex<(i64, u32)>,
}

/// When a file was made and what tells it from others: its name, and its message's id.
pub(crate) struct Stamp {
    pub(crate) at: Timestamp,
    count: u32,
    random: [u8; 16],
}

struct Job {
    name: String,
    bytes: Vec<u8>,
    done: oneshot::Sender<io::Result<()>>,
}

impl Spool {
    /// Makes the folder if it is missing (on Unix for its owner only: it holds codes), and proves that it can be written.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, ConfigError> {
        let unusable = |e: io::Error| {
            let text = format!("the folder {} cannot be written", folder.display());
            ConfigError::new(ConfigErrorKind::Name, text).because(e)
        };
        create_folder(&folder).map_err(unusable)?;
        let probe = Stamp::roll((0, 0)).map_err(|e| unusable(io::Error::other(e)))?.name("probe");
        write(&folder, &probe, b"").and_then(|()| fs::remove_file(folder.join(&probe))).map_err(unusable)?;

        let (jobs, queue) = sync_channel(QUEUE);
        let place = folder.clone();
        let thread = std::thread::Builder::new().name("otpgate-mail".to_owned());
        thread.spawn(move || work(&place, &queue)).map_err(unusable)?;
        Ok(Self { folder, jobs, clock: Arc::new(SystemClock), last: Mutex::new((0, 0)) })
    }

    pub(crate) fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The next stamp: later than every earlier one of this spool, also when the clock stands or steps back.
    pub(crate) fn stamp(&self) -> Result<Stamp, DeliveryError> {
        let now = self.clock.now().millis();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = match *last {
            (millis, _) if now > millis => (now, 0),
            (millis, SAME_MILLI) => (millis.saturating_add(1), 0),
            (millis, count) => (millis, count + 1),
        };
        Stamp::roll(*last).map_err(DeliveryError::temporary)
    }

    /// Writes one file; when this answers `Ok` it is whole, named and on the disk.
    pub(crate) async fn put(&self, stamp: &Stamp, extension: &str, bytes: Vec<u8>) -> Result<(), DeliveryError> {
        let (done, written) = oneshot::channel();
        self.jobs.try_send(Job { name: stamp.name(extension), bytes, done }).map_err(|e| match e {
            TrySendError::Full(_) => DeliveryError::temporary("the disk does not keep up with the mail"),
            TrySendError::Disconnected(_) => DeliveryError::temporary("the thread that writes the folder ended"),
        })?;
        match written.await {
            Ok(result) => result.map_err(DeliveryError::temporary),
            Err(_) => Err(DeliveryError::temporary("the thread that writes the folder ended")),
        }
    }
}

impl Stamp {
    fn roll((millis, count): (i64, u32)) -> Result<Self, otpgate_core::EntropyError> {
        let mut random = [0; 16];
        OsEntropy.fill(&mut random)?;
        Ok(Self { at: Timestamp::from_millis(millis), count, random })
    }

    /// 32 hexadecimal digits of chance: nothing of the recipient, nothing to guess.
    pub(crate) fn random(&self) -> String {
        self.random.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn name(&self, extension: &str) -> String {
        format!("{:019}-{:06}-{}.{extension}", self.at.millis(), self.count, self.random())
    }
}

fn work(folder: &Path, queue: &Receiver<Job>) {
    // Ends when the spool, which holds the only sender, is dropped.
    while let Ok(Job { name, bytes, done }) = queue.recv() {
        // A caller that gave up does not hear it; the file is written all the same.
        let _ = done.send(write(folder, &name, &bytes));
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let part = folder.join(format!(".{name}.part"));
    let written = write_whole(&part, bytes).and_then(|()| fs::rename(&part, folder.join(name)));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written?;
    sync_folder(folder)
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The rename is on the disk, too. A failure here is a second try and maybe a second file: better twice than never.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
