//! What extractors answer when there is no session for them.

use std::cell::Ref;
use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError};
use otpgate_http::{Judged, Reply};

use crate::convert;

/// The verdict that the middleware left for this request.
///
/// # Errors
/// The answer that says that no middleware is there.
pub fn judged(request: &HttpRequest) -> Result<Ref<'_, Judged>, Rejection> {
    let left = Ref::filter_map(request.extensions(), |extensions| extensions.get::<Judged>());
    left.map_err(|_| Rejection(Box::new(Reply::without_layer())))
}

/// An extractor's refusal, in the shape of the profile whose header carried the credential.
#[derive(Clone, Debug)]
pub struct Rejection(Box<Reply>);

impl From<Box<Reply>> for Rejection {
    fn from(reply: Box<Reply>) -> Self {
        Self(reply)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Rejection {}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        convert::response(&self.0).status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        convert::response(&self.0)
    }
}
