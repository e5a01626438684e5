//! Requests that are sent at the same instant.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;

use super::list;
use crate::wire::people::{A, B, NOBODY};
use crate::wire::{LOGOUT, REFRESH, Reply, Request, SEND, Tokens, World, nth_other, other_than};

list![
    ;
    racing:
    w040_sixty_four_equal_right_codes_open_one_session,
    a24_a26_a_used_code_replayed_in_parallel_opens_one_session,
    a01_a24_sixty_parallel_guesses_are_three_compares,
    a01_a_right_code_beside_one_wrong_guess_always_logs_in,
    a08_a_hundred_parallel_sends_are_three_mails,
    a79_a_logout_wins_every_race_with_refresh,
    a81_i9_a_hundred_parallel_refreshes_have_one_successor,
    a81_i9_a_reused_token_leaves_no_branch_alive,
    a85_parallel_logins_keep_the_cap,
    r13_parallel_requests_are_counted_one_by_one,
];

/// The `n`-th of many addresses that no limit has seen.
fn peer(n: usize) -> IpAddr {
    let n = u32::try_from(n).unwrap_or(0);
    Ipv4Addr::from(0x0a00_0000 + n).into()
}

fn spread(round: usize, requests: impl IntoIterator<Item = Request>) -> Vec<Request> {
    requests.into_iter().enumerate().map(|(i, r)| r.from(peer(round * 256 + i))).collect()
}

fn count(replies: &[Reply], status: u16) -> usize {
    replies.iter().filter(|r| r.status == status).count()
}

async fn unhurried(w: &World) -> World {
    w.another(|s| s.real_chance().policy(|p| p.insecure_without_send_limits())).await
}

async fn w040_sixty_four_equal_right_codes_open_one_session(w: &World) {
    let w = &unhurried(w).await;
    for round in 0..w.rounds(20) {
        w.move_on();
        let code = w.send(A).await;
        let replies = w.burst(spread(round, vec![w.guess_of(A, &code); 64])).await;
        assert_eq!((count(&replies, 200), count(&replies, 401)), (1, 63), "round {round}");
        let Some(won) = replies.iter().find(|r| r.status == 200) else { panic!("nobody") };
        w.me(&Tokens::of(won).access).await.has(200);
        for lost in replies.iter().filter(|r| r.status == 401) {
            lost.fails(401, "Invalid or expired code");
        }
    }
}

async fn a24_a26_a_used_code_replayed_in_parallel_opens_one_session(w: &World) {
    let w = &unhurried(w).await;
    // Two nodes over one store: no lock of one process helps here.
    let other = w.node(|s| s.real_chance().policy(|p| p.insecure_without_send_limits())).await;
    for round in 0..w.rounds(20) {
        w.move_on();
        let code = w.send(A).await;
        let requests = |from: usize| spread(round * 2 + from, vec![w.guess_of(A, &code); 16]);
        let (here, there) = tokio::join!(w.burst(requests(0)), other.burst(requests(1)));
        let all = [here, there].concat();
        assert_eq!(count(&all, 200), 1, "round {round}");
        assert_eq!(count(&all, 401) + count(&all, 503), 31, "round {round}");
        w.guess(A, &code).await.has(401);
    }
}

async fn a01_a24_sixty_parallel_guesses_are_three_compares(w: &World) {
    let w = &unhurried(w).await;
    let rounds = w.rounds(60);
    let mut hits = 0;
    for round in 0..rounds {
        w.move_on();
        w.advance(7_300);
        let code = w.send(A).await;
        let place = round * 7 % 60;
        let guesses =
            (0..60u64).map(|n| if n == place as u64 { 0 } else { n + 1 }).map(|n| w.guess_of(A, &nth_other(&code, n)));
        let replies = w.burst(spread(round, guesses)).await;
        let (won, told) = (count(&replies, 200), replies.iter().filter(|r| r.text().contains("Invalid or")).count());
        assert!(won <= 1 && won + count(&replies, 401) == 60, "round {round}");
        hits += won;
        if won == 0 {
            // Two wrong ones, the third that burns, and all others are not compared.
            assert_eq!(told, 2, "round {round}");
            assert_eq!(w.guess(A, &code).await.at("/message"), "Too many failed attempts. Request a new code.");
        }
        if round % 2 == 1 {
            w.advance(86_400);
        }
        if round % 20 == 19 {
            // Else the hundredth wrong guess in a row shuts the address.
            w.move_on();
            w.log_in(A).await;
        }
    }
    // The right one is among the three that are compared in one of twenty rounds.
    let most = rounds / 20 + 5 * (1 + rounds.isqrt() / 4);
    assert!(hits <= most, "{hits} of {rounds} rounds hit; at most {most} are chance");
}

async fn a01_a_right_code_beside_one_wrong_guess_always_logs_in(w: &World) {
    let w = &unhurried(w).await;
    for round in 0..w.rounds(200) {
        w.move_on();
        w.advance(2 * 3_600);
        let code = w.send(A).await;
        let both = [w.guess_of(A, &other_than(&code)), w.guess_of(A, &code)];
        let replies = w.burst(spread(round, both)).await;
        replies[0].fails(401, "Invalid or expired code");
        w.me(&Tokens::of(&replies[1]).access).await.has(200);
    }
}

