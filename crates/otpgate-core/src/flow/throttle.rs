//! Rolling windows, exact at their edges, and the limits by client address.

use std::net::IpAddr;
use std::time::Duration;

use super::Decision;
use crate::policy::{Bucket, Policy, Window};
use crate::record::AddressRecord;
use crate::{Refusal, Timestamp};

/// How long until another event fits all `windows`; nothing when it fits now. Times after `now` count: a clock that was
/// set back opens no window.
pub(crate) fn wait(times: &[Timestamp], windows: &[Window], now: Timestamp) -> Option<Duration> {
    windows.iter().filter_map(|w| wait_one(times, *w, now)).max()
}

fn wait_one(times: &[Timestamp], window: Window, now: Timestamp) -> Option<Duration> {
    let from = times.partition_point(|t| now.since(*t) >= window.span);
    let within = &times[from..];
    // The one that has to leave before there is room for one more.
    let blocking = within.len().checked_sub(window.limit as usize).and_then(|i| within.get(i))?;
    Some(blocking.plus(window.span).since(now))
}

/// The power of ten from 100 that a count, which has just gone up by one, has reached.
pub(crate) fn alarm(seen: f64) -> Option<u64> {
    std::iter::successors(Some(100u64), |t| t.checked_mul(10)).find(|t| {
        let threshold = *t as f64;
        seen >= threshold && seen - 1.0 < threshold
    })
}

/// Puts `at` into ascending `times` and drops what no window of `span` can see any more.
pub(crate) fn push(times: &mut Vec<Timestamp>, at: Timestamp, span: Duration) {
    times.retain(|t| at.since(*t) < span);
    let place = times.partition_point(|t| *t <= at);
    times.insert(place, at);
}

/// One network that an address counts under: its bits, and how many times the limit it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) prefix: [u8; 16],
    pub(crate) bits: u8,
    pub(crate) times: u32,
}

/// The networks of an address: itself for IPv4 (mapped or not); /64, /56 and /48 for IPv6, with 1, 5 and 25 times the limit.
pub(crate) fn networks(address: IpAddr) -> Vec<Network> {
    match address.to_canonical() {
        IpAddr::V4(v4) => vec![Network { prefix: v4.to_ipv6_mapped().octets(), bits: 128, times: 1 }],
        IpAddr::V6(v6) => [(64, 1), (56, 5), (48, 25)]
            .map(|(bits, times)| {
                let mask = u128::MAX << (128 - u32::from(bits));
                Network { prefix: (u128::from(v6) & mask).to_be_bytes(), bits, times }
            })
            .to_vec(),
    }
}

/// Counts one request of a network under each of `buckets`, or refuses it and counts nothing.
pub(crate) fn admit(
    prior: Option<AddressRecord>,
    buckets: &[Bucket],
    times: u32,
    now: Timestamp,
) -> Decision<AddressRecord, Result<(), Refusal>> {
    let mut record = prior.unwrap_or_default();
    let wait = buckets.iter().filter_map(|b| closed_for(&record, *b, times, now)).max();
    if let Some(retry_after) = wait {
        return Decision::keep(Err(Refusal::TooMany { retry_after }));
    }
    for bucket in buckets {
        push(list(&mut record, *bucket), now, Policy::address_window(*bucket).span);
    }
    Decision::write(record, Ok(()))
}

/// How long `bucket` is closed for this network; nothing when it is open.
pub(crate) fn closed_for(record: &AddressRecord, bucket: Bucket, times: u32, now: Timestamp) -> Option<Duration> {
    let window = Policy::address_window(bucket);
    let window = Window { limit: window.limit.saturating_mul(times), ..window };
    let seen = record.buckets.iter().find(|(b, _)| *b == bucket).map_or(&[][..], |(_, t)| t);
    wait_one(seen, window, now)
}

/// Takes one event of time `at` back: a guess that turned out right, or that was not compared.
pub(crate) fn give_back(prior: Option<AddressRecord>, bucket: Bucket, at: Timestamp) -> Decision<AddressRecord, ()> {
    let Some(mut record) = prior else { return Decision::keep(()) };
    let times = list(&mut record, bucket);
    match times.iter().rposition(|t| *t == at) {
        Some(place) => {
            times.remove(place);
            Decision::write(record, ())
        }
        None => Decision::keep(()),
    }
}

