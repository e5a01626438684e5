//! A world of one user for the table tests: the records, the time, and the decisions applied to them.

use std::collections::HashMap;

use super::code::{Holder, Subject};
use super::proof::Proof;
use super::shared::Guessed;
use super::verify::Verified;
use super::{Decision, refresh, reset, revoke, send, session, shared, verify};
use crate::entropy::Dice;
use crate::record::{AccountRecord, Audience, IdentifierRecord, Purpose, SessionRecord, SessionState, SlotKey};
use crate::secret::{RefreshToken, Secrets};
use crate::{
    Code, Identifier, MasterSecret, Owner, Policy, Profile, Refusal, SessionId, Tenant, Timestamp, User, UserId,
};

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

pub(super) struct World {
    pub(super) policy: Policy,
    pub(super) secrets: Secrets,
    pub(super) tenant: Tenant,
    pub(super) identifier: Identifier,
    pub(super) slot: SlotKey,
    pub(super) epoch: Option<u64>,
    pub(super) now: Timestamp,
    pub(super) record: Option<IdentifierRecord>,
    pub(super) account: Option<AccountRecord>,
    pub(super) sessions: HashMap<SessionId, SessionRecord>,
    pub(super) last_code: Option<Code>,
    pub(super) user: User,
    pub(super) rolls: u64,
    pub(super) vouched: bool,
    pub(super) passwords: bool,
    /// How often an address was proven for the first time.
    pub(super) unproven: u32,
}

impl Default for World {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            secrets: Secrets::new(MasterSecret::new("a secret for tests of 32 bytes or more").unwrap()),
            tenant: Tenant::new("t").unwrap(),
            identifier: Identifier::email("a@example.com").unwrap(),
            slot: SlotKey::Open(Profile::Identity, Purpose::Login),
            epoch: Some(0),
            now: at(0),
            record: None,
            account: None,
            sessions: HashMap::new(),
            last_code: None,
            user: User::new(UserId::new("u").unwrap()),
            rolls: 0,
            vouched: false,
            passwords: false,
            unproven: 0,
        }
    }
}

fn apply<R, T>(place: &mut Option<R>, decision: Decision<R, T>) -> T {
    if let Some(record) = decision.write {
        *place = Some(record);
    }
    decision.outcome
}

