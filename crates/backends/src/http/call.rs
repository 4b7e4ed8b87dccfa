//! Metrics, log and span of one call to an upstream.

use std::sync::Arc;

use registry_core::error::Error;
use registry_core::trace::{self, SpanId, Trace};
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Span, debug, debug_span};

use crate::http::LOG_TARGET;
use crate::http::answer::Answered;
use crate::http::metrics::{UpstreamCall, UpstreamMetrics};
use crate::http::outcome::{CallOutcome, cause_of};
use crate::http::peer::Peer;

#[derive(Clone)]
pub(super) struct Call {
    pub(super) peer: Peer,
    operation: &'static str,
    begun: Instant,
    pub(super) id: SpanId,
    pub(super) span: Span,
    metrics: Arc<dyn UpstreamMetrics>,
}

impl Call {
    pub(super) fn begin(
        peer: Peer,
        operation: &'static str,
        attempt: u32,
        metrics: Arc<dyn UpstreamMetrics>,
    ) -> Self {
        let id = SpanId::random();
        let span = debug_span!(target: LOG_TARGET, "backend.call", backend = peer.label(), operation, attempt, span_id = %id, outcome = Empty);
        Self { peer, operation, begun: Instant::now(), id, span, metrics }
    }

    pub(super) fn ended<A: Answered>(&self, end: Result<&A, &Error>) {
        let outcome = CallOutcome::of(end);
        let (peer, operation) = (self.peer, self.operation);
        let duration = self.begun.elapsed();
        self.metrics.record(&UpstreamCall { peer, operation, outcome, duration });
        let backend = peer.label();
        let milliseconds = duration.as_millis();
        let outcome_label = outcome.label();
        self.span.record("outcome", outcome_label);
        let _entered = self.span.enter();
        let trace = trace::current();
        let request = trace.as_ref().map(Trace::request);
        match outcome {
            CallOutcome::Ok | CallOutcome::Absent => {
                debug!(target: LOG_TARGET, %backend, operation, outcome_label, milliseconds, request, "upstream answered");
            }
            // Debug level: an outage fails many calls, and the catalog logs one warning for all.
            _ => {
                let cause = cause_of(end);
                debug!(target: LOG_TARGET, %backend, operation, outcome_label, milliseconds, request, cause, "upstream call failed");
            }
        }
    }
}
