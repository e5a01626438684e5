//! What people do in a world, as sentences.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::Barrier;

use super::{Reply, Request, World};
use crate::Captured;

/// `POST`: is this address free?
pub const AVAILABILITY: &str = "/identity/user/email/check-availability";
/// `POST`: send a code.
pub const SEND: &str = "/identity/user/otp/email";
/// `POST`: log in with a code.
pub const LOGIN: &str = "/identity/user/login";
/// `POST`: exchange a refresh token.
pub const REFRESH: &str = "/identity/user/refresh-token";
/// `POST`: end the session.
pub const LOGOUT: &str = "/identity/user/logout";
/// All of them.
pub const ROUTES: [&str; 5] = [AVAILABILITY, SEND, LOGIN, REFRESH, LOGOUT];

/// What a login handed out.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

impl Tokens {
    /// The tokens in a reply.
    ///
    /// # Panics
    /// When it is not a 200 with both.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "called for what it asserts too")]
    pub fn of(reply: &Reply) -> Self {
        reply.has(200);
        let tokens = Self { access: reply.at("/data/token"), refresh: reply.at("/data/refreshToken") };
        assert!(!tokens.access.is_empty() && !tokens.refresh.is_empty(), "{reply}");
        tokens
    }
}

impl World {
    /// Sends a request as it is and notes the reply. Without a peer of its own it comes from where the world is.
    pub async fn call(&self, request: Request) -> Reply {
        let peer = self.peer();
        let request = if request.peer.is_some() { request } else { request.from(peer) };
        self.call_as_is(request).await
    }

    /// Sends a request from a socket whose address the server does not know.
    pub async fn call_as_is(&self, request: Request) -> Reply {
        let reply = self.call_raw(request.clone()).await;
        self.check_always(&request, &reply);
        reply
    }

    /// Sends a request that is not the gate's to answer although its path is: the reply is noted and not judged.
    pub async fn call_raw(&self, request: Request) -> Reply {
        let reply = self.mounted.answer(request.clone()).await;
        self.place.transcript.note(&request, &reply);
        reply
    }

    /// What holds for every reply of every standard route: R26, W153, W154, A40, and a JSON body of the profile's shape.
    #[track_caller]
    fn check_always(&self, request: &Request, reply: &Reply) {
        let path = request.path.split('?').next().unwrap_or_default();
        if !self.gate.paths().any(|p| p == path) {
            return;
        }
        reply.with("cache-control", "no-store").with("x-content-type-options", "nosniff");
        assert!(reply.header("etag").is_none(), "{request}: {reply}");
        assert!(self.sets_cookies || reply.headers.iter().all(|(n, _)| n != "set-cookie"), "{request}: {reply}");
        if reply.status == 429 {
            let wait = reply.header("retry-after").and_then(|w| w.parse::<u64>().ok());
            assert!(wait.is_some_and(|w| w >= 1), "{request}: {reply}");
        }
        // A code echoed in any form of answer would make the mailbox worthless (A40).
        let said = reply.to_string();
        let words: HashSet<&str> = said.split(|c: char| !c.is_alphanumeric()).collect();
        let is_echoed = |code: &str| {
            if code.chars().all(char::is_alphanumeric) { words.contains(code) } else { has_word(&said, code) }
        };
        assert!(!self.shared.mailer.any(|mail| is_echoed(&mail.code)), "{said}");
        if path.contains("/identity/user/") {
            reply.with("content-type", "application/json");
            let body = reply.value();
            let good = reply.status == 200;
            assert!(body["message"].is_string() && body["status"].as_bool() == Some(good), "{request}: {reply}");
            assert!(good || body.as_object().is_some_and(|o| o.len() == 2), "a failure has no data: {reply}");
        }
    }

    /// Sends all requests at once and gives the replies in the order of the requests. They are not noted: which of them
    /// came first is chance.
    pub async fn burst(&self, requests: Vec<Request>) -> Vec<Reply> {
        let barrier = Arc::new(Barrier::new(requests.len()));
        let peer = self.peer();
        let tasks: Vec<_> = requests
            .into_iter()
            .map(|request| {
                let request = if request.peer.is_some() { request } else { request.from(peer) };
                let (barrier, mounted) = (Arc::clone(&barrier), Arc::clone(&self.mounted));
                tokio::spawn(async move {
                    barrier.wait().await;
                    mounted.answer(request).await
                })
            })
            .collect();
        let mut replies = Vec::with_capacity(tasks.len());
        for task in tasks {
            match task.await {
                Ok(reply) => {
                    self.place.transcript.note_racing(&reply);
                    replies.push(reply);
                }
                Err(error) => panic!("a request ended without a reply: {error}"),
            }
        }
        replies
    }

