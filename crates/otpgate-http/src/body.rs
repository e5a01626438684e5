//! The body of a request as the adapters hand it over.

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use crate::operation::Fault;
use crate::profile::BodyUse;

/// What an adapter read of a request's body: at most as much as [`crate::Route::max_body`] says.
/// `Debug` shows how long it is and not what it says: codes and passwords come in it.
#[derive(Clone)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// There was more.
    TooLarge,
    /// It broke off or was no valid HTTP body.
    Broken,
}

impl Body {
    /// The JSON text; nothing when the body is empty and may be, or is not looked at.
    pub(crate) fn json(self, headers: &HeaderMap, usage: BodyUse) -> Result<Option<Bytes>, Fault> {
        if usage == BodyUse::Ignored {
            return Ok(None);
        }
        let bytes = match self {
            Self::Whole(bytes) => bytes,
            Self::TooLarge => return Err(Fault::TooLarge),
            Self::Broken => return Err(Fault::Json),
        };
        if bytes.is_empty() && usage == BodyUse::Optional {
            return Ok(None);
        }
        if !is_plain_json(headers) {
            return Err(Fault::MediaType);
        }
        Ok(Some(bytes))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::TooLarge => f.write_str("TooLarge"),
            Self::Broken => f.write_str("Broken"),
        }
    }
}

/// One `Content-Type: application/json`, in UTF-8 and not encoded.
fn is_plain_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let one = types.next().filter(|_| types.next().is_none()).and_then(|v| v.to_str().ok());
    let plain = headers.get_all(CONTENT_ENCODING).iter().all(|v| v == HeaderValue::from_static("identity"));
    plain && one.is_some_and(is_json_type)
}

fn is_json_type(value: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let json = parts.next().is_some_and(|t| t.eq_ignore_ascii_case("application/json"));
    json && parts.filter(|p| !p.is_empty()).all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a65_only_json_in_utf_8_is_json() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json;",
        ] {
            assert!(is_json_type(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "text/json",
            "application/jsonp",
            "application/json; charset=utf-16",
            "application/x-www-form-urlencoded",
            "application/json, text/plain",
        ] {
            assert!(!is_json_type(bad), "{bad}");
        }
    }

    #[test]
    fn i14_a_body_is_not_printed() {
        assert_eq!(format!("{:?}", Body::Whole(Bytes::from_static(b"123456"))), "Whole(6 bytes)");
    }

    #[test]
    fn an_encoded_or_twice_typed_body_is_refused() {
        let mut headers = HeaderMap::new();
        assert!(!is_plain_json(&headers));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert!(is_plain_json(&headers));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!is_plain_json(&headers));
        headers.remove(CONTENT_ENCODING);
        headers.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert!(!is_plain_json(&headers));
    }
}
