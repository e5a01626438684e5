//! Hints between nodes: to look at the revocation counters now rather than with the next poll.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

/// Carries hints between the nodes of a deployment.
///
/// A hint says nothing but "look now": what was revoked stands in the store's counters, and a node reads them every 500 ms in any
/// case. A bus that loses, repeats, delays or invents hints changes when something is seen within that bound, and nothing else.
///
/// # Contract
/// 1. After `publish`, every subscription of the deployment that was there before gets a hint, usually within milliseconds.
/// 2. Deployments that share a server do not share hints.
/// 3. A subscription that is broken says so with an error; it is then dropped, and another one asked for.
///
/// # Cancel safety
/// A dropped `publish` may or may not have reached anybody. A dropped [`Hints::next`] loses at most hints.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Tells every node, this one too if it likes, to look now.
    ///
    /// # Errors
    /// [`BusError`]; the hint may have arrived.
    async fn publish(&self) -> Result<(), BusError>;

    /// Hears the hints from now on.
    ///
    /// # Errors
    /// [`BusError`] when that cannot be had now.
    async fn subscribe(&self) -> Result<Box<dyn Hints>, BusError>;
}

/// A subscription to the hints of a [`Bus`].
#[async_trait]
pub trait Hints: Send {
    /// Waits for the next hint; several that came together may be one.
    ///
    /// # Errors
    /// [`BusError`] when the subscription is broken.
    async fn next(&mut self) -> Result<(), BusError>;
}

macro_rules! forward_bus {
    ($($pointer:ident),*) => {$(
        #[async_trait]
        impl<T: Bus + ?Sized> Bus for $pointer<T> {
            async fn publish(&self) -> Result<(), BusError> {
                (**self).publish().await
            }
            async fn subscribe(&self) -> Result<Box<dyn Hints>, BusError> {
                (**self).subscribe().await
            }
        }
    )*};
}
forward_bus!(Arc, Box);

/// The bus did not do what was asked.
#[derive(Debug)]
pub struct BusError(Box<dyn std::error::Error + Send + Sync>);

impl BusError {
    /// The driver's error.
    #[must_use]
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bus is not available")
    }
}

impl std::error::Error for BusError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
