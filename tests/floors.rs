//! The house keeps itself: each *never* of ARCHITECTURE.md is a rule here, and each rule is shown to catch what it forbids.
//!
//! A rule is data. `holds` runs it on the workspace, `can_fail` on planted offences.
#![expect(clippy::unwrap_used, reason = "a test that cannot read the workspace has failed")]

#[path = "floors/doors.rs"]
mod doors;
#[path = "floors/house.rs"]
mod house;
#[path = "floors/paths.rs"]
mod paths;
#[path = "floors/rules.rs"]
mod rules;
#[path = "floors/statements.rs"]
mod statements;
#[path = "floors/supply.rs"]
mod supply;
#[path = "floors/tokens.rs"]
mod tokens;
#[path = "floors/workspace.rs"]
mod workspace;

use rules::{Imports, Never, Rule, Words};

const STORES: &[&str] = &["otpgate-memory", "otpgate-sqlite", "otpgate-postgres", "otpgate-mysql", "otpgate-redis"];
const FRAMEWORKS: &[&str] = &["axum*", "actix*", "tower*", "hyper*", "warp", "rocket", "salvo", "poem"];

macro_rules! proven {
    ($($name:ident: $rule:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn holds() {
                let offences = Rule::offences(&$rule, &house::House::read());
                assert!(offences.is_empty(), "\n{}", offences.join("\n"));
            }

            #[test]
            fn can_fail() {
                Rule::prove(&$rule);
            }
        }
    )*};
}

proven! {
    core_imports_no_runtime_no_http_no_database_and_no_framework: Imports {
        who: &["otpgate-core"],
        never: &["tokio*", "async-std", "smol", "http", "http-body*", "sqlx*", "rand", "rand_*", "fastrand", "chrono", "jiff",
                 "axum*", "actix*", "tower*", "hyper*", "otpgate*"],
    };

    a_store_imports_no_http_no_adapter_and_no_other_store: Imports {
        who: STORES,
        never: &["http", "http-body*", "otpgate", "otpgate-http", "otpgate-tower", "otpgate-axum", "otpgate-actix", "otpgate-mail",
                 "otpgate-memory", "otpgate-sqlite", "otpgate-postgres", "otpgate-mysql", "otpgate-redis",
                 "axum*", "actix*", "tower*", "hyper*", "chrono", "time", "jiff"],
    };

    the_profiles_know_no_framework: Imports { who: &["otpgate-http"], never: FRAMEWORKS };

    the_profiles_know_no_store: Imports { who: &["otpgate-http"], never: STORES };

    the_adapters_know_no_store: Imports { who: &["otpgate-tower", "otpgate-axum", "otpgate-actix"], never: STORES };

    // But axum-core, for its body: any other type axum would box once more.
    the_tower_adapter_knows_no_other: Imports {
        who: &["otpgate-tower"],
        never: &["otpgate", "otpgate-axum", "otpgate-actix", "axum", "axum-extra", "axum-macros", "actix*"],
    };

    the_axum_adapter_knows_no_other: Imports { who: &["otpgate-axum"], never: &["otpgate", "otpgate-actix", "actix*"] };

    the_actix_adapter_knows_no_other: Imports {
        who: &["otpgate-actix"],
        never: &["otpgate", "otpgate-axum", "otpgate-tower", "axum*", "tower*"],
    };

    a_mailer_knows_the_core_alone: Imports {
        who: &["otpgate-mail", "otpgate-smtp"],
        never: &["otpgate", "otpgate-http", "otpgate-tower", "otpgate-axum", "otpgate-actix", "otpgate-memory", "otpgate-sqlite",
                 "http", "axum*", "actix*", "tower*"],
    };

    the_flow_names_no_store_no_async_and_no_clock: Words {
        files: &["crates/otpgate-core/src/flow"],
        never: &[Never::Word("Store"), Never::Word("async"), Never::Word("await"), Never::Word("SystemTime"),
                 Never::Word("Instant"), Never::Word("Clock"), Never::Word("Entropy")],
        caught: &["use crate::Store;", "async fn f() {}", "let t = std::time::SystemTime::now();", "fn f(c: &dyn Clock) {}"],
        passes: &["/// Not the `Store`.\nfn f() {}", "use crate::StoreError;", "#[cfg(test)] mod tests { use crate::Store; }"],
    };

    the_ground_floor_is_pure: Words {
        files: &["crates/otpgate-core/src/policy", "crates/otpgate-core/src/secret", "crates/otpgate-core/src/record",
                 "crates/otpgate-core/src/ids", "crates/otpgate-core/src/time"],
        never: &[Never::Word("async"), Never::Word("await"), Never::Word("SystemTime"), Never::Word("Instant"),
                 Never::Word("OsEntropy"), Never::Word("getrandom"), Never::Path(&["std", "fs"]), Never::Path(&["std", "net"]),
                 Never::Path(&["std", "env"])],
        caught: &["async fn f() {}", "getrandom::fill(b);", "use std::{fs, io};", "let e = std::env::var(\"X\");"],
        passes: &["use std::time::Duration;", "fn fs() {}"],
    };

    a_store_reads_no_clock: Words {
        files: &["crates/otpgate-memory/src", "crates/otpgate-sqlite/src", "crates/otpgate-postgres/src",
                 "crates/otpgate-mysql/src", "crates/otpgate-redis/src"],
        never: &[Never::Word("SystemTime"), Never::Word("UNIX_EPOCH"), Never::Word("Instant"), Never::Word("Clock"),
                 Never::Word("SystemClock"), Never::Text("now("), Never::Text("current_timestamp"), Never::Text("unixepoch"),
                 Never::Text("strftime"), Never::Text("julianday"), Never::Text("sysdate")],
        caught: &["let t = SystemTime::now();", "use otpgate_core::Clock;", "q(\"DELETE FROM r WHERE t < unixepoch()\")",
                  "q(r#\"select NOW()\"#)"],
        passes: &["fn now() {}", "// never unixepoch()", "use otpgate_core::Timestamp;"],
    };

    an_adapter_names_no_status_no_path_no_cookie_and_no_error_text: Words {
        files: &["crates/otpgate-tower/src", "crates/otpgate-axum/src", "crates/otpgate-actix/src"],
        never: &[Never::Constant("StatusCode"), Never::Constructor("HttpResponse"), Never::Status, Never::WordStart("ErrorBad"),
                 Never::WordStart("ErrorUnauthorized"), Never::WordStart("ErrorForbidden"), Never::WordStart("ErrorInternal"),
                 Never::WordStart("ErrorServiceUnavailable"), Never::WordStart("ErrorTooMany"), Never::Word("SET_COOKIE"),
                 Never::Word("SameSite"), Never::Word("Cookie"), Never::Text("set-cookie"), Never::Text("httponly"),
                 Never::Text("samesite"), Never::Text("max-age"), Never::Text("path="), Never::TextStart("/"), Never::Sentence],
        caught: &["StatusCode::UNAUTHORIZED", "http::StatusCode::OK", "HttpResponse::NotFound()", "f(401)", "ErrorBadRequest(e)",
                  "headers.insert(SET_COOKIE, v)", "f(\"Set-Cookie\")", "f(\"a; HttpOnly\")", "r(\"/identity/user/login\")",
                  "f(\"the code is wrong\")"],
        passes: &["StatusCode::from_u16(s)", "fn f(s: StatusCode) {}", "HttpResponse::build(s)", "HttpResponse::new(s)",
                  "f(\"GateLayer(..)\")", "#[expect(unused, reason = \"a whole sentence\")] fn f() {}", "[0; 512]",
                  "// the code is wrong, says 401\nfn f() {}", "#[test] fn t() { assert_eq!(s, StatusCode::OK); }"],
    };

    a_profile_is_data: Words {
        files: &["crates/otpgate-http/src/profile/identity", "crates/otpgate-http/src/profile/platform",
                 "crates/otpgate-http/src/profile/engine"],
        never: &[Never::Word("async"), Never::Word("await"), Never::Word("Store"), Never::Word("Mutex"), Never::Word("RwLock"),
                 Never::Word("tokio"), Never::Word("Policy")],
        caught: &["async fn f() {}", "use otpgate_core::{Identifier, Store};", "static S: Mutex<u8> = Mutex::new(0);"],
        passes: &["fn refuse(r: Refusal) -> Reply { todo }", "// no async here\nfn f() {}"],
    };

    no_profile_imports_another: workspace::Profiles;
    nobody_but_tests_uses_the_testkit: workspace::Testkit;
    imports_go_down_only: workspace::Floors;
    the_core_reaches_no_runtime_by_way_of_others: workspace::Reach;
    every_crate_keeps_the_workspace_s_lints: workspace::Lints;
    no_file_is_over_600_lines: workspace::Length;
}

