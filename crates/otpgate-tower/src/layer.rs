//! The layer and what it is to do.

use std::net::IpAddr;
use std::sync::Arc;

use http::Extensions;
use otpgate_http::{Gate, Judged, Needs, Reply};
use tower_layer::Layer;

use crate::GateService;

/// The address of the client's socket: a request extension that the host sets where its server knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub IpAddr);

/// Puts a [`Gate`] in front of a service. Cheap to make and to clone: axum does both for every request, unless the host has given its
/// router a state.
#[derive(Clone, Debug)]
pub struct GateLayer {
    pub(crate) gate: Gate,
    pub(crate) mode: Mode,
    /// Only of a layer that refuses; others have none to copy.
    pub(crate) needs: Option<Arc<Needs>>,
    pub(crate) peer: fn(&Extensions) -> Option<IpAddr>,
}

/// What a layer does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Answers the standard routes, judges the rest.
    Mount,
    /// Judges only.
    Judge,
}

impl GateLayer {
    /// Answers the standard routes, and leaves a [`otpgate_http::Judged`] in the extensions of every other request.
    #[must_use]
    pub fn new(gate: Gate) -> Self {
        Self::of(gate, Mode::Mount)
    }

    /// Judges only: the standard routes are mounted elsewhere, or nowhere.
    #[must_use]
    pub fn judging(gate: Gate) -> Self {
        Self::of(gate, Mode::Judge)
    }

    /// Refuses every request without a good session that has what it needs.
    #[must_use]
    pub fn required(gate: Gate, needs: Needs) -> Self {
        Self { needs: Some(Arc::new(needs)), ..Self::of(gate, Mode::Judge) }
    }

    fn of(gate: Gate, mode: Mode) -> Self {
        Self { gate, mode, needs: None, peer: own_peer }
    }

    /// What this layer refuses of what was judged.
    pub(crate) fn refusal(&self, judged: &Judged) -> Option<Box<Reply>> {
        judged.session_with(self.needs.as_deref()?).err()
    }

    /// Reads the socket's address by `peer` where no [`PeerAddr`] is set.
    #[must_use]
    pub fn peer_from(mut self, peer: fn(&Extensions) -> Option<IpAddr>) -> Self {
        self.peer = peer;
        self
    }
}

fn own_peer(_: &Extensions) -> Option<IpAddr> {
    None
}

impl<S> Layer<S> for GateLayer {
    type Service = GateService<S>;

    fn layer(&self, inner: S) -> GateService<S> {
        GateService { inner, layer: self.clone() }
    }
}
