//! Everything that is logged in this process, at every level, by every crate.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tracing_subscriber::fmt::format::FmtSpan;

static TEXT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static KEPT: AtomicBool = AtomicBool::new(false);
/// Whoever reads the log reads it alone.
static READER: Mutex<()> = Mutex::new(());

/// Keeps the log from here on, for as long as it is there.
pub(crate) struct Log(#[expect(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Log {
    pub(crate) fn keep() -> Self {
        static START: Once = Once::new();
        START.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_span_events(FmtSpan::FULL)
                .with_ansi(false)
                .with_writer(|| Kept)
                .finish();
            tracing::subscriber::set_global_default(subscriber).unwrap();
            // actix-web and others speak to `log`.
            log::set_boxed_logger(Box::new(Kept)).unwrap();
            log::set_max_level(log::LevelFilter::Trace);
        });
        let reader = READER.lock().unwrap_or_else(PoisonError::into_inner);
        KEPT.store(true, Ordering::SeqCst);
        text().clear();
        Self(reader)
    }

    /// What was logged since the last call.
    pub(crate) fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *text())).into_owned()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        KEPT.store(false, Ordering::SeqCst);
    }
}

fn text() -> MutexGuard<'static, Vec<u8>> {
    TEXT.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Kept;

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if KEPT.load(Ordering::SeqCst) {
            text().extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl log::Log for Kept {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // A write into memory does not fail.
        let _ = writeln!(&mut Kept, "{} {} {}", record.level(), record.target(), record.args());
    }

    fn flush(&self) {}
}
