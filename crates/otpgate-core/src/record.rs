//! The records and their bytes: a kind, a version, then the fields in the wire format of `postcard` 1.
//!
//! Golden bytes in the tests pin each format: a change there needs a new version, not new expectations.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::flow::revoke;
use crate::policy::{Bucket, Policy};
use crate::secret::{Kid, Mac};
use crate::{Agent, IdentifierKind, Network, Owner, Profile, SessionId, Tenant, Timestamp, UserId};

/// Something kept in a [`crate::Store`].
pub(crate) trait Recorded: Serialize + DeserializeOwned {
    /// The first byte of the value.
    const KIND: u8;
    /// The second byte of the value.
    const VERSION: u8 = 1;
    /// Whether a session that was good by the record before may not be so, or not say the same, by the one after: then every
    /// node is told before anybody hears of the write. None for records that no session rests on.
    const TAKES_BACK: Option<TakesBack<Self>>;

    /// When the record may vanish.
    fn expires_at(&self) -> Timestamp;

    /// Whose it is.
    fn owner(&self) -> Option<Owner> {
        None
    }

    /// The value's bytes.
    fn encode(&self) -> Result<Vec<u8>, Corrupt> {
        let mut bytes = Vec::with_capacity(256); // room: what grows from nothing is copied six times
        bytes.extend([Self::KIND, Self::VERSION]);
        postcard::to_extend(self, bytes).map_err(|_| Corrupt)
    }

    /// The record in these bytes; anything but all of them being a record of this kind and version is corrupt.
    fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let fields = bytes.strip_prefix(&[Self::KIND, Self::VERSION]).ok_or(Corrupt)?;
        match postcard::take_from_bytes(fields) {
            Ok((record, [])) => Ok(record),
            _ => Err(Corrupt),
        }
    }
}

/// Compares the record before with the one after.
pub(crate) type TakesBack<R> = fn(before: &R, after: &R, now: Timestamp) -> bool;

/// The bytes are no record of this kind and version; the operation fails closed.
#[derive(Debug)]
pub(crate) struct Corrupt;

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stored record cannot be read")
    }
}

impl std::error::Error for Corrupt {}

/// How long a consumed code or a revoked session is remembered.
pub(crate) const TOMBSTONE: Duration = Duration::from_secs(24 * 3_600);

/// How long a run of failures is remembered, so that waiting a day between bursts does not start it anew.
const RUN_OF_FAILURES: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    Login,
    Reset,
}

/// Which code of an identifier: a guess meets the code of its own slot only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SlotKey {
    Open(Profile, Purpose),
    /// Of a flow, and of the known device that it is of.
    Flow([u8; 16], Option<[u8; 16]>),
    Device(Profile, Purpose, [u8; 16]),
}

impl SlotKey {
    /// Whose code it is; flows are of `engine` alone.
    pub(crate) fn profile(self) -> Profile {
        match self {
            Self::Open(profile, _) | Self::Device(profile, ..) => profile,
            Self::Flow(..) => Profile::Engine,
        }
    }
}

/// What became of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CodeState {
    Live,
    /// Too many wrong guesses.
    Burnt,
    /// Used; by the attempt with these dice, so that a lost reply can be told.
    Used([u8; 16]),
}

/// Whom a code was made for; it is right for them alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Audience {
    /// The user of the identifier.
    User,
    /// Somebody who may become its user: never right once there is one.
    Newcomer,
    /// Nobody: never sent, never right.
    Nobody,
}

/// One code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Slot {
    pub(crate) key: SlotKey,
    pub(crate) state: CodeState,
    pub(crate) audience: Audience,
    /// The account's epoch when it was made: a code dies with every bump.
    pub(crate) epoch: u64,
    pub(crate) kid: Kid,
    pub(crate) salt: [u8; 16],
    pub(crate) mac: Mac,
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) wrong: u32,
    /// When the last wrong guess was.
    pub(crate) wrong_at: Option<Timestamp>,
    /// Wrong guesses that it takes, as the policy was when it was made.
    pub(crate) tries: u32,
}

