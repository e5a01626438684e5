//! A15: what the identifiers of one account share. I15: who becomes a user in a flow.

use otpgate_core::policy::PolicyBuilder;
use otpgate_core::{Disclosure, Registration};
use serde_json::{Value, json};

use super::{Client, MOBILE, NAME, NO_MOBILE, PASSWORD, ROSA, engine_with};
use crate::wire::people::{A, NOBODY};
use crate::wire::scenarios::list;
use crate::wire::{Reply, Setup, World, other_than};

list![
    a15_number_address_and_name_of_an_account_have_one_budget_of_wrong_codes,
    a15_number_address_and_name_of_an_account_have_one_budget_of_wrong_passwords,
    a15_which_identifiers_are_of_one_account_is_not_told,
    i15_an_unknown_address_becomes_a_user_with_a_flow_s_first_code,
    i15_a_newcomer_brings_a_password,
    a93_i12_known_and_unknown_addresses_are_answered_alike_in_flows_that_register,
    q12_a_number_and_a_name_register_nobody,
    a32_a_flow_s_code_from_before_another_registered_the_address_opens_nothing,
    r29_under_reveal_who_may_register_is_no_unknown;
    racing:
    i15_sixty_four_right_codes_of_a_flow_make_one_user,
    i15_racing_flows_of_one_newcomer_make_one_user,
];

const HOUR: u64 = 3_600;

async fn unhurried(w: &World) -> World {
    engine_with(w, |s| s.policy(PolicyBuilder::insecure_without_send_limits)).await
}

fn by_name(w: &World) -> Client {
    Client::web(w, ROSA).with(&json!({ "identifierType": "USERNAME", "identifierValue": NAME, "email": ROSA }))
}

/// The three ways to one account.
fn ways(w: &World) -> [Client; 3] {
    [Client::mobile(w, MOBILE), Client::web(w, ROSA), by_name(w)]
}

async fn wrong_code(w: &World, client: &Client) {
    w.move_on();
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    client.validate(w, &flow, other_than(&code)).await.refuses(1506);
}

async fn a15_number_address_and_name_of_an_account_have_one_budget_of_wrong_codes(w: &World) {
    let w = &unhurried(w).await;
    for round in 0..2 {
        // Ten in an hour, in turns.
        for n in 0..10 {
            ways(w)[n % 3].log_in(w).await.succeeds();
            wrong_code(w, &ways(w)[n % 3]).await;
        }
        for client in ways(w) {
            client.log_in(w).await.refuses(1506);
        }
        // Another profile is no way round it, and another person is not touched.
        let code = w.send(ROSA).await;
        w.guess(ROSA, &code).await.has(401);
        Client::web(w, A).log_in(w).await.succeeds();
        w.advance(HOUR);
        if round == 0 {
            Client::web(w, ROSA).log_in(w).await.succeeds();
        }
    }
    // And twenty in a day.
    for client in ways(w) {
        client.log_in(w).await.refuses(1506);
    }
    w.advance(24 * HOUR);
    for client in ways(w) {
        client.log_in(w).await.succeeds();
    }
}

async fn a15_number_address_and_name_of_an_account_have_one_budget_of_wrong_passwords(w: &World) {
    let w = &unhurried(w).await;
    w.set_password(ROSA, PASSWORD).await;
    let attempt = async |client: &Client, password: &str| {
        w.move_on();
        let flow = client.open(w).await;
        client.ask(w, "password/validate", json!({ "sessionId": flow, "password": password })).await
    };
    for n in 0..10 {
        attempt(&ways(w)[n % 3], PASSWORD).await.succeeds();
        attempt(&ways(w)[n % 3], "not the one").await.refuses(1528);
    }
    for client in ways(w) {
        attempt(&client, PASSWORD).await.refuses(1528);
        // Codes are counted apart.
        client.log_in(w).await.succeeds();
    }
    w.advance(HOUR);
    for client in ways(w) {
        attempt(&client, PASSWORD).await.succeeds();
    }
}

