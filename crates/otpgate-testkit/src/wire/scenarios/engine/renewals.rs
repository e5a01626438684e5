//! Keys, tokens that have ended, and the end of a session.

use std::time::Duration;

use otpgate_core::policy::FlowPolicy;
use serde_json::{Value, json};

use super::{Client, MOBILE, NO_MOBILE, ROSA, engine, engine_with};
use crate::wire::scenarios::list;
use crate::wire::{Reply, Request, World};

list![
    w125_w126_a_key_regenerates_the_token_without_end,
    w127_a_key_ends_where_the_host_says_when,
    w128_a_key_is_bound_and_is_no_token,
    w142_on_the_web_a_token_that_has_ended_gets_another,
    w143_without_regeneration_there_is_no_key,
    w144_expire_ends_token_and_key,
    r8a_a_web_session_ends_after_thirty_days,
    q35_a_regenerated_token_moves_the_last_use_of_its_session;
    racing: i7_expire_wins_against_regenerate
];

const YEAR: u64 = 366 * 86_400;

impl Client {
    async fn regenerate(&self, w: &World, key: &str) -> Reply {
        self.ask(w, "token/regenerate", json!({ "key": key })).await
    }

    async fn exchange(&self, w: &World, token: &str) -> Reply {
        self.ask(w, "token/regenerate", json!({ "expiredToken": token })).await
    }

    async fn expire(&self, w: &World, token: &str) -> Reply {
        self.ask(w, "token/expire", json!({ "token": token })).await
    }
}

async fn w125_w126_a_key_regenerates_the_token_without_end(w: &World) {
    let w = &engine(w).await;
    let client = Client::mobile(w, MOBILE);
    let done = client.log_in(w).await;
    let key = done.at("/auth/key");
    w.advance(YEAR);
    w.gateway(&done.at("/auth/token"), &[]).await.refuses_as(401, 1529);
    for _ in 0..2 {
        // The key does not rotate.
        let renewed = client.regenerate(w, &key).await;
        let body = renewed.succeeds();
        assert_eq!(body["auth"]["key"], Value::Null);
        let user = json!({
            "appRegistered": true, "sessionId": null, "role": "USER", "userRegisteredForPassword": false
        });
        assert_eq!(body["user"], user);
        assert_ne!(renewed.at("/auth/token"), done.at("/auth/token"));
        w.gateway(&renewed.at("/auth/token"), &[]).await.has(200);
        w.advance(900);
    }
    w.change_user(ROSA, |user| user.admitted = false).await;
    client.regenerate(w, &key).await.refuses(1525);
}

async fn w127_a_key_ends_where_the_host_says_when(w: &World) {
    let flows = FlowPolicy { key_life: Some(Duration::from_secs(3_600)), ..FlowPolicy::default() };
    let w = &engine_with(w, |s| s.policy(|p| p.flows(flows))).await;
    let client = Client::mobile(w, MOBILE);
    let key = client.log_in(w).await.at("/auth/key");
    w.advance(3_599);
    client.regenerate(w, &key).await.succeeds();
    w.advance(1);
    client.regenerate(w, &key).await.refuses(1597);
}

async fn w128_a_key_is_bound_and_is_no_token(w: &World) {
    let w = &engine(w).await;
    let client = Client::mobile(w, MOBILE);
    let done = client.log_in(w).await;
    let (token, key) = (done.at("/auth/token"), done.at("/auth/key"));
    for (wrong, number) in [
        (json!({ "deviceId": "another" }), 1508),
        (json!({ "brand": "nobody's" }), 1509),
        (json!({ "identifierValue": NO_MOBILE }), 1507),
        (json!({ "identifierType": "EMAIL", "identifierValue": ROSA }), 1541),
    ] {
        client.with(&wrong).regenerate(w, &key).await.refuses(number);
    }
    client.other_set().regenerate(w, &key).await.refuses(1508);
    w.gateway(&key, &[]).await.refuses_as(401, 1529);
    for bad in [token.as_str(), "x", "a.b", &format!("{key}x"), &key[..key.len() - 1], &key.to_uppercase()] {
        client.regenerate(w, bad).await.refuses(1597);
    }
    client.regenerate(w, &key).await.succeeds();
    // Whoever reads the store has no key.
    assert!(!w.written().holds(key.as_bytes()), "the key is in the store");
}

async fn w142_on_the_web_a_token_that_has_ended_gets_another(w: &World) {
    let w = &engine(w).await;
    let client = Client::web(w, ROSA);
    let opened = client.ask(w, "token/generate", json!({})).await;
    let (view, done) = (opened.at("/auth/token"), client.log_in(w).await);
    let token = done.at("/auth/token");
    // Before its end too: clients renew early.
    client.exchange(w, &token).await.succeeds();
    client.regenerate(w, &done.at("/auth/key")).await.succeeds();
    w.advance(900);
    let renewed = client.exchange(w, &token).await;
    renewed.succeeds();
    w.gateway(&renewed.at("/auth/token"), &[]).await.has(200);
    let mut forged = token.clone();
    forged.replace_range(token.len() - 8..token.len() - 4, "AAAA");
    for bad in [view.as_str(), &forged, "x.y.z", &done.at("/auth/key")] {
        client.exchange(w, bad).await.refuses(1525);
    }
    client.with(&json!({ "identifierValue": "other@example.com" })).exchange(w, &token).await.refuses(1541);
    // On a device a key is asked for.
    client
        .other_set()
        .ask(w, "token/regenerate", json!({ "expiredToken": token, "deviceId": "d" }))
        .await
        .refuses(1519);
    // The grace is a day from its end.
    w.advance(86_399);
    client.exchange(w, &token).await.succeeds();
    w.advance(1);
    client.exchange(w, &token).await.refuses(1525);
    let done = client.log_in(w).await;
    client.expire(w, &done.at("/auth/token")).await.succeeds();
    client.exchange(w, &done.at("/auth/token")).await.refuses(1525);
}

