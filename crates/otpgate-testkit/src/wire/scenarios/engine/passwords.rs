//! Passwords of `engine`: tried in a flow, kept until a code validates, changed by a session.

use std::time::Duration;

use otpgate_core::policy::FlowPolicy;
use serde_json::{Value, json};

use super::{Client, MOBILE, OTHER_PASSWORD, PASSWORD, ROSA, engine, engine_with};
use crate::wire::people::{A, NOBODY};
use crate::wire::scenarios::list;
use crate::wire::{Reply, World};

list![
    w139_a_password_opens_a_session_and_five_wrong_ones_end_the_flow,
    w139_a_brand_without_passwords_says_so,
    w140_a_forgotten_password_is_replaced_when_the_code_validates,
    w140_the_first_password_comes_with_the_flow,
    w141_a_password_is_changed_by_a_session_that_knows_the_old_one,
    i10_a_pending_password_ends_everything_that_was_open,
];

impl Client {
    async fn try_password(&self, w: &World, flow: &str, password: &str) -> Reply {
        self.ask(w, "password/validate", json!({ "sessionId": flow, "password": password })).await
    }

    async fn change(&self, w: &World, token: &str, old: &str, new: [&str; 2]) -> Reply {
        let [new, confirmation] = new;
        let fields = json!({ "token": token, "password": old, "newPassword": new, "confirmPassword": confirmation });
        self.ask(w, "password/change", fields).await
    }
}

async fn w139_a_password_opens_a_session_and_five_wrong_ones_end_the_flow(w: &World) {
    let w = &engine(w).await;
    w.set_password(ROSA, PASSWORD).await;
    for client in [Client::mobile(w, MOBILE), Client::web(w, ROSA)] {
        let flow = client.open(w).await;
        client.try_password(w, &flow, OTHER_PASSWORD).await.refuses(1528);
        let done = client.try_password(w, &flow, PASSWORD).await;
        let body = done.succeeds();
        assert_eq!(body["identifiers"], json!({ "identifierList": null }));
        assert_eq!(body["user"]["userRegisteredForPassword"], json!(true));
        assert!(body["auth"]["key"].is_string());
        w.gateway(&done.at("/auth/token"), &[]).await.has(200);
        client.try_password(w, &flow, PASSWORD).await.refuses(1505);
    }
    // Unknown, known without one, and wrong are alike, to the last of five.
    for client in [Client::web(w, ROSA), Client::web(w, NOBODY), Client::web(w, A)] {
        let flow = client.open(w).await;
        for _ in 0..5 {
            client.try_password(w, &flow, "not the one").await.refuses(1528);
        }
        client.try_password(w, &flow, PASSWORD).await.refuses(1530);
        w.move_on();
    }
    // The flow is spent, and not the person.
    let client = Client::web(w, ROSA);
    let flow = client.open(w).await;
    client.try_password(w, &flow, PASSWORD).await.succeeds();
}

async fn w139_a_brand_without_passwords_says_so(w: &World) {
    let plain = |e: otpgate_http::Engine| {
        drop(e);
        let tenant = otpgate_core::Tenant::default();
        otpgate_http::Engine::new([otpgate_http::Brand::new(tenant).without_passwords()])
    };
    let w = &engine_with(w, |s| s.engine(plain)).await;
    let client = Client::web(w, ROSA);
    let both = json!({ "password": PASSWORD, "confirmPassword": PASSWORD });
    client.ask(w, "token/generate", both.clone()).await.refuses(1524);
    let flow = client.ask(w, "token/generate", json!({})).await.succeeds()["user"].clone();
    assert_eq!(flow["userRegisteredForPassword"], json!(false));
    let flow = flow["sessionId"].as_str().unwrap_or_default().to_owned();
    client.try_password(w, &flow, PASSWORD).await.refuses(1524);
    client.with(&both).ask(w, "password/forget", json!({ "sessionId": flow })).await.refuses(1524);
    client.change(w, "x", PASSWORD, [OTHER_PASSWORD; 2]).await.refuses(1524);
}

