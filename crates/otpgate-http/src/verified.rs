//! The tokens that were found good of late, so that the next request with one asks nobody.
//!
//! What is kept is the session, not the answer: everything that a request says besides its token, the carrier, the organisation,
//! the binding, is judged anew each time.

mod table;

use std::fmt;
use std::future::Future;
use std::hash::RandomState;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use otpgate_core::engine::{Believed, LiveSession, Moment, Sighting};
use otpgate_core::secret::AccessToken;
use otpgate_core::{Engine, Refusal, SessionId, Timestamp};

use table::Table;

/// No sighting holds for longer, so that none is kept for longer.
const LONGEST_BELIEF: Duration = Duration::from_secs(60);

/// Memory for what was found good, unless the host says otherwise: some 60 000 tokens.
pub(crate) const USUAL: usize = 64 * 1024 * 1024;

/// What a session takes in its cache besides what it points to: its place, and an order of use.
const SESSION_PLACE: usize = 384;

/// The sessions behind tokens that have verified, at most so many bytes of them; nothing else gets in, so junk throws nothing out.
///
/// Two layers: by token, so that a token that was seen costs a seeded hash and a compare of all its bytes; and by session, so that
/// another token of a session that was seen costs its signature and no question to the store. A miss of the second is a read of the
/// store: whoever misses the same session meanwhile waits for that one read.
pub(crate) struct Verified {
    tokens: Table<Seen>,
    sessions: moka::future::Cache<SessionId, Sighting, RandomState>,
}

/// What is known of a token that has verified.
#[derive(Clone)]
struct Seen {
    ends: Timestamp,
    sighting: Sighting,
}

/// What can be said of a token without waiting for the store.
pub(crate) enum AtOnce {
    /// Its session, if that was seen and still holds, or that it is none of ours.
    Said(Result<Sighting, Refusal>),
    /// Nothing; with the token, where it was found to be ours: nobody need verify it again.
    Ask(Option<Box<Ours>>),
}

/// A token of ours, and what it says.
pub(crate) struct Ours {
    token: AccessToken,
    says: Believed,
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ours").finish_non_exhaustive()
    }
}

