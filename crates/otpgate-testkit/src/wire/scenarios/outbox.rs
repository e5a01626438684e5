//! F11, I13: messages that survive their process, and those that fail.

use std::time::Duration;

use otpgate_core::engine::Outbox;
use otpgate_core::{EventKind, MasterSecret, Secrets, StoreErrorKind};

use super::list;
use crate::wire::people::{A, B, NOBODY};
use crate::wire::setup::{Setup, ok, usual_master};
use crate::wire::{Tokens, World};
use crate::{Failure, StoreOp};

list![
    f11_a_mail_that_a_dead_process_had_acknowledged_arrives_once_from_another,
    f11_a_mail_that_waited_for_its_next_try_is_taken_up_at_once,
    f11_a_mail_whose_code_has_ended_is_not_sent,
    f11_a_full_outbox_sends_all_the_same_and_says_so,
    f11_a_mail_is_opened_by_the_keys_it_was_sealed_with_and_by_no_others,
    f11_a_shutdown_leaves_a_mail_that_waits_to_the_other_nodes,
    q53_nobody_reads_in_the_store_whom_a_waiting_mail_is_for_or_what_it_says,
    q53_a_failed_try_is_told_with_its_cause_and_neither_address_nor_code,
    q55_without_its_place_in_the_outbox_no_code_is_acknowledged,
    i8_after_a_shutdown_everything_is_503_and_before_it_what_is_open_goes_on,
    i8_a_shutdown_waits_for_the_mail_that_is_under_way;
    racing: f11_nodes_that_look_at_once_send_a_mail_once
];

fn with_outbox(setup: Setup) -> Setup {
    setup.outbox(Outbox::new())
}

async fn take_up(w: &World) -> usize {
    match w.gate().engine().deliver_waiting().await {
        Ok(taken) => taken,
        Err(refusal) => panic!("the outbox cannot be read: {refusal:?}"),
    }
}

/// The process ends at once, with all that it was at; its store lives on.
async fn kill(w: &World) {
    w.runtime().kill();
    w.runtime().idle().await;
}

/// A world whose process died between the answer and the mail to A.
async fn died_before_the_mail_left(w: &World) -> World {
    let w = w.another(with_outbox).await;
    w.mailer().hang();
    w.ask_code(A).await.has(200);
    w.runtime().sleeping(Duration::from_secs(30)).await;
    kill(&w).await;
    w.mailer().accept();
    assert_eq!(w.mailer().count(), 0);
    w
}

fn events(w: &World, kind: EventKind) -> usize {
    w.events().all().iter().filter(|e| e.kind == kind).count()
}

async fn f11_a_mail_that_a_dead_process_had_acknowledged_arrives_once_from_another(w: &World) {
    let w = died_before_the_mail_left(w).await;
    let after = w.node(with_outbox).await;
    // It might still be under way, as far as another can know.
    w.advance(89);
    assert_eq!((take_up(&after).await, after.mails().await.len()), (0, 0));
    w.advance(1);
    assert_eq!((take_up(&after).await, after.mails().await.len()), (1, 1));
    let code = after.code_for(A).await;
    w.advance(120);
    assert_eq!((take_up(&after).await, after.mails().await.len()), (0, 1));
    after.guess(A, &code).await.has(200);
    assert_eq!(events(&after, EventKind::CodeDelivered), 1);
}

async fn f11_a_mail_that_waited_for_its_next_try_is_taken_up_at_once(w: &World) {
    let w = w.another(with_outbox).await;
    w.mailer().refuse_temporarily();
    w.ask_code(A).await.has(200);
    w.runtime().sleeping(Duration::from_secs(1)).await;
    kill(&w).await;
    let after = w.node(with_outbox).await;
    assert_eq!(take_up(&after).await, 0);
    w.advance(1);
    // Its second try, so the next pause is the second one.
    assert_eq!(take_up(&after).await, 1);
    w.runtime().sleeping(Duration::from_secs(5)).await;
    w.mailer().accept();
    w.advance(5);
    let code = after.code_for(A).await;
    after.guess(A, &code).await.has(200);
    assert_eq!((w.mailer().attempts(), w.mailer().count()), (3, 1));
}

