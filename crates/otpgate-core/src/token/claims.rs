//! What tokens say.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::SKEW_SECONDS;
use super::usual::Usual;
use crate::{Profile, SessionId, Tenant, Timestamp, UserId};

/// The claims as they stand in an access token; of the texts that are only looked at, no copies.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    pub(super) iss: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) aud: Cow<'a, str>,
    pub(super) sub: UserId,
    #[serde(borrow)]
    pub(super) sid: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) jti: Cow<'a, str>,
    pub(super) tenant: Tenant,
    pub(super) profile: Profile,
    pub(super) iat: i64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
}

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) sub: UserId,
    pub(crate) tenant: Tenant,
    pub(crate) profile: Profile,
    /// The session that the token is of.
    pub(crate) session: SessionId,
    /// When the token ends, to the millisecond.
    pub(crate) ends: Timestamp,
}

impl<'a> Said<'a> {
    fn parse(json: &'a str) -> Option<Self> {
        // Claims are an object (RFC 7519, 7.2); serde would take an array of their values too.
        json.starts_with('{').then(|| serde_json::from_str(json).ok())?
    }
}

impl Claims {
    /// The claims in the middle part of a token that one of our keys signed, and the second from which on they hold; nothing
    /// unless they are for our issuer and audience, and such as we write.
    pub(super) fn read(text: &str, usual: &Usual) -> Option<(Self, i64)> {
        let json = URL_SAFE_NO_PAD.decode(text).ok()?;
        let json = std::str::from_utf8(&json).ok()?;
        let said = usual.read(json).or_else(|| Said::parse(json))?;
        if said.iss != usual.issuer() || said.aud != usual.audience() || said.nbf < 0 || said.exp < 0 {
            return None;
        }
        // A token from the future was not issued by us, whatever its signature says (A73).
        let begins = said.nbf.max(said.iat.saturating_sub(SKEW_SECONDS));
        let (session, ends) = (said.sid.parse().ok()?, end_in(said.jti.parse().ok()?));
        if whole_seconds_up(ends) != said.exp {
            return None;
        }
        let Said { sub, tenant, profile, .. } = said;
        Some((Self { sub, tenant, profile, session, ends }, begins))
    }
}

/// A random id that holds the token's end in its first 48 bits: claims of time have whole seconds (RFC 7519, 2), and lives
/// are kept to the millisecond.
pub(super) fn jti(random: [u8; 16], ends: Timestamp) -> SessionId {
    let mut bytes = random;
    let millis = ends.millis().clamp(0, (1 << 48) - 1).to_be_bytes();
    bytes.iter_mut().zip(&millis[2..]).for_each(|(byte, of_end)| *byte = *of_end);
    SessionId::from_random(bytes)
}

/// The end that such an id holds.
pub(super) fn end_in(jti: SessionId) -> Timestamp {
    let millis = jti.as_bytes().iter().take(6).fold(0, |n, byte| n << 8 | i64::from(*byte));
    Timestamp::from_millis(millis)
}

/// The first whole second that is not before `at`: for others, who read `exp` alone, a token ends at most a second late.
pub(super) fn whole_seconds_up(at: Timestamp) -> i64 {
    at.plus(Duration::from_millis(999)).seconds()
}
