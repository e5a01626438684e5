//! The quickstart does what it prints: the same as its sibling.

#[path = "../../quickstart/tests/follow/mod.rs"]
mod follow;

#[test]
fn a_new_user_gets_in_stays_in_over_a_restart_and_gets_out() {
    follow::all_the_way(env!("CARGO_BIN_EXE_quickstart-actix"));
}
