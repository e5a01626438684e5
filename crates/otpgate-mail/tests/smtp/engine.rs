//! From a request to the code in a received message, and what an ill mail server does to the answer: nothing (Q43, A92).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use mail_parser::MessageParser;
use otpgate_core::engine::Parts;
use otpgate_core::runtime::BoxFuture;
use otpgate_core::{
    Engine, Event, EventKind, EventSink, MasterSecret, Runtime, Secrets, StoreDirectory, Tenant, User, UserId,
};
use otpgate_http::{Body, Gate};
use otpgate_mail::SmtpMailer;
use otpgate_memory::MemoryStore;
use otpgate_testkit::SetClock;
use tokio::sync::watch;

use crate::support::smtp_server::{At, Do, Security, SmtpServer};
use crate::{builder, mailer};

const ADA: &str = "ada@example.com";
const THIRTY: Duration = Duration::from_secs(30);

/// Tasks of tokio under a clock that moves only when the engine pauses: a pause between two tries is over at once, and no
/// deadline strikes before the test says so.
#[derive(Clone)]
struct Hurry {
    clock: SetClock,
    strikes: watch::Sender<usize>,
}

impl Runtime for Hurry {
    fn spawn(&self, task: BoxFuture<()>) {
        tokio::spawn(task);
    }

    fn spawn_blocking(&self, job: Box<dyn FnOnce() + Send>) {
        tokio::task::spawn_blocking(job);
    }

    fn sleep(&self, span: Duration) -> BoxFuture<()> {
        let (clock, mut strikes) = (self.clock.clone(), self.strikes.subscribe());
        Box::pin(async move {
            match span.as_secs() {
                1 | 5 | 15 | 60 | 120 => drop(clock.advance(span)),
                // A deadline of one try.
                30 => drop(strikes.changed().await),
                // One of the store: it answers.
                _ => std::future::pending().await,
            }
        })
    }
}

/// What happened, in order.
#[derive(Clone, Default)]
struct Story(Arc<Mutex<VecDeque<EventKind>>>, Arc<tokio::sync::Notify>);

impl EventSink for Story {
    fn record(&self, event: &Event) {
        self.0.lock().unwrap().push_back(event.kind);
        self.1.notify_one();
    }
}

impl Story {
    fn so_far(&self) -> Vec<EventKind> {
        self.0.lock().unwrap().iter().copied().collect()
    }

    async fn until(&self, kind: EventKind) {
        while !self.so_far().contains(&kind) {
            self.1.notified().await;
        }
    }
}

struct World {
    gate: Gate,
    story: Story,
    strikes: watch::Sender<usize>,
}

impl World {
    async fn over(mailer: SmtpMailer) -> Self {
        let secrets = Secrets::new(MasterSecret::new(*b"32 unpredictable bytes, please!!").unwrap());
        let store = MemoryStore::new();
        let users = StoreDirectory::new(store.clone(), &secrets);
        let mut ada = User::new(UserId::new("1").unwrap());
        ada.email = Some(ADA.to_owned());
        assert!(users.add(&Tenant::default(), &ada).await.unwrap());
        let (clock, story) = (SetClock::default(), Story::default());
        let strikes = watch::Sender::new(0);
        let runtime = Hurry { clock: clock.clone(), strikes: strikes.clone() };
        let mut parts = Parts::new(secrets, Arc::new(store), Arc::new(users), Arc::new(mailer), Arc::new(runtime));
        // Here a timer is over at once: whoever does something every minute would never rest.
        parts.housekeeping = false;
        (parts.clock, parts.events) = (Arc::new(clock), Arc::new(story.clone()));
        let gate = Gate::new(Engine::new(parts), Tenant::default());
        Self { gate, story, strikes }
    }

    /// The status and the body of an answer.
    async fn post(&self, path: &str, body: &str) -> (u16, String) {
        self.post_reading("", path, body).await
    }

    /// The same of a client that reads `language`.
    async fn post_reading(&self, language: &'static str, path: &str, body: &str) -> (u16, String) {
        let mut headers = HeaderMap::new();
        headers.insert("accept-language", HeaderValue::from_static(language));
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let route = self.gate.route(&Method::POST, path, &headers).unwrap();
        let peer = Some([192, 0, 2, 1].into());
        let reply = self.gate.answer(route, &headers, peer, Body::Whole(body.to_owned().into())).await;
        (reply.status().as_u16(), String::from_utf8(reply.body().to_vec()).unwrap())
    }