impl World {
    fn dice(&mut self) -> Dice {
        self.rolls += 1;
        let mut bytes = [0; 64];
        for (i, chunk) in bytes.chunks_exact_mut(8).enumerate() {
            let mixed = (self.rolls * 64 + i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 29)).to_be_bytes());
        }
        Dice::showing(bytes)
    }

    pub(super) fn send(&mut self) -> Result<Code, Refusal> {
        let dice = self.dice();
        let subject = Subject { tenant: &self.tenant, identifier: &self.identifier };
        let holder = self.epoch.map(|epoch| Holder { user: &self.user.id, epoch });
        let audience = if holder.is_some() { Audience::User } else { Audience::Nobody };
        let send = send::Send { subject, slot: self.slot, audience, holder, life: self.policy.code_ttl };
        let decision = send::decide(self.record.clone(), send, &self.policy, &self.secrets, self.now, &dice);
        let code = apply(&mut self.record, decision)?.code;
        self.last_code = Some(code.clone());
        Ok(code)
    }

    /// A code of the right form that is not the last one sent.
    pub(super) fn wrong(&self) -> String {
        let last = self.last_code.as_ref().unwrap().expose();
        match last.strip_prefix('0') {
            Some(rest) => format!("1{rest}"),
            None => format!("0{}", &last[1..]),
        }
    }

    pub(super) fn guess(&mut self, code: &str) -> Verified {
        let (dice, code) = (self.dice(), Code::new(code.to_owned()));
        let subject = Subject { tenant: &self.tenant, identifier: &self.identifier };
        let holder = self.epoch.map(|epoch| Holder { user: &self.user.id, epoch });
        let account_spent = shared::is_spent(self.account.as_ref(), Guessed::Code, &self.policy, self.now);
        let guess = verify::Guess { subject, slot: self.slot, code: &code, holder, account_spent };
        let decision = verify::decide(self.record.clone(), guess, &self.policy, &self.secrets, self.now, &dice);
        let verified = apply(&mut self.record, decision);
        if matches!(verified, Verified::Wrong { by_device: false, .. }) && self.policy.limit_guesses {
            let owner = self.owner();
            let counted = shared::count(self.account.clone(), Some(owner), Guessed::Code, &self.policy, self.now);
            apply(&mut self.account, counted);
        }
        verified
    }

    pub(super) fn verify(&mut self, code: &str) -> Result<Proof, Verified> {
        match self.guess(code) {
            Verified::Accepted(accepted) => Ok(accepted),
            refused => Err(refused),
        }
    }

    pub(super) fn owner(&self) -> Owner {
        self.secrets.owner(&self.tenant, &self.user.id)
    }

    pub(super) fn try_open(&mut self, accepted: &Proof) -> Result<SessionId, Refusal> {
        let (dice, owner) = (self.dice(), self.owner());
        let id = SessionId::from_random(dice.first_16());
        let life = self.policy.lives(Profile::Identity).absolute;
        let ends = life.map_or(Timestamp::NEVER, |life| self.now.plus(life));
        let place = session::Place { owner, session: id, ends, vouched: self.vouched, passwords: self.passwords };
        let decision = session::open(self.account.clone(), place, accepted, &self.policy, self.now);
        if apply(&mut self.account, decision)? == session::Opened::Unproven {
            self.unproven += 1;
            let begun = reset::begin_proven(self.account.clone(), owner, accepted, &self.policy, self.now);
            apply(&mut self.account, begun)?;
            let finished = reset::finish_proven(self.account.clone(), owner, accepted);
            let accepted = apply(&mut self.account, finished)?;
            return self.try_open(&accepted);
        }
        let opening = session::Opening {
            tenant: &self.tenant,
            user: &self.user,
            profile: Profile::Identity,
            owner,
            session: id,
            ends,
            binding: None,
            key: None,
            network: None,
            agent: None,
        };
        let made = session::record(opening, accepted, &self.policy, &self.secrets, self.now, dice.last_32());
        let (record, _) = made.unwrap();
        self.sessions.insert(id, record);
        Ok(id)
    }

    pub(super) fn open_session(&mut self) -> SessionId {
        let limited =
            std::mem::replace(&mut self.policy, Policy::builder().insecure_without_send_limits().build().unwrap());
        let code = self.send().unwrap();
        let accepted = self.verify(code.expose()).unwrap();
        self.policy = limited;
        self.try_open(&accepted).unwrap()
    }

    pub(super) fn is_good(&self, id: SessionId) -> bool {
        match &self.sessions[&id].state {
            SessionState::Live(live) => session::is_good(live, id, self.account.as_ref(), self.now),
            SessionState::Ended { .. } => false,
        }
    }

    pub(super) fn token(&self, id: SessionId) -> RefreshToken {
        let SessionState::Live(live) = &self.sessions[&id].state else { panic!("ended") };
        refresh::token(&self.secrets, id, live).unwrap()
    }

    pub(super) fn present(&mut self, id: SessionId, token: &RefreshToken) -> Result<RefreshToken, &'static str> {
        let presented = refresh::read(token).ok_or("unreadable")?;
        assert_eq!(presented.session, id);
        let mut place = self.sessions.remove(&id);
        let account = self.account.as_ref();
        let decision =
            refresh::decide(place.clone(), &presented, account, &self.user, &self.policy, &self.secrets, self.now);
        let outcome = apply(&mut place, decision);
        self.sessions.extend(place.map(|p| (id, p)));
        match outcome {
            refresh::Refreshed::Yes(live) => Ok(refresh::token(&self.secrets, id, &live).unwrap()),
            refresh::Refreshed::No => Err("no"),
            refresh::Refreshed::Forbidden => Err("forbidden"),
            refresh::Refreshed::Reused(_) => Err("reused"),
        }
    }

    pub(super) fn refresh(&mut self, id: SessionId) -> Result<RefreshToken, &'static str> {
        match self.sessions[&id].state {
            SessionState::Live(_) => self.present(id, &self.token(id)),
            SessionState::Ended { .. } => Err("ended"),
        }
    }

    pub(super) fn revoke(&mut self, id: SessionId) {
        let mut place = self.sessions.remove(&id);
        let decision = revoke::session(place.clone(), id, self.now);
        let ended = decision.outcome;
        apply(&mut place, decision);
        self.sessions.extend(place.map(|p| (id, p)));
        let decision = revoke::unlist(self.account.clone(), ended);
        apply(&mut self.account, decision);
    }

    pub(super) fn revoke_all(&mut self) {
        let owner = self.owner();
        let decision = revoke::everything(self.account.clone(), owner);
        apply(&mut self.account, decision);
    }
}
