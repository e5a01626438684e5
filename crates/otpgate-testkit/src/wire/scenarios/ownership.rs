//! First proof of ownership (A32): what somebody else left behind at an address goes when its owner comes.

use otpgate_core::{Registration, StoreErrorKind};

use super::list;
use crate::wire::World;
use crate::wire::people::A;
use crate::{Failure, StoreOp};

list![
    a32_a_squatter_s_password_and_session_end_with_the_owner_s_first_code,
    a32_a_proven_address_stays_proven,
    a32_a_reset_is_a_proof_too,
    a32_an_address_that_the_host_has_verified_loses_nothing,
    a32_a_crash_in_the_middle_leaves_the_squatter_out_in_the_end,
    a32_a_newcomer_has_nothing_to_discard,
];

const VICTIM: &str = "victim@example.com";
const SQUATTED: &str = "the squatter's password";

/// A world where somebody signed up with an address that is not theirs.
async fn squatted(w: &World) -> World {
    let w = w.another(|s| s.platform().policy(|p| p.insecure_without_send_limits())).await;
    w.sign_up("70", VICTIM).await;
    w.set_password(VICTIM, SQUATTED).await;
    w
}

impl World {
    async fn prove(&self, email: &str) -> crate::wire::Reply {
        self.ask_otp(email).await.has(200);
        let code = self.code_for(email).await;
        self.verify_otp(email, &code).await
    }
}

async fn a32_a_squatter_s_password_and_session_end_with_the_owner_s_first_code(w: &World) {
    let w = &squatted(w).await;
    let squatter: String = w.sign_in(VICTIM, SQUATTED).await.at("/token");
    w.status(&squatter).await.has(200);
    let owner: String = w.prove(VICTIM).await.at("/token");
    w.status(&squatter).await.has(401);
    w.sign_in(VICTIM, SQUATTED).await.is(401, r#"{"error":"Invalid credentials"}"#);
    w.status(&owner).await.has(200);
    let told = w.events().all().iter().filter(|e| e.kind.name() == "unproven_discarded").count();
    assert_eq!(told, 1);
}

async fn a32_a_proven_address_stays_proven(w: &World) {
    let w = &squatted(w).await;
    w.prove(VICTIM).await.has(200);
    w.set_password(VICTIM, "the owner's own password").await;
    // Long after every session has ended the mark is still there.
    w.advance(400 * 24 * 3_600);
    let mine: String = w.sign_in(VICTIM, "the owner's own password").await.at("/token");
    w.prove(VICTIM).await.has(200);
    w.status(&mine).await.has(200);
    w.sign_in(VICTIM, "the owner's own password").await.has(200);
    // Another address of the same account is not proven by that.
    w.change_user(VICTIM, |user| user.email = Some("moved@example.com".into())).await;
    w.prove("moved@example.com").await.has(200);
    w.status(&mine).await.has(401);
    w.sign_in("moved@example.com", "the owner's own password").await.has(401);
}

async fn a32_a_reset_is_a_proof_too(w: &World) {
    let w = &squatted(w).await;
    let squatter: String = w.sign_in(VICTIM, SQUATTED).await.at("/token");
    w.forgot(VICTIM).await.has(200);
    let token = w.code_for(VICTIM).await;
    w.reset(&token, "the owner's own password").await.has(200);
    w.status(&squatter).await.has(401);
    w.sign_in(VICTIM, SQUATTED).await.has(401);
    w.prove(VICTIM).await.has(200);
    w.sign_in(VICTIM, "the owner's own password").await.has(200);
}

async fn a32_an_address_that_the_host_has_verified_loses_nothing(w: &World) {
    let w = &squatted(w).await;
    w.set_password(A, SQUATTED).await;
    let before: String = w.sign_in(A, SQUATTED).await.at("/token");
    w.prove(A).await.has(200);
    w.status(&before).await.has(200);
    w.sign_in(A, SQUATTED).await.has(200);
}

async fn a32_a_crash_in_the_middle_leaves_the_squatter_out_in_the_end(w: &World) {
    // Every swap of the proof in turn fails, with its work done or not; then the owner comes again.
    let (mut failed, mut passed) = (0, 0);
    for nth in 1..=12 {
        for failure in [Failure::Refuse(StoreErrorKind::Unavailable), Failure::RefuseAfter(StoreErrorKind::Unavailable)]
        {
            let w = &squatted(w).await;
            let squatter: String = w.sign_in(VICTIM, SQUATTED).await.at("/token");
            w.ask_otp(VICTIM).await.has(200);
            let code = w.code_for(VICTIM).await;
            w.store().fail_nth(StoreOp::Swap, nth, failure);
            let reply = w.verify_otp(VICTIM, &code).await;
            w.store().heal();
            match reply.status {
                200 => passed += 1,
                503 => failed += 1,
                other => panic!("swap {nth}, {failure:?}: {other}"),
            }
            w.advance(31);
            if reply.status != 200 {
                // The squatter may be faster, and gains nothing by it.
                w.sign_in(VICTIM, SQUATTED).await;
                w.prove(VICTIM).await.has(200);
            }
            w.status(&squatter).await.has(401);
            w.sign_in(VICTIM, SQUATTED).await.has(401);
        }
    }
    assert!(failed >= 6 && passed >= 6, "{failed} of the proofs failed and {passed} did not");
}

async fn a32_a_newcomer_has_nothing_to_discard(w: &World) {
    let w = &w.another(|s| s.platform().registration(Registration::on_first_code)).await;
    w.prove(VICTIM).await.has(200);
    w.set_password(VICTIM, SQUATTED).await;
    w.prove(VICTIM).await.has(200);
    w.sign_in(VICTIM, SQUATTED).await.has(200);
}
