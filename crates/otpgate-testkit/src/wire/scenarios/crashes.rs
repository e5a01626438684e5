//! A105: a process that dies in the middle of a login. Here it is its tasks that are dropped where they stand, at every write, on
//! every store; `tests/integration/crash.rs` has the process itself abort.

use otpgate_core::UserId;
use otpgate_core::engine::Caller;

use super::list;
use crate::wire::people::{A, A_ID};
use crate::wire::setup::ok;
use crate::wire::{Setup, Tokens, World};
use crate::{Failure, StoreOp};

list![a105_a_process_that_dies_at_any_write_of_a_login_leaves_one_session_at_most];

fn alone(setup: Setup) -> Setup {
    setup.single_process().policy(|p| p.insecure_without_send_limits())
}

/// Whether the process has died in the login: its `nth` write is not answered any more, and is done or not as `how` says.
async fn died_at(w: &World, node: &World, code: &str, nth: u64, how: Failure) -> bool {
    let before = w.store().hung();
    w.store().fail_nth(StoreOp::Swap, nth, how);
    let hangs = async {
        while w.store().hung() == before {
            tokio::task::yield_now().await;
        }
    };
    let died = tokio::select! {
        reply = node.call_as_is(node.guess_of(A, code).from(node.peer())) => {
            reply.has(200);
            false
        }
        () = hangs => true,
    };
    // Whatever it was at is gone with it; nobody reads what it still says.
    w.runtime().kill();
    w.runtime().idle().await;
    w.store().heal();
    died
}

async fn a105_a_process_that_dies_at_any_write_of_a_login_leaves_one_session_at_most(w: &World) {
    let w = &w.another(alone).await;
    let (engine, tenant, id) = (w.gate().engine(), w.tenant(), ok(UserId::new(A_ID)));
    let sessions = async || match engine.sessions_of(tenant, &id).await {
        Ok(open) => open.len(),
        Err(refusal) => panic!("no list: {refusal:?}"),
    };
    let (mut points, mut kept, mut lost) = (0, 0, 0);
    for how in [Failure::Hang, Failure::HangAfter] {
        for nth in 1.. {
            w.move_on();
            w.advance(3_600);
            assert!(
                engine.revoke_all(&Caller::new(otpgate_core::Profile::Identity, tenant.clone()), &id).await.is_ok()
            );
            let code = w.send(A).await;
            let node = w.node(alone).await;
            if !died_at(w, &node, &code, nth, how).await {
                break;
            }
            points += 1;
            let orphans = sessions().await;
            // Another process: the code is as good as before, or used; never both used and good.
            let after = w.node(alone).await;
            let again = after.guess(A, &code).await;
            if again.status == 200 {
                kept += 1;
                assert_eq!(orphans, 0, "write {nth}, {how:?}: a session without its code");
                assert_eq!(sessions().await, 1, "write {nth}, {how:?}");
                after.me(&Tokens::of(&again).access).await.has(200);
                after.guess(A, &code).await.fails(401, "Invalid or expired code");
            } else {
                lost += 1;
                again.fails(401, "Invalid or expired code");
                assert!(orphans <= 1, "write {nth}, {how:?}: {orphans} sessions of one code");
                // At worst another code is needed, and it is to be had at once.
                let token = after.log_in(A).await.access;
                after.me(&token).await.has(200);
            }
        }
    }
    assert!(points >= 8 && kept >= 2 && lost >= 2, "{points} writes, {kept} left the code and {lost} did not");
}
