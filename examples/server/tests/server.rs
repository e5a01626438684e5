//! The real binary over real HTTP: both frameworks, with stops, kills and restarts in between.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod driver;
mod nodes;
mod raw;
mod settings;

use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use driver::{Answer, Place, SECRET, Server, bare, refusal};
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";

/// Runs each test in both frameworks.
macro_rules! in_both_frameworks {
    ($($test:ident),* $(,)?) => {
        mod axum {
            $(#[test] fn $test() { super::$test("axum"); })*
        }
        mod actix {
            $(#[test] fn $test() { super::$test("actix"); })*
        }
    };
}
use in_both_frameworks;

in_both_frameworks! {
    a_session_outlives_a_restart_and_ends_with_its_logout,
    in_memory_everything_ends_with_the_process,
    an_acknowledged_logout_outlives_a_kill,
    a19_wrong_guesses_outlive_a_kill,
    a19_in_memory_every_code_ends_with_the_process,
    of_64_logins_with_one_code_one_wins,
    sigterm_and_sigint_end_it_cleanly,
    mail_that_was_promised_leaves_before_the_end,
    the_limits_by_address_go_by_the_socket_or_by_a_trusted_proxy,
    two_tenants_have_two_users_of_one_address,
    passwords_of_the_file_work_and_stand_nowhere_in_clear,
    a_user_who_is_not_active_gets_no_session,
    the_secret_rotates_in_two_steps,
    a109_after_an_old_backup_a_new_secret_lets_nothing_of_it_live,
    namespaces_of_one_database_do_not_meet,
    a_log_at_trace_holds_no_secret,
    the_console_shows_the_code,
    a_flow_of_engine_is_finished_with_the_code_of_the_mail,
}

/// Asks for a code and logs in with it.
fn log_in(place: &mut Place, server: &Server) -> Answer {
    server.ask(ADA).expect(200);
    let code = place.code();
    server.log_in(ADA, &code).expect(200)
}

fn a_session_outlives_a_restart_and_ends_with_its_logout(framework: &'static str) {
    let mut place = Place::new(framework, "sqlite", "");
    let server = place.start();
    server.send("GET", "/healthz", &[], "").expect(200);
    server.send("GET", "/me", &[], "").expect(401);
    let answer = log_in(&mut place, &server);
    let (token, refresh) = (answer.data("token"), answer.data("refreshToken"));
    let me = json!({"userId": "1", "tenant": "123", "organization": "o1", "roles": ["admin"]});
    assert_eq!(server.me("auth-token", &token).expect(200).body, me);

    assert_eq!(server.stop("TERM").code(), Some(0));
    let server = place.start();
    let answer = server.me("auth-token", &token).expect(200);
    assert_eq!(answer.body, me);
    assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);

    let as_member =
        |organization| server.send("GET", "/me", &[("auth-token", &token), ("organization-id", organization)], "");
    assert_eq!(as_member("o2").expect(200).body["organization"], "o2");
    as_member("o3").expect(403);

    let answer = server.refresh(&refresh).expect(200);
    let token = answer.data("token");
    server.me("auth-token", &token).expect(200);
    server.log_out(&token).expect(200);
    server.me("auth-token", &token).expect(401);
    server.refresh(&answer.data("refreshToken")).expect(401);
}

fn a_flow_of_engine_is_finished_with_the_code_of_the_mail(framework: &'static str) {
    let mut place = Place::new(framework, "memory", "");
    let server = place.start();
    let ids = json!({"identifierType": "EMAIL", "identifierValue": ADA, "brand": "123"});
    let ask = |operation: &str, fields: Value| {
        let mut body = ids.clone();
        fields.as_object().into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        server.post(&format!("/auth/v1/web/{operation}"), &body).expect(200).body
    };
    let flow = ask("token/generate", json!({}))["user"]["sessionId"].clone();
    assert_eq!(ask("otp/generate", json!({"sessionId": flow}))["status"]["code"], 200);
    let code = place.code();
    let done = ask("otp/validate", json!({"sessionId": flow, "otp": code}));
    assert_eq!((&done["status"]["message"], &done["user"]["role"]), (&json!("SUCCESS"), &json!("USER")), "{done}");
    let token = done["auth"]["token"].as_str().unwrap_or_default();
    server.send("GET", "/me", &[("cap_authorization", token), ("cap_brand", "123")], "").expect(200);
    server.send("GET", "/me", &[("cap_authorization", token), ("cap_brand", "124")], "").expect(401);
    assert_eq!(ask("token/expire", json!({"token": token}))["status"]["success"], true);
    server.send("GET", "/me", &[("cap_authorization", token)], "").expect(401);
}

fn in_memory_everything_ends_with_the_process(framework: &'static str) {
    let mut place = Place::new(framework, "memory", "");
    let server = place.start();
    let answer = log_in(&mut place, &server);
    let token = answer.data("token");
    server.me("auth-token", &token).expect(200);
    let answer = server.refresh(&answer.data("refreshToken")).expect(200);
    drop(server);
    let server = place.start();
    server.me("auth-token", &token).expect(401);
    server.refresh(&answer.data("refreshToken")).expect(401);
    let token = log_in(&mut place, &server).data("token");
    server.log_out(&token).expect(200);
    server.me("auth-token", &token).expect(401);
}

fn an_acknowledged_logout_outlives_a_kill(framework: &'static str) {
    let mut place = Place::new(framework, "sqlite", "");
    let server = place.start();
    let answer = log_in(&mut place, &server);
    let (token, refresh) = (answer.data("token"), answer.data("refreshToken"));
    server.log_out(&token).expect(200);
    drop(server); // SIGKILL, with the answer just read
    let server = place.start();
    server.me("auth-token", &token).expect(401);
    server.refresh(&refresh).expect(401);
}

fn a19_wrong_guesses_outlive_a_kill(framework: &'static str) {
    let mut place = Place::new(framework, "sqlite", "");
    let server = place.start();
    server.ask(ADA).expect(200);
    let code = place.code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..2 {
        assert_eq!(server.log_in(ADA, wrong).expect(401).body["message"], "Invalid or expired code");
    }
    drop(server); // SIGKILL
    let server = place.start();
    let burnt = "Too many failed attempts. Request a new code.";
    assert_eq!(server.log_in(ADA, wrong).expect(401).body["message"], burnt);
    assert_eq!(server.log_in(ADA, &code).expect(401).body["message"], burnt);
    // A new code logs in: the budget of the hour is not spent yet.
    log_in(&mut place, &server);
}

fn a19_in_memory_every_code_ends_with_the_process(framework: &'static str) {
    let mut place = Place::new(framework, "memory", "");
    let server = place.start();
    server.ask(ADA).expect(200);
    let code = place.code();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..2 {
        server.log_in(ADA, wrong).expect(401);
    }
    drop(server); // SIGKILL: the two guesses are forgotten, and so is what they were guesses at
    let server = place.start();
    server.log_in(ADA, &code).expect(401);
    log_in(&mut place, &server);
}

fn of_64_logins_with_one_code_one_wins(framework: &'static str) {
    for store in ["memory", "sqlite"] {
        let mut place = Place::new(framework, store, "[limits]\nper_ip = false\n");
        let server = place.start();
        server.ask(ADA).expect(200);
        let code = place.code();
        let barrier = Barrier::new(64);
        let racer = || {
            barrier.wait();
            server.log_in(ADA, &code).status
        };
        let statuses: Vec<u16> = thread::scope(|scope| {
            let racers: Vec<_> = (0..64).map(|_| scope.spawn(racer)).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{store}: {statuses:?}");
        assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{store}: {statuses:?}");
    }
}

fn sigterm_and_sigint_end_it_cleanly(framework: &'static str) {
    for signal in ["TERM", "INT"] {
        let place = Place::new(framework, "memory", "");
        let server = place.start();
        // One that was answered and stays: it does not keep the server from ending.
        let mut idle = server.connect();
        idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut first = [0; 15];
        idle.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        let address = server.address.clone();
        let begin = Instant::now();
        assert_eq!(server.stop(signal).code(), Some(0));
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        std::net::TcpStream::connect(address).unwrap_err();
    }
}

fn mail_that_was_promised_leaves_before_the_end(framework: &'static str) {
    let place = Place::new(framework, "memory", "");
    let server = place.start();
    let (folder, away) = (place.path("mail"), place.path("away"));
    // The first try fails, and the next one is a second later: after the signal.
    fs::rename(&folder, &away).unwrap();
    server.ask(ADA).expect(200);
    server.signal("TERM");
    place.wait_for_log("SIGTERM: stopping");
    fs::rename(&away, &folder).unwrap();
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(place.mails().len(), 1);
}

fn the_limits_by_address_go_by_the_socket_or_by_a_trusted_proxy(framework: &'static str) {
    // Of 12 look-ups within a minute an address has 10.
    let refused = |config: &str, from: fn(usize) -> String| {
        let place = Place::new(framework, "memory", config);
        let server = place.start();
        let body = json!({ "email": ADA }).to_string();
        let path = "/identity/user/email/check-availability";
        let ask = |i| server.send("POST", path, &[("x-forwarded-for", &from(i))], &body).status;
        (0..12).map(ask).filter(|status| *status == 429).count()
    };
    let (many, one) = (|i| format!("203.0.113.{i}"), |_| "203.0.113.1".to_owned());
    let spoofed = |i| format!("198.51.100.{i}, 203.0.113.1");
    let behind = "[peer]\ntrusted_proxies = [\"127.0.0.1/32\"]\nheader = \"x-forwarded-for\"\n";
    let elsewhere = "[peer]\ntrusted_proxies = [\"192.0.2.0/24\"]\n";
    assert_eq!(refused("", many), 2, "nobody is trusted");
    assert_eq!(refused(elsewhere, many), 2, "another proxy is trusted");
    assert_eq!(refused(behind, many), 0, "twelve clients behind a proxy");
    assert_eq!(refused(behind, one), 2, "one client behind a proxy");
    assert_eq!(refused(behind, spoofed), 2, "one client that pretends to be a proxy too");
    assert_eq!(refused("[limits]\nper_ip = false\n", one), 0, "switched off");
}

fn two_tenants_have_two_users_of_one_address(framework: &'static str) {
    let mut place = Place::new(framework, "memory", "");
    let server = place.start();
    let mut through_platform = |tenant: Value| {
        server.post("/api/user/signin-otp", &json!({ "email": ADA, "PlatformId": tenant })).expect(200);
        let body = json!({ "email": ADA, "PlatformId": tenant, "otp": place.code() });
        let answer = server.post("/api/user/verify-otp", &body).expect(200);
        let token = answer.body["token"].as_str().unwrap().to_owned();
        let me = server.me("token", &token).expect(200).body;
        (answer.body["user"]["id"].clone(), me["userId"].clone(), me["tenant"].clone(), token)
    };
    let (shown, id, tenant, first) = through_platform(json!("123"));
    assert_eq!((shown, id, tenant), (json!(1), json!("1"), json!("123")));
    let (shown, id, tenant, second) = through_platform(json!(456));
    assert_eq!((shown, id, tenant), (json!("u-2"), json!("u-2"), json!("456")));

    server.send("POST", "/api/user/signout", &[("token", &first)], "").expect(200);
    server.me("token", &first).expect(401);
    server.me("token", &second).expect(200);
    server.send("GET", "/me", &[("token", &second), ("auth-token", &second)], "").expect(401);

    // `identity` serves the first user's tenant, or the one that the settings name.
    let token = log_in(&mut place, &server).data("token");
    assert_eq!(server.me("auth-token", &token).expect(200).body["tenant"], "123");
    let mut place = Place::new(framework, "memory", "profiles = [\"identity\"]\nidentity_tenant = \"456\"\n");
    let server = place.start();
    let token = log_in(&mut place, &server).data("token");
    assert_eq!(server.me("auth-token", &token).expect(200).body["userId"], "u-2");
    server.post("/api/user/signin-otp", &json!({})).expect(404);
}

fn passwords_of_the_file_work_and_stand_nowhere_in_clear(framework: &'static str) {
    let place = Place::new(framework, "sqlite", "");
    let server = place.start();
    let sign_in = |server: &Server, password: &str| {
        let body = json!({ "email": ADA, "password": password, "PlatformId": "123" });
        server.post("/api/user/signin", &body)
    };
    sign_in(&server, "a horse and a battery").expect(200);
    sign_in(&server, "a horse and a batterz").expect(401);
    let body = json!({ "email": ADA, "password": "a horse and a battery", "isOTP": false });
    server.post("/identity/user/login", &body).expect(400);

    assert_eq!(server.stop("TERM").code(), Some(0));
    for name in ["otp.db", "otp.db-wal", "log"] {
        let bytes = fs::read(place.path(name)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains("a horse"), "{name}");
    }

    // What the store has already stays as it is.
    let changed = driver::USERS.replace("a horse and a battery", "another one entirely");
    fs::write(place.path("users.json"), changed).unwrap();
    let server = place.start();
    sign_in(&server, "another one entirely").expect(401);
    sign_in(&server, "a horse and a battery").expect(200);
}

fn a_user_who_is_not_active_gets_no_session(framework: &'static str) {
    let mut place = Place::new(framework, "memory", "");
    let server = place.start();
    server.ask("bob@example.com").expect(200);
    let code = place.code();
    server.log_in("bob@example.com", &code).expect(403);
}

fn the_secret_rotates_in_two_steps(framework: &'static str) {
    const NEW: &str = "the next secret: 9876543210zyxwvutsrqpon";
    let mut place = Place::new(framework, "sqlite", "");
    let server = place.start();
    let answer = log_in(&mut place, &server);
    let (token, refresh) = (answer.data("token"), answer.data("refreshToken"));
    server.ask(ADA).expect(200);
    let code = place.code();
    drop(server);

    let server = place.start_with(&[("OTPGATE_SECRET_ACCEPT", NEW)]);
    server.me("auth-token", &token).expect(200);
    drop(server);

    let step_2 = [("OTPGATE_SECRET", NEW), ("OTPGATE_SECRET_ANCHOR", SECRET), ("OTPGATE_SECRET_ACCEPT", SECRET)];
    let server = place.start_with(&step_2);
    server.me("auth-token", &token).expect(200);
    let answer = server.refresh(&refresh).expect(200);
    let new = server.log_in(ADA, &code).expect(200).data("token");
    drop(server);

    // Back to step 1: what step 2 made holds on nodes that are not there yet.
    let server = place.start_with(&[("OTPGATE_SECRET_ACCEPT", NEW)]);
    server.me("auth-token", &new).expect(200);
    drop(server);

    let server = place.start_with(&[("OTPGATE_SECRET", NEW), ("OTPGATE_SECRET_ANCHOR", SECRET)]);
    server.me("auth-token", &token).expect(401);
    server.me("auth-token", &answer.data("token")).expect(200);
}

/// What a restored backup revives is what was ended after it was made: used codes, spent guesses, sessions that were logged out.
fn a109_after_an_old_backup_a_new_secret_lets_nothing_of_it_live(framework: &'static str) {
    const NEW: &str = "the secret after the restore: 13579bdf02468ace";
    let mut place = Place::new(framework, "sqlite", "");
    let server = place.start();
    let answer = log_in(&mut place, &server);
    let (token, refresh) = (answer.data("token"), answer.data("refreshToken"));
    server.ask(ADA).expect(200);
    let code = place.code();
    assert_eq!(server.stop("TERM").code(), Some(0));
    // The database and what belongs to it, with nobody at work on them.
    let copy = |from: &str, to: &str| {
        for part in ["", "-wal", "-shm"] {
            let (from, to) = (place.path(&format!("{from}{part}")), place.path(&format!("{to}{part}")));
            let _ = fs::remove_file(&to);
            if from.exists() {
                fs::copy(from, to).unwrap();
            }
        }
    };
    copy("otp.db", "backup.db");

    let server = place.start();
    server.log_in(ADA, &code).expect(200);
    server.log_out(&token).expect(200);
    server.me("auth-token", &token).expect(401);
    assert_eq!(server.stop("TERM").code(), Some(0));

    // The store alone cannot know: what it has forgotten is good again (SECURITY.md says so).
    copy("backup.db", "otp.db");
    let server = place.start();
    server.me("auth-token", &token).expect(200);
    drop(server);

    // With another secret there is nobody to whom any of it would be good, the restored code included.
    copy("backup.db", "otp.db");
    let server = place.start_with(&[("OTPGATE_SECRET", NEW)]);
    server.me("auth-token", &token).expect(401);
    server.refresh(&refresh).expect(401);
    server.log_in(ADA, &code).expect(401);
    let token = log_in(&mut place, &server).data("token");
    server.me("auth-token", &token).expect(200);
}

fn namespaces_of_one_database_do_not_meet(framework: &'static str) {
    let mut place = Place::new(framework, "sqlite", "");
    place.store("?namespace=one");
    let one = place.start();
    place.store("?namespace=two");
    let two = place.start();
    one.ask(ADA).expect(200);
    let code = place.code();
    two.log_in(ADA, &code).expect(401);
    let token = one.log_in(ADA, &code).expect(200).data("token");
    one.me("auth-token", &token).expect(200);
    two.me("auth-token", &token).expect(401);
}

fn a_log_at_trace_holds_no_secret(framework: &'static str) {
    let mut place = Place::new(framework, "sqlite", "");
    let server = place.start_with(&[("RUST_LOG", "trace")]);
    server.ask(ADA).expect(200);
    let code = place.code();
    let wrong = if code == "271828" { "314159" } else { "271828" };
    server.log_in(ADA, wrong).expect(401);
    let answer = server.log_in(ADA, &code).expect(200);
    let (token, refresh) = (answer.data("token"), answer.data("refreshToken"));
    server.me("auth-token", &token).expect(200);
    let answer = server.refresh(&refresh).expect(200);
    server.log_out(&answer.data("token")).expect(200);
    let sign_in = json!({ "email": ADA, "password": "a horse and a battery", "PlatformId": "123" });
    let signed_in = server.post("/api/user/signin", &sign_in).expect(200).body["token"].as_str().unwrap().to_owned();
    assert_eq!(server.stop("TERM").code(), Some(0));

    let log = place.log();
    for event in ["code_delivered", "logged_in", "refreshed", "logged_out"] {
        assert!(log.contains(event), "it is the log of all that: {event}");
    }
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "each line is JSON");
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let tokens = [&token, &refresh, &answer.data("token"), &answer.data("refreshToken"), &signed_in];
    let secrets = tokens.map(|token| signature(token)).into_iter();
    for secret in secrets.chain([code, wrong.to_owned(), "a horse".to_owned(), SECRET.to_owned()]) {
        let line = log.lines().find(|line| line.contains(&secret));
        assert!(line.is_none(), "{secret} stands in {line:?}");
    }
}

fn the_console_shows_the_code(framework: &'static str) {
    let mut command = bare();
    command.args(["--dev", "--listen", "127.0.0.1:0", "--framework", framework, "--mail", "console"]);
    let users = Place::new(framework, "memory", "");
    command.arg("--users").arg(users.path("users.json")).stderr(std::process::Stdio::null());
    let mut server = Server::start(command);
    server.ask(ADA).expect(200);
    let code = loop {
        let mut line = String::new();
        assert!(server.terminal.read_line(&mut line).unwrap() > 0, "the terminal ended without a code");
        if let Some(code) = line.trim().strip_prefix("Your code is ") {
            break code.to_owned();
        }
    };
    server.log_in(ADA, &code).expect(200);
}

#[test]
fn without_a_good_secret_it_does_not_start() {
    assert!(refusal(bare()).contains("OTPGATE_SECRET is not set"));
    let with = |variables: &[(&str, &str)], dev: bool| {
        let mut command = bare();
        command.envs(variables.iter().copied()).args(dev.then_some("--dev"));
        refusal(command)
    };
    for weak in ["", "short", &"a".repeat(64)] {
        for dev in [false, true] {
            let words = with(&[("OTPGATE_SECRET", weak)], dev);
            assert!(words.contains("OTPGATE_SECRET cannot be used") && words.contains("32"), "{words}");
        }
    }
    for name in ["OTPGATE_SECRET_ANCHOR", "OTPGATE_SECRET_ACCEPT"] {
        let words = with(&[("OTPGATE_SECRET", SECRET), (name, "not long enough")], false);
        assert!(words.contains(&format!("{name} cannot be used")) && !words.contains("not long"), "{words}");
    }
    let two = format!("{SECRET},short");
    assert!(with(&[("OTPGATE_SECRET", SECRET), ("OTPGATE_SECRET_ACCEPT", &two)], false).contains("cannot be used"));
}

#[test]
fn with_a_wrong_setting_it_does_not_start_and_names_it() {
    for (config, named) in [
        ("profles = []", "unknown field `profles`"),
        ("[limits]\nper_up = false", "unknown field `per_up`"),
        ("[policy]\ncode_ttl_seconds = 601", "600 s"),
        ("profiles = [\"identity\", \"wallet\"]", "no profile `wallet`"),
        ("[peer]\ntrusted_proxies = [\"everybody\"]", "everybody"),
        ("identity_tenant = ", "TOML"),
        ("[mail]\noutbox = 1", "expected a boolean"),
        ("[mail]\noutbox = true", "`memory` ends with the process"),
    ] {
        let place = Place::new("axum", "memory", config);
        let mut command = place.command();
        command.env("OTPGATE_SECRET", SECRET);
        let words = refusal(command);
        assert!(words.contains(named), "{config}: {words}");
    }
}

#[test]
fn with_a_wrong_argument_it_does_not_start_and_says_what_it_knows() {
    for (arguments, named) in [
        (["--store", "oracle://x"], "`memory` and `sqlite:PATH`"),
        (["--store", "sqlite:"], "`memory` and `sqlite:PATH`"),
        (["--store", "sqlite:/nowhere/at/all.db"], "/nowhere/at/all.db"),
        (["--store", "sqlite:x.db?namespace=A-B"], "namespace"),
        (["--store", "memory?pool=3"], "namespace=NAME"),
        (["--store", "postgres://x:hidden@127.0.0.1:1/x"], "the store postgres://127.0.0.1:1/x"),
        (["--store", "mysql://x:hidden@127.0.0.1:1/x"], "the store mysql://127.0.0.1:1/x"),
        (["--store", "redis://:hidden@127.0.0.1:1"], "the store redis://127.0.0.1:1"),
        (["--mail", "pigeon"], "`console` and `dir:PATH`"),
        (["--mail", "smtp://x:hidden@mail.example.com"], "`mail.from`"),
        (["--sms", "dir:"], "`console` and `dir:PATH`"),
        (["--sms", "twilio:AC1"], "OTPGATE_SMS_TOKEN"),
        (["--sms", "https://sms.example.com/"], "`sms.countries`"),
        (["--framework", "rocket"], "axum, actix"),
        (["--listen", "somewhere"], "--listen"),
        (["--users", "/nowhere/users.json"], "/nowhere/users.json"),
        (["--config", "/nowhere/config.toml"], "/nowhere/config.toml"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = bare();
        command.args(arguments).env("OTPGATE_SECRET", SECRET).current_dir(folder.path());
        let words = refusal(command);
        assert!(words.contains(named) && !words.contains("hidden"), "{arguments:?}: {words}");
    }
}