    async fn ask_for(&self, email: &str) -> (u16, String) {
        self.post("/identity/user/otp/email", &format!(r#"{{"email":"{email}"}}"#)).await
    }

    async fn log_in(&self, code: &str) -> u16 {
        let body = format!(r#"{{"email":"{ADA}","password":"{code}","isOTP":true}}"#);
        self.post("/identity/user/login", &body).await.0
    }
}

/// What a reader of the newest message types off its last line.
fn code_of(server: &SmtpServer) -> String {
    let received = server.received();
    let mail = MessageParser::new().parse(&received.last().unwrap().data).unwrap();
    let text = mail.body_text(0).unwrap();
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap().trim().to_owned()
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(THIRTY, work).await.unwrap()
}

#[tokio::test]
async fn w014_the_code_of_the_received_message_logs_in() {
    let server = SmtpServer::well().await;
    let world = World::over(mailer(&server)).await;
    assert_eq!(world.ask_for(ADA).await.0, 200);
    in_time(world.story.until(EventKind::CodeDelivered)).await;
    assert_eq!(server.received()[0].to, ["RCPT TO:<ada@example.com>"]);
    assert_eq!(world.log_in(&code_of(&server)).await, 200);
}

#[tokio::test]
async fn a_reader_of_german_gets_german_and_a_reader_of_garbage_english() {
    for (language, subject) in [
        ("de-AT, en;q=0.5", "Ihr Anmeldecode für Example"),
        ("nl, fr;q=0.5", "Votre code de connexion pour Example"),
        ("nl", "Your sign-in code for Example"),
        ("de;;", "Your sign-in code for Example"),
        ("=?utf-8?q?de?=", "Your sign-in code for Example"),
    ] {
        let server = SmtpServer::well().await;
        let world = World::over(mailer(&server)).await;
        let body = format!(r#"{{"email":"{ADA}"}}"#);
        assert_eq!(world.post_reading(language, "/identity/user/otp/email", &body).await.0, 200);
        in_time(world.story.until(EventKind::CodeDelivered)).await;
        let received = server.received();
        let mail = MessageParser::new().parse(&received[0].data).unwrap();
        assert_eq!(mail.subject().unwrap(), subject, "{language}");
        assert_eq!(world.log_in(&code_of(&server)).await, 200, "{language}");
    }
}

#[tokio::test]
async fn w024_a_greylisting_server_gets_the_code_on_the_second_try() {
    let server = SmtpServer::start(Security::None, |at, nth| {
        if at == At::Rcpt && nth == 0 { Do::Say("450 4.2.0 greylisted\r\n".to_owned()) } else { Do::Well }
    })
    .await;
    let world = World::over(mailer(&server)).await;
    assert_eq!(world.ask_for(ADA).await.0, 200);
    in_time(world.story.until(EventKind::CodeDelivered)).await;
    assert_eq!(server.log(|log| log.reached.iter().filter(|at| **at == At::Rcpt).count()), 2);
    assert_eq!(server.received().len(), 1);
    assert_eq!(world.log_in(&code_of(&server)).await, 200);
}

#[tokio::test]
async fn q43_a_hanging_server_never_delays_the_answer() {
    for step in At::PLAIN {
        let server =
            SmtpServer::start(Security::None, move |at, nth| if at == step && nth == 0 { Do::Hang } else { Do::Well })
                .await;
        // Longer than the test: the only deadline is the engine's, and it does not strike by itself.
        let mailer = builder(&server.url()).timeout(2 * THIRTY).build().unwrap();
        let world = World::over(mailer).await;
        // If the answer waited for the delivery, it would wait for a strike that comes only after it.
        assert_eq!(in_time(world.ask_for(ADA)).await.0, 200, "{step:?}");
        in_time(server.until(|log| log.reached.last() == Some(&step))).await;
        let told = [EventKind::CodeDelivered, EventKind::CodeUndelivered];
        assert!(!world.story.so_far().iter().any(|kind| told.contains(kind)), "{step:?}");
        world.strikes.send_modify(|n| *n += 1);
        in_time(world.story.until(EventKind::CodeDelivered)).await;
        assert_eq!(world.log_in(&code_of(&server)).await, 200, "{step:?}");
    }
}

#[tokio::test]
async fn a92_an_address_that_is_refused_and_one_that_is_unknown_get_the_same_answer() {
    let server = SmtpServer::start(Security::None, |at, _| match at {
        At::Rcpt => Do::Say("550 5.1.1 no such user\r\n".to_owned()),
        _ => Do::Well,
    })
    .await;
    let world = World::over(mailer(&server)).await;
    let known = world.ask_for(ADA).await;
    let nobody = "nobody@example.com";
    in_time(world.story.until(EventKind::CodeUndelivered)).await;
    assert_eq!(world.ask_for(nobody).await, (200, known.1.replace(ADA, nobody)));
    assert_eq!(known.0, 200);
    // Refused for good: one try, and none for the unknown one.
    assert_eq!(server.log(|log| log.reached.iter().filter(|at| **at == At::Rcpt).count()), 1);
}
