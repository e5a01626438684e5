//! Refresh tokens: they rotate on every use, and an old one that comes back ends its session.
//!
//! A token is `sid.n.mac`: the session, the number of the rotation, and an HMAC over both and the session's seed, each in
//! base64url. All racers that present one token get one successor, since it is derived and not drawn (RFC 9700, 4.14.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use super::revoke::Ended;
use super::{Decision, session};
use crate::record::{AccountRecord, LiveSession, SessionRecord, SessionState, TOMBSTONE};
use crate::secret::{Kid, Mac, RefreshToken, Secrets, sha256};
use crate::{Policy, SessionId, Timestamp, User};

/// A refresh token as it was presented, read but not believed.
pub(crate) struct Presented {
    pub(crate) session: SessionId,
    n: u32,
    mac: [u8; 32],
    hash: [u8; 32],
}

/// Reads `sid.n.mac`; one spelling only.
pub(crate) fn read(token: &RefreshToken) -> Option<Presented> {
    let text = token.expose();
    // Longer than any token: nothing below has to look at it.
    if text.len() > 96 {
        return None;
    }
    let mut parts = text.split('.');
    let (sid, n, mac) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || n.starts_with(['0', '+']) {
        return None;
    }
    let fixed = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    Some(Presented {
        session: SessionId::from_bytes(fixed(sid)?.try_into().ok()?),
        n: n.parse().ok()?,
        mac: fixed(mac)?.try_into().ok()?,
        hash: sha256(text.as_bytes()),
    })
}

/// The current refresh token of a session; nothing when its key left the ring.
pub(crate) fn token(secrets: &Secrets, id: SessionId, live: &LiveSession) -> Option<RefreshToken> {
    let mac = mac(secrets, live.kid, id, live.n, &live.seed)?;
    let (sid, mac) = (URL_SAFE_NO_PAD.encode(id.as_bytes()), URL_SAFE_NO_PAD.encode(mac.as_bytes()));
    Some(RefreshToken::presented(&format!("{sid}.{}.{mac}", live.n)))
}

fn mac(secrets: &Secrets, kid: Kid, id: SessionId, n: u32, seed: &[u8; 32]) -> Option<Mac> {
    secrets.refresh_mac(kid, &[id.as_bytes(), &n.to_be_bytes(), seed])
}

/// What came of presenting a refresh token.
#[derive(Debug)]
pub(crate) enum Refreshed {
    /// The session with its current token.
    Yes(Box<LiveSession>),
    /// Refused; nothing ends.
    No,
    /// The token is good, and its user may have no sessions.
    Forbidden,
    /// An old token came back: the session has ended.
    Reused(Ended),
}

/// Rotates, repeats the last rotation, refuses, or ends the session.
pub(crate) fn decide(
    prior: Option<SessionRecord>,
    presented: &Presented,
    account: Option<&AccountRecord>,
    user: &User,
    policy: &Policy,
    secrets: &Secrets,
    now: Timestamp,
) -> Decision<SessionRecord, Refreshed> {
    let no = || Decision::keep(Refreshed::No);
    let Some(mut record) = prior else { return no() };
    let SessionState::Live(live) = &mut record.state else { return no() };
    // Nothing ends by a bad MAC, or everybody who knows a session's id could end it.
    if !is_authentic(presented, &live.seed, secrets) || !session::is_good(live, presented.session, account, now) {
        return no();
    }
    if !user.admitted {
        return Decision::keep(Refreshed::Forbidden);
    }
    if presented.n == live.n {
        if !bool::from(presented.hash.ct_eq(&live.current)) {
            return no();
        }
        return rotate(record, presented.session, user, policy, secrets, now);
    }
    let is_parent = presented.n.checked_add(1) == Some(live.n);
    if is_parent && now.since(live.rotated_at) < policy.refresh_grace {
        return Decision::keep(Refreshed::Yes(live.clone()));
    }
    record.state = SessionState::Ended { until: now.plus(TOMBSTONE) };
    Decision::write(record, Refreshed::Reused(Ended::by_tombstone(presented.session)))
}

fn rotate(
    mut record: SessionRecord,
    id: SessionId,
    user: &User,
    policy: &Policy,
    secrets: &Secrets,
    now: Timestamp,
) -> Decision<SessionRecord, Refreshed> {
    let SessionState::Live(live) = &mut record.state else { return Decision::keep(Refreshed::No) };
    let Some(n) = live.n.checked_add(1) else { return Decision::keep(Refreshed::No) };
    live.n = n;
    live.kid = secrets.current();
    live.rotated_at = now;
    live.last_used = now;
    live.idles = session::idles(policy, live.profile, now);
    session::take_over(live, user);
    let Some(token) = token(secrets, id, live) else { return Decision::keep(Refreshed::No) };
    live.current = sha256(token.expose().as_bytes());
    let outcome = Refreshed::Yes(live.clone());
    Decision::write(record, outcome)
}

