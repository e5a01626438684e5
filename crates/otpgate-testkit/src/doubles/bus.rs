use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_channel::mpsc;
use futures_util::StreamExt as _;
use otpgate_core::{Bus, BusError, Hints};

/// A bus within one process, which can be broken. Clones are one bus.
#[derive(Clone, Default)]
pub struct MemoryBus(Arc<Mutex<Wires>>);

#[derive(Default)]
struct Wires {
    ends: Vec<mpsc::UnboundedSender<()>>,
    broken: bool,
    published: usize,
}

impl MemoryBus {
    /// Ends every subscription, and refuses everything from now on.
    pub fn break_down(&self) {
        self.with(|wires| {
            wires.broken = true;
            wires.ends.clear();
        });
    }

    /// How many listen now.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.with(|wires| wires.ends.iter().filter(|end| !end.is_closed()).count())
    }

    /// How many hints were published, those that failed included.
    #[must_use]
    pub fn published(&self) -> usize {
        self.with(|wires| wires.published)
    }

    fn with<T>(&self, f: impl FnOnce(&mut Wires) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Bus for MemoryBus {
    async fn publish(&self) -> Result<(), BusError> {
        self.with(|wires| {
            wires.published += 1;
            wires.ends.retain(|end| end.unbounded_send(()).is_ok());
            if wires.broken { Err(BusError::new("broken")) } else { Ok(()) }
        })
    }

    async fn subscribe(&self) -> Result<Box<dyn Hints>, BusError> {
        let (end, hints) = mpsc::unbounded();
        self.with(|wires| {
            if wires.broken {
                return Err(BusError::new("broken"));
            }
            wires.ends.push(end);
            Ok(Box::new(Heard(hints)) as Box<dyn Hints>)
        })
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus").field("listeners", &self.listeners()).finish_non_exhaustive()
    }
}

struct Heard(mpsc::UnboundedReceiver<()>);

#[async_trait]
impl Hints for Heard {
    async fn next(&mut self) -> Result<(), BusError> {
        self.0.next().await.ok_or_else(|| BusError::new("broken"))
    }
}
