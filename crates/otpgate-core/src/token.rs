//! Access tokens: JWTs after RFC 9068 (`typ: at+jwt`), one algorithm per key. `jsonwebtoken` mints them all, and verifies what
//! is signed by an asymmetric key. What HS256 signed, which is most of what a host sees, is verified here (`signature.rs`,
//! `claims.rs`) at a fraction of the cost, and nothing is accepted that `jsonwebtoken` refuses (`differential.rs`).

mod claims;
#[cfg(test)]
mod differential;
#[cfg(fuzzing)]
pub mod fuzzing;
#[cfg(any(test, fuzzing))]
mod reference;
mod signature;
mod usual;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::{ConfigError, ConfigErrorKind};
use crate::secret::{AccessKey, AccessToken, Secrets};
use crate::{Profile, SessionId, Tenant, Timestamp, UserId};

pub(crate) use claims::Claims;
use claims::{Said, jti, whole_seconds_up};
use signature::{Signature, Verifier};
use usual::Usual;

/// The header's `typ`, so that no other JWT of the deployment passes for an access token (RFC 8725, 3.11).
const TYP: &str = "at+jwt";

/// `nbf` lies this far before `iat`: the clocks of nodes differ.
const SKEW_SECONDS: i64 = 60;

/// The longest token that is looked at.
const LONGEST: usize = 4 * 1024;

/// An asymmetric signing key, so that other services can verify access tokens by the JWKS route.
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    encoding: EncodingKey,
}

impl SigningKey {
    /// An Ed25519 key (`EdDSA`, RFC 8037) in PKCS #8 PEM, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Key`] when the text is no such key.
    pub fn ed25519_pem(pem: &[u8]) -> Result<Self, ConfigError> {
        Self::read(pem, Algorithm::EdDSA, EncodingKey::from_ed_der, "not an Ed25519 key in PKCS #8 PEM")
    }

    /// A P-256 key (`ES256`, RFC 7518) in PKCS #8 PEM, as `openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256` writes it.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Key`] when the text is no such key.
    pub fn es256_pem(pem: &[u8]) -> Result<Self, ConfigError> {
        Self::read(pem, Algorithm::ES256, EncodingKey::from_ec_der, "not a P-256 key in PKCS #8 PEM")
    }

    /// A key of the one kind, or what is `wrong` with the text.
    fn read(
        text: &[u8],
        algorithm: Algorithm,
        key: fn(&[u8]) -> EncodingKey,
        wrong: &str,
    ) -> Result<Self, ConfigError> {
        let block = pem::parse(text).map_err(|e| bad_key(wrong).because(e))?;
        let is_pkcs8 = block.tag() == "PRIVATE KEY";
        let contents = Zeroizing::new(block.into_contents());
        if !is_pkcs8 {
            return Err(bad_key(wrong));
        }
        let key = Self { algorithm, encoding: key(&contents) };
        // Whether it is of this kind is known to whoever tells its public half.
        install_provider();
        key.public().map_err(|e| bad_key(wrong).because(e))?;
        Ok(key)
    }

    /// The public half with its thumbprint (RFC 7638) as key id.
    fn public(&self) -> Result<(String, Jwk), ConfigError> {
        let wrong = |e| bad_key("the public half of a signing key cannot be told").because(e);
        let mut jwk = Jwk::from_encoding_key(&self.encoding, self.algorithm).map_err(wrong)?;
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(wrong)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok((kid, jwk))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.algorithm)
    }
}

fn bad_key(text: &str) -> ConfigError {
    ConfigError::new(ConfigErrorKind::Key, text)
}

/// How access tokens are signed and for whom.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim: the deployment.
    pub audience: String,
    /// Empty for HS256 by the ring's keys; else the key that signs, then those that still verify.
    pub keys: Vec<SigningKey>,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self { issuer: "otpgate".to_owned(), audience: "otpgate".to_owned(), keys: Vec::new() }
    }
}

#[derive(Serialize)]
struct ViewClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    tenant: &'a Tenant,
    role: &'static str,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// What a new access token is to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) user: &'a UserId,
    pub(crate) tenant: &'a Tenant,
    pub(crate) profile: Profile,
    pub(crate) session: SessionId,
    pub(crate) jti: [u8; 16],
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untrusted {
    /// Not a token of ours: form, key, signature, issuer, audience or claims.
    Forged,
    /// Ours, and not of this time.
    Expired,
}