/// Whether any key of the ring made this token for this session.
fn is_authentic(presented: &Presented, seed: &[u8; 32], secrets: &Secrets) -> bool {
    secrets
        .kids()
        .filter_map(|kid| mac(secrets, kid, presented.session, presented.n, seed))
        .any(|mac| mac.matches(&presented.mac))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{World, at};
    use super::*;
    use crate::MasterSecret;

    #[test]
    fn q28_a_refresh_token_rotates_and_an_old_one_ends_the_session() {
        let mut w = World::default();
        let id = w.open_session();
        let first = w.token(id);
        let second = w.present(id, &first).unwrap();
        assert_ne!(first.expose(), second.expose());
        let third = w.present(id, &second).unwrap();
        w.now = at(100);
        assert!(w.present(id, &first).is_err());
        assert!(w.present(id, &third).is_err(), "the family is gone");
        assert!(!w.is_good(id));
    }

    #[test]
    fn q30_the_parent_gets_the_same_successor_for_ten_seconds_and_no_grandparent_does() {
        let mut w = World::default();
        let id = w.open_session();
        let first = w.token(id);
        let second = w.present(id, &first).unwrap();
        w.now = at(10).minus(Duration::from_millis(1));
        assert_eq!(w.present(id, &first).unwrap().expose(), second.expose());
        let before = w.sessions.clone();
        w.now = at(10);
        assert!(w.present(id, &first).is_err());
        assert!(!w.is_good(id));
        // Inside the ten seconds too, once the successor was used.
        w.sessions = before;
        w.now = at(5);
        w.present(id, &second).unwrap();
        assert!(w.present(id, &first).is_err());
        assert!(!w.is_good(id));
    }

    #[test]
    fn a_bad_mac_ends_nothing() {
        let mut w = World::default();
        let id = w.open_session();
        let first = w.token(id);
        let text = first.expose();
        let (rest, mac) = text.rsplit_once('.').unwrap();
        let flipped = match mac.strip_prefix('A') {
            Some(rest) => format!("B{rest}"),
            None => format!("A{}", &mac[1..]),
        };
        let sid = text.split('.').next().unwrap();
        for bad in [
            format!("{rest}.{flipped}"),
            format!("{sid}.2.{mac}"),
            format!("{sid}.0.{mac}"),
            format!("{sid}.01.{mac}"),
            format!("{sid}.+1.{mac}"),
            format!("{text}."),
            format!("{text}="),
            format!(" {text}"),
            format!("{sid}.4294967296.{mac}"),
            String::new(),
            "..".to_owned(),
            "a".repeat(10_000),
        ] {
            assert!(w.present(id, &RefreshToken::presented(&bad)).is_err(), "{bad:?}");
        }
        assert!(w.is_good(id));
        w.present(id, &first).unwrap();
    }

    #[test]
    fn a_token_of_one_session_is_no_token_of_another() {
        let mut w = World::default();
        let (a, b) = (w.open_session(), w.open_session());
        let of_a = w.token(a);
        let forged =
            of_a.expose().replace(&URL_SAFE_NO_PAD.encode(a.as_bytes()), &URL_SAFE_NO_PAD.encode(b.as_bytes()));
        assert!(w.present(b, &RefreshToken::presented(&forged)).is_err());
        assert!(w.is_good(b));
    }

    #[test]
    fn refresh_tokens_roll_over_with_the_secret_and_die_with_it() {
        let master = |text: &str| MasterSecret::new(text).unwrap();
        let (old, new) = ("an old secret of 32 bytes or more", "the new secret, also long enough!");
        let mut w = World { secrets: Secrets::new(master(old)), ..World::default() };
        let id = w.open_session();
        let first = w.token(id);
        let before = w.sessions.clone();
        w.secrets = Secrets::new(master(new)).anchored_at(&master(old)).accept(master(old));
        let second = w.present(id, &first).unwrap();
        w.secrets = Secrets::new(master(new)).anchored_at(&master(old));
        w.present(id, &second).unwrap();
        w.sessions = before;
        assert!(w.present(id, &first).is_err(), "made with a secret that is no longer accepted");
    }
}
