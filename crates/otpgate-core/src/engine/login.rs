//! From an address to a session: availability, sending, verifying.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_channel::oneshot;
use futures_util::future::join;

use super::devices::{LoggingIn, Standing};
use super::keeper::Loaded;
use super::limits::Guessing;
use super::ready::Ready;
use super::{About, Caller, CodeSent, Engine, Inner, LoggedIn, deliver, subject};
use crate::entropy::Dice;
use crate::flow::code::Subject;
use crate::flow::proof::Proof;
use crate::flow::session::Opened;
use crate::flow::shared::{self, Guessed};
use crate::flow::verify::{Verified, Why};
use crate::flow::{send, session, verify};
use crate::record::{AccountRecord, Binding, IdentifierRecord, SlotKey};
use crate::secret::{AccessToken, SessionKey, Space, sha256};
use crate::token::Grant;
use crate::{
    Code, EventKind, Identifier, Key, MailPurpose, Network, Policy, Profile, Refusal, SessionId, Timestamp, User,
    UserId,
};

impl Engine {
    /// Whether no user of the caller's tenant has `identifier`. Tells the truth under every [`Disclosure`](crate::Disclosure).
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn is_available(&self, caller: &Caller, identifier: &Identifier) -> Result<bool, Refusal> {
        let inner = &self.0;
        Ok(inner.in_time(inner.directory.find(&caller.tenant, identifier)).await?.is_none())
    }

    /// Makes a code for `identifier`, counts it and hands it to the mailer in the background.
    ///
    /// # Errors
    /// [`Refusal::TooManyCodes`], [`Refusal::TooMany`], [`Refusal::UnknownUser`] (under
    /// [`Disclosure::Reveal`](crate::Disclosure::Reveal)), [`Refusal::Unavailable`].
    pub async fn send_code(&self, caller: &Caller, identifier: &Identifier) -> Result<CodeSent, Refusal> {
        let (caller, identifier) = (caller.clone(), identifier.clone());
        self.detached(move |inner| async move {
            let key = inner.secrets.identifier_key(&caller.tenant, &identifier);
            let sent = inner.send_code(&caller, &identifier, &key).await;
            let about = About { caller: &caller, subject: Some(subject(&key)), user: None, session: None };
            inner.tell(EventKind::CodeRequested, about, sent.as_ref().err().copied());
            sent
        })
        .await
    }

    /// Tries a code; a right one is consumed and opens a session. A session that came with the request ends.
    ///
    /// # Errors
    /// [`Refusal::MalformedCode`] (not counted), [`Refusal::WrongCode`], [`Refusal::BurntCode`], [`Refusal::TooMany`],
    /// [`Refusal::Forbidden`], [`Refusal::Unavailable`].
    pub async fn verify_code(
        &self,
        caller: &Caller,
        identifier: &Identifier,
        code: &str,
        presented: Option<AccessToken>,
    ) -> Result<LoggedIn, Refusal> {
        let code = match self.0.code(caller, code) {
            Ok(code) => code,
            Err(refusal) => {
                self.admit(caller.address, caller.counts).await?;
                return Err(refusal);
            }
        };
        let (caller, identifier) = (caller.clone(), identifier.clone());
        self.detached(move |inner| async move {
            let key = inner.secrets.identifier_key(&caller.tenant, &identifier);
            let done = inner.verify_code(&caller, &identifier, &key, &code, presented).await;
            let (user, session) = (done.as_ref().ok().map(|d| &d.user.id), done.as_ref().ok().map(|d| d.session));
            let about = About { caller: &caller, subject: Some(subject(&key)), user, session };
            inner.tell(EventKind::LoggedIn, about, done.as_ref().err().copied());
            done
        })
        .await
    }
}

/// How a session is opened, besides who it is of.
pub(super) struct Manner<'a> {
    pub(super) by: LoggingIn<'a>,
    /// Its absolute life; none is without end.
    pub(super) life: Option<Duration>,
    pub(super) binding: Option<Binding>,
    /// Whether it gets a key, and how long that lives; without a number it has no end.
    pub(super) key_life: Option<Option<Duration>>,
    /// The user's account, where it has been loaded.
    pub(super) seen: Option<Loaded<AccountRecord>>,
}

impl<'a> Manner<'a> {
    /// As the profile's lives say, without a key.
    pub(super) fn plain(policy: &Policy, profile: Profile, identifier: &'a Identifier, standing: &'a Standing) -> Self {
        let by = LoggingIn { identifier, standing };
        Self { by, life: policy.lives(profile).absolute, binding: None, key_life: None, seen: None }
    }
}

/// A code that somebody tries, and whose it would be.
pub(super) struct Guess<'a> {
    pub(super) by: LoggingIn<'a>,
    pub(super) user: Option<&'a User>,
    pub(super) slot: SlotKey,
    pub(super) code: &'a Code,
}

