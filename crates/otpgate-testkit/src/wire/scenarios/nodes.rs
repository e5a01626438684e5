//! Q32, I7, I11: what one node ends, the others refuse within the bound, whatever fails meanwhile; and what the cache keeps.

use std::sync::Arc;

use otpgate_core::engine::Caller;
use otpgate_core::{Profile, StoreErrorKind, UserId};

use super::list;
use crate::wire::people::{A, A_ID, B};
use crate::wire::{Tokens, World};
use crate::{Failure, MemoryBus, StoreOp};

list![
    q32_a_log_out_is_refused_at_once_here_and_with_the_next_poll_elsewhere,
    q32_nothing_is_believed_for_a_second_after_the_last_poll_began,
    q32_without_a_cache_it_is_refused_at_once_everywhere,
    q32_a_bus_brings_the_next_poll_at_once_and_is_not_needed,
    i7_whatever_ends_a_session_on_one_node_ends_it_on_the_others,
    i7_a_log_out_that_could_not_be_told_is_told_when_it_is_tried_again,
    i11_a_node_whose_polls_fail_or_hang_believes_nothing,
    s10_a_request_with_a_token_that_was_seen_asks_nobody,
    i6_a_cached_verdict_ends_with_its_token_and_after_a_minute,
    a96_junk_tokens_ask_nobody_and_throw_nothing_out,
    a96_a_flood_of_good_tokens_stays_within_the_bound,
    i7_one_process_alone_asks_nobody_and_refuses_at_once,
];

const KIND: StoreErrorKind = StoreErrorKind::Unavailable;

/// Has the node see the token, so that from here on it asks nobody for it.
async fn see(w: &World, token: &str) {
    // The first request begins the polls, and what was loaded before the first of them is not believed after it.
    w.me(token).await.has(200);
    w.runtime().polled().await;
    w.me(token).await.has(200);
    let before = w.store().all_calls();
    w.me(token).await.has(200);
    assert_eq!(w.store().all_calls(), before, "it was seen");
}

/// Lets every node poll once.
async fn poll(w: &World) {
    w.advance_ms(500);
    w.runtime().polled().await;
}

fn a_id() -> UserId {
    match UserId::new(A_ID) {
        Ok(id) => id,
        Err(error) => panic!("no id: {error}"),
    }
}

async fn q32_a_log_out_is_refused_at_once_here_and_with_the_next_poll_elsewhere(w: &World) {
    let other = w.node(|s| s).await;
    let (gone, stays) = (w.log_in(A).await.access, w.log_in(B).await.access);
    for node in [w, &other] {
        see(node, &gone).await;
        see(node, &stays).await;
    }
    other.log_out(&gone).await.has(200);
    other.me(&gone).await.fails(401, "Not authenticated");
    w.me(&gone).await.has(200);
    poll(w).await;
    w.me(&gone).await.fails(401, "Not authenticated");
    for node in [w, &other] {
        node.me(&stays).await.has(200);
        node.me(&gone).await.has(401);
    }
}

async fn q32_nothing_is_believed_for_a_second_after_the_last_poll_began(w: &World) {
    let other = w.node(|s| s).await;
    let token = w.log_in(A).await.access;
    see(w, &token).await;
    // From here on no poll comes to an end.
    w.store().fail(StoreOp::Add, Failure::Hang);
    w.advance_ms(499);
    w.me(&token).await.has(200);
    w.store().heal();
    other.log_out(&token).await.has(200);
    w.store().fail(StoreOp::Add, Failure::Hang);
    w.advance_ms(501);
    w.me(&token).await.fails(401, "Not authenticated");
}

async fn q32_without_a_cache_it_is_refused_at_once_everywhere(w: &World) {
    let one = w.another(|s| s.gate(|g| g.without_cache())).await;
    let other = one.node(|s| s.gate(|g| g.without_cache())).await;
    let token = one.log_in(A).await.access;
    for node in [&one, &other, &one, &other] {
        node.me(&token).await.has(200);
    }
    other.log_out(&token).await.has(200);
    one.me(&token).await.fails(401, "Not authenticated");
    assert_eq!((one.gate().cached(), other.gate().cached()), (0, 0));
}

