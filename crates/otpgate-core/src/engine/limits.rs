//! Limits that are not an identifier's own: by client address, and the tenant's send valve.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::try_join;

use super::{About, Caller, Engine, Inner};
use crate::flow::throttle::{self, Network};
use crate::policy::Bucket;
use crate::record::AddressRecord;
use crate::secret::Space;
use crate::{EventKind, Key, Refusal, Timestamp};

const HOUR: Duration = Duration::from_secs(3_600);

impl Engine {
    /// Counts one request of an address under `buckets`, or refuses it.
    ///
    /// # Errors
    /// [`Refusal::TooMany`], [`Refusal::Unavailable`].
    pub async fn admit(&self, address: Option<IpAddr>, buckets: &'static [Bucket]) -> Result<(), Refusal> {
        if buckets.is_empty() || self.0.limited_address(address).is_none() {
            return Ok(());
        }
        self.detached(move |inner| async move { inner.count_address(address, buckets).await.map(drop) }).await
    }
}

impl Inner {
    fn limited_address(&self, address: Option<IpAddr>) -> Option<IpAddr> {
        address.filter(|_| self.policies.limit_addresses)
    }

    /// Counts under all networks of the address, the smallest first: one that is refused there does not touch the others.
    /// The answer is the time that was counted, to give it back by.
    pub(super) async fn count_address(
        &self,
        address: Option<IpAddr>,
        buckets: &[Bucket],
    ) -> Result<Option<Timestamp>, Refusal> {
        let mut counted = None;
        for network in self.networks(address) {
            let rule = |prior, now, _: &_| {
                let decision = throttle::admit(prior, buckets, network.times, now);
                crate::flow::Decision { write: decision.write, outcome: decision.outcome.map(|()| now) }
            };
            let at = self.decide(&self.network_key(network), rule).await??;
            // Networks are counted one after the other; the first time stands for all of them when it is given back.
            counted = counted.or(Some(at));
        }
        Ok(counted)
    }

    /// Takes an event back that turned out not to count.
    pub(super) async fn give_back(
        &self,
        address: Option<IpAddr>,
        bucket: Bucket,
        at: Option<Timestamp>,
    ) -> Result<(), Refusal> {
        let Some(at) = at else { return Ok(()) };
        for network in self.networks(address) {
            self.decide(&self.network_key(network), |prior, _, _| throttle::give_back(prior, bucket, at)).await?;
        }
        Ok(())
    }

    /// Refuses while a bucket of the address is full, without counting.
    pub(super) async fn expect_open(&self, address: Option<IpAddr>, bucket: Bucket) -> Result<(), Refusal> {
        for network in self.networks(address) {
            let record = self.load::<AddressRecord>(&self.network_key(network)).await?.record.unwrap_or_default();
            if let Some(retry_after) = throttle::closed_for(&record, bucket, network.times, self.clock.now()) {
                return Err(Refusal::TooMany { retry_after });
            }
        }
        Ok(())
    }

    fn networks(&self, address: Option<IpAddr>) -> Vec<Network> {
        self.limited_address(address).map(throttle::networks).unwrap_or_default()
    }

    fn network_key(&self, network: Network) -> Key {
        self.secrets.key(Space::Address, &[&network.prefix, &[network.bits]])
    }

    /// Refuses while the tenant has sent all codes of an hour: the present clock hour's, and of the one before the share
    /// that a rolling hour still sees.
    pub(super) async fn expect_valve_open(&self, caller: &Caller) -> Result<(), Refusal> {
        let policy = self.policy(&caller.tenant);
        if !policy.limit_sends {
            return Ok(());
        }
        let now = self.clock.now();
        let (present, before) = (self.valve(caller, now), self.valve(caller, now.minus(HOUR)));
        let reads = (self.store.add(&present.key, 0, present.until), self.store.add(&before.key, 0, before.until));
        let (sent, sent_before) = self.in_time(try_join(reads.0, reads.1)).await?;
        let rest = present.ends.since(now);
        let seen = sent_before as f64 * (rest.as_secs_f64() / HOUR.as_secs_f64()) + sent as f64;
        if seen < policy.send_valve_per_hour as f64 {
            return Ok(());
        }
        let refusal = Refusal::TooMany { retry_after: rest };
        let about = About { caller, identifier: None, user: None, session: None };
        self.tell(EventKind::SendValveClosed, about, Some(refusal));
        Err(refusal)
    }

    /// Counts one code under the tenant's valve.
    pub(super) async fn count_valve(&self, caller: &Caller) -> Result<(), Refusal> {
        if self.policy(&caller.tenant).limit_sends {
            let valve = self.valve(caller, self.clock.now());
            self.in_time(self.store.add(&valve.key, 1, valve.until)).await?;
        }
        Ok(())
    }

    fn valve(&self, caller: &Caller, at: Timestamp) -> Valve {
        let span = HOUR.as_millis() as i64;
        let hour = at.millis().div_euclid(span);
        let ends = Timestamp::from_millis(hour.saturating_add(1).saturating_mul(span));
        let key = self.secrets.key(Space::Valve, &[caller.tenant.as_str().as_bytes(), &hour.to_be_bytes()]);
        Valve { key, ends, until: ends.plus(HOUR) }
    }
}

/// The counter of a clock hour, when the hour ends, and when the counter may go.
struct Valve {
    key: Key,
    ends: Timestamp,
    until: Timestamp,
}
