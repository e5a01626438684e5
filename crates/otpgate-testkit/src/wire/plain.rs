//! Requests and replies as plain data, so that every framework is asked the same and compared byte for byte.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method as it is written.
    pub method: String,
    /// Path and query as they are written.
    pub path: String,
    /// Name and value of each header line, in their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// The address of the client's socket, where the server knows it.
    pub peer: Option<SocketAddr>,
}

impl Request {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new(), peer: None }
    }

    /// A `POST` of JSON text, or of what claims to be it.
    #[must_use]
    pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", path).header("content-type", "application/json").body(body)
    }

    /// A `POST` of a JSON value.
    #[must_use]
    pub fn json(path: &str, body: &Value) -> Self {
        Self::post(path, body.to_string())
    }

    /// With one more header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With the access token in the header of profile `identity`.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.header("auth-token", token)
    }

    /// Without header lines of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// From this address.
    #[must_use]
    pub fn from(mut self, address: IpAddr) -> Self {
        self.peer = Some(SocketAddr::new(address, 40_000));
        self
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = &self.body[..self.body.len().min(400)];
        write!(f, "{} {} {}", self.method, self.path, String::from_utf8_lossy(body))
    }
}

/// A reply without what belongs to the connection or the time of day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Header lines in lower case, sorted; repeated ones are repeated.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Header lines that a server adds for its connection, or that hold the time of day.
const NOT_COMPARED: [&str; 5] = ["connection", "content-length", "date", "keep-alive", "transfer-encoding"];

impl Reply {
    /// A reply of these parts; header lines that are not compared are left out.
    pub fn new<'a>(
        status: u16,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let lines = headers.into_iter().map(|(n, v)| (n.to_ascii_lowercase(), String::from_utf8_lossy(v).into_owned()));
        let mut headers: Vec<_> = lines.filter(|(n, _)| !NOT_COMPARED.contains(&n.as_str())).collect();
        headers.sort();
        Self { status, headers, body: body.into() }
    }

    /// The value of the only header line of this name; nothing for none or several.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        found.next().filter(|_| found.next().is_none())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The text at this JSON pointer; empty when there is none.
    #[must_use]
    pub fn at(&self, pointer: &str) -> String {
        self.value().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Asserts the status.
    ///
    /// # Panics
    /// For another status.
    #[track_caller]
    pub fn has(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Asserts status and body, byte for byte.
    ///
    /// # Panics
    /// For anything else.
    #[track_caller]
    pub fn is(&self, status: u16, body: &str) -> &Self {
        self.has(status);
        assert_eq!(self.text(), body, "{self}");
        self
    }

    /// Asserts a failure of profile `identity`: this status and exactly `{"status":false,"message":..}`.
    ///
    /// # Panics
    /// For anything else.
    #[track_caller]
    pub fn fails(&self, status: u16, message: &str) -> &Self {
        self.is(status, &format!(r#"{{"status":false,"message":"{message}"}}"#))
    }

    /// Asserts the header's only value.
    ///
    /// # Panics
    /// For another value, none or several.
    #[track_caller]
    pub fn with(&self, name: &str, value: &str) -> &Self {
        assert_eq!(self.header(name), Some(value), "{name}: {self}");
        self
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<String> = self.headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
        write!(f, "{} [{}] {}", self.status, headers.join("; "), self.text())
    }
}
