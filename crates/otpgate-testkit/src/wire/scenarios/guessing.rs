//! Guessing: tries of a code, the budget over all codes, and what an attacker may tell from answers.

use otpgate_core::Disclosure;
use serde_json::json;

use super::list;
use crate::wire::people::{A, B, NOBODY};
use crate::wire::{Request, World, nth_other, other_than};

list![
    a02_a_resend_never_refills_the_budget,
    a02_twenty_four_wrong_guesses_over_twelve_resends_shut_the_address,
    a03_a_malformed_guess_resets_nothing,
    a04_a_right_password_refunds_no_guess_at_a_code_nor_the_reverse,
    a05_a_success_elsewhere_refunds_nothing,
    a07_one_guess_meets_one_code,
    a09_the_end_of_a_code_is_judged_when_it_is_compared,
    a16_whatever_else_a_guess_says_it_has_the_same_budget,
    a27_a_code_of_another_address_counts_against_the_one_that_is_named,
    a41_no_code_and_no_address_is_a_back_door,
    a42_a_code_is_dead_after_login_logout_and_resend,
    a91_a_locked_unknown_address_looks_like_a_locked_known_one,
    r04_the_days_budget_outlives_the_hours,
    q06_a_hundred_wrong_guesses_in_a_row_close_an_address,
    r02_unknown_addresses_are_verified_alike_under_reveal_too,
];

const WRONG: &str = "Invalid or expired code";
const BURNT: &str = "Too many failed attempts. Request a new code.";
const PASSWORD: &str = "correct horse battery staple";

async fn without_send_limits(w: &World) -> World {
    w.another(|s| s.policy(|p| p.insecure_without_send_limits())).await
}

async fn a02_a_resend_never_refills_the_budget(w: &World) {
    let w = &without_send_limits(w).await;
    for _ in 0..3 {
        w.move_on();
        let code = w.send(A).await;
        w.guess(A, &nth_other(&code, 1)).await.fails(401, WRONG);
        w.guess(A, &nth_other(&code, 2)).await.fails(401, WRONG);
        w.guess(A, &nth_other(&code, 3)).await.fails(401, BURNT);
    }
    // The tenth of the hour is compared; what comes after is not, so it burns no code.
    w.move_on();
    let code = w.send(A).await;
    for n in 1..6 {
        w.guess(A, &nth_other(&code, n)).await.fails(401, WRONG);
    }
    w.guess(A, &code).await.fails(401, WRONG);
    let code = w.send(A).await;
    w.guess(A, &code).await.fails(401, WRONG);
    // Another address goes on, and the budget opens exactly when the hour has passed.
    let other = w.send(B).await;
    w.guess(B, &other).await.has(200);
    w.advance_ms(3_599_999);
    w.move_on();
    let code = w.send(A).await;
    w.guess(A, &code).await.fails(401, WRONG);
    w.advance_ms(1);
    w.guess(A, &code).await.has(200);
}

async fn a02_twenty_four_wrong_guesses_over_twelve_resends_shut_the_address(w: &World) {
    let w = &without_send_limits(w).await;
    for _ in 0..12 {
        w.move_on();
        let code = w.send(A).await;
        w.miss(A, &code, 2).await;
    }
    let code = w.send(A).await;
    w.guess(A, &code).await.fails(401, WRONG);
    w.move_on();
    w.guess(A, &code).await.fails(401, WRONG);
}

async fn a03_a_malformed_guess_resets_nothing(w: &World) {
    let code = w.send(A).await;
    w.miss(A, &code, 2).await;
    for malformed in ["", "x", "12345", "1234567", "12 456"] {
        w.guess(A, malformed).await.fails(400, "Invalid request: password");
    }
    w.guess(A, &other_than(&code)).await.fails(401, BURNT);
    w.guess(A, &code).await.fails(401, BURNT);
}

