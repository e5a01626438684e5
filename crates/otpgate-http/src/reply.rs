//! Replies, and the headers that every one carries.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

/// A finished answer: status, headers, body. Adapters pass it on as it is. `Debug` shows neither headers nor body: tokens
/// leave in it.
#[derive(Clone)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    /// A JSON answer with the headers of every answer: `no-store` (RFC 6749, 5.1) and `nosniff`.
    pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Self {
        // Only our own answer types come here; they hold nothing that JSON cannot say.
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self::new(status, HeaderValue::from_static("application/json"), body.into())
    }

    pub(crate) fn new(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Self {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Self { status, headers, body }
    }

    /// An array of the bodies of `replies`, as one answer.
    pub(crate) fn array(replies: &[Self]) -> Self {
        let bodies: Vec<&[u8]> = replies.iter().map(|r| &r.body[..]).collect();
        let body = [&b"["[..], &bodies.join(&b","[..]), b"]"].concat();
        Self::new(StatusCode::OK, HeaderValue::from_static("application/json"), body.into())
    }

    /// What an extractor answers when no otpgate layer is around its route: a mistake of the app, said plainly.
    #[must_use]
    pub fn without_layer() -> Self {
        tracing::error!(target: "otpgate", "an extractor of otpgate ran on a route without its layer: add `.layer(auth)` or `.wrap(auth)`");
        let text = Bytes::from_static(b"this route has no otpgate layer around it");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, HeaderValue::from_static("text/plain; charset=utf-8"), text)
    }

    /// An answer without a body, for a preflight that no CORS layer has taken.
    #[must_use]
    pub fn empty() -> Self {
        let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("no-store"))]);
        Self { status: StatusCode::NO_CONTENT, headers, body: Bytes::new() }
    }

    pub(crate) fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        if let Some(wait) = wait {
            self.headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        self
    }

    pub(crate) fn with_allow(mut self, methods: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(methods) {
            self.headers.insert(ALLOW, value);
        }
        self
    }

    pub(crate) fn with_lines(mut self, lines: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        for (name, line) in lines {
            self.headers.append(name, line);
        }
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The answer as an `http` response.
    #[must_use]
    pub fn into_response(self) -> http::Response<Bytes> {
        let mut response = http::Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({}, {} bytes)", self.status.as_u16(), self.body.len())
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with {}", self.status)
    }
}

/// Whole seconds, rounded up, at least one.
fn whole_seconds(wait: Duration) -> u64 {
    let up = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(up).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i14_a_reply_is_not_printed() {
        let reply = Reply::json(StatusCode::OK, &"a token");
        assert_eq!(format!("{reply:?} {reply}"), "Reply(200, 9 bytes) refused with 200 OK");
    }

    #[test]
    fn w154_retry_after_is_whole_seconds_and_at_least_one() {
        for (millis, seconds) in [(0, 1), (1, 1), (999, 1), (1_000, 1), (1_001, 2), (59_999, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
