//! `mail.outbox`: what was acknowledged arrives, whatever becomes of the process.

use std::fs::File;
use std::time::{Duration, Instant};

use super::{ADA, USERS, with_outlet};
use crate::driver::{MailServer, Place, Server};

const CONFIG: &str = "[mail]\nfrom = \"Example <login@example.com>\"\noutbox = true\n";

#[test]
fn f11_a_mail_that_was_acknowledged_outlives_a_kill_in_axum() {
    the_next_start_sends_what_was_acknowledged("axum", "KILL");
}

#[test]
fn f11_a_mail_that_was_acknowledged_outlives_a_kill_in_actix() {
    the_next_start_sends_what_was_acknowledged("actix", "KILL");
}

#[test]
fn f11_a_mail_that_waits_for_its_next_try_is_left_to_the_next_start() {
    let log = the_next_start_sends_what_was_acknowledged("axum", "TERM");
    assert!(!log.contains("did not end in time"), "{log}");
}

/// Asks for a code while the mail server takes nothing, ends the process with the signal, and logs in at the next one with the
/// code that comes then. The log of both.
fn the_next_start_sends_what_was_acknowledged(framework: &'static str, signal: &str) -> String {
    let mail = MailServer::start(false);
    let place = Place::with_users(framework, "sqlite", CONFIG, USERS);
    let server = start(&place, &mail);
    server.ask(ADA).expect(200);
    place.wait_for_log("delivery_retried");
    // What the store acknowledges after it has the failed try in it, too: that is free after a second.
    server.ask("nobody@example.com").expect(200);
    let due = Instant::now() + Duration::from_secs(1);
    let ended = server.stop(signal);
    assert_eq!(ended.code(), (signal == "TERM").then_some(0), "{ended}");

    mail.accept();
    place.wait_until(|| (Instant::now() > due).then_some(()));
    assert_eq!(mail.unread(), 0);
    let server = start(&place, &mail);
    let (to, code) = mail.next();
    assert_eq!(to, ADA);
    let token = server.log_in(ADA, &code).expect(200).data("token");
    server.me("auth-token", &token).expect(200);
    assert_eq!(mail.unread(), 0, "it came once");
    place.log()
}

fn start(place: &Place, mail: &MailServer) -> Server {
    let store = format!("sqlite:{}", place.path("otp.db").display());
    let mut command = with_outlet(place, &["--framework", place.framework, "--store", &store, "--mail", &mail.url]);
    command.stderr(File::options().append(true).create(true).open(place.path("log")).unwrap());
    Server::start(command)
}
