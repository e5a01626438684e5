//! One master secret, keys for each purpose by HKDF, and a ring for rotation.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{ConfigError, ConfigErrorKind};
use crate::{FlowId, Identifier, Key, Owner, SessionId, Tenant, UserId};

/// The secret that all keys come from: at least 32 bytes that nobody can guess. Wiped when dropped, never printed.
pub struct MasterSecret(Zeroizing<Vec<u8>>);

impl MasterSecret {
    /// A master secret of these bytes.
    ///
    /// # Errors
    /// [`ConfigErrorKind::Secret`] for fewer than 32 bytes, or fewer than 8 different ones.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, ConfigError> {
        let bytes = Zeroizing::new(bytes.into());
        let mut seen = [false; 256];
        bytes.iter().for_each(|b| seen[usize::from(*b)] = true);
        if bytes.len() < 32 || seen.iter().filter(|s| **s).count() < 8 {
            return Err(ConfigError::new(
                ConfigErrorKind::Secret,
                "the master secret needs at least 32 unpredictable bytes, for example from `openssl rand -base64 48`",
            ));
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for MasterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterSecret(..)")
    }
}

/// The name of a key set: derived from its master secret, so that it needs no configuration and cannot be mixed up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Kid([u8; 8]);

impl Kid {
    /// The kid as it stands in a token's header: 11 characters of base64url.
    #[must_use]
    pub fn text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    #[cfg(test)]
    pub(crate) const fn showing(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The kid that a token names; whether the ring has its key is another question.
    pub(crate) const fn read(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Debug for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kid({})", self.text())
    }
}

/// The key ring. Cheap to clone.
///
/// Addresses of records never rotate: they come from the ring's *anchor*. Codes, refresh tokens and access tokens are made
/// with the *current* keys; those of *accepted* secrets still verify. A rotation rolls in two steps over all nodes:
///
/// ```
/// # use otpgate_core::{MasterSecret, Secrets};
/// # let old = || MasterSecret::new(*b"an old secret of 32 bytes or more").unwrap();
/// # let new = || MasterSecret::new(*b"the new secret, also long enough!").unwrap();
/// let before = Secrets::new(old());
/// let step_1 = Secrets::new(old()).accept(new());                     // on every node, first
/// let step_2 = Secrets::new(new()).anchored_at(&old()).accept(old()); // then on every node
/// let after  = Secrets::new(new()).anchored_at(&old());               // when nothing made with the old one lives
/// ```
#[derive(Clone)]
pub struct Secrets(Arc<Ring>);

struct Ring {
    anchor: hmac::Key,
    current: KeySet,
    accepted: Vec<KeySet>,
}

#[derive(Clone)]
struct KeySet {
    kid: Kid,
    code: hmac::Key,
    refresh: hmac::Key,
    device: hmac::Key,
    access: Zeroizing<[u8; 32]>,
    outbox: Zeroizing<[u8; 32]>,
}

/// An HS256 key and its name.
pub(crate) type AccessKey<'a> = (Kid, &'a [u8; 32]);

/// What a record is: part of its address, so that two kinds never share one.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Space {
    Identifier = 1,
    Account = 2,
    Session = 3,
    Address = 4,
    Valve = 5,
    Owner = 6,
    User = 7,
    Login = 8,
    Probe = 9,
    Tenant = 10,
    Reset = 11,
    Flow = 12,
    Device = 13,
    Bound = 14,
    Decoy = 15,
    Breaker = 16,
    Sweeper = 17,
    SmsCap = 18,
    Outbox = 19,
    Revocations = 20,
}

impl Secrets {
    /// A ring of one secret, which is also the anchor.
    #[must_use]
    pub fn new(current: MasterSecret) -> Self {
        let anchor = anchor_key(&current);
        Self(Arc::new(Ring { anchor, current: KeySet::of(&current), accepted: Vec::new() }))
    }

    /// The same ring addressing records by `anchor`: the secret that the deployment began with.
    #[must_use]
    pub fn anchored_at(self, anchor: &MasterSecret) -> Self {
        let Ring { current, accepted, .. } = &*self.0;
        Self(Arc::new(Ring { anchor: anchor_key(anchor), current: current.clone(), accepted: accepted.clone() }))
    }

