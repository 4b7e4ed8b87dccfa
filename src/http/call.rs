//! Metrics and logs of one call to an upstream.

use std::sync::Arc;

use hyper::StatusCode;
use tokio::time::Instant;

use crate::error::Error;
use crate::http::metrics::{Outcome, UpstreamCall, UpstreamMetrics};
use crate::models::backend_id::BackendId;
use crate::trace::{self, Trace};

/// A call in progress.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) backend: BackendId,
    operation: &'static str,
    begun: Instant,
    metrics: Arc<dyn UpstreamMetrics>,
}

impl Call {
    pub(super) fn begin(
        backend: BackendId,
        operation: &'static str,
        metrics: Arc<dyn UpstreamMetrics>,
    ) -> Self {
        Self { backend, operation, begun: Instant::now(), metrics }
    }

    /// Records the end of a call.
    pub(super) fn answered(&self, end: Result<StatusCode, &Error>) {
        match end {
            Ok(status) => self.ended(Outcome::of_status(status), &status),
            Err(error) => self.broke(error),
        }
    }

    /// Records a failure without a status.
    pub(super) fn broke(&self, error: &Error) {
        self.ended(Outcome::of_error(error), &error.report());
    }

    fn ended(&self, outcome: Outcome, cause: &dyn std::fmt::Display) {
        let (backend, operation) = (self.backend, self.operation);
        let duration = self.begun.elapsed();
        self.metrics.record(&UpstreamCall { backend, operation, outcome, duration });
        let milliseconds = duration.as_millis();
        let outcome_label = outcome.as_str();
        let trace = trace::current();
        let request = trace.as_ref().map(Trace::request);
        match outcome {
            Outcome::Ok | Outcome::Absent => {
                tracing::debug!(%backend, operation, outcome_label, milliseconds, request, "upstream answered");
            }
            // Debug level: an outage causes many failed calls, and the catalog logs one warning for
            // all.
            _ => {
                tracing::debug!(%backend, operation, outcome_label, milliseconds, request, %cause, "upstream call failed");
            }
        }
    }
}
