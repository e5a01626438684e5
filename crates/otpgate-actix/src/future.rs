//! The response: straight from the inner service, or after the gate has been asked.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::body::EitherBody;
use actix_web::dev::ServiceResponse;

type Responded<B> = Result<ServiceResponse<EitherBody<B>>, Error>;
type Boxed<B> = Pin<Box<dyn Future<Output = Responded<B>>>>;

pin_project_lite::pin_project! {
    /// The future of a response that goes through the middleware.
    pub struct Answer<F, B> {
        #[pin]
        way: Way<F, B>,
    }
}

pin_project_lite::pin_project! {
    #[project = WayProj]
    enum Way<F, B> {
        Straight { #[pin] inner: F },
        Asked { asked: Boxed<B> },
    }
}

impl<F, B> Answer<F, B> {
    pub(crate) fn straight(inner: F) -> Self {
        Self { way: Way::Straight { inner } }
    }

    pub(crate) fn asked(asked: Boxed<B>) -> Self {
        Self { way: Way::Asked { asked } }
    }
}

impl<F, B> Future for Answer<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Output = Responded<B>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            WayProj::Straight { inner } => inner.poll(cx).map_ok(ServiceResponse::map_into_left_body),
            WayProj::Asked { asked } => asked.as_mut().poll(cx),
        }
    }
}

impl<F, B> fmt::Debug for Answer<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
