//! Messages on their way, kept in the store so that a crash loses none: sealed, few, and gone with the code that they carry.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::deliver::{Errand, Facts, Message};
use super::keeper::STORE_DEADLINE;
use super::{Engine, Inner};
use crate::flow::outbox;
use crate::record::{OutboxRecord, Recorded as _};
use crate::secret::Space;
use crate::{
    Code, CodeMail, CodeSms, EventKind, Expect, Key, MailPurpose, Owner, Profile, Record, Refusal, Revision, Swapped,
    Tenant, Timestamp, UserId,
};

/// How often a node looks for messages that another one left behind.
const EVERY: Duration = Duration::from_secs(15);

/// Messages that are listed at a time.
const PAGE: u32 = 64;

/// Places that are tried for a message before the outbox counts as full.
const PROBES: usize = 8;

/// A sealed message is a multiple of so many bytes long: its length tells nothing, not even whether there is a recipient.
const PADDED: usize = 1_024;

/// Messages kept in the store until they are handed over, in a number of places that bounds them.
///
/// A message is written before the answer that a code is on its way, and removed after the mailer took it. A process that dies in
/// between loses nothing: another node, or the next process, hands the message over, unless its code has ended by then. What is
/// kept is sealed with the key ring (AES-256-GCM-SIV, bound to its place), and an unknown address gets a decoy of the same size.
///
/// At least once: a process that dies after the mailer took a message and before it was removed leaves it to be sent a second
/// time, after 90 seconds. It is the same code, never a second one.
#[derive(Clone, Copy, Debug)]
pub struct Outbox {
    places: u32,
}

impl Outbox {
    /// 4096 places.
    #[must_use]
    pub const fn new() -> Self {
        Self { places: 4_096 }
    }

