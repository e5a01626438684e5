//! actix-web speaks http 0.2: converted once, by bytes.

use actix_web::body::BoxBody;
use actix_web::http::header::{HeaderName as ActixName, HeaderValue as ActixValue};
use actix_web::http::{Method as ActixMethod, StatusCode as ActixStatus};
use actix_web::web::Payload;
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::BytesMut;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use otpgate_http::{Body, Reply};

/// The method. Both versions of `http` take the same names; one that did not fit would be none of the safe ones.
pub(crate) fn method(method: &ActixMethod) -> Method {
    Method::from_bytes(method.as_str().as_bytes()).unwrap_or(Method::POST)
}

/// All headers, repeated ones in their order.
pub(crate) fn headers(headers: &actix_web::http::header::HeaderMap) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            out.append(name, value);
        }
    }
    out
}

/// At most `most` bytes of a request's body.
pub(crate) async fn body(mut payload: Payload, most: usize) -> Body {
    let mut whole = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let Ok(chunk) = chunk else { return Body::Broken };
        if whole.len() + chunk.len() > most {
            return Body::TooLarge;
        }
        whole.extend_from_slice(&chunk);
    }
    Body::Whole(whole.freeze())
}

/// The reply as a response of actix-web.
pub(crate) fn response(reply: &Reply) -> HttpResponse<BoxBody> {
    let status = ActixStatus::from_u16(reply.status().as_u16()).unwrap_or(ActixStatus::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponseBuilder::new(status);
    for (name, value) in reply.headers() {
        let name = ActixName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, ActixValue::from_bytes(value.as_bytes())) {
            builder.append_header((name, value));
        }
    }
    builder.body(reply.body().clone())
}
