//! What otpgate costs, beside its peers, in the same run: the parts of `cargo bench` and of the binary.

pub mod actix_side;
pub mod axum_side;
pub mod counted;
pub mod credentials;
pub mod flows;
pub mod host;
pub mod loopback;
pub mod memory;
pub mod passwords;
pub mod peers;
pub mod probe;
pub mod repeat;
pub mod requests;
pub mod rounds;
pub mod serve;
pub mod sizes;
pub mod table;
