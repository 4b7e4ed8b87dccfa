//! Metrics of the calls to upstreams and of the circuit breakers.

use std::time::Duration;

use registry_core::backend::contact::BreakerState;

use crate::http::outcome::CallOutcome;
use crate::http::peer::Peer;

/// Receives one record per call, and another one for a download that breaks after its headers.
pub trait UpstreamMetrics: Send + Sync {
    /// Called when a call ends or a download breaks.
    fn record(&self, call: &UpstreamCall);

    /// Called before each retry.
    fn retried(&self, _peer: Peer) {}

    /// Called when the breaker of a server changes its state.
    fn breaker(&self, _peer: Peer, _state: BreakerState) {}
}

/// Record of one call to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamCall {
    /// Server that the call went to.
    pub peer: Peer,
    /// Operation label, one of a few constants.
    pub operation: &'static str,
    /// Outcome of the call.
    pub outcome: CallOutcome,
    /// Time from sending to the end of the response; for downloads, to the headers.
    pub duration: Duration,
}

/// Ignores all records.
impl UpstreamMetrics for () {
    fn record(&self, _: &UpstreamCall) {}
}