/// All that is counted and live for one (tenant, identifier), so that one swap counts a guess against the code and the budget.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct IdentifierRecord {
    /// Codes sent, in the longest window.
    pub(crate) sends: Vec<Timestamp>,
    /// Password resets asked for.
    pub(crate) resets: Vec<Timestamp>,
    /// Wrong codes.
    pub(crate) failures: Vec<Timestamp>,
    /// Wrong passwords.
    pub(crate) password_failures: Vec<Timestamp>,
    /// Wrong codes since the last right one, and when the last was.
    pub(crate) run: u32,
    pub(crate) run_at: Option<Timestamp>,
    /// Consecutive failures towards `platform`'s lock, and the lock.
    pub(crate) towards_lock: u32,
    pub(crate) locked_until: Option<Timestamp>,
    /// The lock of flows, where the policy has one.
    pub(crate) flows_locked_until: Option<Timestamp>,
    pub(crate) slots: Vec<Slot>,
    /// Open flows, oldest first.
    pub(crate) flows: Vec<OpenFlow>,
    /// What is counted of known devices, and of nobody else.
    pub(crate) devices: Vec<DeviceCounts>,
}

/// The budgets of a known device: its codes sent, wrong codes and wrong passwords of the last day.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeviceCounts {
    pub(crate) id: [u8; 16],
    pub(crate) times: [Vec<Timestamp>; 3],
}

/// A flow that has not been finished: its id, its end, the wrong passwords that it has met, and whose it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OpenFlow {
    pub(crate) id: [u8; 16],
    pub(crate) until: Timestamp,
    pub(crate) wrong_passwords: u32,
    /// Wrong passwords that it takes, as the policy was when it was opened.
    pub(crate) tries: u32,
    /// The known device that opened it, if one did.
    pub(crate) device: Option<[u8; 16]>,
}

/// What a flow is bound to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FlowRecord {
    pub(crate) tenant: Tenant,
    pub(crate) kind: IdentifierKind,
    pub(crate) identifier: String,
    /// Where a code for a user name was asked to go.
    pub(crate) destination: Option<(IdentifierKind, String)>,
    /// A digest of the device, when the flow was opened with one.
    pub(crate) device: Option<[u8; 16]>,
    /// The known device that opened it, if one did: by its token, whatever the client says of itself.
    pub(crate) known: Option<[u8; 16]>,
    pub(crate) until: Timestamp,
    /// The hash of a password that takes effect when the flow's code validates.
    pub(crate) pending: Option<String>,
    pub(crate) finished: bool,
}

impl Recorded for FlowRecord {
    const KIND: u8 = b'f';
    const TAKES_BACK: Option<TakesBack<Self>> = None;

    fn expires_at(&self) -> Timestamp {
        if self.finished { self.until.plus(TOMBSTONE) } else { self.until }
    }
}

/// A message on its way, sealed; what is outside the seal says when it may be tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OutboxRecord {
    /// The outbox itself, so that its messages can be listed.
    pub(crate) owner: [u8; 32],
    /// When what it carries ends, and the message with it.
    pub(crate) until: Timestamp,
    /// From when on it is anybody's.
    pub(crate) due_at: Timestamp,
    /// Tries that failed.
    pub(crate) failed: u8,
    pub(crate) kid: Kid,
    pub(crate) nonce: [u8; 12],
    pub(crate) sealed: Vec<u8>,
}

impl Recorded for OutboxRecord {
    const KIND: u8 = b'o';
    const TAKES_BACK: Option<TakesBack<Self>> = None;

    fn expires_at(&self) -> Timestamp {
        self.until
    }

    fn owner(&self) -> Option<Owner> {
        Some(Owner(self.owner))
    }
}

#[cfg(test)]
impl OutboxRecord {
    pub(crate) fn showing() -> Self {
        let (owner, kid, nonce) = ([1; 32], Kid::showing([2; 8]), [3; 12]);
        let (until, due_at) = (Timestamp::from_millis(4), Timestamp::from_millis(5));
        Self { owner, until, due_at, failed: 6, kid, nonce, sealed: vec![7; 3] }
    }
}

/// What a session of `engine` and its key are bound to: digests of the identifier and of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Binding {
    pub(crate) identifier: [u8; 16],
    pub(crate) device: Option<[u8; 16]>,
}

