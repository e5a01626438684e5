//! otpgate as a tower `Layer`: generic over the request's body and the inner service's error.
//!
//! The facade crate `otpgate` mounts this for you; it stands on its own for a stack without axum.

mod body;
mod future;
mod layer;
mod service;

pub use body::GateBody;
pub use future::ResponseFuture;
pub use layer::{GateLayer, PeerAddr};
pub use service::GateService;