async fn f11_a_mail_whose_code_has_ended_is_not_sent(w: &World) {
    let w = died_before_the_mail_left(w).await;
    let after = w.node(with_outbox).await;
    w.advance(300);
    assert_eq!((take_up(&after).await, after.mails().await.len()), (0, 0));
    // Its place is free again.
    assert_eq!(after.send(A).await.len(), 6);
}

async fn f11_a_full_outbox_sends_all_the_same_and_says_so(w: &World) {
    let w = w.another(|s| s.outbox(Outbox::new().places(1))).await;
    w.mailer().hang();
    w.ask_code(A).await.has(200);
    w.runtime().sleeping(Duration::from_secs(30)).await;
    w.mailer().accept();
    w.ask_code(B).await.has(200);
    assert_eq!(w.mailer().next().await.to, B);
    assert_eq!(events(&w, EventKind::OutboxFull), 1);
    kill(&w).await;
}

async fn f11_a_mail_is_opened_by_the_keys_it_was_sealed_with_and_by_no_others(w: &World) {
    let w = died_before_the_mail_left(w).await;
    let new =
        || Secrets::new(ok(MasterSecret::new(*b"the newest secret of all, 32+ bytes"))).anchored_at(&usual_master());
    let ignorant = w.node(|s| with_outbox(s).secrets(new())).await;
    w.advance(90);
    assert_eq!((take_up(&ignorant).await, ignorant.mails().await.len()), (0, 0));
    let rotated = w.node(|s| with_outbox(s).secrets(new().accept(usual_master()))).await;
    assert_eq!((take_up(&rotated).await, rotated.mails().await.len()), (1, 1));
    let code = rotated.code_for(A).await;
    rotated.guess(A, &code).await.has(200);
}

async fn f11_a_shutdown_leaves_a_mail_that_waits_to_the_other_nodes(w: &World) {
    let w = w.another(with_outbox).await;
    w.mailer().refuse_temporarily();
    w.ask_code(A).await.has(200);
    w.runtime().sleeping(Duration::from_secs(1)).await;
    assert!(w.gate().engine().shutdown(Duration::from_secs(10)).await);
    w.mailer().accept();
    let other = w.node(with_outbox).await;
    w.advance(1);
    assert_eq!((take_up(&other).await, other.mails().await.len()), (1, 1));
}

async fn q53_nobody_reads_in_the_store_whom_a_waiting_mail_is_for_or_what_it_says(w: &World) {
    let w = died_before_the_mail_left(w).await;
    let waiting = w.written().of_kind(b'o');
    let [mail] = &waiting[..] else { panic!("one message waits, not {}", waiting.len()) };
    w.advance(90);
    assert_eq!(take_up(&w).await, 1);
    let code = w.code_for(A).await;
    for secret in [A, "a@example", "example.com", &code] {
        assert!(!mail.windows(secret.len()).any(|w| w == secret.as_bytes()), "{secret}");
    }
    // Nobody has a mail of the same size: the answer has the same work behind it, and the store tells nothing.
    let before = w.written().of_kind(b'o').len();
    w.ask_code(NOBODY).await.has(200);
    assert_eq!(w.mails().await.len(), 1);
    let decoys = w.written().of_kind(b'o');
    assert_eq!(decoys.len(), before + 1);
    assert_eq!(decoys.last().map(Vec::len), Some(mail.len()));
    assert_eq!(take_up(&w).await, 0);
}

