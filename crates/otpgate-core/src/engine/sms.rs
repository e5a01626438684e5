//! An SMS under its rules: the caps are counted in the store, for all nodes together.

use std::time::Duration;

use super::Inner;
use crate::policy::{Counted, SmsRules};
use crate::secret::Space;
use crate::{CodeSms, DeliveryError};

/// How long a counter outlives its window: clocks of nodes differ.
const MARGIN: Duration = Duration::from_secs(3_600);

impl Inner {
    /// Hands an SMS to its sender, where the rules let it go.
    pub(super) async fn send_sms(&self, sms: &CodeSms) -> Result<(), DeliveryError> {
        let channel = self.sms.as_ref().ok_or_else(|| DeliveryError::permanent("no sender of SMS is set"))?;
        if let Some(rules) = &channel.rules {
            self.admit_sms(rules, &sms.to).await?;
        }
        channel.sender.send(sms).await
    }

    /// Counts one try to this number, or refuses it. A store that cannot count lets none go.
    async fn admit_sms(&self, rules: &SmsRules, number: &str) -> Result<(), DeliveryError> {
        if !rules.allows(number) {
            return Err(DeliveryError::permanent("the rules allow no SMS to this country or range"));
        }
        let now = self.clock.now();
        // All caps are asked before any counts, so that a number that one refuses uses up no other.
        for delta in [0, 1] {
            for counted in rules.counted(number, now) {
                if self.add_sms(&counted, delta).await? >= u64::from(counted.most) + u64::from(delta) {
                    return Err(DeliveryError::permanent("the cap on SMS to this country or range is reached"));
                }
            }
        }
        Ok(())
    }

    async fn add_sms(&self, counted: &Counted<'_>, delta: u32) -> Result<u64, DeliveryError> {
        let (length, number) = counted.window;
        let scope = [u8::from(counted.each)];
        let parts = [counted.digits.as_bytes(), &scope, &length.to_be_bytes(), &number.to_be_bytes()];
        let key = self.secrets.key(Space::SmsCap, &parts);
        let added = self.in_time(self.store.add(&key, delta, counted.ends.plus(MARGIN))).await;
        added.map_err(|_| DeliveryError::temporary("the store did not count the SMS"))
    }
}