async fn q32_a_bus_brings_the_next_poll_at_once_and_is_not_needed(w: &World) {
    let bus = MemoryBus::default();
    let with = || Arc::new(bus.clone());
    let one = w.another(|s| s.bus(with())).await;
    let other = one.node(|s| s.bus(with())).await;
    let (first, second) = (one.log_in(A).await.access, one.log_in(B).await.access);
    for token in [&first, &second] {
        for node in [&one, &other] {
            node.me(token).await.has(200);
        }
    }
    while bus.listeners() < 2 {
        tokio::task::yield_now().await;
    }
    other.log_out(&first).await.has(200);
    // The clock stands still, so no poll is due; it comes all the same.
    let mut tries = 0;
    while one.me(&first).await.status != 401 {
        tries += 1;
        assert!(tries < 10_000, "the hint does not arrive");
        tokio::task::yield_now().await;
    }
    assert!(bus.published() > 0);
    bus.break_down();
    other.log_out(&second).await.has(200);
    other.me(&second).await.has(401);
    one.advance(1);
    one.me(&second).await.has(401);
}

async fn i7_whatever_ends_a_session_on_one_node_ends_it_on_the_others(w: &World) {
    for what in [
        "log out",
        "revoke",
        "revoke others",
        "revoke all",
        "disable",
        "change",
        "forget",
        "reuse",
        "another login",
        "one too many",
        "a reset",
    ] {
        let loose = |s: crate::wire::Setup| s.platform().policy(|p| p.insecure_without_send_limits().max_sessions(2));
        let here = w.another(loose).await;
        let there = here.node(loose).await;
        let tokens = here.log_in(A).await;
        see(&there, &tokens.access).await;
        let (engine, tenant, id) = (here.gate().engine(), here.tenant(), a_id());
        let Ok(open) = engine.sessions_of(tenant, &id).await else { panic!("no sessions") };
        let mut ended = true;
        match what {
            "log out" => drop(here.log_out(&tokens.access).await.has(200)),
            "revoke" => ended = engine.revoke(tenant, &id, open[0].id).await.is_ok_and(|was_there| was_there),
            "revoke others" => {
                let mine = otpgate_core::secret::AccessToken::new(here.log_in(A).await.access);
                let Ok(live) = engine.session(&mine).await else { panic!("no session") };
                ended = engine.revoke_others(&live).await.is_ok();
            }
            "revoke all" => {
                ended = engine.revoke_all(&Caller::new(Profile::Identity, tenant.clone()), &id).await.is_ok();
            }
            "disable" => ended = engine.disable(tenant, &id).await.is_ok(),
            "change" => ended = engine.user_changed(tenant, &id, &[]).await.is_ok(),
            "forget" => ended = engine.forget(tenant, &id).await.is_ok(),
            "reuse" => {
                let next = Tokens::of(&here.refresh(&tokens.refresh).await);
                here.refresh(&next.refresh).await.has(200);
                here.refresh(&tokens.refresh).await.has(401);
            }
            "another login" => {
                let code = here.send(A).await;
                here.call(here.guess_of(A, &code).token(&tokens.access)).await.has(200);
            }
            "one too many" => {
                here.log_in(A).await;
                here.log_in(A).await;
            }
            "a reset" => {
                here.forgot(A).await.has(200);
                let token = here.code_for(A).await;
                here.reset(&token, "another long password").await.has(200);
            }
            other => panic!("no such end: {other}"),
        }
        assert!(ended, "{what}");
        here.me(&tokens.access).await.fails(401, "Not authenticated");
        poll(&there).await;
        there.me(&tokens.access).await.fails(401, "Not authenticated");
    }
}

async fn i7_a_log_out_that_could_not_be_told_is_told_when_it_is_tried_again(w: &World) {
    for lost in [1, 2] {
        let here = w.another(|s| s).await;
        let there = here.node(|s| s).await;
        let token = here.log_in(A).await.access;
        see(&there, &token).await;
        // Its own lane first, then the one over all.
        here.store().fail_nth(StoreOp::Add, lost, Failure::Refuse(KIND));
        here.log_out(&token).await.fails(503, "Service unavailable");
        here.me(&token).await.fails(401, "Not authenticated");
        // It has ended, and not been told: nobody was told that it has ended, either.
        there.me(&token).await.has(200);
        here.log_out(&token).await.fails(401, "Not authenticated");
        poll(&there).await;
        there.me(&token).await.fails(401, "Not authenticated");
    }
}

