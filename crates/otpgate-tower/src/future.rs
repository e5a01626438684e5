//! The response: straight from the inner service, or after the gate has been asked.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;

use crate::GateBody;

type Boxed<B, E> = Pin<Box<dyn Future<Output = Result<Response<GateBody<B>>, E>> + Send>>;

pin_project_lite::pin_project! {
    /// The future of a response that goes through the layer.
    pub struct ResponseFuture<F, B, E> {
        #[pin]
        way: Way<F, B, E>,
    }
}

pin_project_lite::pin_project! {
    #[project = WayProj]
    enum Way<F, B, E> {
        Straight { #[pin] inner: F },
        Asked { asked: Boxed<B, E> },
    }
}

impl<F, B, E> ResponseFuture<F, B, E> {
    pub(crate) fn straight(inner: F) -> Self {
        Self { way: Way::Straight { inner } }
    }

    pub(crate) fn asked(asked: Boxed<B, E>) -> Self {
        Self { way: Way::Asked { asked } }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<GateBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            WayProj::Straight { inner } => inner.poll(cx).map_ok(|response| response.map(GateBody::inner)),
            WayProj::Asked { asked } => asked.as_mut().poll(cx),
        }
    }
}

impl<F, B, E> std::fmt::Debug for ResponseFuture<F, B, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
