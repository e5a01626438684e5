//! Registration with the first code.

use std::sync::Arc;

use otpgate_core::{Directory as _, Disclosure, Identifier, Registrar, Registration, StoreDirectory, Tenant};

use super::list;
use crate::wire::people::{A, NOBODY};
use crate::wire::{Request, Tokens, World, other_than, usual_secrets};

list![
    r2_registration_is_closed_unless_the_host_opens_it,
    i15_an_unknown_address_becomes_a_user_with_its_first_code,
    a93_i12_known_and_unknown_addresses_are_answered_alike_where_registration_is_open,
    a32_a_code_from_before_another_registered_the_address_opens_nothing,
    i15_two_codes_of_one_newcomer_make_one_user,
    a31_an_address_that_moves_to_somebody_else_leaves_its_open_code_behind,
    a_host_names_who_may_register,
    i11_a_directory_that_fails_registers_nobody;
    racing:
    i15_sixty_four_right_codes_make_one_user,
    i15_sixty_four_registrars_make_one_user,
    a93_a107_registering_logging_in_and_forgetting_at_once_make_one_account,
];

/// A world whose users register themselves.
async fn open(w: &World) -> World {
    w.another(|s| s.registration(Registration::on_first_code).policy(|p| p.insecure_without_send_limits())).await
}

