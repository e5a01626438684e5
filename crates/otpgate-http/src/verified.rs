//! The tokens that were found good of late, so that the next request with one asks nobody.
//!
//! What is kept is the session, not the answer: everything that a request says besides its token, the carrier, the organisation,
//! the binding, is judged anew each time.

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use otpgate_core::engine::{LiveSession, Sighting};
use otpgate_core::secret::AccessToken;
use otpgate_core::{Engine, Refusal, SessionId, Timestamp};
use quick_cache::{Equivalent, Weighter};

/// No sighting holds for longer, so that none is kept for longer.
const LONGEST_BELIEF: Duration = Duration::from_secs(60);

/// Memory for what was found good, unless the host says otherwise: some 60 000 tokens.
pub(crate) const USUAL: usize = 64 * 1024 * 1024;

/// What an entry takes besides what it points to: its place in the map, and what a map and an allocator keep free.
const PLACE: usize = 128;

/// The same of a session, whose cache keeps more of an order.
const SESSION_PLACE: usize = 384;

/// The sessions behind tokens that have verified, at most so many bytes of them; nothing else gets in, so junk throws nothing out.
///
/// Two layers: by token, so that a token that was seen costs a seeded hash and a compare of all its bytes; and by session, so that
/// another token of a session that was seen costs its signature and no question to the store. A miss of the second is a read of the
/// store: whoever misses the same session meanwhile waits for that one read.
pub(crate) struct Verified {
    tokens: quick_cache::sync::Cache<Token, Seen, Bytes>,
    sessions: moka::future::Cache<SessionId, Sighting, RandomState>,
}

/// A token that has verified.
#[derive(Clone)]
struct Seen {
    ends: Timestamp,
    sighting: Sighting,
}

impl Verified {
    /// Room for about `bytes`, texts and overhead together.
    pub(crate) fn new(bytes: usize) -> Self {
        let whole = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        let (tokens, sessions) = (bytes / 4 * 3, bytes / 4);
        let weigh = |_: &SessionId, seen: &Sighting| {
            u32::try_from(SESSION_PLACE + Bytes::of(seen.session())).unwrap_or(u32::MAX)
        };
        Self {
            tokens: quick_cache::sync::Cache::with_weighter(tokens / 512, whole(tokens), Bytes),
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

    /// What can be said of a token without waiting for the store: its session, if that was seen and still holds, or that it is none of
    /// ours. Allocates nothing where the token was seen.
    #[inline]
    pub(crate) fn at_once(&self, engine: &Engine, token: &[u8]) -> Option<Result<Sighting, Refusal>> {
        match self.tokens.get(&Presented(token)) {
            Some(Seen { ends, sighting }) => engine.holds(&sighting, ends).then_some(Ok(sighting)),
            None => self.at_first_sight(engine, token),
        }
    }

    /// The same of a token that was not seen before. Out of line: what was seen is the common case.
    #[inline(never)]
    fn at_first_sight(&self, engine: &Engine, token: &[u8]) -> Option<Result<Sighting, Refusal>> {
        // What is no text is no token.
        let owned = AccessToken::new(std::str::from_utf8(token).unwrap_or_default());
        let believed = match engine.believe(&owned) {
            Ok(believed) => believed,
            Err(refusal) => return Some(Err(refusal)),
        };
        let sighting = self.sessions.get(&believed.session()).now_or_never()??;
        let ends = believed.ends_at();
        if !engine.holds(&sighting, ends) || !sighting.is_of(&believed) {
            return None;
        }
        self.tokens.insert(Token(owned), Seen { ends, sighting: sighting.clone() });
        Some(Ok(sighting))
    }

    /// The session of a token, from the store where nothing that was seen holds any more.
    pub(crate) async fn find(&self, engine: &Engine, token: &str) -> Result<Sighting, Refusal> {
        let owned = AccessToken::new(token);
        let seen = self.tokens.get(&Presented(token.as_bytes())).filter(|seen| engine.now() < seen.ends);
        let (ends, found) = match seen {
            Some(seen) if engine.holds(&seen.sighting, seen.ends) => return Ok(seen.sighting),
            // A signature that was good is good; what has changed is the session, or what is known of it.
            Some(Seen { ends, sighting }) => {
                let id = sighting.session().id;
                (ends, self.look(engine, id, ends, || engine.look_again(&sighting)).await)
            }
            None => {
                let believed = engine.believe(&owned)?;
                let (id, ends) = (believed.session(), believed.ends_at());
                let found = self.look(engine, id, ends, || engine.look(&believed)).await;
                // One id is of one user's session; should it ever not be, this token is of none.
                (ends, found.and_then(|s| if s.is_of(&believed) { Ok(s) } else { Err(Refusal::NotAuthenticated) }))
            }
        };
        match &found {
            Ok(sighting) => self.tokens.insert(Token(owned), Seen { ends, sighting: sighting.clone() }),
            // It would be of no use any more. After a failure of the store it may be: then only its session is asked for.
            Err(Refusal::NotAuthenticated) => drop(self.tokens.remove(&Presented(token.as_bytes()))),
            Err(_) => {}
        }
        found
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
            Some(known) if engine.holds(&known, ends) => return Ok(known),
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
        if asked.into_inner() || engine.holds(&found, ends) {
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

/// A token in the map; wiped when it leaves.
#[derive(Clone)]
struct Token(AccessToken);

/// A token that is looked for.
struct Presented<'a>(&'a [u8]);

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Presented(self.0.expose().as_bytes()).hash(state);
    }
}

/// Its end is hashed, which holds the signature: what has verified differs there from all else that has, and nothing else is in the
/// map.
impl Hash for Presented<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        const END: usize = 64;
        state.write(&self.0[self.0.len().saturating_sub(END)..]);
    }
}

/// All bytes. What it takes tells nothing: two that differ meet only where a hash is the same whose seed nobody knows, or where
/// whoever asks has the signature of the one that is kept, and so nothing left to find out that would serve them.
impl Equivalent<Token> for Presented<'_> {
    fn equivalent(&self, key: &Token) -> bool {
        self.0 == key.0.expose().as_bytes()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        Presented(self.0.expose().as_bytes()).equivalent(other)
    }
}

impl Eq for Token {}

/// What an entry weighs, in bytes.
#[derive(Clone)]
struct Bytes;

impl Bytes {
    /// A session, by its texts and the pieces of memory that hold them. Whoever shares it weighs it too: more than there is, never less.
    fn of(session: &LiveSession) -> usize {
        const PIECE: usize = 24;
        let lists = session.roles.iter().chain(&session.organizations);
        let listed: usize = lists.map(|text| text.len() + size_of::<String>() + PIECE).sum();
        let texts = session.user_id.as_str().len() + session.tenant.as_str().len() + session.organization.len();
        size_of::<LiveSession>() + texts + listed + 6 * PIECE
    }
}

impl Weighter<Token, Seen> for Bytes {
    fn weight(&self, token: &Token, seen: &Seen) -> u64 {
        (PLACE + token.0.expose().len() + Self::of(seen.sighting.session())) as u64
    }
}