/// Mints and verifies access tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens(Arc<Ring>);

struct Ring {
    /// With the issuer and the audience.
    usual: Usual,
    header: Header,
    signer: EncodingKey,
    /// As many as the ring has keys: a few.
    verifiers: Vec<Verifier>,
    jwks: Option<String>,
}

struct KeyPair {
    header: Header,
    signing: EncodingKey,
    verifying: Signature,
}

impl Tokens {
    /// The keys of `secrets` (HS256), or the signing keys that the settings name.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Key`] for a key whose public half cannot be told, [`ConfigErrorKind::Name`] for an empty issuer
    /// or audience.
    pub fn new(secrets: &Secrets, settings: &TokenSettings) -> Result<Self, ConfigError> {
        if settings.issuer.is_empty() || settings.audience.is_empty() {
            return Err(ConfigError::new(ConfigErrorKind::Name, "a token needs an issuer and an audience"));
        }
        let Some((first, rest)) = settings.keys.split_first() else {
            let (first, rest) = secrets.access_keys();
            return Ok(Self::assemble(hs256(first), rest.map(hs256), None, settings));
        };
        install_provider();
        let mut public = vec![first.public()?];
        let current = asymmetric(first, &public[0], settings)?;
        let mut accepted = Vec::new();
        for key in rest {
            let half = key.public()?;
            accepted.push(asymmetric(key, &half, settings)?);
            public.push(half);
        }
        let set = JwkSet { keys: public.into_iter().map(|(_, jwk)| jwk).collect() };
        let jwks = serde_json::to_string(&set).map_err(|e| bad_key("the public keys cannot be written").because(e))?;
        Ok(Self::assemble(current, accepted.into_iter(), Some(jwks), settings))
    }

    /// The ring's keys with the default issuer and audience.
    #[must_use]
    pub fn hs256(secrets: &Secrets) -> Self {
        let (first, rest) = secrets.access_keys();
        Self::assemble(hs256(first), rest.map(hs256), None, &TokenSettings::default())
    }

    fn assemble(
        current: KeyPair,
        accepted: impl Iterator<Item = KeyPair>,
        jwks: Option<String>,
        settings: &TokenSettings,
    ) -> Self {
        install_provider();
        let (header, signer) = (current.header.clone(), current.signing.clone());
        let verifiers = std::iter::once(current).chain(accepted).map(|pair| Verifier::new(pair.header, pair.verifying));
        Self(Arc::new(Ring {
            usual: Usual::new(&settings.issuer, &settings.audience),
            header,
            signer,
            verifiers: verifiers.collect(),
            jwks,
        }))
    }

    /// The public keys as a JWK set (RFC 7517), when there are any.
    #[must_use]
    pub fn jwks(&self) -> Option<&str> {
        self.0.jwks.as_deref()
    }

    /// Signs a probe and verifies it, so that a provider that is missing or wrong is found at start.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Key`] when it does not come back.
    pub fn probe(&self) -> Result<(), ConfigError> {
        let name = |e| bad_key("the probe's names").because(e);
        let now = Timestamp::from_millis(1_000_000);
        let (user, tenant) = (UserId::new("probe").map_err(name)?, Tenant::new("probe").map_err(name)?);
        let grant = Grant {
            user: &user,
            tenant: &tenant,
            profile: Profile::Identity,
            session: SessionId::from_random([0; 16]),
            jti: [0; 16],
            issued_at: now,
            expires_at: now.plus(std::time::Duration::from_secs(1)),
        };
        let token = self.mint(grant).ok_or_else(|| bad_key("the signing key does not sign"))?;
        self.verify(token.expose(), now).map_err(|_| bad_key("the signing key does not verify its own signature"))?;
        Ok(())
    }

