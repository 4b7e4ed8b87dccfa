//! Metrics of the calls to upstreams and of the circuit breakers.

use std::time::Duration;

use hyper::StatusCode;

use crate::backend::contact::BreakerState;
use crate::error::{Error, ErrorKind};
use crate::models::backend_id::BackendId;

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
    pub outcome: Outcome,
    /// Time from sending to the end of the response; for downloads, to the headers.
    pub duration: Duration,
}

/// Outcome of a call, as a metrics label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A response that is usable.
    Ok,
    /// 404 or 410: an authoritative absence, not a failure.
    Absent,
    /// 401 or 403.
    Refused,
    /// 429.
    Limited,
    /// Any other 4xx.
    Rejected,
    /// 5xx.
    Failing,
    /// No connection, or a broken one.
    Unreachable,
    /// No response before the deadline.
    Timeout,
    /// A response that is not HTTP, too long, or redirected to a target that is not allowed.
    Faulty,
}

impl Outcome {
    /// All outcomes, so that every series exists from the start.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Absent,
        Self::Refused,
        Self::Limited,
        Self::Rejected,
        Self::Failing,
        Self::Unreachable,
        Self::Timeout,
        Self::Faulty,
    ];

    /// Returns the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Rejected => "rejected",
            Self::Failing => "failing",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Faulty => "faulty",
        }
    }

    pub(super) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            404 | 410 => Self::Absent,
            401 | 403 => Self::Refused,
            429 => Self::Limited,
            400..500 => Self::Rejected,
            500.. => Self::Failing,
            _ => Self::Ok,
        }
    }

    pub(super) fn of_error(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::BackendTimeout => Self::Timeout,
            ErrorKind::BackendUnavailable { .. } => Self::Unreachable,
            _ => Self::Faulty,
        }
    }
}

/// Ignores all records.
impl UpstreamMetrics for () {
    fn record(&self, _: &UpstreamCall) {}
}
