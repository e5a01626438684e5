//! The budgets of known devices: each has its own, and nobody without its token can touch them.

use std::time::Duration;

use super::{DAY, Policy, Window};

impl Policy {
    /// Known devices of one identifier that have a code, a flow or a budget in use at a time.
    pub const MOST_DEVICES: usize = 5;

    /// Wrong codes of one known device.
    pub const DEVICE_GUESSES: Window = Window::new(10, DAY);

    /// Wrong passwords of one known device.
    pub const DEVICE_PASSWORDS: Window = Window::new(10, DAY);

    /// Codes sent to one known device.
    pub const DEVICE_SENDS: Window = Window::new(5, DAY);

    /// How long a device stays known after its last login.
    pub const DEVICE_LIFE: Duration = Duration::from_secs(365 * DAY);

    /// Whether a login hands out a device token.
    #[must_use]
    pub fn known_devices(&self) -> bool {
        self.known_devices
    }
}