    /// The same ring, also accepting what was made with `other`.
    #[must_use]
    pub fn accept(self, other: MasterSecret) -> Self {
        let Ring { anchor, current, accepted } = &*self.0;
        let accepted = accepted.iter().cloned().chain([KeySet::of(&other)]).collect();
        Self(Arc::new(Ring { anchor: anchor.clone(), current: current.clone(), accepted }))
    }

    /// The kid that new things are made with.
    #[must_use]
    pub fn current(&self) -> Kid {
        self.0.current.kid
    }

    /// The HS256 keys of the ring: the current one, then those that are accepted.
    pub(crate) fn access_keys(&self) -> (AccessKey<'_>, impl Iterator<Item = AccessKey<'_>>) {
        ((self.0.current.kid, &*self.0.current.access), self.0.accepted.iter().map(|s| (s.kid, &*s.access)))
    }

    fn address(&self, space: Space, parts: &[&[u8]]) -> [u8; 32] {
        tag(&self.0.anchor, space as u8, parts)
    }

    /// Where the record of `space` named by `parts` lives.
    pub(crate) fn key(&self, space: Space, parts: &[&[u8]]) -> Key {
        Key(self.address(space, parts))
    }

    pub(crate) fn identifier_key(&self, tenant: &Tenant, identifier: &Identifier) -> Key {
        let kind = [identifier.kind() as u8];
        self.key(Space::Identifier, &[tenant.as_str().as_bytes(), &kind, identifier.as_str().as_bytes()])
    }

    pub(crate) fn account_key(&self, tenant: &Tenant, user: &UserId) -> Key {
        self.key(Space::Account, &[tenant.as_str().as_bytes(), user.as_str().as_bytes()])
    }

    pub(crate) fn session_key(&self, session: SessionId) -> Key {
        self.key(Space::Session, &[session.as_bytes()])
    }

    pub(crate) fn owner(&self, tenant: &Tenant, user: &UserId) -> Owner {
        Owner(self.address(Space::Owner, &[tenant.as_str().as_bytes(), user.as_str().as_bytes()]))
    }

    pub(crate) fn flow_key(&self, flow: FlowId) -> Key {
        self.key(Space::Flow, &[flow.as_bytes()])
    }

    /// What stands in records for a device or for a bound identifier: 16 bytes of a keyed hash.
    pub(crate) fn short_digest(&self, space: Space, parts: &[&[u8]]) -> [u8; 16] {
        *self.address(space, parts).first_chunk().unwrap_or(&[0; 16])
    }

    fn sets(&self) -> impl Iterator<Item = &KeySet> {
        std::iter::once(&self.0.current).chain(&self.0.accepted)
    }

    fn set(&self, kid: Kid) -> Option<&KeySet> {
        self.sets().find(|s| s.kid == kid)
    }

    /// The MAC of a code in its context under `kid`'s key; nothing when the ring has no such key.
    pub(crate) fn code_mac(&self, kid: Kid, context: &[&[u8]]) -> Option<Mac> {
        self.set(kid).map(|s| Mac(tag(&s.code, 1, context)))
    }

    /// The MAC of a refresh token under `kid`'s key; nothing when the ring has no such key.
    pub(crate) fn refresh_mac(&self, kid: Kid, context: &[&[u8]]) -> Option<Mac> {
        self.set(kid).map(|s| Mac(tag(&s.refresh, 1, context)))
    }

    /// The MAC of a device token under `kid`'s key; nothing when the ring has no such key.
    pub(crate) fn device_mac(&self, kid: Kid, context: &[&[u8]]) -> Option<Mac> {
        self.set(kid).map(|s| Mac(tag(&s.device, 1, context)))
    }

