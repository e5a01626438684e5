//! What a host does to users and sessions, as the wire shows it.

use otpgate_core::{Engine, Identifier, SessionId, UserId};

use super::list;
use crate::wire::people::{A, A_ID, B};
use crate::wire::{Request, Tokens, World, other_than};

list![
    q35_r43_r44_a_disabled_user_loses_everything_at_once,
    a31_a_changed_address_ends_the_code_that_was_sent_to_the_old_one,
    r44_changed_roles_end_the_sessions_that_carry_the_old_ones,
    r15_a_host_opens_the_lock_of_an_account,
    r32_a_host_reopens_what_too_many_failures_have_closed,
    i7_no_token_of_a_forgotten_user_lives_again,
    i3_forgetting_refills_no_limit,
    q60_the_twenty_first_session_ends_the_first,
    q35_a_host_lists_sessions_and_ends_them_one_by_one,
    q35_a_session_of_somebody_else_cannot_be_ended,
    w084_a_layer_asks_for_a_role_and_a_recent_login,
    w151_a_recent_login_is_asked_for_in_the_profile_s_own_words;
    racing:
    q35_a_disabling_wins_every_race_with_a_login,
];

const PASSWORD: &str = "correct horse battery staple";

async fn world(w: &World) -> World {
    let w = w.another(|s| s.platform().policy(|p| p.insecure_without_send_limits())).await;
    for email in [A, B] {
        w.set_password(email, PASSWORD).await;
    }
    w
}

fn engine(w: &World) -> &Engine {
    w.gate().engine()
}

fn a_id() -> UserId {
    UserId::new(A_ID).unwrap_or_else(|error| panic!("no id: {error}"))
}

fn address(text: &str) -> Identifier {
    Identifier::email(text).unwrap_or_else(|error| panic!("no address: {error}"))
}

/// What an operation of the host came to.
#[track_caller]
fn done<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("refused: {error:?}"))
}

