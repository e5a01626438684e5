//! What handlers ask for: a session, perhaps a session, the user.

use std::ops::Deref;

use otpgate_core::{Timestamp, User};

/// The good session of this request; without one the route answers 401 (403 for a foreign organisation or another site, 503 when the store
/// is down) in the shape of the profile whose header carried the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session(otpgate_http::Session);

impl Session {
    /// Whether the session carries this role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.0.roles.iter().any(|r| r == role)
    }

    /// When the person proved who they are: at the login that opened the session. A refresh changes nothing.
    #[must_use]
    pub fn authenticated_at(&self) -> Timestamp {
        self.0.authenticated_at
    }
}

impl Deref for Session {
    type Target = otpgate_http::Session;

    fn deref(&self) -> &otpgate_http::Session {
        &self.0
    }
}

/// The session of a person who proved themselves less than `SECONDS` ago, for what a stolen session must not do; with an older
/// one the route answers 401 and asks for a new login (RFC 9470), and refuses everything else as [`Session`] does.
///
/// [`crate::Required::fresh`] does the same for a whole sub-router.
///
/// ```
/// use otpgate::RequireFresh;
///
/// async fn change_address(RequireFresh(session): RequireFresh<300>) -> String {
///     format!("{} proved themselves at {}", session.user_id, session.authenticated_at().millis())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequireFresh<const SECONDS: u64>(pub Session);

/// The session of this request, or none when no credential came. A bad credential is refused as by [`Session`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaybeSession(pub Option<Session>);

/// The user behind the session, as the directory says now; 403 when the user may have no sessions any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentUser(pub User);

#[cfg(any(feature = "axum", feature = "actix"))]
mod shared {
    use std::time::Duration;

    use otpgate_core::Refusal;
    use otpgate_http::{Judged, Needs, Reply};

    use super::{CurrentUser, MaybeSession, RequireFresh, Session};

    pub(super) fn session(judged: &Judged) -> Result<Session, Box<Reply>> {
        judged.session().map(Session)
    }

    pub(super) fn fresh<const SECONDS: u64>(judged: &Judged) -> Result<RequireFresh<SECONDS>, Box<Reply>> {
        let needs = Needs { fresh: Some(Duration::from_secs(SECONDS)), ..Needs::default() };
        judged.session_with(&needs).map(|session| RequireFresh(Session(session)))
    }

    pub(super) fn maybe(judged: &Judged) -> Result<MaybeSession, Box<Reply>> {
        Ok(MaybeSession(judged.maybe_session()?.map(Session)))
    }

    pub(super) async fn user(judged: &Judged) -> Result<CurrentUser, Box<Reply>> {
        let session = judged.session()?;
        match judged.gate().engine().user(&session).await {
            Ok(user) if user.admitted => Ok(CurrentUser(user)),
            Ok(_) => Err(judged.refuse(Refusal::Forbidden)),
            Err(refusal) => Err(judged.refuse(refusal)),
        }
    }
}

#[cfg(feature = "axum")]
mod axum_side {
    use axum_core::extract::FromRequestParts;
    use http::request::Parts;
    use otpgate_axum::{Rejection, judged};

    use super::{CurrentUser, MaybeSession, RequireFresh, Session, shared};

    impl<S: Send + Sync> FromRequestParts<S> for Session {
        type Rejection = Rejection;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
            Ok(shared::session(judged(parts)?)?)
        }
    }

    impl<S: Send + Sync> FromRequestParts<S> for MaybeSession {
        type Rejection = Rejection;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
            Ok(shared::maybe(judged(parts)?)?)
        }
    }

    impl<const SECONDS: u64, S: Send + Sync> FromRequestParts<S> for RequireFresh<SECONDS> {
        type Rejection = Rejection;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
            Ok(shared::fresh(judged(parts)?)?)
        }
    }

    impl<S: Send + Sync> FromRequestParts<S> for CurrentUser {
        type Rejection = Rejection;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
            Ok(shared::user(judged(parts)?).await?)
        }
    }
}

#[cfg(feature = "actix")]
mod actix_side {
    use std::future::{Future, Ready, ready};
    use std::pin::Pin;

    use actix_web::dev::Payload;
    use actix_web::{FromRequest, HttpRequest};
    use otpgate_actix::{Rejection, judged};

    use super::{CurrentUser, MaybeSession, RequireFresh, Session, shared};

    impl FromRequest for Session {
        type Error = Rejection;
        type Future = Ready<Result<Self, Rejection>>;

        fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
            ready(judged(request).and_then(|judged| Ok(shared::session(&judged)?)))
        }
    }

    impl FromRequest for MaybeSession {
        type Error = Rejection;
        type Future = Ready<Result<Self, Rejection>>;

        fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
            ready(judged(request).and_then(|judged| Ok(shared::maybe(&judged)?)))
        }
    }

    impl<const SECONDS: u64> FromRequest for RequireFresh<SECONDS> {
        type Error = Rejection;
        type Future = Ready<Result<Self, Rejection>>;

        fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
            ready(judged(request).and_then(|judged| Ok(shared::fresh(&judged)?)))
        }
    }

    impl FromRequest for CurrentUser {
        type Error = Rejection;
        type Future = Pin<Box<dyn Future<Output = Result<Self, Rejection>>>>;

        fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
            let judged = judged(request).map(|judged| judged.clone());
            Box::pin(async move { Ok(shared::user(&judged?).await?) })
        }
    }
}
