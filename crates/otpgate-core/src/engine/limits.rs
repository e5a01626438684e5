//! Limits that are not an identifier's own: by client address, and the tenant's send valve.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::{join_all, try_join, try_join_all};

use super::keeper::Loaded;
use super::{About, Caller, Engine, Inner, Trust};
use crate::flow::throttle::{self, Network};
use crate::policy::{Breaker, Bucket};
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

    /// Counts under all networks of the address, or under none.
    pub(super) async fn count_address(&self, address: Option<IpAddr>, buckets: &[Bucket]) -> Result<Counted, Refusal> {
        let seen = self.look_at(address, buckets).await?;
        self.count(seen, buckets).await
    }

    /// Refuses while one of `buckets` is full for a network of the address, without counting: then nothing else is asked of
    /// the store or the directory.
    pub(super) async fn look_at(&self, address: Option<IpAddr>, buckets: &[Bucket]) -> Result<Seen, Refusal> {
        let networks = if buckets.is_empty() { Vec::new() } else { self.networks(address) };
        let loads = networks.into_iter().map(|network| async move {
            let loaded = self.load::<AddressRecord>(&self.network_key(network)).await?;
            Ok::<_, Refusal>((network, loaded))
        });
        let seen = try_join_all(loads).await?;
        let now = self.clock.now();
        for (network, loaded) in &seen {
            let closed = |bucket: &Bucket| throttle::closed_for(loaded.record.as_ref()?, *bucket, network.times, now);
            if let Some(retry_after) = buckets.iter().filter_map(closed).max() {
                return Err(Refusal::TooMany { retry_after });
            }
        }
        Ok(Seen(seen))
    }

    /// Counts under every network that was looked at. Where others have filled one meanwhile, the rest is given back: whoever is
    /// refused by their own network takes nothing from their neighbours.
    pub(super) async fn count(&self, seen: Seen, buckets: &[Bucket]) -> Result<Counted, Refusal> {
        let seen = if buckets.is_empty() { Vec::new() } else { seen.0 };
        let counts = seen.into_iter().map(|(network, loaded)| async move {
            let rule = |prior, now, _: &_| {
                let decision = throttle::admit(prior, buckets, network.times, now);
                decision.map(|outcome| outcome.map(|()| now))
            };
            (network, self.decide_over(&self.network_key(network), Some(loaded), rule).await)
        });
        let (mut counted, mut refused) = (Counted::default(), None);
        for (network, outcome) in join_all(counts).await {
            match outcome {
                Ok(Ok(at)) => counted.0.push((network, at)),
                Ok(Err(refusal)) | Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
        match refused {
            None => Ok(counted),
            Some(refusal) => {
                self.give_back(&counted, buckets).await?;
                Err(refusal)
            }
        }
    }

    /// Takes events back that turned out not to count.
    pub(super) async fn give_back(&self, counted: &Counted, buckets: &[Bucket]) -> Result<(), Refusal> {
        let gone = counted.0.iter().map(|(network, at)| async move {
            for bucket in buckets {
                let rule = |prior, _, _: &_| throttle::give_back(prior, *bucket, *at);
                self.decide(&self.network_key(*network), rule).await?;
            }
            Ok(())
        });
        try_join_all(gone).await.map(drop)
    }

    /// Refuses while a bucket of the address is full, without counting.
    pub(super) async fn expect_open(&self, address: Option<IpAddr>, bucket: Bucket) -> Result<(), Refusal> {
        self.look_at(address, &[bucket]).await.map(drop)
    }

    fn networks(&self, address: Option<IpAddr>) -> Vec<Network> {
        self.limited_address(address).map(throttle::networks).unwrap_or_default()
    }

    fn network_key(&self, network: Network) -> Key {
        self.secrets.key(Space::Address, &[&network.prefix, &[network.bits]])
    }

    /// Refuses while the tenant has sent all codes of an hour.
    pub(super) async fn expect_valve_open(&self, caller: &Caller) -> Result<(), Refusal> {
        let policy = self.policy(&caller.tenant);
        if !policy.limit_sends {
            return Ok(());
        }
        let (sent, retry_after) = self.rolling(Space::Valve, caller, 0).await?;
        if sent < policy.send_valve_per_hour as f64 {
            return Ok(());
        }
        let refusal = Refusal::TooMany { retry_after };
        self.tell(EventKind::SendValveClosed, About::tenant(caller), Some(refusal));
        Err(refusal)
    }

    /// Counts one code under the tenant's valve.
    pub(super) async fn count_valve(&self, caller: &Caller) -> Result<(), Refusal> {
        if self.policy(&caller.tenant).limit_sends {
            let hour = self.hour(Space::Valve, caller);
            self.in_time(self.store.add(&hour.present, 1, hour.until)).await?;
        }
        Ok(())
    }

    /// Before a guess is compared: refuses it where the tenant's breaker is open or its address has no guess left, and
    /// counts it there.
    pub(super) async fn begin_guess(&self, caller: &Caller, known_device: bool) -> Result<Guessing, Refusal> {
        self.expect_breaker_closed(caller, known_device).await?;
        Ok(Guessing(self.count_address(caller.address, &[Bucket::Guesses]).await?))
    }

    /// Refuses where the tenant's breaker is open. It lets known devices through, and what passed a challenge.
    pub(super) async fn expect_breaker_closed(&self, caller: &Caller, known_device: bool) -> Result<(), Refusal> {
        let policy = self.policy(&caller.tenant);
        let unknown = caller.trust == Trust::None && !known_device;
        if let (Breaker::Refuse { per_hour }, true) = (policy.breaker, policy.limit_guesses && unknown) {
            let (wrong, retry_after) = self.rolling(Space::Breaker, caller, 0).await?;
            if wrong >= per_hour as f64 {
                let refusal = Refusal::BreakerOpen { retry_after };
                self.tell(EventKind::BreakerRefused, About::tenant(caller), Some(refusal));
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// After it: a wrong one counts under the tenant too; any other is given back to its address.
    pub(super) async fn end_guess(&self, caller: &Caller, guessing: &Guessing, wrong: bool) -> Result<(), Refusal> {
        if !wrong {
            return self.give_back(&guessing.0, &[Bucket::Guesses]).await;
        }
        if !self.policy(&caller.tenant).limit_guesses {
            return Ok(());
        }
        let (seen, _) = self.rolling(Space::Breaker, caller, 1).await?;
        if let Some(alarm) = throttle::alarm(seen) {
            self.tell(EventKind::WrongGuesses { per_hour: alarm }, About::tenant(caller), None);
        }
        Ok(())
    }

    /// Adds to a tenant's counter and tells what a rolling hour sees: the present clock hour's, and the share of the one
    /// before that has not left it yet. And how long the clock hour goes on.
    async fn rolling(&self, space: Space, caller: &Caller, delta: u32) -> Result<(f64, Duration), Refusal> {
        let hour = self.hour(space, caller);
        let present = self.store.add(&hour.present, delta, hour.until);
        let before = self.hour_key(space, caller, hour.number.saturating_sub(1));
        let before = self.store.add(&before, 0, hour.until);
        let (present, before) = self.in_time(try_join(present, before)).await?;
        let seen = before as f64 * (hour.rest.as_secs_f64() / HOUR.as_secs_f64()) + present as f64;
        Ok((seen, hour.rest))
    }

    fn hour(&self, space: Space, caller: &Caller) -> Hour {
        let (now, span) = (self.clock.now(), HOUR.as_millis() as i64);
        let number = now.millis().div_euclid(span);
        let ends = Timestamp::from_millis(number.saturating_add(1).saturating_mul(span));
        let present = self.hour_key(space, caller, number);
        Hour { number, present, rest: ends.since(now), until: ends.plus(HOUR) }
    }

    fn hour_key(&self, space: Space, caller: &Caller, number: i64) -> Key {
        self.secrets.key(space, &[caller.tenant.as_str().as_bytes(), &number.to_be_bytes()])
    }
}

/// What the networks of an address had counted when a request came.
pub(super) struct Seen(Vec<(Network, Loaded<AddressRecord>)>);

/// Under which networks a request was counted, and when: to give it back by.
#[derive(Default)]
pub(super) struct Counted(Vec<(Network, Timestamp)>);

/// A guess that was counted against its address.
pub(super) struct Guessing(pub(super) Counted);

/// A clock hour since 1970, a tenant's counter of it, how long the hour goes on, and when its counter may go.
struct Hour {
    number: i64,
    present: Key,
    rest: Duration,
    until: Timestamp,
}
