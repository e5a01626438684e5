//! A store or directory that fails: 503, nothing granted, no check skipped.

use std::time::Duration;

use otpgate_core::StoreErrorKind;
use serde_json::json;

use super::list;
use crate::wire::people::{A, B, NOBODY};
use crate::wire::{AVAILABILITY, LOGIN, LOGOUT, REFRESH, Reply, Request, SEND, Setup, Tokens, World, other_than};
use crate::{Failure, StoreOp};

list![
    w156_a_store_that_is_down_grants_nothing,
    w156_a_directory_that_is_down_grants_nothing,
    w156_a_mailer_that_fails_never_yields_a_token,
    a103_a_login_that_fails_at_any_step_grants_at_most_one_session,
    a103_a_wrong_guess_is_counted_or_refused_at_every_failure,
    a103_i13_a_send_that_fails_at_any_step_keeps_the_limits,
    a103_a_refresh_or_logout_that_fails_at_any_step_forks_nothing,
    a104_a_limit_that_cannot_be_counted_is_not_skipped,
    i16_a_healed_store_serves_at_once;
    racing: w156_a_store_that_hangs_is_a_503_in_time, w156_a_swap_that_is_never_answered_is_looked_for,
];

const KIND: StoreErrorKind = StoreErrorKind::Unavailable;

fn unavailable(reply: &Reply) {
    reply.fails(503, "Service unavailable").with("retry-after", "1");
}

/// Every failure of every call that a request makes: `(operation, which call of it, how)`.
fn failures() -> impl Iterator<Item = (StoreOp, u64, Failure)> {
    let ops = [StoreOp::Load, StoreOp::Swap, StoreOp::Add];
    let ways = [Failure::Refuse(KIND), Failure::RefuseAfter(KIND), Failure::Refuse(StoreErrorKind::Full)];
    ops.into_iter().flat_map(move |op| (1..=9).flat_map(move |n| ways.into_iter().map(move |way| (op, n, way))))
}

/// A world without polls: the call that fails is one of the request's.
async fn counted(w: &World, change: impl FnOnce(Setup) -> Setup) -> World {
    w.another(|s| change(s.single_process())).await
}

