//! Q12, A95: where SMS go, and how many.

use std::time::Duration;

use otpgate_core::{EventKind, SmsRules, SmsRulesBuilder, StoreErrorKind, User, UserId};
use serde_json::json;

use super::{Client, MOBILE, engine_with};
use crate::wire::World;
use crate::wire::scenarios::list;
use crate::wire::setup::ok;
use crate::{Failure, StoreOp};

list![
    q12_a_country_that_the_host_did_not_name_gets_no_sms_and_the_same_answer,
    a95_a_cap_on_sms_holds_over_all_nodes_until_its_window_ends,
    a95_a_number_that_one_cap_refuses_uses_up_no_other,
    q55_no_sms_leaves_while_the_store_cannot_count_it;
    racing: a95_a_burst_gets_as_many_sms_as_the_cap_says
];

const HOUR: Duration = Duration::from_secs(3_600);

/// A world under these rules with users at `+1555010xxxx`, as many as asked for.
async fn with_numbers(w: &World, rules: SmsRulesBuilder, numbers: usize) -> (World, Vec<String>) {
    let w = engine_with(w, |s| s.sms(rules)).await;
    let mut all = Vec::with_capacity(numbers);
    for i in 0..numbers {
        let number = format!("1555010{i:04}");
        let user = User {
            verified: true,
            phone: Some(format!("+{number}")),
            ..User::new(ok(UserId::new(format!("number-{i}"))))
        };
        w.add_user(&user).await;
        all.push(number);
    }
    (w, all)
}

/// Asks for a code and says whether an SMS left; the answer is the same either way.
async fn gets_one(w: &World, number: &str) -> bool {
    let before = w.mails().await.len();
    w.move_on();
    let client = Client::mobile(w, number);
    let flow = client.open(w).await;
    client.ask(w, "otp/generate", json!({ "sessionId": flow })).await.succeeds();
    w.mails().await.len() > before
}

fn untold(w: &World) -> usize {
    w.events().all().iter().filter(|e| e.kind == EventKind::CodeUndelivered).count()
}

async fn q12_a_country_that_the_host_did_not_name_gets_no_sms_and_the_same_answer(w: &World) {
    let elsewhere = engine_with(w, |s| s.sms(SmsRules::builder().allow("+49").allow("+44"))).await;
    assert!(!gets_one(&elsewhere, MOBILE).await);
    assert_eq!((elsewhere.mailer().attempts(), untold(&elsewhere)), (0, 1));
    let here = engine_with(w, |s| s.sms(SmsRules::builder().allow("+1555"))).await;
    assert!(gets_one(&here, MOBILE).await);
    let blocked = engine_with(w, |s| s.sms(SmsRules::builder().allow("+1").block("+1555"))).await;
    assert!(!gets_one(&blocked, MOBILE).await);
}

async fn a95_a_cap_on_sms_holds_over_all_nodes_until_its_window_ends(w: &World) {
    let rules = || SmsRules::builder().allow("+1").cap("+1", 3, HOUR);
    let (w, numbers) = with_numbers(w, rules(), 5).await;
    let other = w.node(|s| s.engine(|e| e).sms(rules())).await;
    let mut got = Vec::new();
    for (i, number) in numbers.iter().enumerate() {
        got.push(gets_one(if i % 2 == 0 { &w } else { &other }, number).await);
    }
    assert_eq!(got, [true, true, true, false, false]);
    assert_eq!(untold(&w), 2);
    w.advance(3_600);
    assert!(gets_one(&w, &numbers[4]).await);
}

async fn a95_a_number_that_one_cap_refuses_uses_up_no_other(w: &World) {
    let rules = SmsRules::builder().allow("+1").cap("+1", 2, HOUR).cap_each(11, 1, HOUR);
    let (w, numbers) = with_numbers(w, rules, 3).await;
    assert!(gets_one(&w, &numbers[0]).await);
    assert!(!gets_one(&w, &numbers[0]).await);
    assert!(gets_one(&w, &numbers[1]).await);
    assert!(!gets_one(&w, &numbers[2]).await);
}

async fn q55_no_sms_leaves_while_the_store_cannot_count_it(w: &World) {
    let rules = SmsRules::builder().allow("+1").cap("+1", 9, HOUR);
    // Without the valve nothing but the cap counts in a counter.
    let w = &engine_with(w, |s| s.sms(rules).policy(|p| p.insecure_without_send_limits())).await;
    let client = Client::mobile(w, MOBILE);
    let flow = client.open(w).await;
    w.store().fail_nth(StoreOp::Add, 1, Failure::Refuse(StoreErrorKind::Unavailable));
    client.ask(w, "otp/generate", json!({ "sessionId": flow })).await.succeeds();
    let pause = Duration::from_secs(1);
    w.runtime().sleeping(pause).await;
    assert_eq!(w.mailer().attempts(), 0);
    w.advance(1);
    assert_eq!(w.mails().await.len(), 1);
}

async fn a95_a_burst_gets_as_many_sms_as_the_cap_says(w: &World) {
    let (w, numbers) = with_numbers(w, SmsRules::builder().allow("+1").cap("+1", 7, HOUR), 20).await;
    let mut requests = Vec::new();
    for number in &numbers {
        w.move_on();
        let client = Client::mobile(&w, number);
        let flow = client.open(&w).await;
        requests.push(client.request("otp/generate", &json!({ "sessionId": flow })).from(w.peer()));
    }
    for reply in w.burst(requests).await {
        reply.succeeds();
    }
    assert_eq!((w.mails().await.len(), untold(&w)), (7, 13));
}
