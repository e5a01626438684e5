//! The master secret is rotated in two steps over a running store: no session, code, counter or limit is lost.

use otpgate_core::{MasterSecret, Secrets};
use otpgate_testkit::wire::people::{A, B};
use otpgate_testkit::wire::{Setup, Tokens, World, other_than, usual_master};

use crate::drive::{drivers, stores};

const NEW: &[u8; 36] = b"the next master secret, 36 bytes....";

fn old() -> MasterSecret {
    usual_master()
}

fn new() -> MasterSecret {
    MasterSecret::new(*NEW).unwrap()
}

/// Every node accepts the new secret, and goes on making things with the old one.
fn step_1() -> Secrets {
    Secrets::new(old()).accept(new())
}

/// Every node makes things with the new secret, and still accepts the old one; addresses stay where they are.
fn step_2() -> Secrets {
    Secrets::new(new()).anchored_at(&old()).accept(old())
}

/// The old secret is gone but for its addresses.
fn step_3() -> Secrets {
    Secrets::new(new()).anchored_at(&old())
}

async fn everywhere(test: impl AsyncFn(World)) {
    for driver in drivers() {
        for store in stores() {
            test(World::alone(&driver, &store, Setup::default()).await).await;
        }
    }
}

#[tokio::test]
async fn a_rotation_in_two_steps_loses_nothing() {
    everywhere(async |w: World| {
        let mut tokens = w.log_in(A).await;
        let code = w.send(A).await;
        w.miss(A, &code, 2).await;
        let of_b = w.send(B).await;
        for secrets in [step_1(), step_2()] {
            let node = w.node(|s| s.secrets(secrets)).await;
            node.me(&tokens.access).await.has(200);
            let next = Tokens::of(&node.refresh(&tokens.refresh).await);
            // The reply may have been lost: the node before gives the same successor.
            node.advance(1);
            assert_eq!(Tokens::of(&node.refresh(&tokens.refresh).await).refresh, next.refresh);
            node.me(&next.access).await.has(200);
            tokens = next;
        }
        let node = w.node(|s| s.secrets(step_2())).await;
        // The code of before is good, and its two wrong guesses are not forgotten: another one burns it.
        node.guess(B, &of_b).await.has(200);
        let burnt = node.guess(A, &other_than(&code)).await;
        burnt.fails(401, "Too many failed attempts. Request a new code.");
        // Nor are the sends: two so far, the third goes, the fourth does not.
        node.send(A).await;
        node.ask_code(A).await.has(429);
        // When what the old secret made has ended, it can go.
        let after = w.node(|s| s.secrets(step_3())).await;
        after.me(&tokens.access).await.has(200);
        after.refresh(&tokens.refresh).await.has(200);
    })
    .await;
}

#[tokio::test]
async fn nodes_at_neighbouring_steps_accept_each_others_things() {
    everywhere(async |w: World| {
        let before = Secrets::new(old());
        for (one, other) in [(before, step_1()), (step_1(), step_2()), (step_2(), step_3())] {
            w.advance(24 * 3_600);
            w.move_on();
            let (one, other) = (w.node(|s| s.secrets(one)).await, w.node(|s| s.secrets(other)).await);
            for (here, there) in [(&one, &other), (&other, &one)] {
                let code = here.send(A).await;
                there.miss(A, &code, 1).await;
                here.miss(A, &code, 1).await;
                let tokens = Tokens::of(&there.guess(A, &code).await);
                here.me(&tokens.access).await.has(200);
                let next = Tokens::of(&here.refresh(&tokens.refresh).await);
                there.me(&next.access).await.has(200);
                there.log_out(&next.access).await.has(200);
                // One node believes for a second what another one has ended.
                w.advance(1);
                here.me(&next.access).await.has(401);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_secret_that_left_the_ring_opens_nothing() {
    everywhere(async |w: World| {
        let tokens = w.log_in(A).await;
        let code = w.send(A).await;
        let after = w.node(|s| s.secrets(step_3())).await;
        after.me(&tokens.access).await.fails(401, "Not authenticated");
        after.refresh(&tokens.refresh).await.fails(401, "Not authenticated");
        after.guess(A, &code).await.fails(401, "Invalid or expired code");
        // Addresses have not moved: the guess counted where the other node sees it.
        w.miss(A, &code, 1).await;
        w.guess(A, &other_than(&code)).await.fails(401, "Too many failed attempts. Request a new code.");
    })
    .await;
}