async fn q53_a_failed_try_is_told_with_its_cause_and_neither_address_nor_code(w: &World) {
    w.mailer().refuse_repeating();
    w.ask_code(A).await.has(200);
    w.runtime().sleeping(Duration::from_secs(1)).await;
    w.mailer().refuse_permanently();
    w.advance(1);
    w.mails().await;
    w.mailer().accept();
    w.send(A).await;
    let told: Vec<_> = w.events().all().into_iter().filter(|e| e.kind != EventKind::CodeRequested).collect();
    let told: Vec<_> = told.iter().map(|e| (e.kind, e.cause.as_deref())).collect();
    let now = "the message could not be handed over now: 421 [..] not now, said the test of [..]";
    let for_good = "the message was refused: 550 no such mailbox, said the test";
    assert_eq!(
        told,
        [
            (EventKind::DeliveryRetried, Some(now)),
            (EventKind::CodeUndelivered, Some(for_good)),
            (EventKind::CodeDelivered, None)
        ]
    );
}

async fn q55_without_its_place_in_the_outbox_no_code_is_acknowledged(w: &World) {
    let w = w.another(with_outbox).await;
    // How many swaps there are before the answer, the outbox's the last; the mailer hangs, so that none comes after it.
    w.mailer().hang();
    let before = w.store().calls(StoreOp::Swap);
    w.ask_code(A).await.has(200);
    w.runtime().sleeping(Duration::from_secs(30)).await;
    let swaps = w.store().calls(StoreOp::Swap) - before;
    kill(&w).await;
    let attempts = w.mailer().attempts();
    for email in [B, NOBODY] {
        w.store().fail_nth(StoreOp::Swap, swaps, Failure::Refuse(StoreErrorKind::Unavailable));
        w.ask_code(email).await.has(503);
    }
    w.runtime().idle().await;
    assert_eq!(w.mailer().attempts(), attempts);
}

async fn i8_after_a_shutdown_everything_is_503_and_before_it_what_is_open_goes_on(w: &World) {
    let Tokens { access, refresh } = w.log_in(A).await;
    let engine = w.gate().engine().clone();
    w.mailer().hang();
    w.ask_code(B).await.has(200);
    let draining = tokio::spawn(async move { engine.shutdown(Duration::from_secs(10)).await });
    w.runtime().sleeping(Duration::from_secs(10)).await;
    w.ask_code(A).await.has(503);
    w.me(&access).await.has(200);
    w.advance(10);
    assert!(matches!(draining.await, Ok(false)), "the mail was still under way");
    w.me(&access).await.has(503);
    w.ask_code(A).await.has(503);
    w.guess(A, "012345").await.has(503);
    w.refresh(&refresh).await.has(503);
    w.log_out(&access).await.has(503);
    w.check(A).await.has(503);
    w.advance(20);
    w.runtime().sleeping(Duration::from_secs(1)).await;
    kill(w).await;
}

async fn i8_a_shutdown_waits_for_the_mail_that_is_under_way(w: &World) {
    w.mailer().refuse_temporarily();
    w.ask_code(A).await.has(200);
    w.runtime().sleeping(Duration::from_secs(1)).await;
    let engine = w.gate().engine().clone();
    let draining = tokio::spawn(async move { engine.shutdown(Duration::from_secs(10)).await });
    w.runtime().sleeping(Duration::from_secs(10)).await;
    w.mailer().accept();
    w.advance(1);
    assert!(matches!(draining.await, Ok(true)), "without an outbox it waits for the next try");
    assert_eq!(w.mails().await.len(), 1);
}

async fn f11_nodes_that_look_at_once_send_a_mail_once(w: &World) {
    let w = died_before_the_mail_left(w).await;
    w.advance(90);
    let mut looking = Vec::new();
    for _ in 0..8 {
        let engine = w.node(with_outbox).await.gate().engine().clone();
        looking.push(tokio::spawn(async move { engine.deliver_waiting().await }));
    }
    let mut taken = 0;
    for look in looking {
        taken += look.await.map_or(0, Result::unwrap_or_default);
    }
    assert_eq!((taken, w.mails().await.len()), (1, 1));
}