impl Inner {
    async fn send_code(
        self: &Arc<Self>,
        caller: &Caller,
        identifier: &Identifier,
        key: &Key,
    ) -> Result<CodeSent, Refusal> {
        let policy = self.policy(&caller.tenant);
        let Ready { user, audience, standing, seen } = self.ready_to_send(caller, identifier, key).await?;
        let send = send::Send {
            subject: Subject { tenant: &caller.tenant, identifier },
            slot: standing.login_slot(caller.profile),
            audience,
            holder: standing.holder(user.as_ref()),
            life: policy.code_ttl,
        };
        // The tenant's valve counts a code beside the write of it, and none that is refused.
        let (made, is_made) = oneshot::channel();
        let mut made = Some(made);
        let rule = |prior, now, dice: &_| {
            let decision = send::decide(prior, send, &policy, &self.secrets, now, dice);
            match (&decision.outcome, made.take()) {
                (Ok(_), Some(made)) => drop(made.send(())),
                (Err(_), _) | (_, None) => {}
            }
            decision
        };
        let count = async {
            match is_made.await {
                Ok(()) => self.count_valve(caller).await,
                Err(oneshot::Canceled) => Ok(()),
            }
        };
        let (sent, counted) = join(self.decide_over(key, Some(seen), rule), count).await;
        let sent = sent??;
        counted?;
        let (code, expires_at, life) = (sent.code, sent.expires_at, policy.code_ttl);
        let parcel = deliver::Parcel { purpose: MailPurpose::LogIn, code, expires_at, life };
        let addressee = deliver::Addressee::of(audience, user);
        deliver::hand_over(self, caller, subject(key), identifier, addressee, parcel).await?;
        Ok(CodeSent { expires_in: policy.code_ttl })
    }

    async fn verify_code(
        &self,
        caller: &Caller,
        identifier: &Identifier,
        key: &Key,
        code: &Code,
        presented: Option<AccessToken>,
    ) -> Result<LoggedIn, Refusal> {
        let policy = self.policy(&caller.tenant);
        let (guessing, Ready { user, standing, seen, .. }) = self.ready_to_guess(caller, identifier, key).await?;
        let (by, slot) = (LoggingIn { identifier, standing: &standing }, standing.login_slot(caller.profile));
        let guess = Guess { by, user: user.as_ref(), slot, code };
        match self.guess(caller, &guessing, guess, Some(seen)).await? {
            Verified::Accepted(accepted) => {
                let opened = async {
                    let (user, seen) = match user {
                        Some(user) => (user, Some(standing.seen())),
                        None => (Box::pin(self.register(caller, identifier)).await?, None),
                    };
                    let manner = Manner { seen, ..Manner::plain(&policy, caller.profile, identifier, &standing) };
                    self.open(caller, user, accepted, presented, manner).await
                };
                join(opened, self.end_guess(caller, &guessing, false)).await.0
            }
            Verified::Wrong { burnt: true, .. } | Verified::NotCompared(Why::Burnt) => Err(Refusal::BurntCode),
            Verified::Wrong { .. } | Verified::NotCompared(_) => Err(Refusal::WrongCode),
        }
    }

    /// A guess at a code, counted wherever guesses count before anything of it is told. A right one is the caller's to give back
    /// to its address ([`Inner::end_guess`]), beside what it opens: one that cannot be given back stays counted, which is no reason
    /// to refuse.
    pub(super) async fn guess(
        &self,
        caller: &Caller,
        guessing: &Guessing,
        guess: Guess<'_>,
        seen: Option<Loaded<IdentifierRecord>>,
    ) -> Result<Verified, Refusal> {
        let Guess { by, user, slot, code } = guess;
        let LoggingIn { identifier, standing } = by;
        let policy = self.policy(&caller.tenant);
        let guess = verify::Guess {
            subject: Subject { tenant: &caller.tenant, identifier },
            slot,
            code,
            holder: standing.holder(user),
            account_spent: standing.is_spent(Guessed::Code, &policy, self.clock.now()),
        };
        let key = seen.as_ref().map(|seen| seen.key);
        let key = key.unwrap_or_else(|| self.secrets.identifier_key(&caller.tenant, identifier));
        let rule = |prior, now, dice: &_| verify::decide(prior, guess, &policy, &self.secrets, now, dice);
        let verified = self.decide_over(&key, seen, rule).await?;
        match verified {
            Verified::Accepted(_) => {}
            Verified::NotCompared(_) => self.end_guess(caller, guessing, false).await?,
            Verified::Wrong { by_device, .. } => {
                let shared =
                    async { if by_device { Ok(()) } else { self.count_wrong(caller, by, user, Guessed::Code).await } };
                let (shared, ended) = join(shared, self.end_guess(caller, guessing, true)).await;
                shared.and(ended)?;
            }
        }
        if matches!(verified, Verified::Wrong { closed: true, .. }) {
            let about = About { subject: Some(subject(&key)), ..About::tenant(caller) };
            self.tell(EventKind::IdentifierClosed, about, None);
        }
        Ok(verified)
    }