impl Verified {
    /// Room for about `bytes`, texts and overhead together.
    pub(crate) fn new(bytes: usize) -> Self {
        let whole = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        let (tokens, sessions) = (bytes / 4 * 3, bytes / 4);
        let weigh =
            |_: &SessionId, seen: &Sighting| u32::try_from(weight(SESSION_PLACE, seen.session())).unwrap_or(u32::MAX);
        Self {
            tokens: Table::new(tokens),
            sessions: moka::future::Cache::builder()
                .max_capacity(whole(sessions))
                .weigher(weigh)
                .time_to_live(LONGEST_BELIEF)
                .build_with_hasher(RandomState::new()),
        }
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// What can be said of a token now. Allocates nothing where the token was seen.
    #[inline]
    pub(crate) fn at_once(&self, engine: &Engine, token: &[u8]) -> AtOnce {
        let moment = engine.moment();
        let held = |seen: &Seen| engine.holds(&seen.sighting, seen.ends, moment).then(|| seen.sighting.clone());
        match self.tokens.with(token, held) {
            Some(Some(sighting)) => AtOnce::Said(Ok(sighting)),
            Some(None) => AtOnce::Ask(None),
            None => self.at_first_sight(engine, token, moment),
        }
    }

    /// The same of a token that was not seen before. Out of line: what was seen is the common case.
    #[inline(never)]
    fn at_first_sight(&self, engine: &Engine, token: &[u8], moment: Moment) -> AtOnce {
        // What is no text is no token.
        let text = std::str::from_utf8(token).unwrap_or_default();
        let says = match engine.believe(text, moment) {
            Ok(says) => says,
            Err(refusal) => return AtOnce::Said(Err(refusal)),
        };
        let ends = says.ends_at();
        let known = self.sessions.get(&says.session()).now_or_never().flatten();
        match known.filter(|sighting| engine.holds(sighting, ends, moment) && sighting.is_of(&says)) {
            Some(sighting) => {
                self.remember(token, ends, &sighting);
                AtOnce::Said(Ok(sighting))
            }
            None => AtOnce::Ask(Some(Box::new(Ours { token: AccessToken::new(text), says }))),
        }
    }

    /// The session of a token, from the store where nothing that was seen holds any more.
    pub(crate) async fn find(&self, engine: &Engine, token: &str) -> Result<Sighting, Refusal> {
        let moment = engine.moment();
        let seen = self.tokens.with(token.as_bytes(), Seen::clone).filter(|seen| moment.now() < seen.ends);
        match seen {
            Some(seen) if engine.holds(&seen.sighting, seen.ends, moment) => Ok(seen.sighting),
            // A signature that was good is good; what has changed is the session, or what is known of it.
            Some(Seen { ends, sighting }) => {
                let id = sighting.session().id;
                let found = self.look(engine, id, ends, || engine.look_again(&sighting)).await;
                self.keep(token, ends, found)
            }
            None => {
                self.find_ours(engine, &Ours { says: engine.believe(token, moment)?, token: AccessToken::new(token) })
                    .await
            }
        }
    }

    /// The same of a token that is known to be ours.
    pub(crate) async fn find_ours(&self, engine: &Engine, ours: &Ours) -> Result<Sighting, Refusal> {
        let Ours { token, says } = ours;
        let found = self.look(engine, says.session(), says.ends_at(), || engine.look(says)).await;
        // One id is of one user's session; should it ever not be, this token is of none.
        let found = found.and_then(|found| if found.is_of(says) { Ok(found) } else { Err(Refusal::NotAuthenticated) });
        self.keep(token.expose(), says.ends_at(), found)
    }

    /// Remembers what was found behind a token.
    fn keep(&self, token: &str, ends: Timestamp, found: Result<Sighting, Refusal>) -> Result<Sighting, Refusal> {
        match &found {
            Ok(sighting) => self.remember(token.as_bytes(), ends, sighting),
            // It would be of no use any more. After a failure of the store it may be: then only its session is asked for.
            Err(Refusal::NotAuthenticated) => self.tokens.remove(token.as_bytes()),
            Err(_) => {}
        }
        found
    }

    fn remember(&self, token: &[u8], ends: Timestamp, sighting: &Sighting) {
        self.tokens.put(token, Seen { ends, sighting: sighting.clone() }, weight(0, sighting.session()));
    }

    /// A session as it was seen, if that holds, else as the store has it: by one read for all who ask meanwhile.
    async fn look<F>(
        &self,
        engine: &Engine,
        id: SessionId,
        ends: Timestamp,
        ask: impl Fn() -> F,
    ) -> Result<Sighting, Refusal>
    where
        F: Future<Output = Result<Sighting, Refusal>>,
    {
        match self.sessions.get(&id).await {
            Some(known) if engine.holds(&known, ends, engine.moment()) => return Ok(known),
            Some(_) => self.sessions.invalidate(&id).await,
            None => {}
        }
        let asked = AtomicBool::new(false);
        let read = async {
            asked.store(true, Ordering::Relaxed);
            ask().await
        };
        let found = self.sessions.try_get_with(id, read).await.map_err(|refusal| *refusal)?;
        // A read of our own began after the request, and is right by itself. That of another began before, so that what ended in between
        // may be missing in it: then what it rests on holds no more, and we ask ourselves.
        if asked.into_inner() || engine.holds(&found, ends, engine.moment()) {
            return Ok(found);
        }
        let found = ask().await?;
        self.sessions.insert(id, found.clone()).await;
        Ok(found)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified").field("tokens", &self.tokens.len()).finish_non_exhaustive()
    }
}

/// What something weighs that takes `bytes` and shares a session, by the session's texts and the pieces of memory that hold them.
/// Whoever shares it weighs it too: more than there is, never less.
fn weight(bytes: usize, session: &LiveSession) -> usize {
    const PIECE: usize = 24;
    let lists = session.roles.iter().chain(&session.organizations);
    let listed: usize = lists.map(|text| text.len() + size_of::<String>() + PIECE).sum();
    let texts = session.user_id.as_str().len() + session.tenant.as_str().len() + session.organization.len();
    bytes + size_of::<LiveSession>() + texts + listed + 6 * PIECE
}
