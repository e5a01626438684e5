//! What the fuzz target `token` calls. Built by `cargo fuzz` only.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;

use super::reference::Reference;
use super::{Grant, TokenSettings, Tokens};
use crate::secret::{MasterSecret, Secrets};
use crate::{Profile, SessionId, Tenant, Timestamp, UserId};

/// When every token of the target is minted and shown.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Our verifying of HS256 and `jsonwebtoken`'s.
#[derive(Debug)]
pub struct Both {
    tokens: Tokens,
    reference: Reference,
    minted: String,
}

impl Both {
    /// Over a ring of one key.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is no default of anything")]
    pub fn new() -> Self {
        let secrets = Secrets::new(MasterSecret::new("a secret for fuzzing of 32 bytes or more").unwrap());
        let settings = TokenSettings::default();
        let (tokens, reference) = (Tokens::new(&secrets, &settings).unwrap(), Reference::of(&secrets, &settings));
        let grant = Grant {
            user: &UserId::new("u").unwrap(),
            tenant: &Tenant::new("t").unwrap(),
            profile: Profile::Identity,
            session: SessionId::from_random([1; 16]),
            jti: [2; 16],
            issued_at: NOW,
            expires_at: NOW.plus(Duration::from_secs(900)),
        };
        let minted = tokens.mint(grant).unwrap().expose().to_owned();
        Self { tokens, reference, minted }
    }

    /// Shows both a token made of `data`: the first byte says how.
    ///
    /// # Panics
    /// When they say different things of it.
    pub fn show(&self, data: &[u8]) {
        let Some((how, data)) = data.split_first() else { return };
        let (message, _) = self.minted.rsplit_once('.').unwrap();
        let (header, _) = message.split_once('.').unwrap();
        let token = match how % 4 {
            // A text.
            0 => String::from_utf8_lossy(data).into_owned(),
            // Claims under our header, signed.
            1 => self.sign(&format!("{header}.{}", URL_SAFE_NO_PAD.encode(data))),
            // A header and claims with a zero byte between, signed.
            2 => {
                let (header, claims) = data.split_at(data.iter().position(|b| *b == 0).unwrap_or(data.len()));
                let claims = claims.strip_prefix(&[0]).unwrap_or(claims);
                self.sign(&format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)))
            }
            // A good token, bytes of which are put in the place of others, and the rest signed or not.
            _ => {
                let mut bytes = self.minted.clone().into_bytes();
                for edit in data.chunks_exact(3) {
                    let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
                    bytes[at] = edit[2];
                }
                let text = String::from_utf8_lossy(&bytes).into_owned();
                match text.rsplit_once('.').filter(|_| how & 4 == 0) {
                    Some((message, _)) => self.sign(message),
                    None => text,
                }
            }
        };
        self.reference.compare(&self.tokens, &token, NOW, Duration::ZERO);
    }

    fn sign(&self, message: &str) -> String {
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.tokens.0.signer, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }
}