async fn a08_a_hundred_parallel_sends_are_three_mails(w: &World) {
    for (round, email) in [A, NOBODY, B].into_iter().enumerate() {
        let before = w.mails().await.len();
        let send = Request::json(SEND, &json!({ "email": email }));
        let replies = w.burst(spread(round, vec![send; 100])).await;
        assert_eq!((count(&replies, 200), count(&replies, 429)), (3, 97), "{email}");
        let mails = w.mails().await;
        assert_eq!(mails.len() - before, if email == NOBODY { 0 } else { 3 });
        w.move_on();
        // One of the three lives, and it is the only one.
        let mut good = 0;
        for mail in &mails[before..] {
            good += usize::from(w.guess(email, &mail.code).await.status == 200);
        }
        assert_eq!(good, usize::from(email != NOBODY));
    }
}

async fn a79_a_logout_wins_every_race_with_refresh(w: &World) {
    let w = &unhurried(w).await;
    for round in 0..w.rounds(100) {
        w.move_on();
        let tokens = w.log_in(A).await;
        let race = [
            Request::json(REFRESH, &json!({ "refreshToken": tokens.refresh })),
            Request::post(LOGOUT, "{}").token(&tokens.access),
            Request::json(REFRESH, &json!({ "refreshToken": tokens.refresh })),
        ];
        let replies = w.burst(spread(round, race)).await;
        replies[1].has(200);
        for reply in [&replies[0], &replies[2]] {
            if reply.status == 200 {
                let late = Tokens::of(reply);
                w.me(&late.access).await.has(401);
                w.refresh(&late.refresh).await.has(401);
            } else {
                reply.fails(401, "Not authenticated");
            }
        }
        w.me(&tokens.access).await.has(401);
        w.refresh(&tokens.refresh).await.has(401);
    }
}

async fn a81_i9_a_hundred_parallel_refreshes_have_one_successor(w: &World) {
    let w = &unhurried(w).await;
    for round in 0..w.rounds(10) {
        w.move_on();
        let first = w.log_in(A).await;
        let refresh = Request::json(REFRESH, &json!({ "refreshToken": first.refresh }));
        let replies = w.burst(spread(round, vec![refresh; 100])).await;
        let mut next: Vec<String> = replies.iter().map(|r| Tokens::of(r).refresh).collect();
        next.sort();
        next.dedup();
        assert_eq!(next.len(), 1, "round {round}");
        let then = Tokens::of(&w.refresh(&next[0]).await);
        w.me(&then.access).await.has(200);
        // The first one is a grandparent now: with it everything ends.
        w.refresh(&first.refresh).await.has(401);
        w.refresh(&then.refresh).await.has(401);
        w.me(&then.access).await.has(401);
    }
}

async fn a81_i9_a_reused_token_leaves_no_branch_alive(w: &World) {
    let w = &unhurried(w).await;
    for round in 0..w.rounds(50) {
        w.move_on();
        let first = w.log_in(A).await;
        let second = Tokens::of(&w.refresh(&first.refresh).await);
        w.advance(11);
        let race =
            [&first, &second, &first, &second].map(|t| Request::json(REFRESH, &json!({ "refreshToken": t.refresh })));
        let replies = w.burst(spread(round, race)).await;
        assert_eq!((replies[0].status, replies[2].status), (401, 401));
        for reply in replies.iter().filter(|r| r.status == 200) {
            let late = Tokens::of(reply);
            w.me(&late.access).await.has(401);
            w.refresh(&late.refresh).await.has(401);
        }
        w.me(&second.access).await.has(401);
    }
}

async fn a85_parallel_logins_keep_the_cap(w: &World) {
    let w = &w.another(|s| s.real_chance().policy(|p| p.insecure_without_send_limits().max_sessions(3))).await;
    let mut all = Vec::new();
    for _ in 0..4 {
        let code = w.send(A).await;
        all.push(Tokens::of(&w.guess(A, &code).await));
    }
    // One code at a time is all that lives, so the race is between the login and the uses of the session it pushes out.
    let code = w.send(A).await;
    let mut race = vec![w.guess_of(A, &code)];
    race.extend(all.iter().map(|t| Request::new("GET", "/me").token(&t.access)));
    race.extend(all.iter().map(|t| Request::json(REFRESH, &json!({ "refreshToken": t.refresh }))));
    let replies = w.burst(spread(1, race)).await;
    all.push(Tokens::of(&replies[0]));
    let mut alive = 0;
    for tokens in &all {
        alive += usize::from(w.me(&tokens.access).await.status == 200);
    }
    assert_eq!(alive, 3);
}

async fn r13_parallel_requests_are_counted_one_by_one(w: &World) {
    let mails: Vec<Request> =
        (0..80).map(|i| Request::json(SEND, &json!({ "email": format!("p{i}@example.com") }))).collect();
    let replies = w.burst(mails).await;
    assert_eq!((count(&replies, 200), count(&replies, 429)), (30, 50));
}
