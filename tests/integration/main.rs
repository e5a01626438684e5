//! What the scenarios cannot say: real sockets, ways of mounting, logs, rotation.

mod capture;
#[path = "../drive/mod.rs"]
mod drive;
mod logs;
mod rotation;