async fn w140_a_forgotten_password_is_replaced_when_the_code_validates(w: &World) {
    let w = &engine(w).await;
    w.set_password(ROSA, PASSWORD).await;
    let client = Client::web(w, ROSA);
    let forget = |flow: &str, password: &str, confirmation: &str| json!({ "sessionId": flow, "password": password, "confirmPassword": confirmation });
    let flow = client.open(w).await;
    client.ask(w, "password/forget", forget(&flow, OTHER_PASSWORD, "something else")).await.refuses(1521);
    for weak in ["short", "password", "12345678"] {
        client.ask(w, "password/forget", forget(&flow, weak, weak)).await.refuses(1542);
    }
    let kept = client.ask(w, "password/forget", forget(&flow, OTHER_PASSWORD, OTHER_PASSWORD)).await;
    kept.is(200, r#"{"status":{"success":true,"code":200,"message":"SUCCESS"}}"#);
    // An address of nobody is told the same.
    let nobody = Client::web(w, NOBODY);
    let theirs = nobody.open(w).await;
    let told = nobody.ask(w, "password/forget", forget(&theirs, OTHER_PASSWORD, OTHER_PASSWORD)).await;
    assert_eq!(told, kept);
    // Until the code validates, the old one is the password, also when a flow with a pending one is finished by it.
    let with_old = client.open(w).await;
    client.ask(w, "password/forget", forget(&with_old, "yet another phrase", "yet another phrase")).await.succeeds();
    client.try_password(w, &with_old, PASSWORD).await.succeeds();
    let probe = client.open(w).await;
    client.try_password(w, &probe, OTHER_PASSWORD).await.refuses(1528);
    client.try_password(w, &probe, PASSWORD).await.succeeds();
    let code = client.code(w, &flow).await;
    let done = client.validate(w, &flow, code).await;
    assert_eq!(done.succeeds()["user"]["userRegisteredForPassword"], json!(true));
    w.gateway(&done.at("/auth/token"), &[]).await.has(200);
    let probe = client.open(w).await;
    client.try_password(w, &probe, PASSWORD).await.refuses(1528);
    client.try_password(w, &probe, "yet another phrase").await.refuses(1528);
    client.try_password(w, &probe, OTHER_PASSWORD).await.succeeds();
}

async fn w140_the_first_password_comes_with_the_flow(w: &World) {
    let w = &engine(w).await;
    let client = Client::mobile(w, MOBILE);
    let with = |password: Value, confirmation: Value| json!({ "password": password, "confirmPassword": confirmation });
    for (fields, number) in [
        (with(json!(PASSWORD), json!(OTHER_PASSWORD)), 1521),
        (with(json!(PASSWORD), json!(null)), 1521),
        (with(json!(""), json!(PASSWORD)), 1520),
        (with(json!("short"), json!("short")), 1542),
        (with(json!(1), json!(1)), 1519),
    ] {
        client.ask(w, "token/generate", fields).await.refuses(number);
    }
    client.ask(w, "token/generate", with(json!(""), json!(null))).await.succeeds();
    let flow = client.open_with(w, with(json!(PASSWORD), json!(PASSWORD))).await;
    let code = client.code(w, &flow).await;
    let done = client.validate(w, &flow, code).await.succeeds();
    assert_eq!(done["user"]["userRegisteredForPassword"], json!(true));
    let flow = client.open(w).await;
    client.try_password(w, &flow, PASSWORD).await.succeeds();
}

async fn w141_a_password_is_changed_by_a_session_that_knows_the_old_one(w: &World) {
    let w = &engine(w).await;
    w.set_password(ROSA, PASSWORD).await;
    let client = Client::mobile(w, MOBILE);
    let token = client.log_in(w).await.at("/auth/token");
    client.change(w, &token, PASSWORD, [OTHER_PASSWORD, "something else"]).await.refuses(1521);
    client.change(w, &token, "not the old one", [OTHER_PASSWORD; 2]).await.refuses(1528);
    client.change(w, &token, PASSWORD, [PASSWORD; 2]).await.refuses(1527);
    client.change(w, &token, PASSWORD, ["short"; 2]).await.refuses(1542);
    for (wrong, number) in [
        (json!({ "deviceId": "another" }), 1508),
        (json!({ "brand": "nobody's" }), 1509),
        (json!({ "identifierValue": "15550100000" }), 1507),
        (json!({ "identifierType": "EMAIL", "identifierValue": ROSA }), 1541),
    ] {
        client.with(&wrong).change(w, &token, PASSWORD, [OTHER_PASSWORD; 2]).await.refuses(number);
    }
    client.other_set().change(w, &token, PASSWORD, [OTHER_PASSWORD; 2]).await.refuses(1508);
    client.change(w, "no.token.atall", PASSWORD, [OTHER_PASSWORD; 2]).await.refuses(1523);
    let late = client.log_in(w).await.at("/auth/token");
    w.advance(900);
    client.change(w, &late, PASSWORD, [OTHER_PASSWORD; 2]).await.refuses(1529);
    let (first, second) = (client.log_in(w).await, client.log_in(w).await);
    let changed = client.change(w, &second.at("/auth/token"), PASSWORD, [OTHER_PASSWORD; 2]).await;
    changed.is(200, r#"{"status":{"success":true,"code":200,"message":"SUCCESS"}}"#);
    // With the new password every session ends (R44), that of the request too.
    for done in [first, second] {
        w.gateway(&done.at("/auth/token"), &[]).await.refuses_as(401, 1529);
        client.ask(w, "token/regenerate", json!({ "key": done.at("/auth/key") })).await.refuses(1597);
    }
    let flow = client.open(w).await;
    client.try_password(w, &flow, PASSWORD).await.refuses(1528);
    client.try_password(w, &flow, OTHER_PASSWORD).await.succeeds();
}

async fn i10_a_pending_password_ends_everything_that_was_open(w: &World) {
    let long = FlowPolicy { life: Duration::from_secs(3_600), ..FlowPolicy::default() };
    let w = &engine_with(w, |s| s.platform().policy(|p| p.flows(long))).await;
    w.set_password(ROSA, PASSWORD).await;
    let (mobile, web) = (Client::mobile(w, MOBILE), Client::web(w, ROSA));
    let (on_device, on_web, in_identity) = (mobile.log_in(w).await, web.log_in(w).await, w.log_in(ROSA).await);
    w.advance(61);
    let open_flow = mobile.open(w).await;
    let open_code = mobile.code(w, &open_flow).await;
    let resetting = web.open_with(w, json!({ "password": OTHER_PASSWORD, "confirmPassword": OTHER_PASSWORD })).await;
    let code = web.code(w, &resetting).await;
    let done = web.validate(w, &resetting, code).await;
    done.succeeds();
    for old in [on_device.at("/auth/token"), on_web.at("/auth/token"), in_identity.access] {
        w.gateway(&old, &[]).await.refuses_as(401, 1529);
    }
    mobile.ask(w, "token/regenerate", json!({ "key": on_device.at("/auth/key") })).await.refuses(1597);
    mobile.validate(w, &open_flow, open_code).await.refuses(1506);
    w.gateway(&done.at("/auth/token"), &[]).await.has(200);
}
