//! What the scenarios cannot say: real sockets, ways of mounting, logs, rotation.