async fn w143_without_regeneration_there_is_no_key(w: &World) {
    let flows = FlowPolicy { regenerate: false, ..FlowPolicy::default() };
    let w = &engine_with(w, |s| s.policy(|p| p.flows(flows))).await;
    let client = Client::mobile(w, MOBILE);
    let done = client.log_in(w).await;
    assert_eq!(done.succeeds()["auth"]["key"], Value::Null);
    client.regenerate(w, "any").await.refuses(1525);
    let web = Client::web(w, ROSA);
    let done = web.log_in(w).await;
    web.exchange(w, &done.at("/auth/token")).await.refuses(1525);
}

async fn w144_expire_ends_token_and_key(w: &World) {
    let w = &engine(w).await;
    let (client, web) = (Client::mobile(w, MOBILE), Client::web(w, ROSA));
    for client in [client, web] {
        let (done, other) = (client.log_in(w).await, client.log_in(w).await);
        let (token, key) = (done.at("/auth/token"), done.at("/auth/key"));
        for bad in ["x", &key, &done.at("/user/sessionId")] {
            client.expire(w, bad).await.refuses(1531);
        }
        client.with(&json!({ "brand": "nobody's" })).expire(w, &token).await.refuses(1531);
        let delete = client.with(&json!({ "token": token })).ids;
        let delete = Request::new("DELETE", &client.path("token/expire"))
            .header("content-type", "application/json")
            .body(delete.to_string());
        w.call(delete.clone()).await.is(200, r#"{"status":{"success":true,"code":200,"message":"SUCCESS"}}"#);
        w.call(delete).await.refuses(1531);
        w.gateway(&token, &[]).await.refuses_as(401, 1529);
        client.regenerate(w, &key).await.refuses(1597);
        // One session, and no other.
        w.gateway(&other.at("/auth/token"), &[]).await.has(200);
        client.expire(w, &other.at("/auth/token")).await.succeeds();
        w.gateway(&other.at("/auth/token"), &[]).await.refuses_as(401, 1529);
        w.advance(3_600);
    }
}

async fn r8a_a_web_session_ends_after_thirty_days(w: &World) {
    let w = &engine(w).await;
    let client = Client::web(w, ROSA);
    let key = client.log_in(w).await.at("/auth/key");
    w.advance(30 * 86_400 - 1);
    let last = client.regenerate(w, &key).await;
    w.gateway(&last.at("/auth/token"), &[]).await.has(200);
    w.advance(1);
    w.gateway(&last.at("/auth/token"), &[]).await.refuses_as(401, 1529);
    client.regenerate(w, &key).await.refuses(1597);
}

async fn q35_a_regenerated_token_moves_the_last_use_of_its_session(w: &World) {
    let w = &engine(w).await;
    let (mobile, web) = (Client::mobile(w, MOBILE), Client::web(w, ROSA));
    let began = w.now();
    let key = mobile.log_in(w).await.at("/auth/key");
    let token = web.log_in(w).await.at("/auth/token");
    let used = async || {
        let rosa = w.user(ROSA).await.id;
        let Ok(open) = w.gate().engine().sessions_of(w.tenant(), &rosa).await else { panic!("no list") };
        open.iter().map(|s| s.last_used_at.since(began).as_secs()).collect::<Vec<_>>()
    };
    // At most once an hour is it written down.
    for (pause, seen) in [(3_599, [0, 0]), (1, [3_600, 3_600]), (3_000, [3_600, 3_600]), (600, [7_200, 7_200])] {
        w.advance(pause);
        mobile.regenerate(w, &key).await.succeeds();
        web.exchange(w, &token).await.succeeds();
        assert_eq!(used().await, seen, "{pause}");
    }
    // What is refused is no use.
    w.advance(3_600);
    mobile.regenerate(w, &format!("{key}x")).await.refuses(1597);
    mobile.with(&json!({ "deviceId": "another" })).regenerate(w, &key).await.refuses(1508);
    assert_eq!(used().await, [7_200, 7_200]);
}

async fn i7_expire_wins_against_regenerate(w: &World) {
    let w = &engine(w).await;
    let client = Client::mobile(w, MOBILE);
    let done = client.log_in(w).await;
    let key = done.at("/auth/key");
    let mut requests = vec![client.request("token/regenerate", &json!({ "key": key })); 24];
    requests.push(client.request("token/expire", &json!({ "token": done.at("/auth/token") })));
    let replies = w.burst(requests).await;
    replies[24].succeeds();
    for reply in &replies[..24] {
        if reply.value()["status"]["success"] == json!(true) {
            w.gateway(&reply.at("/auth/token"), &[]).await.refuses_as(401, 1529);
        } else {
            reply.refuses(1597);
        }
    }
}