impl Recorded for IdentifierRecord {
    const KIND: u8 = b'i';
    const TAKES_BACK: Option<TakesBack<Self>> = None;

    fn expires_at(&self) -> Timestamp {
        let of_devices = self.devices.iter().flat_map(|d| &d.times);
        let counted = [&self.sends, &self.resets, &self.failures, &self.password_failures]
            .into_iter()
            .chain(of_devices)
            .flatten()
            .map(|t| t.plus(Policy::LONGEST_WINDOW));
        let slots = self.slots.iter().map(|s| s.expires_at.plus(TOMBSTONE));
        let flows = self.flows.iter().map(|f| f.until);
        let run = self.run_at.map(|t| t.plus(RUN_OF_FAILURES));
        let all = counted.chain(slots).chain(flows).chain(run).chain(self.locked_until).chain(self.flows_locked_until);
        all.max().unwrap_or(Timestamp::from_millis(0))
    }
}

/// Requests of one network, by bucket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AddressRecord {
    pub(crate) buckets: Vec<(Bucket, Vec<Timestamp>)>,
}

impl Recorded for AddressRecord {
    const KIND: u8 = b'n';
    const TAKES_BACK: Option<TakesBack<Self>> = None;

    fn expires_at(&self) -> Timestamp {
        let last = |(bucket, times): &(Bucket, Vec<Timestamp>)| {
            times.iter().max().map(|t| t.plus(Policy::address_window(*bucket).span))
        };
        self.buckets.iter().filter_map(last).max().unwrap_or(Timestamp::from_millis(0))
    }
}

/// A reset token that was sent: hashed, newest only.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ResetTicket {
    pub(crate) hash: [u8; 32],
    pub(crate) expires_at: Timestamp,
}

/// Where a reset token leads; whether it is good is the account's affair. Without a user: a decoy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ResetRecord {
    pub(crate) tenant: Tenant,
    pub(crate) user: Option<UserId>,
    /// A digest of the address that the token was mailed to: whoever brings it has shown the address to be theirs.
    pub(crate) address: [u8; 16],
    pub(crate) expires_at: Timestamp,
}

impl Recorded for ResetRecord {
    const KIND: u8 = b'r';
    const TAKES_BACK: Option<TakesBack<Self>> = None;

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// What ends sessions: the epoch, the disabled mark and the list of open ones. Absent is epoch 0.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    /// None for a decoy: it must not take of the room that is kept for what belongs to somebody.
    pub(crate) owner: Option<[u8; 32]>,
    pub(crate) epoch: u64,
    pub(crate) device_epoch: u64,
    pub(crate) disabled: bool,
    pub(crate) reset: Option<ResetTicket>,
    pub(crate) resetting_until: Option<Timestamp>,
    /// (session, opened, ends), oldest first.
    pub(crate) sessions: Vec<(SessionId, Timestamp, Timestamp)>,
    /// Digests of the identifiers that a person has shown to be theirs, oldest first.
    pub(crate) proven: Vec<[u8; 16]>,
    /// Wrong codes and wrong passwords by all its identifiers, known devices apart.
    pub(crate) wrong: [Vec<Timestamp>; 2],
}

/// The most identifiers that an account is known to own; the oldest goes, and has to be proven again.
const MOST_PROVEN: usize = 8;

impl AccountRecord {
    pub(crate) fn new(owner: Option<Owner>) -> Self {
        Self {
            owner: owner.map(|o| o.0),
            epoch: 0,
            device_epoch: 0,
            disabled: false,
            reset: None,
            resetting_until: None,
            sessions: Vec::new(),
            proven: Vec::new(),
            wrong: Default::default(),
        }
    }

    /// Notes that a person has shown `address` to be theirs.
    pub(crate) fn note_proven(&mut self, address: [u8; 16]) {
        if !self.proven.contains(&address) {
            let surplus = (self.proven.len() + 1).saturating_sub(MOST_PROVEN);
            self.proven.drain(..surplus);
            self.proven.push(address);
        }
    }
}

impl Recorded for AccountRecord {
    const KIND: u8 = b'a';
    const TAKES_BACK: Option<TakesBack<Self>> = Some(revoke::from_account);

