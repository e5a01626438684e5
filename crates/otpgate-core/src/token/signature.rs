//! Whose signature a token bears.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Header, Validation};
use serde::de::IgnoredAny;

/// A key of the ring, and the one header that its tokens have.
pub(super) struct Verifier {
    header: Header,
    /// The first part of every token that we mint with it.
    written: Option<String>,
    signature: Signature,
}

/// How a signature is verified.
pub(super) enum Signature {
    /// With the state of the key kept, which `jsonwebtoken` would make anew for each token.
    Hs256(Box<hmac::Key>),
    /// By `jsonwebtoken`, with all of its checks.
    Asymmetric(Box<(DecodingKey, Validation)>),
}

impl Signature {
    pub(super) fn hs256(key: &[u8; 32]) -> Self {
        Self::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }
}

impl Verifier {
    pub(super) fn new(header: Header, signature: Signature) -> Self {
        let written = serde_json::to_vec(&header).ok().map(|json| URL_SAFE_NO_PAD.encode(json));
        Self { header, written, signature }
    }

    /// Whether the first part of a token is letter for letter what we write.
    pub(super) fn wrote(&self, header: &str) -> bool {
        self.written.as_deref() == Some(header)
    }

    /// Whether this is our header exactly: no other algorithm, no embedded key, no `crit`, nothing that we do not write.
    pub(super) fn is_for(&self, header: &Header) -> bool {
        self.header == *header
    }

    /// Whether the key signed this: `message` and `signature` are all of `token` before and after its last dot.
    pub(super) fn signed(&self, token: &str, message: &str, signature: &str) -> bool {
        match &self.signature {
            Signature::Hs256(key) => {
                // A tag of 32 bytes has 43 characters, and one spelling: no padding, nothing in the bits that are left over.
                let mut tag = [0; 32 + 1];
                let read = URL_SAFE_NO_PAD.decode_slice(signature, &mut tag);
                // Compared in constant time, all 32 bytes of it.
                read == Ok(32) && hmac::verify(key, message.as_bytes(), &tag[..32]).is_ok()
            }
            Signature::Asymmetric(by) => jsonwebtoken::decode::<IgnoredAny>(token, &by.0, &by.1).is_ok(),
        }
    }
}