async fn r2_registration_is_closed_unless_the_host_opens_it(w: &World) {
    w.ask_code(NOBODY).await.has(200);
    assert!(w.mails().await.is_empty());
    w.check(NOBODY).await.is(200, r#"{"status":true,"data":{"isAvailableEmail":true},"message":"OK"}"#);
}

async fn i15_an_unknown_address_becomes_a_user_with_its_first_code(w: &World) {
    let w = &open(w).await;
    let free = r#"{"status":true,"data":{"isAvailableEmail":true},"message":"OK"}"#;
    w.check(NOBODY).await.is(200, free);
    let code = w.send(NOBODY).await;
    w.check(NOBODY).await.is(200, free);
    w.guess(NOBODY, &other_than(&code)).await.fails(401, "Invalid or expired code");
    w.check(NOBODY).await.is(200, free);
    let first = w.guess(NOBODY, &code).await;
    let tokens = Tokens::of(&first);
    assert_eq!(first.at("/data/user/email"), NOBODY);
    w.me(&tokens.access).await.has(200);
    w.check(NOBODY).await.is(200, r#"{"status":true,"data":{"isAvailableEmail":false},"message":"OK"}"#);
    // Used is used, for a newcomer too.
    w.guess(NOBODY, &code).await.has(401);
    let code = w.send(NOBODY).await;
    let second = w.guess(NOBODY, &code).await;
    assert_eq!(second.at("/data/user/id"), first.at("/data/user/id"), "and is the same user from then on");
    w.me(&tokens.access).await.has(200);
}

async fn a93_i12_known_and_unknown_addresses_are_answered_alike_where_registration_is_open(w: &World) {
    let w = &open(w).await;
    for _ in 0..2 {
        let (known, unknown) = (w.ask_code(A).await, w.ask_code(NOBODY).await);
        assert_eq!(known.to_string().replace(A, "*"), unknown.to_string().replace(NOBODY, "*"));
        let codes = (w.code_for(A).await, w.code_for(NOBODY).await);
        for _ in 0..4 {
            let (known, unknown) =
                (w.guess(A, &other_than(&codes.0)).await, w.guess(NOBODY, &other_than(&codes.1)).await);
            assert_eq!(known.to_string(), unknown.to_string());
        }
        w.move_on();
    }
    assert_eq!(w.mails().await.len(), 4, "everybody gets a code");
}

async fn a32_a_code_from_before_another_registered_the_address_opens_nothing(w: &World) {
    let w = &open(w).await;
    let code = w.send(NOBODY).await;
    let id = w.sign_up("somebody-else", NOBODY).await;
    w.guess(NOBODY, &code).await.fails(401, "Invalid or expired code");
    assert_eq!(w.user(NOBODY).await.id, id);
    // A code for the user who is there now does.
    let code = w.send(NOBODY).await;
    assert_eq!(w.guess(NOBODY, &code).await.at("/data/user/id"), id.as_str());
}

async fn i15_two_codes_of_one_newcomer_make_one_user(w: &World) {
    let w = &w.another(|s| s.platform().registration(Registration::on_first_code)).await;
    let of_identity = w.send(NOBODY).await;
    w.ask_otp(NOBODY).await.has(200);
    let of_platform = w.code_for(NOBODY).await;
    let first = w.guess(NOBODY, &of_identity).await;
    // Both came to the same mailbox, and the second was sent to somebody who was no user yet.
    w.verify_otp(NOBODY, &of_platform).await.is(401, r#"{"error":"Invalid credentials"}"#);
    w.me(&Tokens::of(&first).access).await.has(200);
    assert_eq!(w.user(NOBODY).await.id.as_str(), first.at("/data/user/id"));
}

async fn a31_an_address_that_moves_to_somebody_else_leaves_its_open_code_behind(w: &World) {
    // The host forgot to say that the user has changed, and both accounts are as new as the other.
    let code = w.send(A).await;
    w.change_user(A, |user| user.email = Some("moved@example.com".into())).await;
    let other = w.sign_up("the-next-one", A).await;
    w.guess(A, &code).await.fails(401, "Invalid or expired code");
    let code = w.send(A).await;
    assert_eq!(w.guess(A, &code).await.at("/data/user/id"), other.as_str());
}

async fn a_host_names_who_may_register(w: &World) {
    let admits = |users: StoreDirectory| {
        Registration::on_first_code_if(users, |_: &Tenant, address: &Identifier| {
            address.as_str().ends_with("@example.org")
        })
    };
    let concealing = w.another(|s| s.registration(admits)).await;
    concealing.ask_code(NOBODY).await.has(200);
    assert!(concealing.mails().await.is_empty(), "who may not is unknown like everybody else");
    concealing.log_in("new@example.org").await;
    let reveal = |s: crate::wire::Setup| s.registration(admits).policy(|p| p.disclosure(Disclosure::Reveal));
    let revealing = w.another(reveal).await;
    revealing.ask_code(NOBODY).await.has(404);
    revealing.log_in("new@example.org").await;
}

async fn i11_a_directory_that_fails_registers_nobody(w: &World) {
    let w = &open(w).await;
    let code = w.send(NOBODY).await;
    w.directory().set_down(true);
    w.guess(NOBODY, &code).await.has(503);
    w.directory().set_down(false);
    Tokens::of(&w.guess(NOBODY, &code).await);
}

async fn i15_sixty_four_right_codes_make_one_user(w: &World) {
    let w = &w.another(|s| s.real_chance().registration(Registration::on_first_code)).await;
    for round in 0..w.rounds(8) {
        w.move_on();
        let address = format!("new-{round}@example.com");
        let code = w.send(&address).await;
        // Each from an address of its own: one address may not ask so often.
        let racers = (0..64u8).map(|n| w.guess_of(&address, &code).from([10, 0, 0, n].into())).collect();
        let replies = w.burst(racers).await;
        assert_eq!(replies.iter().filter(|r| r.status == 200).count(), 1, "round {round}");
        let opened = replies.iter().find(|r| r.status == 200).map(|r| r.at("/data/user/id"));
        assert_eq!(opened.as_deref(), Some(w.user(&address).await.id.as_str()));
        w.advance(60);
    }
}

async fn i15_sixty_four_registrars_make_one_user(w: &World) {
    for round in 0..w.rounds(16) {
        let Ok(address) = Identifier::email(&format!("new-{round}@example.com")) else { panic!("no address") };
        let barrier = Arc::new(tokio::sync::Barrier::new(64));
        let racers: Vec<_> = (0..64)
            .map(|_| {
                // Each with a handle of its own, as on a node of its own.
                let users = StoreDirectory::new(w.store().clone(), &usual_secrets());
                let (tenant, address, barrier) = (w.tenant().clone(), address.clone(), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    users.register(&tenant, &address).await
                })
            })
            .collect();
        let mut made = Vec::new();
        for racer in racers {
            match racer.await {
                Ok(Ok(user)) => made.extend(user),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(made.len(), 1, "round {round}");
        let found = w.directory().users().find(w.tenant(), &address).await;
        assert_eq!(found.ok().flatten().map(|u| u.id), made.first().map(|u| u.id.clone()));
    }
}

async fn a93_a107_registering_logging_in_and_forgetting_at_once_make_one_account(w: &World) {
    let free = |p: otpgate_core::policy::PolicyBuilder| p.insecure_without_send_limits();
    let w = &w.another(|s| s.platform().real_chance().registration(Registration::on_first_code).policy(free)).await;
    for round in 0..w.rounds(4) {
        let address = format!("new-{round}@example.com");
        w.move_on();
        let code = w.send(&address).await;
        let body = serde_json::json!({ "email": address, "PlatformId": w.tenant().as_str() });
        let of_platform = |route: &str| Request::json(&format!("/api/user/{route}"), &body);
        let kinds = [w.guess_of(&address, &code), of_platform("signin-otp"), of_platform("forgot-password")];
        let mixed = (0..100usize).zip(0u8..).map(|(i, n)| kinds[i % 3].clone().from([10, 0, 1, n].into())).collect();
        let replies = w.burst(mixed).await;
        // Whoever comes too late is told what everybody is told: no answer says that the address is taken.
        let statuses = |kind: usize| replies.iter().skip(kind).step_by(3).map(|r| r.status).collect::<Vec<_>>();
        let (logins, codes, resets) = (statuses(0), statuses(1), statuses(2));
        assert_eq!(logins.iter().filter(|s| **s == 200).count(), 1, "round {round}: {logins:?}");
        assert!(logins.iter().all(|s| [200, 401, 503].contains(s)), "round {round}: {logins:?}");
        assert!(codes.iter().chain(&resets).all(|s| [200, 503].contains(s)), "round {round}: {codes:?} {resets:?}");
        // One account, and its one session is the winner's.
        let Some(won) = replies.iter().find(|r| r.status == 200 && !r.at("/data/token").is_empty()) else {
            panic!("nobody")
        };
        let user = w.user(&address).await;
        assert_eq!(won.at("/data/user/id"), user.id.as_str());
        let made = w.events().all().iter().filter(|e| e.kind.name() == "registered").count();
        assert_eq!(made, round + 1);
        let Ok(open) = w.gate().engine().sessions_of(w.tenant(), &user.id).await else { panic!("no list") };
        assert_eq!(open.len(), 1);
        w.me(&Tokens::of(won).access).await.has(200);
        // Whatever else was mailed is for that account or for nobody.
        let before = w.mails().await.len();
        w.ask_otp(&address).await.has(200);
        let mails = w.mails().await;
        let verified = w.verify_otp(&address, &mails[before].code).await;
        assert_eq!(verified.has(200).at("/user/id"), user.id.as_str());
    }
}
