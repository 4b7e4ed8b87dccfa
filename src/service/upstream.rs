//! What calls to upstreams count into.

use crate::http::metrics::{Outcome, UpstreamCall, UpstreamMetrics};
use crate::metrics::Metrics;
use crate::models::source::Source;

/// Counts every call into the metrics of the process.
pub(super) struct Counted(Metrics);

impl Counted {
    /// Counters for these backends, every series of theirs at 0.
    pub(super) fn new(metrics: Metrics, backends: &[Source]) -> Self {
        for backend in backends {
            for outcome in Outcome::ALL {
                metrics.prepare_upstream(backend.as_str(), outcome.as_str());
            }
        }
        Self(metrics)
    }
}

impl UpstreamMetrics for Counted {
    fn record(&self, call: &UpstreamCall) {
        let seconds = call.duration.as_secs_f64();
        self.0.upstream(call.backend.as_str(), call.operation, call.outcome.as_str(), seconds);
    }
}