fn list(record: &mut AddressRecord, bucket: Bucket) -> &mut Vec<Timestamp> {
    let place = record.buckets.iter().position(|(b, _)| *b == bucket).unwrap_or_else(|| {
        record.buckets.push((bucket, Vec::new()));
        record.buckets.len() - 1
    });
    &mut record.buckets[place].1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn w148_windows_are_exact_at_the_edge() {
        let windows = [Window::new(3, 60), Window::new(4, 3_600)];
        let times = [at(0), at(10), at(20)];
        assert_eq!(wait(&times, &windows, at(20)), Some(Duration::from_secs(40)));
        assert_eq!(wait(&times, &windows, at(60).minus(Duration::from_millis(1))), Some(Duration::from_millis(1)));
        assert_eq!(wait(&times, &windows, at(60)), None);
        let times = [at(0), at(10), at(20), at(60)];
        assert_eq!(wait(&times, &windows, at(200)), Some(Duration::from_secs(3_400)));
        assert_eq!(wait(&times, &windows, at(3_600)), None);
        assert_eq!(wait(&[], &windows, at(0)), None);
    }

    #[test]
    fn i18_a_clock_set_back_opens_no_window() {
        let times = [at(100), at(101), at(102)];
        assert_eq!(wait(&times, &[Window::new(3, 60)], at(0)), Some(Duration::from_secs(160)));
        let mut times = times.to_vec();
        push(&mut times, at(50), Duration::from_secs(60));
        assert_eq!(times, [at(50), at(100), at(101), at(102)]);
    }

    #[test]
    fn a10_ipv6_counts_by_64_56_and_48_and_mapped_ipv4_is_ipv4() {
        let net = |text: &str| networks(text.parse().unwrap());
        assert_eq!(net("::ffff:127.0.0.1"), net("127.0.0.1"));
        assert_ne!(net("127.0.0.1"), net("127.0.0.2"));
        let (a, b, c) = (net("2001:db8:0:1::1"), net("2001:db8:0:1::2"), net("2001:db8:0:2::1"));
        assert_eq!(a, b);
        assert_ne!(a[0], c[0]);
        assert_eq!(a[1..], c[1..]);
        assert_eq!(a.iter().map(|n| n.times).collect::<Vec<_>>(), [1, 5, 25]);
        assert_ne!(net("2001:db8::")[0], net("2001:db8::")[1], "the width is part of a network's name");
    }

    #[test]
    fn q22_an_alarm_is_raised_once_for_each_power_of_ten() {
        let raised: Vec<u64> = (1..20_000).filter_map(|n| alarm(f64::from(n) + 0.4)).collect();
        assert_eq!(raised, [100, 1_000, 10_000]);
    }

    #[test]
    fn a_request_counts_in_all_its_buckets_or_in_none() {
        let both = [Bucket::Identity, Bucket::Availability];
        let mut record = None;
        for _ in 0..10 {
            let decision = admit(record, &both, 1, at(0));
            decision.outcome.unwrap();
            record = decision.write;
        }
        let refused = admit(record.clone(), &both, 1, at(0));
        assert!(refused.write.is_none());
        assert_eq!(refused.outcome, Err(Refusal::TooMany { retry_after: Duration::from_secs(60) }));
        admit(record.clone(), &both, 5, at(0)).outcome.unwrap();
        for _ in 0..20 {
            let decision = admit(record, &[Bucket::Identity], 1, at(1));
            decision.outcome.unwrap();
            record = decision.write;
        }
        assert!(admit(record.clone(), &[Bucket::Identity], 1, at(1)).outcome.is_err());
        admit(record, &[Bucket::Identity], 1, at(60)).outcome.unwrap();
    }

    #[test]
    fn one_event_is_given_back_once() {
        let record = admit(None, &[Bucket::Guesses], 1, at(5)).write;
        let record = admit(record, &[Bucket::Guesses], 1, at(6)).write;
        let record = give_back(record, Bucket::Guesses, at(5)).write;
        assert_eq!(record.as_ref().unwrap().buckets[0].1, [at(6)]);
        assert!(give_back(record, Bucket::Guesses, at(5)).write.is_none());
        assert!(give_back(None, Bucket::Guesses, at(5)).write.is_none());
    }
}