    /// A token of a flow: of another type, with no session in it, so that nothing takes it for an access token.
    pub(crate) fn mint_view(
        &self,
        tenant: &Tenant,
        jti: [u8; 16],
        now: Timestamp,
        until: Timestamp,
    ) -> Option<AccessToken> {
        let iat = now.seconds();
        let claims = ViewClaims {
            iss: self.0.usual.issuer(),
            aud: self.0.usual.audience(),
            tenant,
            role: "VIEW",
            jti: SessionId::from_random(jti).to_string(),
            iat,
            nbf: iat.saturating_sub(SKEW_SECONDS),
            exp: until.seconds(),
        };
        let mut header = self.0.header.clone();
        header.typ = Some("view+jwt".to_owned());
        jsonwebtoken::encode(&header, &claims, &self.0.signer).ok().map(AccessToken::new)
    }

    /// A signed token; nothing when the key does not sign.
    pub(crate) fn mint(&self, grant: Grant<'_>) -> Option<AccessToken> {
        let iat = grant.issued_at.seconds();
        let claims = Said {
            iss: Cow::Borrowed(self.0.usual.issuer()),
            aud: Cow::Borrowed(self.0.usual.audience()),
            sub: grant.user.clone(),
            sid: grant.session.to_string().into(),
            jti: jti(grant.jti, grant.expires_at).to_string().into(),
            tenant: grant.tenant.clone(),
            profile: grant.profile,
            iat,
            nbf: iat.saturating_sub(SKEW_SECONDS),
            exp: whole_seconds_up(grant.expires_at),
        };
        jsonwebtoken::encode(&self.0.header, &claims, &self.0.signer).ok().map(AccessToken::new)
    }

    /// What a token says, when one of our keys signed it for us and it is of this time.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, Untrusted> {
        self.verify_late(token, now, Duration::ZERO)
    }

    /// The same for a token that may have ended up to `grace` ago.
    pub(crate) fn verify_late(&self, token: &str, now: Timestamp, grace: Duration) -> Result<Claims, Untrusted> {
        if token.len() > LONGEST {
            return Err(Untrusted::Forged);
        }
        let claims = self.signed(token).ok_or(Untrusted::Forged)?;
        let (claims, begins) = Claims::read(claims, &self.0.usual).ok_or(Untrusted::Forged)?;
        if begins <= now.seconds() && now < claims.ends.plus(grace) { Ok(claims) } else { Err(Untrusted::Expired) }
    }

    /// The middle of a token, as it stands there, if a key of the ring signed it.
    fn signed<'a>(&self, token: &'a str) -> Option<&'a str> {
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let verifier = self.0.verifiers.iter().find(|verifier| verifier.wrote(header)).or_else(|| {
            // JSON has many spellings, and a header is judged by what it says.
            let header = jsonwebtoken::decode_header(token).ok()?;
            self.0.verifiers.iter().find(|verifier| verifier.is_for(&header))
        })?;
        verifier.signed(token, message, signature).then_some(claims)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("issuer", &self.0.usual.issuer())
            .field("audience", &self.0.usual.audience())
            .finish_non_exhaustive()
    }
}

fn header(kid: &str, algorithm: Algorithm) -> Header {
    let mut header = Header::new(algorithm);
    header.typ = Some(TYP.to_owned());
    header.kid = Some(kid.to_owned());
    header
}

/// All of `jsonwebtoken`'s checks but those of time, which go by the engine's clock and without leeway.
fn validation(algorithm: Algorithm, settings: &TokenSettings) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&[&settings.audience]);
    validation.leeway = 0;
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

/// The host may have installed a provider of its own; then its choice stands.
fn install_provider() {
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}

fn hs256((kid, key): AccessKey<'_>) -> KeyPair {
    let header = header(&kid.text(), Algorithm::HS256);
    KeyPair { header, signing: EncodingKey::from_secret(key), verifying: Signature::hs256(key) }
}

fn asymmetric(key: &SigningKey, (kid, jwk): &(String, Jwk), settings: &TokenSettings) -> Result<KeyPair, ConfigError> {
    let verifying = DecodingKey::from_jwk(jwk).map_err(|e| bad_key("a public key cannot be read back").because(e))?;
    Ok(KeyPair {
        header: header(kid, key.algorithm),
        signing: key.encoding.clone(),
        verifying: Signature::Asymmetric(Box::new((verifying, validation(key.algorithm, settings)))),
    })
}

#[cfg(test)]
mod tests;
