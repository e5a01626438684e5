//! I17: what one tenant does is nothing to another.

use otpgate_core::engine::Caller;
use otpgate_core::policy::PolicyBuilder;
use otpgate_core::{Breaker, Profile, Tenant, UserId};

use super::list;
use crate::wire::people::{A, A_ID, B, NOBODY};
use crate::wire::setup::ok;
use crate::wire::{Reply, Setup, World, nth_other, other_than};

list![i17_nothing_that_one_tenant_does_changes_an_answer_in_another];

const PASSWORD: &str = "correct horse battery staple";

fn tenant(name: &str, setup: Setup) -> Setup {
    // Both have caps that the loud one is to fill: so many codes an hour, so many wrong guesses.
    let policy = |p: PolicyBuilder| p.send_valve_per_hour(12).breaker(Breaker::Refuse { per_hour: 6 }).max_sessions(2);
    setup.tenant(ok(Tenant::new(name))).platform().policy(policy)
}

/// What an answer says, without what chance gave.
fn said(reply: &Reply) -> (u16, Option<String>, Vec<String>, String) {
    let names = reply.headers.iter().map(|(name, _)| name.clone()).collect();
    let mut text = reply.text();
    for given in ["/data/token", "/data/refreshToken", "/token"] {
        let given = reply.at(given);
        if !given.is_empty() {
            text = text.replace(&given, "*");
        }
    }
    (reply.status, reply.header("retry-after").map(str::to_owned), names, text)
}

/// A day in the quiet tenant, and after each step of it whatever the loud one does then.
async fn day(quiet: &World, mut then: impl AsyncFnMut(usize)) -> Vec<Reply> {
    let (mut told, mut step) = (Vec::new(), 0);
    macro_rules! step {
        ($reply:expr) => {{
            let reply: Reply = $reply;
            told.push(reply.clone());
            then(step).await;
            step += 1;
            reply
        }};
    }
    step!(quiet.check(A).await);
    step!(quiet.ask_code(NOBODY).await);
    step!(quiet.ask_code(A).await);
    let code = quiet.code_for(A).await;
    step!(quiet.guess(A, &nth_other(&code, 1)).await);
    step!(quiet.guess(A, &nth_other(&code, 2)).await);
    let first = step!(quiet.guess(A, &code).await).at("/data/token");
    let next = step!(quiet.sign_in(A, PASSWORD).await).at("/token");
    step!(quiet.me(&first).await);
    step!(quiet.status(&next).await);
    step!(quiet.forgot(A).await);
    let reset = quiet.code_for(A).await;
    step!(quiet.reset(&reset, "another long password").await);
    step!(quiet.me(&first).await);
    step!(quiet.ask_code(A).await);
    let code = quiet.code_for(A).await;
    let tokens = step!(quiet.guess(A, &code).await);
    step!(quiet.refresh(&tokens.at("/data/refreshToken")).await);
    step!(quiet.log_out(&tokens.at("/data/token")).await);
    step!(quiet.me(&tokens.at("/data/token")).await);
    let _ = step;
    told
}

async fn i17_nothing_that_one_tenant_does_changes_an_answer_in_another(w: &World) {
    let mut days = Vec::new();
    for with_noise in [false, true] {
        let quiet = w.another(|s| tenant("quiet", s)).await;
        let loud = quiet.node(|s| tenant("loud", s)).await;
        quiet.set_password(A, PASSWORD).await;
        loud.set_password(A, PASSWORD).await;
        loud.come_from([198, 51, 100, 1].into());
        let mut session = loud.log_in(A).await;
        let told = day(&quiet, async |step| {
            if !with_noise {
                return;
            }
            loud.move_on();
            let (engine, id) = (loud.gate().engine(), ok(UserId::new(A_ID)));
            // The same addresses, ids and operations; each step another one, until nothing is left to take.
            match step {
                0 | 1 => {
                    for email in [A, NOBODY, B] {
                        loud.ask_code(email).await;
                    }
                }
                2..=4 => {
                    let code = loud.code_for(A).await;
                    for email in [A, NOBODY, B] {
                        loud.guess(email, &other_than(&code)).await;
                    }
                }
                5 => {
                    loud.sign_in(A, "not the one").await;
                    session.access = loud.sign_in(A, PASSWORD).await.at("/token");
                }
                6 => drop(loud.log_out(&session.access).await),
                7 => assert!(engine.disable(loud.tenant(), &id).await.is_ok()),
                8 => assert!(
                    engine.user_changed(loud.tenant(), &id, &[ok(otpgate_core::Identifier::email(A))]).await.is_ok()
                ),
                9 => assert!(
                    engine.revoke_all(&Caller::new(Profile::Identity, loud.tenant().clone()), &id).await.is_ok()
                ),
                10 => drop(loud.forgot(A).await),
                11 => assert!(engine.unlock(loud.tenant(), &ok(otpgate_core::Identifier::email(A))).await.is_ok()),
                12 => assert!(engine.forget(loud.tenant(), &id).await.is_ok()),
                _ => {
                    for n in 0..2 {
                        loud.ask_code(&format!("nobody-{step}-{n}@example.com")).await;
                    }
                }
            }
        })
        .await;
        if with_noise {
            // It was loud: its codes of the hour are spent, its breaker is open, and its user is gone.
            assert!(loud.events().all().iter().any(|e| e.kind.name() == "breaker_refused"), "no breaker was met");
            assert!(loud.ask_code("new@example.com").await.status == 429, "the valve is open");
        }
        days.push(told.iter().map(said).collect::<Vec<_>>());
    }
    let statuses: Vec<u16> = days[0].iter().map(|(status, ..)| *status).collect();
    assert_eq!(statuses, [200, 200, 200, 401, 401, 200, 200, 200, 200, 200, 200, 401, 200, 200, 200, 200, 401]);
    assert_eq!(days[0], days[1]);
}
