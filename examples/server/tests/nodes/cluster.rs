//! Processes that share a store, a mail folder and nothing else.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use otpgate_servers::{Kind, fresh_namespace, url};
use serde_json::{Value, json};

use crate::driver::{Answer, Place, SECRET, Server, ask, code_in, connect, request};

/// The address of the `n`-th user.
pub(super) fn user(n: usize) -> String {
    format!("u{n}@example.com")
}

/// A code that is not this one: another for each `n`.
pub(super) fn wrong(code: &str, n: usize) -> String {
    let right: usize = code.parse().unwrap();
    format!("{:06}", (right + 1 + n) % 1_000_000)
}

pub(super) struct Cluster {
    place: Place,
    options: Vec<String>,
    started: AtomicUsize,
}

impl Cluster {
    /// On the server of the whole run, in a namespace of its own.
    pub(super) fn new(kind: Kind, users: usize, config: &str) -> Self {
        Self::at(&url(kind), users, config)
    }

    pub(super) fn at(url: &str, users: usize, config: &str) -> Self {
        let people: Vec<_> = (0..users).map(|n| json!({ "id": n, "tenant": "123", "email": user(n) })).collect();
        let store = format!("{url}?namespace={}", fresh_namespace());
        let place = Place::with_users("axum", &store, config, &Value::from(people).to_string());
        fs::create_dir(place.path("mail")).unwrap();
        Self { place, options: Vec::new(), started: AtomicUsize::new(0) }
    }

    /// With these on each command line.
    pub(super) fn with(self, options: &[&str]) -> Self {
        Self { options: options.iter().map(ToString::to_string).collect(), ..self }
    }

    /// One more process; every second one is in the other framework.
    pub(super) fn node(&self) -> Server {
        self.node_with(&[("OTPGATE_SECRET", SECRET)])
    }

    pub(super) fn node_with(&self, variables: &[(&str, &str)]) -> Server {
        let framework = ["axum", "actix"][self.started.fetch_add(1, Ordering::SeqCst) % 2];
        let mut command = self.place.command_in(framework);
        command.args(&self.options).env("RUST_LOG", "warn,otpgate::audit=error").envs(variables.iter().copied());
        Server::start(command)
    }

    /// The code in the mail to this address, which is taken away: each mail is read once.
    pub(super) fn code(&self, email: &str) -> String {
        self.place.wait_until(|| self.look_for_code(email))
    }

    fn look_for_code(&self, email: &str) -> Option<String> {
        self.place.mails().into_iter().find_map(|path| {
            // Another reader may have taken it.
            let (to, code) = code_in(&fs::read(&path).ok()?);
            (to == email && fs::remove_file(&path).is_ok()).then_some(code)
        })
    }

    /// Takes away what is there for this address.
    pub(super) fn drop_mail(&self, email: &str) {
        while self.look_for_code(email).is_some() {}
    }

    pub(super) fn unread(&self) -> usize {
        self.place.mails().len()
    }

    /// A new session of this user, through this node.
    pub(super) fn log_in(&self, node: &Server, email: &str) -> Tokens {
        node.ask(email).expect(200);
        Tokens::of(&node.log_in(email, &self.code(email)).expect(200))
    }
}

/// What a login or a refresh hands out.
#[derive(Clone)]
pub(super) struct Tokens {
    pub(super) access: String,
    pub(super) refresh: String,
}

impl Tokens {
    pub(super) fn of(answer: &Answer) -> Self {
        Self { access: answer.data("token"), refresh: answer.data("refreshToken") }
    }
}

/// A request to an address behind which a process may be missing.
pub(super) fn post(address: &str, path: &str, body: &Value) -> Option<Answer> {
    ask(connect(address).ok()?, &request("POST", path, &[], &body.to_string())).ok()
}

pub(super) fn with_token(address: &str, method: &str, path: &str, token: &str) -> Option<Answer> {
    let body = if method == "POST" { "{}" } else { "" };
    ask(connect(address).ok()?, &request(method, path, &[("auth-token", token)], body)).ok()
}