    /// So many places, at least one; the same on every node. A message that finds none is sent from memory, which an event tells.
    #[must_use]
    pub const fn places(self, places: u32) -> Self {
        Self { places: if places == 0 { 1 } else { places } }
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

/// A message in its place, as it was last written.
pub(super) struct Kept {
    key: Key,
    revision: Revision,
    record: OutboxRecord,
}

impl Kept {
    /// Tries that failed before.
    pub(super) fn failed(&self) -> u8 {
        self.record.failed
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Engine {
    /// Looks for messages that were left behind, now and every 15 seconds until this engine is shut down or dropped. Does
    /// nothing without an outbox.
    pub fn tend_outbox(&self) {
        if self.0.outbox.is_none() {
            return;
        }
        let (weak, runtime) = (Arc::downgrade(&self.0), Arc::clone(&self.0.runtime));
        let pause = Arc::clone(&runtime);
        runtime.spawn(Box::pin(async move {
            while tend(&weak).await {
                pause.sleep(EVERY).await;
            }
        }));
    }

    /// Hands over what is due in the outbox and nobody is at, and says how many messages it took up; they go on in the background.
    /// [`Engine::tend_outbox`] does it by itself.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn deliver_waiting(&self) -> Result<usize, Refusal> {
        self.0.deliver_waiting().await
    }
}

/// One round; whether there will be another.
async fn tend(weak: &Weak<Inner>) -> bool {
    let Some(inner) = weak.upgrade() else { return false };
    if inner.closing.has_begun() {
        return false;
    }
    // A store that fails now is asked again in the next round; the log has its error.
    let _ = inner.deliver_waiting().await;
    true
}

impl Inner {
    /// Writes a message to the outbox, where there is one; it is this process's to try at once, or anybody's.
    pub(super) async fn keep(&self, errand: &Errand, ours: bool) -> Result<Option<Kept>, Refusal> {
        let Some(Outbox { places }) = self.outbox else { return Ok(None) };
        for _ in 0..PROBES {
            let (dice, now) = (self.dice()?, self.clock.now());
            let (place, nonce) = split(dice.last_32());
            let key = self.secrets.key(Space::Outbox, &[&(place % places).to_be_bytes()]);
            let plain = errand.to_bytes().ok_or(Refusal::Defect)?;
            let (kid, sealed) = self.secrets.seal(nonce, &key, plain).ok_or(Refusal::Defect)?;
            let due_at = if ours { now.plus(outbox::LEASE) } else { now };
            let owner = self.outbox_owner().0;
            let record = OutboxRecord { owner, until: errand.until, due_at, failed: 0, kid, nonce, sealed };
            if let Some(revision) = self.write_kept(&key, Expect::Absent, &record).await? {
                return Ok(Some(Kept { key, revision, record }));
            }
            let there = self.in_time(self.store.load(&key)).await?;
            let Some(ended) = there.filter(|there| there.expires_at <= now) else { continue };
            if let Some(revision) = self.write_kept(&key, Expect::Revision(ended.revision), &record).await? {
                return Ok(Some(Kept { key, revision, record }));
            }
        }
        self.tell_delivery(EventKind::OutboxFull, &errand.facts, None);
        Ok(None)
    }

    /// Takes a message up again after a pause; false when another process has it, or the store does not say.
    pub(super) async fn take_again(&self, kept: &mut Kept) -> bool {
        let due_at = self.clock.now().plus(outbox::LEASE);
        let next = OutboxRecord { due_at, ..kept.record.clone() };
        self.rewrite(kept, next).await
    }

    /// Leaves a message to whoever looks after the pause; false as above.
    pub(super) async fn put_back(&self, kept: &mut Kept, pause: Duration) -> bool {
        let next = outbox::put_back(&kept.record, pause, self.clock.now());
        self.rewrite(kept, next).await
    }

    /// Takes a message out that was handed over or given up. Where that fails it may be sent again.
    pub(super) async fn discard(&self, kept: &Kept) {
        let swap = self.store.swap(&kept.key, Expect::Revision(kept.revision), None);
        if !matches!(self.within(STORE_DEADLINE, swap).await, Some(Ok(_))) {
            tracing::warn!(target: "otpgate", key = ?kept.key, "a message could not be taken out of the outbox; it may go twice");
        }
    }

    async fn rewrite(&self, kept: &mut Kept, next: OutboxRecord) -> bool {
        let Ok(Some(revision)) = self.write_kept(&kept.key, Expect::Revision(kept.revision), &next).await else {
            return false;
        };
        (kept.revision, kept.record) = (revision, next);
        true
    }

    async fn write_kept(&self, key: &Key, expect: Expect, record: &OutboxRecord) -> Result<Option<Revision>, Refusal> {
        let revision = Revision(self.dice()?.first_16());
        let value = record.encode().map_err(|_| Refusal::Defect)?;
        let next = Record { revision, expires_at: record.expires_at(), owner: record.owner(), value };
        match self.within(STORE_DEADLINE, self.store.swap(key, expect, Some(&next))).await {
            Some(Ok(Swapped::Yes)) => Ok(Some(revision)),
            Some(Ok(Swapped::No)) => Ok(None),
            failed => {
                self.look_for(key, revision, failed.and_then(Result::err)).await?;
                Ok(Some(revision))
            }
        }
    }

    fn outbox_owner(&self) -> Owner {
        Owner(self.secrets.key(Space::Outbox, &[]).0)
    }

    async fn deliver_waiting(self: &Arc<Self>) -> Result<usize, Refusal> {
        let (mut taken, mut after) = (0, None);
        if self.outbox.is_none() {
            return Ok(taken);
        }
        loop {
            let page = self.in_time(self.store.owned(&self.outbox_owner(), after.as_ref(), PAGE)).await?;
            let more = page.len() >= PAGE as usize;
            after = page.last().map(|(key, _)| *key);
            for (key, record) in page {
                if self.closing.has_begun() {
                    return Ok(taken);
                }
                taken += usize::from(self.take_up(key, record).await?);
            }
            if !more {
                return Ok(taken);
            }
        }
    }

    /// Takes a message up that lies there, if it is due and can be read; whether it did.
    async fn take_up(self: &Arc<Self>, key: Key, found: Record) -> Result<bool, Refusal> {
        let now = self.clock.now();
        let Ok(record) = OutboxRecord::decode(&found.value) else {
            tracing::error!(target: "otpgate", ?key, "a message in the outbox is corrupt; it is not sent");
            return Ok(false);
        };
        let mut kept = Kept { key, revision: found.revision, record };
        if kept.record.until <= now {
            self.discard(&kept).await;
            return Ok(false);
        }
        let Some(next) = outbox::take(&kept.record, now) else { return Ok(false) };
        // Left to a node that has the key, in a rotation that is under way.
        if !self.secrets.has(kept.record.kid) {
            tracing::error!(target: "otpgate", ?key, kid = ?kept.record.kid, "no key opens a message in the outbox; it is not sent");
            return Ok(false);
        }
        let Some(permit) = self.deliveries.try_acquire_arc() else { return Ok(false) };
        if !self.rewrite(&mut kept, next).await {
            return Ok(false);
        }
        let OutboxRecord { kid, nonce, sealed, .. } = &kept.record;
        let plain = self.secrets.open(*kid, *nonce, &key, sealed.clone());
        let Some(errand) = plain.as_ref().and_then(|plain| Errand::read(plain)).filter(|e| e.until > now) else {
            tracing::error!(target: "otpgate", ?key, "a message in the outbox was not sealed for its place; it is not sent");
            return Ok(false);
        };
        let inner = Arc::clone(self);
        self.runtime.spawn(Box::pin(async move {
            let _permit = permit;
            inner.run(errand, Some(kept)).await;
        }));
        Ok(true)
    }
}

/// A place and a nonce out of 32 bytes of chance.
fn split(chance: [u8; 32]) -> (u32, [u8; 12]) {
    let place = *chance.first_chunk().unwrap_or(&[0; 4]);
    (u32::from_be_bytes(place), *chance.last_chunk().unwrap_or(&[0; 12]))
}

/// What stands under the seal.
#[derive(Serialize, Deserialize)]
struct Letter<'a> {
    until: Timestamp,
    profile: Profile,
    tenant: &'a str,
    user: Option<&'a str>,
    subject: [u8; 8],
    content: Option<Content<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Content<'a> {
    kind: Kind,
    to: &'a str,
    code: &'a str,
    life: Duration,
    locale: Option<&'a str>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
enum Kind {
    LogIn,
    Reset,
    Sms,
}

impl Errand {
    /// Its bytes with noughts behind them; nothing when it is too long for a record.
    fn to_bytes(&self) -> Option<Vec<u8>> {
        let content = self.message.as_ref().map(|message| match message {
            Message::Mail(CodeMail { purpose, to, code, life, locale, .. }) => {
                let kind = match purpose {
                    MailPurpose::LogIn => Kind::LogIn,
                    MailPurpose::ResetPassword => Kind::Reset,
                };
                Content { kind, to, code: code.expose(), life: *life, locale: locale.as_deref() }
            }
            Message::Sms(CodeSms { to, code, life, locale, .. }) => {
                Content { kind: Kind::Sms, to, code: code.expose(), life: *life, locale: locale.as_deref() }
            }
        });
        let letter = Letter {
            until: self.until,
            profile: self.facts.profile,
            tenant: self.facts.tenant.as_str(),
            user: self.facts.user.as_ref().map(UserId::as_str),
            subject: self.facts.subject,
            content,
        };
        // Sealed where it lies: with all the room that it needs, it is copied nowhere.
        let mut bytes = postcard::to_extend(&letter, Vec::with_capacity(Record::MAX_VALUE)).ok()?;
        bytes.resize(bytes.len().next_multiple_of(PADDED), 0);
        (bytes.len() < Record::MAX_VALUE - PADDED).then_some(bytes)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (letter, _) = postcard::take_from_bytes::<Letter<'_>>(bytes).ok()?;
        let Letter { until, profile, tenant, user, subject, content } = letter;
        let tenant = Tenant::new(tenant).ok()?;
        let user = user.map(UserId::new).transpose().ok()?;
        let message = content.map(|Content { kind, to, code, life, locale }| {
            let (to, tenant, locale) = (to.to_owned(), tenant.clone(), locale.map(str::to_owned));
            let (code, expires_at) = (Code::new(code), until);
            let purpose = match kind {
                Kind::Sms => return Message::Sms(CodeSms { to, tenant, code, expires_at, life, locale }),
                Kind::LogIn => MailPurpose::LogIn,
                Kind::Reset => MailPurpose::ResetPassword,
            };
            Message::Mail(CodeMail { purpose, to, tenant, code, expires_at, life, locale })
        });
        let facts = Facts { tenant, profile, user, subject, address: None };
        Some(Self { facts, message, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errand(message: Option<Message>) -> Errand {
        let (tenant, user) = (Tenant::default(), UserId::new("u").ok());
        let facts = Facts { tenant, profile: Profile::Identity, user, subject: [7; 8], address: None };
        Errand { facts, message, until: Timestamp::from_millis(300_000) }
    }

    fn mail(purpose: MailPurpose, to: &str) -> Message {
        let (tenant, code, expires_at) = (Tenant::default(), Code::new("012345"), Timestamp::from_millis(300_000));
        let (to, life, locale) = (to.to_owned(), Duration::from_secs(300), Some("de".to_owned()));
        Message::Mail(CodeMail { purpose, to, tenant, code, expires_at, life, locale })
    }

    #[test]
    fn a_message_comes_back_as_it_was() {
        for purpose in [MailPurpose::LogIn, MailPurpose::ResetPassword] {
            let bytes = errand(Some(mail(purpose, "ada@example.com"))).to_bytes().unwrap();
            let back = Errand::read(&bytes).unwrap();
            let Some(Message::Mail(mail)) = back.message else { panic!("a mail") };
            assert_eq!((mail.purpose, mail.to.as_str(), mail.code.expose()), (purpose, "ada@example.com", "012345"));
            assert_eq!((mail.life.as_secs(), mail.locale.as_deref()), (300, Some("de")));
            assert_eq!((back.facts.subject, back.until.millis()), ([7; 8], 300_000));
            assert_eq!(mail.expires_at, back.until);
        }
        for cut in 0..40 {
            let bytes = errand(Some(mail(MailPurpose::LogIn, "ada@example.com"))).to_bytes().unwrap();
            assert!(Errand::read(&bytes[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn its_length_does_not_tell_whether_there_is_a_recipient() {
        let longest = "x".repeat(254);
        let lengths = [None, Some("a@b.cd"), Some(longest.as_str())]
            .map(|to| errand(to.map(|to| mail(MailPurpose::LogIn, to))).to_bytes().unwrap().len());
        assert_eq!(lengths, [PADDED; 3]);
    }
}
