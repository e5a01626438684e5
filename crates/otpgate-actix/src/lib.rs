//! otpgate for actix-web: the transform, a service of the standard routes, and what its extractors need.
//!
//! The facade crate `otpgate` has the extractors themselves.

mod convert;
mod rejection;
mod service;
mod transform;

pub use rejection::{Rejection, judged};
pub use service::service;
pub use transform::{GateMiddleware, GateTransform};
