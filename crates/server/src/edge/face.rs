//! A face of the service, such as its JSON API: cached responses, and the form of errors.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use tokio::time::Instant;

use crate::edge::coding::Coding;
use crate::edge::headers::Heads;
use crate::edge::problem::ProblemRenderer;
use crate::edge::representation::Representation;
use crate::metrics::RouteCounters;

/// Cached responses, which the middleware asks for before it routes a request.
pub trait Face: ProblemRenderer {
    /// A parsed request target.
    type Target: Send + Sync + 'static;

    /// Parses the target of a `GET` or `HEAD`; `None` for a route without cached responses, and
    /// for invalid parameters.
    fn resolve(&self, uri: &Uri) -> Option<Arc<Self::Target>>;

    /// Remembers a target whose response was a success.
    fn learn(&self, uri: &Uri, target: Arc<Self::Target>);

    /// Returns the valid cached response if it needs no further work, and counts it. Its headers
    /// are one of `heads` and its own.
    fn cached(
        &self,
        target: &Self::Target,
        request: &HeaderMap,
        coding: Option<Coding>,
        heads: &Heads,
        now: Instant,
    ) -> Option<Representation>;

    /// Returns the valid cached response to a request without a parsed target, and the counters of its
    /// route. Counts it as [`Face::cached`] does. `None` for a face whose targets are all parsed.
    fn known(
        &self,
        _head: &Parts,
        _coding: Option<Coding>,
        _heads: &Heads,
        _now: Instant,
    ) -> Option<(Representation, Arc<RouteCounters>)> {
        None
    }

    /// Returns the counters of the target's route.
    fn counters<'a>(&self, target: &'a Self::Target) -> &'a RouteCounters;
}