    fn expires_at(&self) -> Timestamp {
        // Once bumped it must outlive everything that carries an older epoch.
        // A forgotten proof would discard a password a second time.
        if self.epoch > 0 || self.device_epoch > 0 || self.disabled || !self.proven.is_empty() {
            return Timestamp::NEVER;
        }
        let reset = self.reset.iter().map(|r| r.expires_at);
        let wrong = self.wrong.iter().flatten().map(|t| t.plus(Policy::LONGEST_WINDOW));
        let all = self.sessions.iter().map(|(_, _, ends)| *ends).chain(reset).chain(self.resetting_until).chain(wrong);
        all.max().unwrap_or(Timestamp::from_millis(0))
    }

    fn owner(&self) -> Option<Owner> {
        self.owner.map(Owner)
    }
}

/// What a session is bound to and how far its refresh token is. `Debug` leaves the secrets out.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct LiveSession {
    pub(crate) tenant: Tenant,
    pub(crate) user: UserId,
    pub(crate) profile: Profile,
    /// The account's epoch when the credential was checked.
    pub(crate) epoch: u64,
    pub(crate) authenticated_at: Timestamp,
    pub(crate) last_used: Timestamp,
    /// The end whatever happens.
    pub(crate) ends: Timestamp,
    /// The end unless it is refreshed before.
    pub(crate) idles: Timestamp,
    pub(crate) roles: Vec<String>,
    pub(crate) organization: String,
    pub(crate) organizations: Vec<String>,
    /// Refresh: the number of the current token, the seed of all, the kid of the current, its hash and when it was made.
    pub(crate) n: u32,
    pub(crate) seed: [u8; 32],
    pub(crate) kid: Kid,
    pub(crate) current: [u8; 32],
    pub(crate) rotated_at: Timestamp,
    /// What a session of `engine` is bound to, and the hash and end of its key, which does not rotate.
    pub(crate) binding: Option<Binding>,
    pub(crate) key: Option<([u8; 32], Timestamp)>,
    /// Where it was opened from, roughly, and by what.
    pub(crate) network: Option<Network>,
    pub(crate) agent: Option<Agent>,
}

impl fmt::Debug for LiveSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, user, profile, epoch, n, .. } = self;
        write!(f, "LiveSession({tenant}, {user}, {profile:?}, epoch {epoch}, refresh {n})")
    }
}

/// A session, or the stone that says it was ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum SessionState {
    Live(Box<LiveSession>),
    Ended { until: Timestamp },
}

/// A session's record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    pub(crate) owner: [u8; 32],
    pub(crate) state: SessionState,
}

impl Recorded for SessionRecord {
    const KIND: u8 = b's';
    const TAKES_BACK: Option<TakesBack<Self>> = Some(revoke::from_session);

    fn expires_at(&self) -> Timestamp {
        match &self.state {
            SessionState::Live(live) => live.ends.min(live.idles),
            SessionState::Ended { until } => *until,
        }
    }

