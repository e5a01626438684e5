//! The app does what it prints, also after it was killed: what it has acknowledged is in the file.

#[path = "../../quickstart/tests/follow/mod.rs"]
mod follow;

#[test]
fn a_new_user_gets_in_stays_in_over_a_kill_and_gets_out() {
    follow::all_the_way(env!("CARGO_BIN_EXE_custom-store"));
}