async fn i11_a_node_whose_polls_fail_or_hang_believes_nothing(w: &World) {
    for failure in [Failure::Refuse(KIND), Failure::Hang] {
        let w = w.another(|s| s).await;
        let token = w.log_in(A).await.access;
        see(&w, &token).await;
        w.store().fail(StoreOp::Add, failure);
        w.advance_ms(500);
        w.runtime().idle().await;
        if failure == Failure::Hang {
            // It began half a second ago: what was seen before it is a second old.
            w.advance_ms(500);
        } else {
            w.runtime().polled().await;
        }
        let loads = w.store().calls(StoreOp::Load);
        w.me(&token).await.has(200);
        assert!(w.store().calls(StoreOp::Load) > loads, "{failure:?}: the store is asked");
        w.store().fail(StoreOp::Load, Failure::Refuse(KIND));
        w.me(&token).await.fails(503, "Service unavailable");
        w.store().heal();
        w.me(&token).await.has(200);
        // The one that hangs is given up, and the next one is good.
        w.advance_ms(750);
        w.runtime().polled().await;
        poll(&w).await;
        see(&w, &token).await;
    }
}

async fn s10_a_request_with_a_token_that_was_seen_asks_nobody(w: &World) {
    let tokens = w.log_in(A).await;
    see(w, &tokens.access).await;
    let (calls, questions) = (w.store().all_calls(), w.directory().questions());
    for _ in 0..100 {
        w.me(&tokens.access).await.has(200);
    }
    assert_eq!((w.store().all_calls(), w.directory().questions()), (calls, questions));
    // Another token of the same session costs its signature, and no question either.
    let next = Tokens::of(&w.refresh(&tokens.refresh).await).access;
    let calls = w.store().all_calls();
    w.me(&next).await.has(200);
    assert_eq!(w.store().all_calls(), calls);
}

async fn i6_a_cached_verdict_ends_with_its_token_and_after_a_minute(w: &World) {
    let token = w.log_in(A).await.access;
    see(w, &token).await;
    let mut asked = 0;
    for _ in 0..300 {
        poll(w).await;
        let loads = w.store().calls(StoreOp::Load);
        w.me(&token).await.has(200);
        asked += usize::from(w.store().calls(StoreOp::Load) > loads);
    }
    assert_eq!(asked, 2, "once a minute, of two and a half");
    w.advance_ms(900_000 - 151_000);
    w.runtime().polled().await;
    see(w, &token).await;
    w.advance_ms(999);
    w.runtime().polled().await;
    w.me(&token).await.has(200);
    w.advance_ms(1);
    w.me(&token).await.fails(401, "Not authenticated");
}

async fn a96_junk_tokens_ask_nobody_and_throw_nothing_out(w: &World) {
    let w = &w.another(|s| s.gate(|g| g.cache_bytes(64 * 1024))).await;
    let token = w.log_in(A).await.access;
    see(w, &token).await;
    let (calls, cached) = (w.store().all_calls(), w.gate().cached());
    let (signed, signature) = token.split_at(token.len() - 43);
    for n in 0..500 {
        w.me(&format!("{n}.{n}.{n}")).await.has(401);
        w.me(&format!("{signed}{n:0>4}{}", &signature[4..])).await.has(401);
    }
    w.me(&token).await.has(200);
    assert_eq!((w.store().all_calls(), w.gate().cached()), (calls, cached));
}

async fn a96_a_flood_of_good_tokens_stays_within_the_bound(w: &World) {
    let w = &w.another(|s| s.gate(|g| g.cache_bytes(64 * 1024))).await;
    let mut tokens = w.log_in(A).await;
    let mut most = 0;
    for _ in 0..200 {
        w.me(&tokens.access).await.has(200);
        most = most.max(w.gate().cached());
        tokens = Tokens::of(&w.refresh(&tokens.refresh).await);
        w.advance_ms(100);
    }
    // 48 KiB of entries with more than 512 bytes each.
    assert!((10..96).contains(&most), "{most}");
    w.me(&tokens.access).await.has(200);
}

async fn i7_one_process_alone_asks_nobody_and_refuses_at_once(w: &World) {
    let w = &w.another(|s| s.single_process()).await;
    let token = w.log_in(A).await.access;
    w.me(&token).await.has(200);
    w.runtime().empty().await;
    let calls = w.store().all_calls();
    w.advance(59);
    w.me(&token).await.has(200);
    assert_eq!(w.store().all_calls(), calls);
    w.log_out(&token).await.has(200);
    w.me(&token).await.fails(401, "Not authenticated");
}
