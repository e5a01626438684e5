//! The response: straight from the inner service, or after the gate has been asked.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum_core::BoxError;
use axum_core::body::Body;
use bytes::Bytes;
use http::Response;
use http_body::Body as HttpBody;

type Boxed<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

pin_project_lite::pin_project! {
    /// The future of a response that goes through the layer.
    pub struct ResponseFuture<F, E> {
        #[pin]
        way: Way<F, E>,
    }
}

pin_project_lite::pin_project! {
    #[project = WayProj]
    enum Way<F, E> {
        Straight { #[pin] inner: F },
        Asked { asked: Boxed<E> },
    }
}

impl<F, E> ResponseFuture<F, E> {
    pub(crate) fn straight(inner: F) -> Self {
        Self { way: Way::Straight { inner } }
    }

    pub(crate) fn asked(asked: Boxed<E>) -> Self {
        Self { way: Way::Asked { asked } }
    }
}

impl<F, B, E> Future for ResponseFuture<F, E>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            WayProj::Straight { inner } => inner.poll(cx).map_ok(|response| response.map(Body::new)),
            WayProj::Asked { asked } => asked.as_mut().poll(cx),
        }
    }
}

impl<F, E> std::fmt::Debug for ResponseFuture<F, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
