//! Metrics of the calls to upstreams and of the circuit breakers.

use std::time::Duration;

use registry_core::backend::contact::BreakerState;
use registry_core::models::backend_id::BackendId;

use crate::http::outcome::CallOutcome;

/// Receives one record per call, and another one for a download that breaks after its headers.
pub trait UpstreamMetrics: Send + Sync {
    /// Called when a call ends or a download breaks.
    fn record(&self, call: &UpstreamCall);

    /// Called before each retry.
    fn retried(&self, _backend: BackendId) {}

    /// Called when the breaker of a backend changes its state.
    fn breaker(&self, _backend: BackendId, _state: BreakerState) {}
}

/// Record of one call to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamCall {
    /// Backend that the call went to.
    pub backend: BackendId,
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
