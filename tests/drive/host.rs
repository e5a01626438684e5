//! What the host's own routes answer, alike in both frameworks.

use std::time::Duration;

use otpgate::{MaybeSession, Needs, Session};
use serde_json::{Value, json};

/// What `/admin` needs.
pub(crate) fn admins() -> Needs {
    Needs { fresh: Some(Duration::from_secs(600)), role: Some("admin".to_owned()) }
}

/// A session as `/me` and `/maybe` show it.
#[derive(Clone, Debug)]
pub(crate) struct Shown(pub(crate) String);

impl From<&Session> for Shown {
    fn from(session: &Session) -> Self {
        let text = |t: &str| Value::from(t);
        // Written by hand for the order of the keys.
        Self(format!(
            r#"{{"userId":{},"tenant":{},"organization":{},"roles":{}}}"#,
            text(session.user_id.as_str()),
            text(session.tenant.as_str()),
            text(session.organization()),
            json!(session.roles)
        ))
    }
}

impl From<&MaybeSession> for Shown {
    fn from(MaybeSession(session): &MaybeSession) -> Self {
        Self(json!({ "userId": session.as_ref().map(|s| s.user_id.as_str()) }).to_string())
    }
}