    fn owner(&self) -> Option<Owner> {
        Some(Owner(self.owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn identifier() -> IdentifierRecord {
        IdentifierRecord {
            sends: vec![t(1), t(2)],
            resets: vec![t(3)],
            failures: vec![t(4)],
            password_failures: vec![t(5)],
            run: 1,
            run_at: Some(t(4)),
            towards_lock: 2,
            locked_until: Some(t(6)),
            slots: vec![Slot {
                key: SlotKey::Open(Profile::Identity, Purpose::Login),
                state: CodeState::Used([7; 16]),
                audience: Audience::Nobody,
                epoch: 300,
                kid: Kid::showing([8; 8]),
                salt: [9; 16],
                mac: crate::secret::Mac::showing([15; 32]),
                issued_at: t(10),
                expires_at: t(11),
                wrong: 2,
                wrong_at: Some(t(12)),
                tries: 3,
            }],
            flows_locked_until: None,
            flows: vec![OpenFlow { id: [13; 16], until: t(14), wrong_passwords: 1, tries: 5, device: Some([16; 16]) }],
            devices: vec![DeviceCounts { id: [16; 16], times: [vec![t(17)], vec![], vec![t(18)]] }],
        }
    }

    fn account() -> AccountRecord {
        AccountRecord {
            owner: Some([1; 32]),
            epoch: 2,
            device_epoch: 3,
            disabled: true,
            reset: Some(ResetTicket { hash: [4; 32], expires_at: t(5) }),
            resetting_until: Some(t(6)),
            sessions: vec![(SessionId::from_bytes([7; 16]), t(8), t(9))],
            proven: vec![[10; 16]],
            wrong: [vec![t(11)], vec![t(12)]],
        }
    }

    fn session() -> SessionRecord {
        SessionRecord {
            owner: [1; 32],
            state: SessionState::Live(Box::new(LiveSession {
                tenant: Tenant::new("t").unwrap(),
                user: UserId::new("u").unwrap(),
                profile: Profile::Platform,
                epoch: 1,
                authenticated_at: t(2),
                last_used: t(3),
                ends: t(4),
                idles: Timestamp::NEVER,
                roles: vec!["r".into()],
                organization: "o".into(),
                organizations: vec!["p".into()],
                n: 5,
                seed: [6; 32],
                kid: Kid::showing([7; 8]),
                current: [8; 32],
                rotated_at: t(9),
                binding: Some(Binding { identifier: [12; 16], device: Some([13; 16]) }),
                key: Some(([10; 32], t(11))),
                network: Some(Network::V4([192, 0, 2])),
                agent: Agent::read("a"),
            })),
        }
    }

    #[test]
    fn golden_bytes_stay_as_they_are() {
        let ended = SessionRecord { owner: [1; 32], state: SessionState::Ended { until: t(2) } };
        let address = AddressRecord { buckets: vec![(Bucket::Platform, vec![t(1), t(1_700_000_000_000)])] };
        let reset = ResetRecord {
            tenant: Tenant::new("t").unwrap(),
            user: UserId::new("u").ok(),
            address: [3; 16],
            expires_at: t(2),
        };
        let flow = FlowRecord {
            tenant: Tenant::new("t").unwrap(),
            kind: IdentifierKind::Username,
            identifier: "n".into(),
            destination: Some((IdentifierKind::Phone, "+1".into())),
            device: Some([1; 16]),
            known: Some([2; 16]),
            until: t(2),
            pending: Some("h".into()),
            finished: false,
        };
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let now = [
            ("identifier", hex(&identifier().encode().unwrap())),
            ("account", hex(&account().encode().unwrap())),
            ("session", hex(&session().encode().unwrap())),
            ("ended", hex(&ended.encode().unwrap())),
            ("address", hex(&address.encode().unwrap())),
            ("flow", hex(&flow.encode().unwrap())),
            ("reset", hex(&reset.encode().unwrap())),
            ("outbox", hex(&OutboxRecord::showing().encode().unwrap())),
        ];
        let now = now.map(|(name, bytes)| format!("{name} {bytes}\n")).concat();
        let golden = include_str!("record_golden.txt");
        assert_eq!(now, golden, "a format changed: give it a new version and keep reading the old one");
    }

    #[test]
    fn f16_cut_foreign_or_flipped_bytes_are_corrupt_and_never_panic() {
        let bytes = session().encode().unwrap();
        for cut in 0..bytes.len() {
            assert!(SessionRecord::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(SessionRecord::decode(&[bytes.as_slice(), &[0]].concat()).is_err(), "a byte too many");
        assert!(AccountRecord::decode(&bytes).is_err(), "another kind");
        let mut later = bytes.clone();
        later[1] = 2;
        assert!(SessionRecord::decode(&later).is_err(), "a version of the future");
        for i in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[i] ^= 0xff;
            let _ = SessionRecord::decode(&flipped);
            let _ = IdentifierRecord::decode(&flipped);
        }
    }

    #[test]
    fn a_bumped_account_never_expires() {
        let mut account = AccountRecord::new(Some(Owner([0; 32])));
        assert_eq!(account.expires_at(), t(0));
        account.sessions.push((SessionId::from_bytes([7; 16]), t(1), t(9)));
        assert_eq!(account.expires_at(), t(9));
        account.epoch = 1;
        assert_eq!(account.expires_at(), Timestamp::NEVER);
    }
}
