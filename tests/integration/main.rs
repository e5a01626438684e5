//! What the scenarios cannot say: real sockets, ways of mounting, logs, rotation.

#[path = "../drive/mod.rs"]
mod drive;
mod rotation;