async fn q35_r43_r44_a_disabled_user_loses_everything_at_once(w: &World) {
    let w = &world(w).await;
    let (one, two, of_b) = (w.log_in(A).await, w.log_in(A).await, w.log_in(B).await);
    let of_platform: String = w.sign_in(A, PASSWORD).await.at("/token");
    w.forgot(A).await.has(200);
    let reset = w.code_for(A).await;
    let code = w.send(A).await;
    done(engine(w).disable(w.tenant(), &a_id()).await);
    for tokens in [&one, &two] {
        w.me(&tokens.access).await.has(401);
        w.refresh(&tokens.refresh).await.has(401);
    }
    w.status(&of_platform).await.has(401);
    w.guess(A, &code).await.has(401);
    w.reset(&reset, "another long password").await.has(401);
    w.me(&of_b.access).await.has(200);
    // A right credential from now on is 403, and a wrong one what it always was.
    w.move_on();
    let code = w.send(A).await;
    w.guess(A, &other_than(&code)).await.fails(401, "Invalid or expired code");
    w.guess(A, &code).await.fails(403, "Forbidden");
    w.sign_in(A, "wrong password").await.is(401, r#"{"error":"Invalid credentials"}"#);
    w.sign_in(A, PASSWORD).await.is(403, r#"{"error":"Forbidden"}"#);
    assert!(done(engine(w).sessions_of(w.tenant(), &a_id()).await).is_empty());
    // Let in again, the person logs in anew; what was ended stays ended.
    done(engine(w).enable(w.tenant(), &a_id()).await);
    w.me(&one.access).await.has(401);
    w.refresh(&two.refresh).await.has(401);
    w.move_on();
    let again = w.log_in(A).await;
    w.me(&again.access).await.has(200);
    w.sign_in(A, PASSWORD).await.has(200);
}

async fn a31_a_changed_address_ends_the_code_that_was_sent_to_the_old_one(w: &World) {
    let w = &world(w).await;
    let session = w.log_in(A).await;
    let code = w.send(A).await;
    w.change_user(A, |user| user.email = Some("moved@example.com".into())).await;
    // The old address is another user's before anybody types the code.
    let heir = w.sign_up("71", A).await;
    done(engine(w).user_changed(w.tenant(), &a_id(), &[address(A)]).await);
    w.guess(A, &code).await.has(401);
    w.guess("moved@example.com", &code).await.has(401);
    w.me(&session.access).await.has(401);
    let code = w.send("moved@example.com").await;
    assert_eq!(w.guess("moved@example.com", &code).await.at("/data/user/id"), A_ID);
    let code = w.send(A).await;
    assert_eq!(w.guess(A, &code).await.at("/data/user/id"), heir.as_str());
}

async fn r44_changed_roles_end_the_sessions_that_carry_the_old_ones(w: &World) {
    let session = w.log_in(A).await;
    w.change_user(A, |user| user.roles.clear()).await;
    assert!(w.me(&session.access).await.text().contains("admin"), "roles are read at login and refresh");
    done(engine(w).user_changed(w.tenant(), &a_id(), &[]).await);
    w.me(&session.access).await.has(401);
    w.refresh(&session.refresh).await.has(401);
    w.move_on();
    let after = w.log_in(A).await;
    assert!(w.me(&after.access).await.text().contains(r#""roles":[]"#));
}

async fn r15_a_host_opens_the_lock_of_an_account(w: &World) {
    let w = &world(w).await;
    for _ in 0..5 {
        w.sign_in(A, "wrong password").await.has(401);
    }
    w.sign_in(A, PASSWORD).await.has(401);
    done(engine(w).unlock(w.tenant(), &address(A)).await);
    w.sign_in(A, PASSWORD).await.has(200);
}

async fn r32_a_host_reopens_what_too_many_failures_have_closed(w: &World) {
    let w = &w.another(|s| s.policy(|p| p.insecure_without_send_limits().max_consecutive_failures(3))).await;
    let code = w.send(A).await;
    w.miss(A, &code, 3).await;
    // Two days later no window holds it any more, and it is still closed.
    w.advance(2 * 24 * 3_600);
    let code = w.send(A).await;
    w.guess(A, &code).await.has(401);
    done(engine(w).unlock(w.tenant(), &address(A)).await);
    let code = w.send(A).await;
    w.guess(A, &code).await.has(200);
}

async fn i7_no_token_of_a_forgotten_user_lives_again(w: &World) {
    let w = &world(w).await;
    let session = w.log_in(A).await;
    let of_platform: String = w.sign_in(A, PASSWORD).await.at("/token");
    w.forgot(A).await.has(200);
    let reset = w.code_for(A).await;
    let code = w.send(A).await;
    let user = w.user(A).await;
    done(engine(w).forget(w.tenant(), &a_id()).await);
    w.check(A).await.is(200, r#"{"status":true,"data":{"isAvailableEmail":true},"message":"OK"}"#);
    let dead = async || {
        w.move_on();
        w.me(&session.access).await.has(401);
        w.refresh(&session.refresh).await.has(401);
        w.status(&of_platform).await.has(401);
        w.guess(A, &code).await.has(401);
        w.reset(&reset, "another long password").await.has(401);
    };
    dead().await;
    w.sign_in(A, PASSWORD).await.has(401);
    // The id and the address come back: nothing of before does.
    assert!(matches!(w.directory().users().add(w.tenant(), &user).await, Ok(true)));
    dead().await;
    done(engine(w).enable(w.tenant(), &a_id()).await);
    dead().await;
    w.sign_in(A, PASSWORD).await.has(401);
    let anew = w.log_in(A).await;
    w.me(&anew.access).await.has(200);
    w.me(&session.access).await.has(401);
    // Forgetting again is no error, nor is forgetting nobody.
    done(engine(w).forget(w.tenant(), &a_id()).await);
    done(engine(w).forget(w.tenant(), &a_id()).await);
}

async fn i3_forgetting_refills_no_limit(w: &World) {
    for _ in 0..3 {
        w.ask_code(B).await.has(200);
    }
    let Ok(id) = UserId::new("2") else { panic!("no id") };
    let user = w.user(B).await;
    done(engine(w).forget(w.tenant(), &id).await);
    assert!(matches!(w.directory().users().add(w.tenant(), &user).await, Ok(true)));
    w.ask_code(B).await.has(429);
}

async fn q60_the_twenty_first_session_ends_the_first(w: &World) {
    let w = &w.another(|s| s.policy(|p| p.insecure_without_send_limits())).await;
    let mut sessions = Vec::new();
    for _ in 0..21 {
        w.move_on();
        sessions.push(w.log_in(A).await);
        w.advance(1);
    }
    w.me(&sessions[0].access).await.has(401);
    w.refresh(&sessions[0].refresh).await.has(401);
    for session in &sessions[1..] {
        w.me(&session.access).await.has(200);
    }
    let listed = done(engine(w).sessions_of(w.tenant(), &a_id()).await);
    assert_eq!(listed.len(), 20);
    assert!(listed.windows(2).all(|pair| pair[0].opened_at < pair[1].opened_at), "oldest first");
}

/// Logs in from a client that says what it is.
async fn log_in_as(w: &World, email: &str, agent: &str) -> Tokens {
    let code = w.send(email).await;
    Tokens::of(&w.call(w.guess_of(email, &code).header("user-agent", agent)).await)
}

async fn q35_a_host_lists_sessions_and_ends_them_one_by_one(w: &World) {
    let w = &world(w).await;
    let began = w.now();
    let phone = log_in_as(w, A, "Phone/1.0 \u{202e}evil").await;
    w.come_from("2001:db8:1:2:3:4:5:6".parse().unwrap_or_else(|e| panic!("{e}")));
    w.advance(10);
    let laptop = log_in_as(w, A, &"L".repeat(4_000)).await;
    w.come_from([198, 51, 100, 7].into());
    let renewed: String = w.sign_in(A, PASSWORD).await.at("/token");
    w.advance(600);
    let phone = Tokens::of(&w.refresh(&phone.refresh).await);

    let list = async || done(engine(w).sessions_of(w.tenant(), &a_id()).await);
    let open = list().await;
    let shown: Vec<_> = open
        .iter()
        .map(|s| {
            let network = s.network.map(|n| n.to_string()).unwrap_or_default();
            let agent = s.agent.as_ref().map(|a| a.as_str().to_owned()).unwrap_or_default();
            (network, agent, s.opened_at.since(began).as_secs(), s.last_used_at.since(began).as_secs())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("192.0.2.0/24".to_owned(), "Phone/1.0 evil".to_owned(), 0, 610),
            ("2001:db8:1::/48".to_owned(), "L".repeat(128), 10, 10),
            ("198.51.100.0/24".to_owned(), String::new(), 10, 10),
        ]
    );
    assert!(!w.written().holds(b"198.51.100.7") && !w.written().holds(&[b'L'; 129]));

    // A renewal that writes nothing else is noted once an hour.
    let renew = Request::new("POST", "/api/user/refresh").header("token", renewed.as_str());
    w.call(renew.clone()).await.has(200);
    assert_eq!(list().await[2].last_used_at.since(began).as_secs(), 10);
    w.advance(3_600);
    w.call(renew).await.has(200);
    assert_eq!(list().await[2].last_used_at.since(began).as_secs(), 4_210);

    assert!(done(engine(w).revoke(w.tenant(), &a_id(), open[1].id).await));
    assert!(!done(engine(w).revoke(w.tenant(), &a_id(), open[1].id).await), "it is gone");
    w.refresh(&laptop.refresh).await.has(401);
    w.status(&renewed).await.has(200);
    let Ok(live) = engine(w).session(&otpgate_core::secret::AccessToken::new(renewed.as_str())).await else {
        panic!("no session")
    };
    done(engine(w).revoke_others(&live).await);
    w.status(&renewed).await.has(200);
    w.refresh(&phone.refresh).await.has(401);
    assert_eq!(list().await.len(), 1);
}

async fn q35_a_session_of_somebody_else_cannot_be_ended(w: &World) {
    let (of_a, of_b) = (w.log_in(A).await, w.log_in(B).await);
    let Ok(b) = UserId::new("2") else { panic!("no id") };
    let theirs = done(engine(w).sessions_of(w.tenant(), &b).await)[0].id;
    assert!(!done(engine(w).revoke(w.tenant(), &a_id(), theirs).await));
    assert!(!done(engine(w).revoke(w.tenant(), &a_id(), SessionId::from_random([7; 16])).await));
    w.me(&of_b.access).await.has(200);
    w.refresh(&of_b.refresh).await.has(200);
    w.me(&of_a.access).await.has(200);
}

async fn w084_a_layer_asks_for_a_role_and_a_recent_login(w: &World) {
    let admin = async |tokens: &Tokens| w.call(Request::new("GET", "/admin").token(&tokens.access)).await;
    let (a, b) = (w.log_in(A).await, w.log_in(B).await);
    admin(&a).await.has(200);
    admin(&b).await.fails(403, "Forbidden");
    w.call(Request::new("GET", "/admin")).await.has(401);
    w.advance(599);
    admin(&a).await.has(200);
    w.advance(1);
    admin(&a).await.fails(401, "Log in again to continue");
    admin(&b).await.fails(403, "Forbidden");
    w.me(&a.access).await.has(200);
}

async fn w151_a_recent_login_is_asked_for_in_the_profile_s_own_words(w: &World) {
    let w = &world(w).await;
    let fresh = async |token: &str| w.call(Request::new("GET", "/fresh").token(token)).await;
    let tokens = w.log_in(A).await;
    let of_platform: String = w.sign_in(A, PASSWORD).await.at("/token");
    w.advance_ms(299_999);
    fresh(&tokens.access).await.has(200);
    w.advance_ms(1);
    fresh(&tokens.access).await.is(401, r#"{"status":false,"message":"Log in again to continue"}"#);
    let stale = w.call(Request::new("GET", "/fresh").header("token", of_platform.as_str())).await;
    stale.is(401, r#"{"error":"Log in again to continue"}"#);
    fresh("junk").await.fails(401, "Not authenticated");
    // A refresh proves nothing; a login does.
    let refreshed = Tokens::of(&w.refresh(&tokens.refresh).await);
    fresh(&refreshed.access).await.has(401);
    w.me(&refreshed.access).await.has(200);
    let again = w.log_in(A).await;
    fresh(&again.access).await.has(200);
}

async fn q35_a_disabling_wins_every_race_with_a_login(w: &World) {
    let w = &w.another(|s| s.real_chance().policy(|p| p.insecure_without_send_limits())).await;
    let id = a_id();
    for _ in 0..w.rounds(12) {
        w.move_on();
        let code = w.send(A).await;
        let guesses = w.burst(vec![w.guess_of(A, &code); 8]);
        let tenant = w.tenant().clone();
        let (replies, disabled) = tokio::join!(guesses, engine(w).disable(&tenant, &id));
        done(disabled);
        for reply in replies.iter().filter(|r| r.status == 200) {
            let tokens = Tokens::of(reply);
            w.me(&tokens.access).await.has(401);
            w.refresh(&tokens.refresh).await.has(401);
        }
        done(engine(w).enable(&tenant, &a_id()).await);
        w.advance(60);
    }
}