#[test]
fn every_rule_about_files_meets_files_or_a_crate_to_come() {
    let house = house::House::read();
    for folder in
        ["crates/otpgate-core/src", "crates/otpgate-http/src", "crates/otpgate-axum/src", "crates/otpgate-memory/src"]
    {
        assert!(house.files.iter().any(|file| file.path.starts_with(folder)), "{folder} was moved: mend the rules");
    }
}

#[test]
fn the_lexer_tells_code_from_comments_strings_and_tests() {
    let rows = [
        ("a // b\nc", "a c"),
        ("a /* b /* c */ d */ e", "a e"),
        ("\"a // b\" c", "\"a // b\" c"),
        (r#""a \" b" c"#, r#""a \" b" c"#),
        ("r#\"a \" b\"# c", "\"a \" b\" c"),
        ("b\"x\" br\"\\\" c\"y\"", "\"x\" \"\\\" \"y\""),
        ("'a' 'b: '\\'' 'static '\"' x", "b : static x"),
        ("r#async b::c", "r # async b :: c"),
        ("#[cfg(test)] mod t { a { b } } c", "c"),
        ("#[cfg(test)] #[path = \"x\"] mod t; c", "c"),
        ("#[cfg(test)] pub(crate) fn f(a: [u8; 2]) { g } c", "c"),
        ("#[test] fn f() {} c", "c"),
        ("#[cfg(not(test))] fn f() {}", "fn f ( ) { }"),
        ("#![forbid(unsafe_code)] a #[expect(b, reason = \"c d\")] e", "a e"),
        ("1_000.0e3 0x1f", "1_000 . 0e3 0x1f"),
    ];
    for (source, want) in rows {
        let got: Vec<_> = tokens::of_the_code(source)
            .into_iter()
            .map(|t| if t.kind == tokens::Kind::Text { format!("\"{}\"", t.text) } else { t.text })
            .collect();
        assert_eq!(got.join(" "), want, "{source}");
    }
    let lines: Vec<_> = tokens::lex("a\n/*\n*/ \"\n\" b").into_iter().map(|t| t.line).collect();
    assert_eq!(lines, [1, 3, 4]);
}