async fn a04_a_right_password_refunds_no_guess_at_a_code_nor_the_reverse(w: &World) {
    let with_passwords = async |run: u32| {
        let policy = |p: otpgate_core::policy::PolicyBuilder| {
            p.insecure_without_send_limits().lockout(None).max_consecutive_failures(run)
        };
        let w = w.another(|s| s.platform().policy(policy)).await;
        w.set_password(A, PASSWORD).await;
        w
    };
    let own = &with_passwords(100).await;
    for _ in 0..3 {
        let code = own.send(A).await;
        for n in 1..=3 {
            own.guess(A, &nth_other(&code, n)).await.fails(401, if n == 3 { BURNT } else { WRONG });
            own.sign_in(A, PASSWORD).await.has(200);
        }
        own.guess(A, &code).await.fails(401, BURNT);
    }
    // Nine so far: the tenth is compared, and the right one after it is not.
    let code = own.send(A).await;
    own.guess(A, &other_than(&code)).await.fails(401, WRONG);
    own.sign_in(A, PASSWORD).await.has(200);
    own.guess(A, &code).await.fails(401, WRONG);
    // Nor does a right code refund a wrong password: of those there are ten an hour too.
    let own = &with_passwords(100).await;
    for _ in 0..10 {
        own.sign_in(A, "not the one").await.has(401);
        own.log_in(A).await;
    }
    own.sign_in(A, PASSWORD).await.has(401);
    // The run of failures that closes an address is the codes' own, and outlives every window.
    let own = &with_passwords(4).await;
    for _ in 0..2 {
        let code = own.send(A).await;
        own.miss(A, &code, 2).await;
        own.sign_in(A, PASSWORD).await.has(200);
        own.advance(25 * 3_600);
    }
    let code = own.send(A).await;
    own.guess(A, &code).await.fails(401, WRONG);
}

async fn a05_a_success_elsewhere_refunds_nothing(w: &World) {
    let w = &without_send_limits(w).await;
    let code = w.send(A).await;
    w.miss(A, &code, 2).await;
    w.log_in(B).await;
    w.guess(A, &other_than(&code)).await.fails(401, BURNT);
    // Nor does one's own: the window goes on counting.
    for _ in 0..2 {
        w.log_in(A).await;
        let code = w.send(A).await;
        w.miss(A, &code, 3).await;
        w.move_on();
    }
    let code = w.send(A).await;
    w.guess(A, &other_than(&code)).await.fails(401, WRONG);
    w.guess(A, &code).await.fails(401, WRONG);
}

async fn a07_one_guess_meets_one_code(w: &World) {
    let codes = [w.send(A).await, w.send(A).await, w.send(A).await];
    assert!(codes[0] != codes[1] && codes[1] != codes[2] && codes[0] != codes[2]);
    w.guess(A, &codes[0]).await.fails(401, WRONG);
    w.guess(A, &codes[1]).await.fails(401, WRONG);
    // The two old ones were wrong guesses at the new one: one more is the last.
    w.guess(A, &codes[0]).await.fails(401, BURNT);
    w.guess(A, &codes[2]).await.fails(401, BURNT);
}

async fn a09_the_end_of_a_code_is_judged_when_it_is_compared(w: &World) {
    let code = w.send(A).await;
    w.advance_ms(299_999);
    w.miss(A, &code, 2).await;
    w.advance_ms(1);
    for _ in 0..10 {
        w.guess(A, &code).await.fails(401, WRONG);
    }
    // What came too late was not compared: two wrong guesses are all that count.
    let code = w.send(A).await;
    w.miss(A, &code, 2).await;
    w.guess(A, &code).await.has(200);
}

async fn a16_whatever_else_a_guess_says_it_has_the_same_budget(w: &World) {
    let w = &without_send_limits(w).await;
    // Each is from another client address, and says that it is of another device, app, account and program.
    let guess = |code: &str, n: u64| {
        w.move_on();
        let body = json!({
            "email": A, "password": code, "isOTP": true, "deviceId": format!("device-{n}"), "brand": format!("b{n}"),
            "PlatformId": n, "sessionId": format!("P-{n}"),
        });
        let names =
            ["user-agent", "x-device-id", "cap_device_id", "account-id", "x-request-id", "cookie", "otpgate-device"];
        let request = Request::json(&w.path(crate::wire::LOGIN), &body);
        names.iter().fold(request, |r, name| r.header(name, format!("{name}={n}")))
    };
    let mut code = String::new();
    for n in 0..10 {
        if n % 3 == 0 {
            code = w.send(A).await;
        }
        w.call(guess(&nth_other(&code, n + 1), n)).await.fails(401, if n % 3 == 2 { BURNT } else { WRONG });
    }
    w.call(guess(&code, 10)).await.fails(401, WRONG);
    w.guess(A, &code).await.fails(401, WRONG);
}

async fn a27_a_code_of_another_address_counts_against_the_one_that_is_named(w: &World) {
    let (of_a, of_b) = (w.send(A).await, w.send(B).await);
    assert_ne!(of_a, of_b);
    w.guess(B, &of_a).await.fails(401, WRONG);
    w.guess(B, &of_a).await.fails(401, WRONG);
    w.guess(B, &of_a).await.fails(401, BURNT);
    w.guess(B, &of_b).await.fails(401, BURNT);
    w.miss(A, &of_a, 2).await;
    assert_eq!(w.guess(A, &of_a).await.at("/data/user/email"), A);
}

