//! What is counted of every call to an upstream, and of its breaker.

use std::time::Duration;

use hyper::StatusCode;

use crate::backend::contact::BreakerState;
use crate::error::{Error, ErrorKind};
use crate::models::backend_id::BackendId;

/// Receives one record for every call, and another for a download that breaks after its headers.
pub trait UpstreamMetrics: Send + Sync {
    /// A call has ended, or a download broke.
    fn record(&self, call: &UpstreamCall);

    /// A call is about to be made again.
    fn retried(&self, _backend: BackendId) {}

    /// The breaker of a backend is in this state now.
    fn breaker(&self, _backend: BackendId, _state: BreakerState) {}
}

/// One call to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamCall {
    /// Which upstream.
    pub backend: BackendId,
    /// What was asked, in one of a few words.
    pub operation: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// From sending to the end of the answer; for downloads to its headers.
    pub duration: Duration,
}

/// How a call ended, as a metrics label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// An answer that serves.
    Ok,
    /// 404 or 410: a "no" is an answer.
    Absent,
    /// 401 or 403.
    Refused,
    /// 429.
    Limited,
    /// Any other 4xx.
    Rejected,
    /// 5xx.
    Failing,
    /// No connection, or one that broke.
    Unreachable,
    /// The deadline passed.
    Timeout,
    /// Not HTTP, too long, or redirected where it may not be.
    Faulty,
}

impl Outcome {
    /// Every outcome, so that each series can exist from the start.
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

    /// The label.
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

/// Counts nothing.
impl UpstreamMetrics for () {
    fn record(&self, _: &UpstreamCall) {}
}