async fn a15_which_identifiers_are_of_one_account_is_not_told(w: &World) {
    let w = &unhurried(w).await;
    // Spent by her address, and by an address that is nobody's.
    for n in 0..10 {
        for email in [ROSA, NOBODY] {
            w.move_on();
            let client = Client::web(w, email);
            let flow = client.open(w).await;
            client.ask(w, "otp/generate", json!({ "sessionId": flow })).await.succeeds();
            client.validate(w, &flow, format!("{n:06}")).await.refuses(1506);
        }
    }
    let mut told: Vec<Vec<Reply>> = Vec::new();
    for number in [MOBILE, NO_MOBILE] {
        let client = Client::mobile(w, number);
        w.move_on();
        let flow = client.open(w).await;
        client.ask(w, "otp/generate", json!({ "sessionId": flow })).await.succeeds();
        let right = w.mails().await.pop().map(|m| m.code).unwrap_or_default();
        let mut answers = Vec::new();
        // Her own right code is one of five wrong ones then, and the flow ends as anybody's does.
        for n in 0..6 {
            let otp = if n == 2 && number == MOBILE { right.clone() } else { other_than(&right) };
            answers.push(client.validate(w, &flow, otp).await);
        }
        let flow = client.open(w).await;
        for _ in 0..6 {
            let fields = json!({ "sessionId": flow, "password": "not the one" });
            answers.push(client.ask(w, "password/validate", fields).await);
        }
        told.push(answers);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0][5].value()["status"]["code"], json!(1518));
}

fn registering(setup: Setup) -> Setup {
    setup.registration(Registration::on_first_code).policy(PolicyBuilder::insecure_without_send_limits)
}

async fn i15_an_unknown_address_becomes_a_user_with_a_flow_s_first_code(w: &World) {
    let w = &engine_with(w, registering).await;
    let client = Client::web(w, NOBODY);
    let free = r#"{"status":true,"data":{"isAvailableEmail":true},"message":"OK"}"#;
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    client.validate(w, &flow, other_than(&code)).await.refuses(1506);
    w.check(NOBODY).await.is(200, free);
    let done = client.validate(w, &flow, code.clone()).await;
    assert_eq!(done.succeeds()["user"]["userRegisteredForPassword"], json!(false));
    w.gateway(&done.at("/auth/token"), &[]).await.has(200);
    client.ask(w, "token/regenerate", json!({ "key": done.at("/auth/key") })).await.succeeds();
    client.validate(w, &flow, code).await.refuses(1505);
    let id = w.user(NOBODY).await.id;
    // From then on they are the same user, in every profile.
    client.log_in(w).await.succeeds();
    w.log_in(NOBODY).await;
    assert_eq!(w.user(NOBODY).await.id, id);
    let told = w.events().all().iter().filter(|e| e.kind.name() == "registered").count();
    assert_eq!(told, 1);
}

async fn i15_a_newcomer_brings_a_password(w: &World) {
    let w = &engine_with(w, registering).await;
    let client = Client::web(w, NOBODY);
    let flow = client.open_with(w, json!({ "password": PASSWORD, "confirmPassword": PASSWORD })).await;
    let code = client.code(w, &flow).await;
    let done = client.validate(w, &flow, code).await;
    assert_eq!(done.succeeds()["user"]["userRegisteredForPassword"], json!(true));
    let flow = client.open(w).await;
    client.ask(w, "password/validate", json!({ "sessionId": flow, "password": PASSWORD })).await.succeeds();
}

async fn a93_i12_known_and_unknown_addresses_are_answered_alike_in_flows_that_register(w: &World) {
    let w = &engine_with(w, registering).await;
    let mut told = Vec::new();
    for email in [ROSA, NOBODY] {
        let client = Client::web(w, email);
        let before = w.mails().await.len();
        let flow = client.open(w).await;
        let mut answers = vec![client.validate(w, &flow, "000000").await];
        for _ in 0..2 {
            answers.push(client.ask(w, "otp/generate", json!({ "sessionId": flow })).await);
        }
        let code = w.mails().await.pop().map(|m| m.code).unwrap_or_default();
        for _ in 0..6 {
            answers.push(client.validate(w, &flow, other_than(&code)).await);
        }
        let fields = json!({ "sessionId": client.open(w).await, "password": PASSWORD, "confirmPassword": PASSWORD });
        for operation in ["password/validate", "password/forget"] {
            answers.push(client.ask(w, operation, fields.clone()).await);
        }
        assert_eq!(w.mails().await.len(), before + 2, "everybody gets a code");
        told.push(answers);
    }
    assert_eq!(told[0], told[1]);
}