    /// The path of a standard route here.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Posts JSON text to a standard route.
    pub async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Reply {
        self.call(Request::post(&self.path(path), body)).await
    }

    /// Asks whether an address is free.
    pub async fn check(&self, email: &str) -> Reply {
        self.post(AVAILABILITY, json!({ "email": email }).to_string()).await
    }

    /// Asks for a code.
    pub async fn ask_code(&self, email: &str) -> Reply {
        self.post(SEND, json!({ "email": email }).to_string()).await
    }

    /// The request that tries a code.
    #[must_use]
    pub fn guess_of(&self, email: &str, code: &str) -> Request {
        Request::json(&self.path(LOGIN), &json!({ "email": email, "password": code, "isOTP": true }))
    }

    /// Tries a code.
    pub async fn guess(&self, email: &str, code: &str) -> Reply {
        self.call(self.guess_of(email, code)).await
    }

    /// All mails so far, when no delivery is under way any more.
    pub async fn mails(&self) -> Vec<Captured> {
        self.shared.runtime.idle().await;
        let mails = self.shared.mailer.messages();
        self.place.transcript.keep(mails.iter().map(|m| m.code.clone()));
        mails
    }

    /// The newest code that was mailed to `address`.
    ///
    /// # Panics
    /// When there is none.
    pub async fn code_for(&self, address: &str) -> String {
        let newest = self.mails().await.into_iter().rfind(|m| m.to == address).map(|m| m.code);
        newest.unwrap_or_else(|| panic!("no code was mailed to {address}"))
    }

    /// Asks for a code and reads it.
    ///
    /// # Panics
    /// When none is sent.
    pub async fn send(&self, email: &str) -> String {
        let before = self.mails().await.len();
        self.ask_code(email).await.has(200);
        assert_eq!(self.mails().await.len(), before + 1, "one mail for one request");
        self.code_for(email).await
    }

    /// Asks for a code and logs in with it.
    ///
    /// # Panics
    /// When that fails.
    pub async fn log_in(&self, email: &str) -> Tokens {
        let code = self.send(email).await;
        Tokens::of(&self.guess(email, &code).await)
    }

    /// Exchanges a refresh token.
    pub async fn refresh(&self, token: &str) -> Reply {
        self.post(REFRESH, json!({ "refreshToken": token }).to_string()).await
    }

    /// Ends the session of an access token.
    pub async fn log_out(&self, token: &str) -> Reply {
        self.call(Request::post(&self.path(LOGOUT), "{}").token(token)).await
    }

    /// Asks the host's route for the session of an access token.
    pub async fn me(&self, token: &str) -> Reply {
        self.call(Request::new("GET", "/me").token(token)).await
    }

    /// Makes `wrong` wrong guesses at the live code.
    ///
    /// # Panics
    /// When one is not refused.
    pub async fn miss(&self, email: &str, right: &str, wrong: usize) {
        for _ in 0..wrong {
            self.guess(email, &other_than(right)).await.has(401);
        }
    }
}

/// A code of the same form that is not `code`.
#[must_use]
pub fn other_than(code: &str) -> String {
    nth_other(code, 1)
}

/// The `n`-th code after `code`, round and round.
///
/// # Panics
/// When `code` is not made of digits.
#[must_use]
pub fn nth_other(code: &str, n: u64) -> String {
    let Ok(number) = code.parse::<u64>() else { panic!("{code} is no code of digits") };
    let space = 10u64.pow(u32::try_from(code.len()).unwrap_or(18));
    format!("{:0width$}", (number + n) % space, width = code.len())
}

/// Whether `text` has `word` with nothing alphanumeric beside it.
#[must_use]
pub fn has_word(text: &str, word: &str) -> bool {
    let beside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(word)
        .any(|(at, _)| !beside(text[..at].chars().next_back()) && !beside(text[at + word.len()..].chars().next()))
}
