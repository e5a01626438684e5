//! A record as one string: revision (16 bytes), expiry (8), 1 and the owner (33) or zeros, value. The scripts read the head.

use otpgate_core::{Owner, Record, Revision, StoreError, Timestamp};

const HEAD: usize = 16 + 8 + 33;

pub(crate) fn pack(record: &Record) -> Vec<u8> {
    let mut packed = Vec::with_capacity(HEAD + record.value.len());
    packed.extend(record.revision.0);
    packed.extend(record.expires_at.millis().to_be_bytes());
    match &record.owner {
        Some(owner) => packed.extend(owner_mark(owner)),
        None => packed.extend([0; 33]),
    }
    packed.extend(&record.value);
    packed
}

/// How the head of an owner's record goes on after revision and expiry.
pub(crate) fn owner_mark(owner: &Owner) -> [u8; 33] {
    let mut mark = [1; 33];
    mark[1..].copy_from_slice(&owner.0);
    mark
}

/// # Errors
/// What is not a record is damage, and damage is an error.
pub(crate) fn unpack(packed: &[u8]) -> Result<Record, StoreError> {
    let damaged = || StoreError::unavailable("a key of the store's holds something else");
    let (revision, rest) = packed.split_first_chunk::<16>().ok_or_else(damaged)?;
    let (millis, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (mark, value) = rest.split_first_chunk::<33>().ok_or_else(damaged)?;
    let owner = match mark {
        [0, rest @ ..] if *rest == [0; 32] => None,
        [1, owner @ ..] => Some(Owner(*owner)),
        _ => return Err(damaged()),
    };
    Ok(Record {
        revision: Revision(*revision),
        expires_at: Timestamp::from_millis(i64::from_be_bytes(*millis)),
        owner,
        value: value.to_vec(),
    })
}

/// A day after the expiry: Redis may drop the record then, as garbage. Empty for what never goes.
pub(crate) fn goes_at(expires_at: Timestamp) -> String {
    const DAY: i64 = 24 * 60 * 60 * 1000;
    // Beyond the year 30000 is never; Redis takes no time before 1970.
    match expires_at.millis() {
        millis if millis > 1_000_000_000_000_000 => String::new(),
        millis => millis.saturating_add(DAY).max(1).to_string(),
    }
}

/// A minute after the record: the clocks of a Cluster's nodes are not the same.
pub(crate) fn hint_goes_at(expires_at: Timestamp) -> String {
    goes_at(expires_at.plus(std::time::Duration::from_secs(60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        for owner in [None, Some(Owner([0; 32])), Some(Owner([255; 32]))] {
            for value in [&[][..], b"\0", b"}{", &[7; 70_000]] {
                for millis in [i64::MIN, -1, 0, 1, i64::MAX] {
                    let expires_at = Timestamp::from_millis(millis);
                    let record = Record { revision: Revision([9; 16]), expires_at, owner, value: value.to_vec() };
                    assert_eq!(unpack(&pack(&record)).unwrap(), record);
                }
            }
        }
    }

    #[test]
    fn damage_is_an_error() {
        let good =
            pack(&Record { revision: Revision([9; 16]), expires_at: Timestamp::NEVER, owner: None, value: Vec::new() });
        for n in 0..good.len() {
            assert!(unpack(&good[..n]).is_err(), "{n} bytes");
        }
        for (at, byte) in [(24, 2), (24, 255), (25, 1), (56, 1)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(unpack(&bad).is_err(), "{byte} at {at}");
        }
    }

    #[test]
    fn garbage_goes_a_day_later_and_never_before() {
        for (millis, text) in [
            (i64::MIN, "1"),
            (0, "86400000"),
            (1_795_000_000_000, "1795086400000"),
            (1_000_000_000_000_001, ""),
            (i64::MAX, ""),
        ] {
            assert_eq!(goes_at(Timestamp::from_millis(millis)), text);
        }
        assert_eq!(hint_goes_at(Timestamp::from_millis(0)), "86460000");
        assert_eq!(hint_goes_at(Timestamp::NEVER), "");
    }
}
