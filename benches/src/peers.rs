//! What the peers have in common: tokens of jsonwebtoken, and which of its back ends checks them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::crypto::{CryptoProvider, KeyUtils, aws_lc, rust_crypto};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

const SECRET: &[u8] = b"another 32 unpredictable bytes!!";
const NAME: &str = "otpgate";

/// A back end of jsonwebtoken. It has one a process; ours asks which is meant, for the price of one load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    AwsLc,
    RustCrypto,
}

static RUST_CRYPTO: AtomicBool = AtomicBool::new(false);

static EITHER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| (chosen().signer_factory)(algorithm, key),
    verifier_factory: |algorithm, key| (chosen().verifier_factory)(algorithm, key),
    key_utils: KeyUtils::new_unimplemented(),
};

fn chosen() -> &'static CryptoProvider {
    if RUST_CRYPTO.load(Ordering::Relaxed) { &rust_crypto::DEFAULT_PROVIDER } else { &aws_lc::DEFAULT_PROVIDER }
}

/// To be called before anything makes or checks a token.
pub fn install() {
    let _ = EITHER.install_default();
}

/// From now on.
pub fn choose(backend: Backend) {
    RUST_CRYPTO.store(backend == Backend::RustCrypto, Ordering::Relaxed);
}

/// What an app usually puts into its tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    pub sub: String,
    iss: String,
    aud: String,
    iat: u64,
    exp: u64,
}

/// The keys of an app that checks tokens itself.
pub struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Default for Keys {
    fn default() -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[NAME]);
        validation.set_audience(&[NAME]);
        Self { encoding: EncodingKey::from_secret(SECRET), decoding: DecodingKey::from_secret(SECRET), validation }
    }
}

impl Keys {
    /// A token that ends in `life` seconds, or that ended so long ago.
    pub fn mint(&self, user: &str, life: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        let (iss, aud) = (NAME.to_owned(), NAME.to_owned());
        let claims = Claims { sub: user.to_owned(), iss, aud, iat: now, exp: now.saturating_add_signed(life) };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).expect("a key that signs")
    }

    /// What a good token says: signature, expiry, issuer and audience.
    pub fn check(&self, token: &str) -> Option<Claims> {
        jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok().map(|data| data.claims)
    }
}
