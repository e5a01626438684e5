//! Ending sessions: one by a tombstone, all of a user by the account's epoch.

use super::Decision;
use crate::record::{AccountRecord, SessionRecord, SessionState, TOMBSTONE};
use crate::{Owner, SessionId, Timestamp};

/// Ends a session; one that is absent or ended already stays so. The tombstone wins every race with a refresh.
pub(crate) fn session(prior: Option<SessionRecord>, now: Timestamp) -> Decision<SessionRecord, ()> {
    match prior {
        Some(mut record) if matches!(record.state, SessionState::Live(_)) => {
            record.state = SessionState::Ended { until: now.plus(TOMBSTONE) };
            Decision::write(record, ())
        }
        _ => Decision::keep(()),
    }
}

/// Takes an ended session off its account's list, so that it holds no place there.
pub(crate) fn unlist(prior: Option<AccountRecord>, session: SessionId) -> Decision<AccountRecord, ()> {
    let Some(mut account) = prior else { return Decision::keep(()) };
    let before = account.sessions.len();
    account.sessions.retain(|(id, _, _)| *id != session);
    if account.sessions.len() == before { Decision::keep(()) } else { Decision::write(account, ()) }
}

/// Ends every session, code and flow of a user: whatever carries an older epoch is refused from here on.
pub(crate) fn everything(prior: Option<AccountRecord>, owner: Owner) -> Decision<AccountRecord, ()> {
    let mut account = prior.unwrap_or_else(|| AccountRecord::new(Some(owner)));
    account.epoch = account.epoch.saturating_add(1);
    account.sessions.clear();
    Decision::write(account, ())
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;

    #[test]
    fn w052_logout_ends_one_session() {
        let mut w = World::default();
        let (a, b) = (w.open_session(), w.open_session());
        let token = w.token(a);
        w.revoke(a);
        assert!(!w.is_good(a));
        assert!(w.is_good(b));
        assert!(w.present(a, &token).is_err(), "its refresh token is dead too");
        w.revoke(a);
    }

    #[test]
    fn q35_log_out_everywhere_ends_all() {
        let mut w = World::default();
        let ids = [w.open_session(), w.open_session(), w.open_session()];
        w.revoke_all();
        assert!(ids.iter().all(|id| !w.is_good(*id)));
        w.epoch = Some(1);
        let after = w.open_session();
        assert!(w.is_good(after));
    }
}
