//! What calls to upstreams count into.

use crate::backend::contact::BreakerState;
use crate::http::metrics::{Outcome, UpstreamCall, UpstreamMetrics};
use crate::metrics::Metrics;
use crate::models::source::Source;

/// Counts every call into the metrics of the process.
pub(super) struct Counted(Metrics);

impl Counted {
    /// Counters for these backends, every series of theirs at 0.
    pub(super) fn new(metrics: Metrics, backends: &[Source]) -> Self {
        for backend in backends {
            let backend = backend.as_str();
            metrics.backends.prepare_calls(
                backend,
                &Outcome::ALL.map(Outcome::as_str),
                &BreakerState::LABELS,
            );
        }
        Self(metrics)
    }
}

impl UpstreamMetrics for Counted {
    fn record(&self, call: &UpstreamCall) {
        let seconds = call.duration.as_secs_f64();
        let (backend, outcome) = (call.backend.as_str(), call.outcome.as_str());
        self.0.backends.call(backend, call.operation, outcome, seconds);
    }

    fn retried(&self, backend: Source) {
        self.0.backends.retry(backend.as_str());
    }

    fn breaker(&self, backend: Source, state: BreakerState) {
        self.0.backends.breaker(backend.as_str(), state.as_str(), &BreakerState::LABELS);
    }
}