    /// Seals a message for the place where it is kept, with the current key: AES-256-GCM-SIV (RFC 8452), so that not even a
    /// nonce that comes twice opens anything.
    pub(crate) fn seal(&self, nonce: [u8; 12], place: &Key, mut message: Vec<u8>) -> Option<(Kid, Vec<u8>)> {
        let set = &self.0.current;
        let key = seal_key(set)?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.0), &mut message).ok()?;
        Some((set.kid, message))
    }

    /// The message that was sealed for this place; nothing for one that was moved, changed, or sealed with a key that the ring
    /// does not have.
    pub(crate) fn open(&self, kid: Kid, nonce: [u8; 12], place: &Key, sealed: Vec<u8>) -> Option<Zeroizing<Vec<u8>>> {
        let key = seal_key(self.set(kid)?)?;
        let mut sealed = Zeroizing::new(sealed);
        let length =
            key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(place.0), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }

    /// Whether the ring has the keys of this name.
    pub(crate) fn has(&self, kid: Kid) -> bool {
        self.set(kid).is_some()
    }

    /// The kids of the ring, the current one first.
    pub(crate) fn kids(&self) -> impl Iterator<Item = Kid> {
        self.sets().map(|s| s.kid)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secrets").field(&self.kids().collect::<Vec<_>>()).finish()
    }
}

impl KeySet {
    fn of(master: &MasterSecret) -> Self {
        let kid = *expand(master, b"kid").first_chunk().unwrap_or(&[0; 8]);
        let mac_key = |purpose| hmac::Key::new(hmac::HMAC_SHA256, &*expand(master, purpose));
        Self {
            kid: Kid(kid),
            code: mac_key(b"code"),
            refresh: mac_key(b"refresh"),
            device: mac_key(b"device"),
            access: expand(master, b"access"),
            outbox: expand(master, b"outbox"),
        }
    }
}

fn seal_key(set: &KeySet) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM_SIV, &*set.outbox).ok().map(LessSafeKey::new)
}

fn anchor_key(master: &MasterSecret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &*expand(master, b"address"))
}

/// HKDF-SHA-256 (RFC 5869) for one purpose.
fn expand(master: &MasterSecret, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    let info = [purpose];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"otpgate/1").extract(&master.0);
    let filled = prk.expand(&info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut *out));
    debug_assert!(filled.is_ok(), "32 bytes are always within HKDF's length");
    out
}

