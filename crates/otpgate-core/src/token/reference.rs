//! How tokens were verified before we did it ourselves: by `jsonwebtoken` from end to end. What it refuses, nobody may accept.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;

use super::claims::{end_in, whole_seconds_up};
use super::{Claims, LONGEST, SKEW_SECONDS, TokenSettings, Tokens, Untrusted, header, validation};
use crate::secret::Secrets;
use crate::{Profile, SessionId, Tenant, Timestamp, UserId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(rename = "iss")]
    _iss: String,
    #[serde(rename = "aud")]
    _aud: String,
    sub: UserId,
    sid: String,
    jti: String,
    tenant: Tenant,
    profile: Profile,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// The HS256 keys of a ring.
#[derive(Debug)]
pub(super) struct Reference(HashMap<String, (Header, DecodingKey, Validation)>);

impl Reference {
    pub(super) fn of(secrets: &Secrets, settings: &TokenSettings) -> Self {
        let (first, rest) = secrets.access_keys();
        let keys = std::iter::once(first).chain(rest).map(|(kid, key)| {
            let validation = validation(Algorithm::HS256, settings);
            (kid.text(), (header(&kid.text(), Algorithm::HS256), DecodingKey::from_secret(key), validation))
        });
        Self(keys.collect())
    }

    fn verify_late(&self, token: &str, now: Timestamp, grace: Duration) -> Result<Claims, Untrusted> {
        if token.len() > LONGEST {
            return Err(Untrusted::Forged);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Untrusted::Forged)?;
        let kid = header.kid.as_deref().ok_or(Untrusted::Forged)?;
        let (expected, key, validation) = self.0.get(kid).ok_or(Untrusted::Forged)?;
        if header != *expected {
            return Err(Untrusted::Forged);
        }
        let claims = jsonwebtoken::decode::<Read>(token, key, validation).map_err(|_| Untrusted::Forged)?.claims;
        let ends = end_in(claims.jti.parse().map_err(|_| Untrusted::Forged)?);
        if whole_seconds_up(ends) != claims.exp {
            return Err(Untrusted::Forged);
        }
        // We are stricter in two things: a session id that is none is found here, not where the session is looked for, and no
        // white space stands before the claims.
        let session: SessionId = claims.sid.parse().map_err(|_| Untrusted::Forged)?;
        let middle = token.split('.').nth(1).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        if middle.is_none_or(|json| json.first() != Some(&b'{')) {
            return Err(Untrusted::Forged);
        }
        let begins = claims.nbf.max(claims.iat.saturating_sub(SKEW_SECONDS));
        if begins > now.seconds() || now >= ends.plus(grace) {
            return Err(Untrusted::Expired);
        }
        Ok(Claims { sub: claims.sub, tenant: claims.tenant, profile: claims.profile, session, ends })
    }

    /// Whether a token is accepted.
    ///
    /// # Panics
    /// When `tokens` says anything else of it than the reference.
    pub(super) fn compare(&self, tokens: &Tokens, token: &str, now: Timestamp, grace: Duration) -> bool {
        let (ours, theirs) = (tokens.verify_late(token, now, grace), self.verify_late(token, now, grace));
        assert_eq!(ours, theirs, "left by us, right by jsonwebtoken: {token}");
        ours.is_ok()
    }
}
