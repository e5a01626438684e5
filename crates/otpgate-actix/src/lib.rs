//! otpgate for actix-web: the transform, a service of the standard routes, and what its extractors need.
//!
//! The facade crate `otpgate` has the extractors themselves.

mod convert;
mod future;
mod rejection;
mod service;
mod transform;

pub use future::Answer;
pub use rejection::{Rejection, judged};
pub use service::service;
pub use transform::{GateMiddleware, GateTransform};