    /// Counts a wrong guess against the account behind an identifier, or an unknown one's decoy.
    pub(super) async fn count_wrong(
        &self,
        caller: &Caller,
        by: LoggingIn<'_>,
        user: Option<&User>,
        what: Guessed,
    ) -> Result<(), Refusal> {
        let policy = self.policy(&caller.tenant);
        if !policy.limit_guesses {
            return Ok(());
        }
        let owner = user.map(|user| self.secrets.owner(&caller.tenant, &user.id));
        let seen = by.standing.seen();
        let key = seen.key;
        let rule = |prior, now, _: &_| shared::count(prior, owner, what, &policy, now);
        self.decide_over(&key, Some(seen), rule).await
    }

    /// Where the account behind an identifier is, or a place that an unknown one has for itself.
    pub(super) fn account_or_decoy(&self, caller: &Caller, identifier: &Identifier, user: Option<&User>) -> Key {
        match user {
            Some(user) => self.secrets.account_key(&caller.tenant, &user.id),
            None => {
                let parts = [caller.tenant.as_str().as_bytes(), identifier.as_str().as_bytes()];
                self.secrets.key(Space::Decoy, &parts)
            }
        }
    }

    /// Opens a session for a proof: first its place in the account, then the session, then its tokens.
    pub(super) async fn open(
        &self,
        caller: &Caller,
        user: User,
        accepted: Proof,
        presented: Option<AccessToken>,
        manner: Manner<'_>,
    ) -> Result<LoggedIn, Refusal> {
        if !user.admitted {
            return Err(Refusal::Forbidden);
        }
        let Caller { tenant, profile, .. } = caller;
        let (policy, dice) = (self.policy(tenant), self.dice()?);
        let (id, seed) = (SessionId::from_random(dice.first_16()), dice.last_32());
        let owner = self.secrets.owner(tenant, &user.id);
        let account = manner.seen.as_ref().map(|seen| seen.key);
        let account = account.unwrap_or_else(|| self.secrets.account_key(tenant, &user.id));
        let now = self.clock.now();
        let ends = manner.life.map_or(Timestamp::NEVER, |life| now.plus(life));
        let vouched = user.verified;
        let place = session::Place { owner, session: id, ends, vouched, passwords: self.passwords.is_some() };
        let (mut accepted, mut seen) = (accepted, manner.seen);
        loop {
            let rule = |prior, now, _: &_| session::open(prior, place, &accepted, &policy, now);
            if self.decide_over(&account, seen.take(), rule).await?? != Opened::Unproven {
                break;
            }
            // What happens seldom is boxed, so that no other login carries the room for it.
            accepted = Box::pin(self.discard_unproven(caller, &user, &accepted)).await?;
        }

        let key = manner.key_life.is_some().then(|| self.session_key(id)).transpose()?;
        let key_ends = manner.key_life.flatten().map_or(Timestamp::NEVER, |life| now.plus(life));
        let opening = session::Opening {
            tenant,
            user: &user,
            profile: *profile,
            owner,
            session: id,
            ends,
            binding: manner.binding,
            key: key.as_ref().map(|k| (sha256(k.expose().as_bytes()), key_ends)),
            network: caller.address.map(Network::of),
            agent: caller.agent.as_ref(),
        };
        let made = session::record(opening, &accepted, &policy, &self.secrets, now, seed);
        let (record, refresh) = made.ok_or(Refusal::Defect)?;
        self.put_new(&self.secrets.session_key(id), &record, &dice).await?;
        if let Some(before) = presented {
            Box::pin(self.end_presented(&before)).await?;
        }
        let dice = self.dice()?;
        let access = self.access_token(&user.id, caller, id, ends, &dice)?;
        let device = self.device_token(caller, &user.id, &accepted, &manner.by, dice.second_16());
        Ok(LoggedIn { user, session: id, access, refresh, key, has_password: false, device })
    }

    fn session_key(&self, id: SessionId) -> Result<SessionKey, Refusal> {
        let secret = URL_SAFE_NO_PAD.encode(self.dice()?.last_32());
        Ok(SessionKey::presented(&format!("{}.{secret}", URL_SAFE_NO_PAD.encode(id.as_bytes()))))
    }

    /// An access token of a session that ends at `ends`; it never outlives its session.
    pub(super) fn access_token(
        &self,
        user: &UserId,
        caller: &Caller,
        session: SessionId,
        ends: Timestamp,
        dice: &Dice,
    ) -> Result<AccessToken, Refusal> {
        let now = self.clock.now();
        let grant = Grant {
            user,
            tenant: &caller.tenant,
            profile: caller.profile,
            session,
            jti: dice.first_16(),
            issued_at: now,
            expires_at: now.plus(self.policy(&caller.tenant).lives(caller.profile).access).min(ends),
        };
        self.tokens.mint(grant).ok_or(Refusal::Defect)
    }
}