async fn w156_a_store_that_is_down_grants_nothing(w: &World) {
    let tokens = w.log_in(A).await;
    let code = w.send(A).await;
    w.store().fail_all(Failure::Refuse(KIND));
    unavailable(&w.check(A).await);
    for email in [A, NOBODY] {
        unavailable(&w.ask_code(email).await);
        unavailable(&w.guess(email, &code).await);
        unavailable(&w.guess(email, &other_than(&code)).await);
    }
    unavailable(&w.refresh(&tokens.refresh).await);
    unavailable(&w.log_out(&tokens.access).await);
    unavailable(&w.me(&tokens.access).await);
    unavailable(&w.call(Request::new("GET", "/maybe").token(&tokens.access)).await);
    // What needs no store needs none: a request without a credential, and one whose token is no token.
    w.call(Request::new("GET", "/maybe")).await.is(200, r#"{"userId":null}"#);
    w.me("x").await.has(401);
    w.post(LOGIN, "{").await.has(400);
    w.store().heal();
    w.me(&tokens.access).await.has(200);
    w.guess(A, &code).await.has(200);
    assert_eq!(w.mails().await.len(), 2, "nothing was mailed meanwhile");
}

async fn w156_a_directory_that_is_down_grants_nothing(w: &World) {
    let tokens = w.log_in(A).await;
    let code = w.send(A).await;
    w.directory().set_down(true);
    unavailable(&w.check(A).await);
    unavailable(&w.ask_code(A).await);
    unavailable(&w.guess(A, &code).await);
    unavailable(&w.refresh(&tokens.refresh).await);
    // A session in use asks the store alone.
    w.me(&tokens.access).await.has(200);
    w.directory().set_down(false);
    let next = Tokens::of(&w.refresh(&tokens.refresh).await);
    w.guess(A, &code).await.has(200);
    w.directory().set_down(true);
    w.log_out(&next.access).await.has(200);
    assert_eq!(w.mails().await.len(), 2);
}

/// Sends a request, and moves the clock whenever the store hangs: a call that is answered has a timer of two seconds too.
/// Of two calls that hang together the second may begin after the clock has moved, so how far it moves in all is chance.
async fn hung(w: &World, request: Request) -> Reply {
    let before = w.store().hung();
    let time = async {
        for seen in before.. {
            while w.store().hung() == seen {
                tokio::task::yield_now().await;
            }
            w.runtime().sleeping(Duration::from_secs(2)).await;
            w.advance(2);
        }
    };
    tokio::select! {
        reply = w.call(request) => reply,
        () = time => panic!("the store hung more often than one can count"),
    }
}

async fn w156_a_store_that_hangs_is_a_503_in_time(w: &World) {
    let w = &counted(w, |s| s).await;
    let tokens = w.log_in(A).await;
    let code = w.send(A).await;
    for failure in [Failure::Hang, Failure::HangAfter] {
        w.store().fail_all(failure);
        let requests = [
            Request::json(AVAILABILITY, &json!({ "email": A })),
            Request::json(SEND, &json!({ "email": A })),
            w.guess_of(A, &code),
            Request::json(REFRESH, &json!({ "refreshToken": tokens.refresh })),
            Request::post(LOGOUT, "{}").token(&tokens.access),
            Request::new("GET", "/me").token(&tokens.access),
        ];
        for request in requests {
            unavailable(&hung(w, request).await);
        }
    }
    w.store().heal();
    w.guess(A, &code).await.has(200);
}

async fn w156_a_swap_that_is_never_answered_is_looked_for(w: &World) {
    let (mut granted, mut refused) = (0, 0);
    for nth in 1..=7 {
        for failure in [Failure::Hang, Failure::HangAfter] {
            w.move_on();
            w.advance(3_600);
            let code = w.send(B).await;
            w.store().fail_nth(StoreOp::Swap, nth, failure);
            let reply = hung(w, w.guess_of(B, &code)).await;
            w.store().heal();
            if reply.status == 200 {
                granted += 1;
                w.me(&Tokens::of(&reply).access).await.has(200);
                w.guess(B, &code).await.has(401);
            } else {
                refused += 1;
                unavailable(&reply);
            }
        }
    }
    assert!(granted > 0 && refused > 0, "{granted} granted, {refused} refused");
}

async fn w156_a_mailer_that_fails_never_yields_a_token(w: &World) {
    w.mailer().refuse_permanently();
    let reply = w.ask_code(A).await;
    reply.is(200, r#"{"status":true,"data":{"email":"a@example.com"},"message":"OK"}"#);
    w.guess(A, "000000").await.fails(401, "Invalid or expired code");
    assert!(w.mails().await.is_empty());
    w.mailer().accept();
    w.log_in(A).await;
}

async fn a103_a_login_that_fails_at_any_step_grants_at_most_one_session(w: &World) {
    let w = &counted(w, |s| s.policy(|p| p.insecure_without_send_limits())).await;
    let (mut granted, mut refused) = (0, 0);
    for (op, n, failure) in failures() {
        w.move_on();
        w.advance(1);
        let code = w.send(B).await;
        w.store().fail_nth(op, n, failure);
        let first = w.guess(B, &code).await;
        w.store().heal();
        if first.status == 200 {
            granted += 1;
            w.me(&Tokens::of(&first).access).await.has(200);
            w.guess(B, &code).await.fails(401, "Invalid or expired code");
            continue;
        }
        unavailable(&first);
        refused += 1;
        // At worst the code is gone; never does it open two sessions.
        let again = w.guess(B, &code).await;
        if again.status == 200 {
            w.guess(B, &code).await.has(401);
        } else {
            again.fails(401, "Invalid or expired code");
        }
    }
    assert!(granted > 0 && refused > 10, "{granted} granted, {refused} refused: the failures did not meet the steps");
}

async fn a103_a_wrong_guess_is_counted_or_refused_at_every_failure(w: &World) {
    let w = &counted(w, |s| s.policy(|p| p.insecure_without_send_limits().insecure_without_guess_limits())).await;
    for (op, n, failure) in failures() {
        w.move_on();
        let code = w.send(A).await;
        let mut compared = 0;
        for guess in 1..=3 {
            w.store().fail_nth(op, n, failure);
            let reply = w.guess(A, &crate::wire::nth_other(&code, guess)).await;
            w.store().heal();
            // An answer that tells right from wrong is one that was counted.
            compared += usize::from(reply.status != 503);
        }
        for extra in compared..3 {
            let reply = w.guess(A, &other_than(&code)).await.text();
            if extra == 2 {
                assert!(reply.contains("Too many"), "{op:?} {n} {failure:?}: {compared} compared, {reply}");
            }
        }
        w.guess(A, &code).await.fails(401, "Too many failed attempts. Request a new code.");
    }
}

async fn a103_i13_a_send_that_fails_at_any_step_keeps_the_limits(w: &World) {
    let w = &counted(w, |s| s).await;
    for (i, (op, n, failure)) in failures().enumerate() {
        w.move_on();
        w.advance(24 * 3_600);
        let email = if i % 2 == 0 { A } else { B };
        let before = w.mails().await.len();
        w.store().fail_nth(op, n, failure);
        let reply = w.ask_code(email).await;
        w.store().heal();
        if reply.status != 200 {
            unavailable(&reply);
            assert_eq!(w.mails().await.len(), before, "a code that may not be stored is not mailed");
        }
        let mut sent = usize::from(reply.status == 200);
        while w.ask_code(email).await.status == 200 {
            sent += 1;
        }
        assert!(sent == 3 || (sent == 2 && reply.status == 503), "{op:?} {n} {failure:?}: {sent} sent");
        assert_eq!(w.mails().await.len() - before, sent);
        let code = w.code_for(email).await;
        w.guess(email, &code).await.has(200);
    }
}

async fn a103_a_refresh_or_logout_that_fails_at_any_step_forks_nothing(w: &World) {
    let w = &counted(w, |s| s).await;
    for (op, n, failure) in failures() {
        w.move_on();
        w.advance(3_600);
        let first = w.log_in(A).await;
        w.store().fail_nth(op, n, failure);
        let reply = w.refresh(&first.refresh).await;
        w.store().heal();
        // Lost or not, the client asks again and there is one successor.
        let again = Tokens::of(&w.refresh(&first.refresh).await);
        if reply.status == 200 {
            assert_eq!(Tokens::of(&reply).refresh, again.refresh);
        } else {
            unavailable(&reply);
        }
        w.store().fail_nth(op, n, failure);
        let out = w.log_out(&again.access).await;
        w.store().heal();
        if out.status != 200 {
            unavailable(&out);
            let _ = w.log_out(&again.access).await;
        }
        w.me(&again.access).await.has(401);
        w.refresh(&again.refresh).await.has(401);
        w.advance(20_000);
    }
}

async fn a104_a_limit_that_cannot_be_counted_is_not_skipped(w: &World) {
    let w = &counted(w, |s| s).await;
    // Reads work, writes do not: a read-only replica, a full disk.
    let tokens = w.log_in(A).await;
    let code = w.send(A).await;
    for failure in [Failure::Refuse(StoreErrorKind::Full), Failure::Refuse(KIND)] {
        for op in [StoreOp::Swap, StoreOp::Add] {
            w.store().fail(op, failure);
        }
        unavailable(&w.check(A).await);
        unavailable(&w.ask_code(B).await);
        unavailable(&w.guess(A, &code).await);
        unavailable(&w.guess(A, &other_than(&code)).await);
        unavailable(&w.refresh(&tokens.refresh).await);
        unavailable(&w.log_out(&tokens.access).await);
        w.me(&tokens.access).await.has(200);
        w.store().heal();
    }
    // Only the counters of the valve fail: when they are read, and when the code is counted.
    let mails = w.mails().await.len();
    for nth in 1..=3 {
        w.advance(60);
        // Polls count in nothing, but they ask the same way.
        w.runtime().polled().await;
        w.store().fail_nth(StoreOp::Add, nth, Failure::Refuse(KIND));
        unavailable(&w.ask_code(B).await);
        w.store().heal();
    }
    assert_eq!(w.mails().await.len(), mails);
    w.miss(A, &code, 2).await;
    w.guess(A, &code).await.has(200);
}

async fn i16_a_healed_store_serves_at_once(w: &World) {
    for _ in 0..3 {
        w.store().fail_all(Failure::Refuse(KIND));
        for _ in 0..8 {
            unavailable(&w.ask_code(A).await);
            unavailable(&w.guess(A, "000000").await);
        }
        w.store().heal();
        let tokens = w.log_in(A).await;
        w.me(&tokens.access).await.has(200);
        w.move_on();
    }
}
