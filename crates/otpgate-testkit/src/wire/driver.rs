//! What the kit needs of a framework and of a store.

use std::any::Any;
use std::sync::Arc;

use otpgate_core::Store;
use otpgate_core::runtime::BoxFuture;
use otpgate_http::Gate;

use super::{Reply, Request};

/// A web framework with an adapter of otpgate.
///
/// # Contract
/// 1. `mount` puts the gate in front of an app with these routes of its own, and no others:
///    `GET /me` and `POST /me` take a session and answer 200 `{"userId":..,"tenant":..,"organization":..,"roles":[..]}`;
///    `GET /fresh` does the same for a session that was opened less than 300 s ago, by an extractor, and `GET /admin` for one
///    with the role `admin` that was opened less than 600 s ago, by a layer of its own;
///    `GET /maybe` takes a session or none and answers 200 `{"userId":".."}` or `{"userId":null}`. All bodies have no
///    white space, that order of keys, and `content-type: application/json`.
/// 2. The app answers any number of requests at a time, on more than one thread.
pub trait Driver: Send + Sync + 'static {
    /// The framework's name.
    fn name(&self) -> &'static str;

    /// An app behind `gate`.
    fn mount(&self, gate: Gate) -> Arc<dyn Mounted>;
}

/// An app that answers.
pub trait Mounted: Send + Sync + 'static {
    /// The app's answer.
    fn answer(&self, request: Request) -> BoxFuture<Reply>;
}

/// Makes empty stores of one kind.
pub trait Stores: Send + Sync + 'static {
    /// The kind's name.
    fn name(&self) -> &'static str;

    /// An empty store that nobody else has, with what has to live as long as it: a temporary folder for example.
    fn open(&self) -> BoxFuture<(Arc<dyn Store>, Arc<dyn Any + Send + Sync>)>;

    /// How many rounds of a scenario with `rounds` of them to run: fewer where a round takes long.
    fn rounds(&self, rounds: usize) -> usize {
        rounds
    }

    /// Whether a call is answered in the moment that it is made. Else what runs side by side draws its chance in an order that differs
    /// from run to run, and replies are compared without what chance gave.
    fn answers_at_once(&self) -> bool {
        false
    }
}