async fn q12_a_number_and_a_name_register_nobody(w: &World) {
    let w = &engine_with(w, registering).await;
    let name = json!({ "identifierType": "USERNAME", "identifierValue": "new.name", "email": NOBODY });
    let known_mail = json!({ "identifierType": "USERNAME", "identifierValue": "new.name", "email": A });
    for client in
        [Client::mobile(w, NO_MOBILE), Client::web(w, ROSA).with(&name), Client::web(w, ROSA).with(&known_mail)]
    {
        let flow = client.open(w).await;
        client.ask(w, "otp/generate", json!({ "sessionId": flow })).await.succeeds();
        assert!(w.mails().await.is_empty(), "an SMS costs money, and a code to an address proves no name");
        client.validate(w, &flow, "000000").await.refuses(1506);
    }
}

async fn a32_a_flow_s_code_from_before_another_registered_the_address_opens_nothing(w: &World) {
    let w = &engine_with(w, registering).await;
    let client = Client::web(w, NOBODY);
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    let id = w.sign_up("somebody-else", NOBODY).await;
    client.validate(w, &flow, code).await.refuses(1506);
    assert_eq!(w.user(NOBODY).await.id, id);
    let code = client.code(w, &flow).await;
    client.validate(w, &flow, code).await.succeeds();
    // A directory that fails registers nobody, and leaves the flow for another code.
    let client = Client::web(w, "new@example.com");
    let flow = client.open(w).await;
    let code = client.code(w, &flow).await;
    w.directory().set_down(true);
    client.validate(w, &flow, code.clone()).await.refuses_as(503, 503);
    w.directory().set_down(false);
    client.validate(w, &flow, code).await.succeeds();
}

async fn r29_under_reveal_who_may_register_is_no_unknown(w: &World) {
    let reveal = |s: Setup| registering(s).policy(|p| p.disclosure(Disclosure::Reveal));
    let w = &engine_with(w, reveal).await;
    Client::web(w, NOBODY).log_in(w).await.succeeds();
    let nobody = Client::mobile(w, NO_MOBILE);
    let flow = nobody.open(w).await;
    nobody.ask(w, "otp/generate", json!({ "sessionId": flow })).await.refuses(1515);
}

fn won(replies: &[Reply]) -> usize {
    replies.iter().filter(|r| r.value()["status"]["success"] == Value::Bool(true)).count()
}

async fn i15_sixty_four_right_codes_of_a_flow_make_one_user(w: &World) {
    let w = &engine_with(w, |s| registering(s).real_chance()).await;
    for round in 0..w.rounds(4) {
        let address = format!("new-{round}@example.com");
        let client = Client::web(w, &address);
        w.move_on();
        let flow = client.open(w).await;
        let code = client.code(w, &flow).await;
        let request = client.request("otp/validate", &json!({ "sessionId": flow, "otp": code }));
        let replies = w.burst(vec![request; 64]).await;
        assert_eq!(won(&replies), 1, "round {round}");
        w.user(&address).await;
    }
}

async fn i15_racing_flows_of_one_newcomer_make_one_user(w: &World) {
    let w = &engine_with(w, |s| registering(s).real_chance()).await;
    for round in 0..w.rounds(4) {
        let address = format!("new-{round}@example.com");
        let client = Client::web(w, &address);
        w.move_on();
        let mut requests = Vec::new();
        // Two: a flow that loses has five wrong guesses. Those of two would spend the ten of the account before the session opens, and
        // then nobody is let in (A15).
        for _ in 0..2 {
            let flow = client.open(w).await;
            let code = client.code(w, &flow).await;
            let request = client.request("otp/validate", &json!({ "sessionId": flow, "otp": code }));
            requests.extend(vec![request; 32]);
        }
        let replies = w.burst(requests).await;
        // Both codes are right, and were sent when there was nobody: only one of them makes somebody.
        let opened = won(&replies);
        let made = w.events().all().iter().filter(|e| e.kind.name() == "registered").count();
        assert_eq!((opened, made), (1, round + 1));
        w.user(&address).await;
    }
}
