//! otpgate as a tower `Layer`: generic over the request's body and the inner service's error.
//!
//! The facade crate `otpgate` mounts this for you; it stands on its own for a stack without axum. Responses have the body of axum-core,
//! which axum takes as it is; any other type axum would box once more for every request. A body of another stack is boxed into it.

mod future;
mod layer;
mod service;

pub use future::ResponseFuture;
pub use layer::{GateLayer, PeerAddr};
pub use service::GateService;
