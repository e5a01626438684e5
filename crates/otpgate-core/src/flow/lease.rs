//! Which node sweeps: the one that holds a lease, a record without a value that runs out when its node is gone.

use std::time::Duration;

use crate::{Record, Revision, Timestamp};

/// How long a lease holds after its last renewal.
pub(crate) const SPAN: Duration = Duration::from_secs(180);

/// How the lease stands to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    /// Another node holds it.
    Others,
    /// This node holds it, for long enough.
    Own,
    /// It is to be written: nobody holds it, or this node does and not for long.
    Due,
}

/// Judges the lease that was found, for a node that has last written `own`.
///
/// One that holds for longer than any node writes is of a clock that was wrong, and is as good as none.
pub(crate) fn judge(found: Option<&Record>, own: Option<Revision>, now: Timestamp) -> Lease {
    let Some(found) = found else { return Lease::Due };
    let rest = found.expires_at.since(now);
    if rest.is_zero() || rest > SPAN * 2 {
        Lease::Due
    } else if own != Some(found.revision) {
        Lease::Others
    } else if rest > SPAN / 2 {
        Lease::Own
    } else {
        Lease::Due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_held_renewed_and_taken_over() {
        let (now, own, other) = (Timestamp::from_millis(1_000_000), Revision([1; 16]), Revision([2; 16]));
        let held = |revision, millis| {
            let expires_at = Timestamp::from_millis(now.millis() + millis);
            Some(Record { revision, expires_at, owner: None, value: Vec::new() })
        };
        let span = i64::try_from(SPAN.as_millis()).unwrap();
        for (found, own, lease) in [
            (None, None, Lease::Due),
            (None, Some(own), Lease::Due),
            (held(own, span), Some(own), Lease::Own),
            (held(own, span / 2 + 1), Some(own), Lease::Own),
            (held(own, span / 2), Some(own), Lease::Due),
            (held(own, 0), Some(own), Lease::Due),
            (held(other, 1), Some(own), Lease::Others),
            (held(other, 1), None, Lease::Others),
            (held(other, 0), Some(own), Lease::Due),
            (held(other, -1), None, Lease::Due),
            // A clock may be ahead by as much as a lease, and not by more.
            (held(other, span * 2), None, Lease::Others),
            (held(other, span * 2 + 1), None, Lease::Due),
        ] {
            assert_eq!(judge(found.as_ref(), own, now), lease, "{found:?} {own:?}");
        }
        let forever = Record { expires_at: Timestamp::NEVER, ..held(other, 1).unwrap() };
        assert_eq!(judge(Some(&forever), None, now), Lease::Due);
    }
}
