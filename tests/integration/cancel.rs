//! A21, F3: a request that is dropped at any point has either done nothing or all of it.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use otpgate_core::runtime::BoxFuture;
use otpgate_core::{PolicyBook, Store};
use otpgate_memory::MemoryStore;
use otpgate_testkit::HistoryStore;
use otpgate_testkit::wire::people::A;
use otpgate_testkit::wire::{Request, Setup, Stores, Tokens, World, other_than};
use tower::ServiceExt as _;

use crate::drive::{Axum, actix, axum};

/// The memory store, letting other tasks run at each call: a request that waits can be dropped there.
struct Yielding;

impl Stores for Yielding {
    fn name(&self) -> &'static str {
        "yielding"
    }

    fn open(&self) -> BoxFuture<(Arc<dyn Store>, Arc<dyn Any + Send + Sync>)> {
        Box::pin(async { (Arc::new(HistoryStore::over(MemoryStore::new())) as _, Arc::new(()) as _) })
    }
}

/// A world in which nothing but the tries of one code is limited, over a store that takes its time.
pub(crate) async fn unlimited_world() -> World {
    let setup = Setup::default()
        .policy(|p| p.insecure_without_send_limits().insecure_without_guess_limits())
        .policies(PolicyBook::insecure_without_address_limits);
    World::alone(&(Arc::new(Axum) as _), &(Arc::new(Yielding) as _), setup).await
}

/// Polls `work` at most `most` times with the spawned tasks running in between, and drops it; whether it was done.
async fn dropped_after<F: Future>(most: usize, work: F) -> bool {
    let mut work = std::pin::pin!(work);
    for _ in 0..most {
        if poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_ready())).await {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

async fn at_every_poll<F: Future>(w: &World, ask: impl Fn(Request) -> F) {
    let (mut went_on, mut polls) = (0, 0);
    loop {
        polls += 1;
        w.move_on();
        let from_here = |request: Request| ask(request.from(w.peer()));
        // A wrong guess is counted or was never made: from there on two or three more burn the code.
        let code = w.send(A).await;
        let answered = dropped_after(polls, from_here(w.guess_of(A, &other_than(&code)))).await;
        w.runtime().idle().await;
        let mut more = 0;
        while w.guess(A, &other_than(&code)).await.text().contains("Invalid or expired") {
            more += 1;
        }
        assert!(more == 1 || (more == 2 && !answered), "{polls} polls: {more} wrong guesses before the last");
        went_on += usize::from(more == 1 && !answered);
        w.guess(A, &code).await.fails(401, "Too many failed attempts. Request a new code.");
        // A right one has opened its session or was never made.
        let code = w.send(A).await;
        let answered_right = dropped_after(polls, from_here(w.guess_of(A, &code))).await;
        w.runtime().idle().await;
        let again = w.guess(A, &code).await;
        if again.status == 200 {
            assert!(!answered_right, "{polls} polls: one code, two sessions");
            w.me(&Tokens::of(&again).access).await.has(200);
        } else {
            again.fails(401, "Invalid or expired code");
        }
        if answered && answered_right {
            break;
        }
        assert!(polls < 1_000, "no answer after so many polls");
    }
    assert!(polls > 2, "an answer after {polls} polls was never waited for");
    assert!(went_on > 0, "no guess went on without its request: {polls} polls");
}

#[tokio::test]
async fn a21_a_request_dropped_at_any_poll_is_none_or_whole_in_axum() {
    let w = unlimited_world().await;
    let app = axum::app(w.gate().clone());
    at_every_poll(&w, |request| app.clone().oneshot(axum::http_request(request))).await;
}

#[tokio::test]
async fn a21_a_request_dropped_at_any_poll_is_none_or_whole_in_actix() {
    let w = unlimited_world().await;
    let app = Rc::new(actix_web::test::init_service(actix::app(w.gate().clone())).await);
    at_every_poll(&w, |request| {
        let app = Rc::clone(&app);
        async move {
            let answered = actix_web::test::try_call_service(&*app, actix::test_request(request).to_request()).await;
            drop(answered);
        }
    })
    .await;
}