/// HMAC-SHA-256 over a domain byte and length-prefixed parts, so that no two lists of parts read alike.
fn tag(key: &hmac::Key, domain: u8, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    context.update(&[domain]);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// A MAC; compared in constant time only.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Mac([u8; 32]);

impl Mac {
    pub(crate) fn matches(&self, other: &[u8]) -> bool {
        use subtle::ConstantTimeEq as _;
        self.0.ct_eq(other).into()
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    #[cfg(test)]
    pub(crate) const fn showing(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mac(..)")
    }
}

/// A one-time code in clear. No `Display`, no `Serialize`, no `PartialEq`; `Debug` is redacted; wiped when dropped.
#[derive(Clone)]
pub struct Code(Zeroizing<String>);

impl Code {
    /// The code, or reset token, that this text is.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for the message that carries it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A refresh token in clear. No `Display`, no `Serialize`, no `PartialEq`; `Debug` is redacted; wiped when dropped.
#[derive(Clone)]
pub struct RefreshToken(Zeroizing<String>);

impl RefreshToken {
    /// The token that a client presents.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text, for the answer that carries it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A key of `engine` in clear: `sid.secret`, to regenerate a token with. No `Display`, no `Serialize`, no `PartialEq`; `Debug`
/// is redacted; wiped when dropped.
#[derive(Clone)]
pub struct SessionKey(Zeroizing<String>);

impl SessionKey {
    /// The key that a client presents.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text, for the answer that carries it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// The token of a known device in clear. No `Display`, no `Serialize`, no `PartialEq`; `Debug` is redacted; wiped when dropped.
#[derive(Clone)]
pub struct DeviceToken(Zeroizing<String>);

impl DeviceToken {
    /// The token that a client presents.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text, for the answer that carries it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// An access token in clear. No `Display`, no `Serialize`, no `PartialEq`; `Debug` is redacted; wiped when dropped.
#[derive(Clone)]
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// The token that a client presents, or that was just signed.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for the answer that carries it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
redacted!(Code, RefreshToken, SessionKey, DeviceToken, AccessToken);

impl Drop for KeySet {
    fn drop(&mut self) {
        self.access.zeroize();
        self.outbox.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(text: &str) -> MasterSecret {
        MasterSecret::new(text).unwrap()
    }

    #[test]
    fn short_or_regular_secrets_are_refused() {
        for bad in ["", "0123456789abcdef0123456789abcde", &"a".repeat(64), &"abcdefg".repeat(9)] {
            assert!(MasterSecret::new(bad).is_err(), "{bad:?}");
        }
        assert!(MasterSecret::new("0123456789abcdef0123456789abcdef").is_ok());
    }

    #[test]
    fn addresses_stay_and_keys_move_when_the_secret_rotates() {
        let (old, new) = ("an old secret of 32 bytes or more", "the new secret, also long enough!");
        let before = Secrets::new(master(old));
        let step_2 = Secrets::new(master(new)).anchored_at(&master(old)).accept(master(old));
        let (tenant, user) = (Tenant::new("t").unwrap(), UserId::new("u").unwrap());
        assert_eq!(before.account_key(&tenant, &user), step_2.account_key(&tenant, &user));
        assert_eq!(before.owner(&tenant, &user), step_2.owner(&tenant, &user));
        assert_ne!(before.current(), step_2.current());
        let mac = before.code_mac(before.current(), &[b"x"]).unwrap();
        assert!(step_2.code_mac(before.current(), &[b"x"]).unwrap().matches(mac.as_bytes()));
        assert!(before.code_mac(step_2.current(), &[b"x"]).is_none());
    }

    #[test]
    fn what_is_sealed_opens_at_its_place_with_its_key_and_nowhere_else() {
        let (old, new) = ("an old secret of 32 bytes or more", "the new secret, also long enough!");
        let ring = Secrets::new(master(old));
        let (here, there) = (Key([1; 32]), Key([2; 32]));
        let (kid, sealed) = ring.seal([7; 12], &here, b"ada@example.com 012345".to_vec()).unwrap();
        assert!(sealed.len() == 22 + 16 && !sealed.windows(3).any(|w| w == b"ada" || w == b"012"));
        let open = |ring: &Secrets, nonce, place, sealed: &[u8]| ring.open(kid, nonce, place, sealed.to_vec());
        assert_eq!(open(&ring, [7; 12], &here, &sealed).unwrap().as_slice(), b"ada@example.com 012345");
        assert!(open(&ring, [7; 12], &there, &sealed).is_none());
        assert!(open(&ring, [8; 12], &here, &sealed).is_none());
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert!(open(&ring, [7; 12], &here, &changed).is_none(), "{i}");
        }
        assert!(open(&ring, [7; 12], &here, &[]).is_none());
        let rotated = Secrets::new(master(new)).accept(master(old));
        assert!(open(&rotated, [7; 12], &here, &sealed).is_some());
        assert!(open(&Secrets::new(master(new)), [7; 12], &here, &sealed).is_none());
        assert_ne!(rotated.seal([7; 12], &here, vec![]).unwrap().0, kid);
    }

    #[test]
    fn a52_parts_are_length_prefixed() {
        let s = Secrets::new(master("an old secret of 32 bytes or more"));
        assert_ne!(s.key(Space::User, &[b"a:b", b"c"]), s.key(Space::User, &[b"a", b"b:c"]));
        assert_ne!(s.key(Space::User, &[b"ab", b""]), s.key(Space::User, &[b"a", b"b"]));
        assert_ne!(s.key(Space::User, &[b"a"]), s.key(Space::Login, &[b"a"]));
    }

    #[test]
    fn i14_no_secret_is_printed() {
        let secrets = Secrets::new(master("an old secret of 32 bytes or more"));
        let printed = format!(
            "{:?}{:?}{:?}{:?}{:?}{:?}{:?}",
            master("an old secret of 32 bytes or more"),
            secrets,
            Code::new("123456"),
            RefreshToken::presented("refresh-me"),
            AccessToken::new("access-me"),
            DeviceToken::presented("know-me"),
            secrets.code_mac(secrets.current(), &[]),
        );
        for secret in ["old secret", "123456", "refresh-me", "access-me", "know-me"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }
}