async fn a41_no_code_and_no_address_is_a_back_door(w: &World) {
    // What demos, app reviewers and test suites like to let in. The floors forbid code that only a debug build has.
    let known = ["000000", "111111", "123123", "123456", "654321", "999999", "424242", "012345", "121212", "314159"];
    let free =
        |p: otpgate_core::policy::PolicyBuilder| p.insecure_without_send_limits().insecure_without_guess_limits();
    let w = &w.another(|s| s.policy(free)).await;
    for email in [A, "test@example.com", "demo@example.com", "admin@example.com", "test+otp@example.com"] {
        for pair in known.chunks(2) {
            w.move_on();
            w.ask_code(email).await.has(200);
            let sent = w.mails().await.pop().filter(|_| email == A).map(|mail| mail.code);
            for code in pair.iter().filter(|code| sent.as_deref() != Some(code)) {
                w.guess(email, code).await.fails(401, WRONG);
            }
        }
    }
}

async fn a42_a_code_is_dead_after_login_logout_and_resend(w: &World) {
    let code = w.send(A).await;
    let token = w.guess(A, &code).await.at("/data/token");
    w.guess(A, &code).await.fails(401, WRONG);
    w.log_out(&token).await.has(200);
    w.guess(A, &code).await.fails(401, WRONG);
    w.send(A).await;
    w.guess(A, &code).await.fails(401, WRONG);
}

async fn a91_a_locked_unknown_address_looks_like_a_locked_known_one(w: &World) {
    // Every answer on the way into every lock, for one who exists and one who does not.
    let mut told = Vec::new();
    for email in [A, NOBODY] {
        let w = w.another(|s| s).await;
        let mut replies = Vec::new();
        for _ in 0..5 {
            replies.push(w.ask_code(email).await);
            for n in 0..5 {
                replies.push(w.guess(email, &format!("{n:06}")).await);
            }
            w.move_on();
            w.advance(20);
        }
        for _ in 0..3 {
            replies.push(w.ask_code(email).await);
        }
        let texts = replies.iter().map(|r| r.to_string().replace(email, "x"));
        told.push(texts.collect::<Vec<_>>());
    }
    assert_eq!(told[0], told[1]);
    assert!(told[0].iter().any(|t| t.contains(BURNT)) && told[0].iter().any(|t| t.starts_with("429")));
}

async fn r04_the_days_budget_outlives_the_hours(w: &World) {
    let w = &without_send_limits(w).await;
    for _ in 0..2 {
        for _ in 0..5 {
            w.move_on();
            let code = w.send(A).await;
            w.miss(A, &code, 2).await;
        }
        w.advance(3_600);
    }
    // Twenty today; the hour is open and the day is not.
    w.move_on();
    let code = w.send(A).await;
    w.guess(A, &code).await.fails(401, WRONG);
    w.advance_ms(86_400_000 - 2 * 3_600_000 - 1);
    let code = w.send(A).await;
    w.guess(A, &code).await.fails(401, WRONG);
    w.advance_ms(1);
    w.guess(A, &code).await.has(200);
}

async fn q06_a_hundred_wrong_guesses_in_a_row_close_an_address(w: &World) {
    let w = &without_send_limits(w).await;
    for _ in 0..10 {
        for _ in 0..5 {
            w.move_on();
            let code = w.send(A).await;
            w.miss(A, &code, 2).await;
        }
        w.advance(86_400);
    }
    w.move_on();
    let code = w.send(A).await;
    w.guess(A, &code).await.fails(401, WRONG);
    w.advance(30 * 86_400);
    let code = w.send(A).await;
    w.guess(A, &code).await.fails(401, WRONG);
    // A success before the hundredth starts the count anew.
    let other = w.another(|s| s.policy(|p| p.insecure_without_send_limits())).await;
    for day in 0..12 {
        for _ in 0..5 {
            other.move_on();
            let code = other.send(A).await;
            other.miss(A, &code, 2).await;
        }
        other.advance(86_400);
        if day == 8 {
            other.log_in(A).await;
        }
    }
    other.log_in(A).await;
}

async fn r02_unknown_addresses_are_verified_alike_under_reveal_too(w: &World) {
    let w = &w.another(|s| s.policy(|p| p.disclosure(Disclosure::Reveal))).await;
    w.ask_code(NOBODY).await.fails(404, "User not found");
    let code = w.send(A).await;
    let known = w.guess(A, &other_than(&code)).await;
    assert_eq!(w.guess(NOBODY, &code).await, known);
    w.guess(A, &code).await.has(200);
}
