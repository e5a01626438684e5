//! A response's body: the inner service's, or the gate's own.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

pin_project_lite::pin_project! {
    /// The body of a response that went through the layer.
    #[derive(Debug)]
    pub struct GateBody<B> {
        #[pin]
        side: Side<B>,
    }
}

pin_project_lite::pin_project! {
    #[project = SideProj]
    #[derive(Debug)]
    enum Side<B> {
        Ours { #[pin] body: Full<Bytes> },
        Inner { #[pin] body: B },
    }
}

impl<B> GateBody<B> {
    pub(crate) fn ours(bytes: Bytes) -> Self {
        Self { side: Side::Ours { body: Full::new(bytes) } }
    }

    pub(crate) fn inner(body: B) -> Self {
        Self { side: Side::Inner { body } }
    }
}

impl<B: Body<Data = Bytes>> Body for GateBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().side.project() {
            SideProj::Ours { body } => body.poll_frame(cx).map_err(|never| match never {}),
            SideProj::Inner { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.side {
            Side::Ours { body } => body.is_end_stream(),
            Side::Inner { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.side {
            Side::Ours { body } => body.size_hint(),
            Side::Inner { body } => body.size_hint(),
        }
    }
}
