//! Metrics of calls to upstreams.

use registry_backends::gitea;
use registry_backends::http::metrics::{UpstreamCall, UpstreamMetrics};
use registry_backends::http::outcome::CallOutcome;
use registry_backends::http::peer::Peer;
use registry_backends::oci;
use registry_core::backend::contact::BreakerState;
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_server::metrics::Metrics;
use registry_server::metrics::backends::CallWords;

pub(super) struct CallCounters(Metrics);

impl CallCounters {
    /// Starts every series at 0.
    pub(super) fn new(metrics: Metrics, backends: &[BackendId]) -> Self {
        for backend in backends {
            let operations: &[&str] = match backend.kind() {
                BackendKind::Gitea => &gitea::labels::ALL,
                BackendKind::Oci => &oci::labels::ALL,
                BackendKind::Local => &[],
            };
            let words = CallWords {
                outcomes: &CallOutcome::LABELS,
                operations,
                states: &BreakerState::LABELS,
            };
            metrics.backends.prepare_calls(backend.as_str(), &words);
        }
        Self(metrics)
    }
}

impl UpstreamMetrics for CallCounters {
    fn record(&self, call: &UpstreamCall) {
        let seconds = call.duration.as_secs_f64();
        let (backend, outcome) = (call.peer.label(), call.outcome.label());
        self.0.backends.call(backend, call.operation, outcome, seconds);
    }

    fn retried(&self, peer: Peer) {
        self.0.backends.retry(peer.label());
    }

    fn breaker(&self, peer: Peer, state: BreakerState) {
        self.0.backends.breaker(peer.label(), state.as_str(), &BreakerState::LABELS);
    }
}
