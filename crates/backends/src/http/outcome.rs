//! Outcome of a call to an upstream, classified once for metrics, circuit breaker and retries.

use std::time::Duration;

use hyper::StatusCode;
use registry_core::error::{Error, ErrorKind};

use crate::http::answer::Answered;
use crate::http::load::told_to_wait;
use crate::http::request::Request;
use crate::http::request_rate::Course;

/// Failure of the backend as a whole.
#[derive(Debug)]
pub(super) struct Failure {
    /// Short description for the log and `/health`.
    pub(super) cause: String,
    /// Pause that the backend asked for.
    pub(super) wait: Option<Duration>,
    /// True if this failure alone opens the breaker.
    pub(super) certain: bool,
}

/// Outcome of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
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
    Failing {
        /// True for a 502, 503 or 504 without `Retry-After`.
        temporary: bool,
    },
    /// No connection, or a broken one.
    Unreachable,
    /// No response before the deadline.
    Timeout,
    /// A response that is not HTTP, too long, or redirected to a target that is not allowed.
    Faulty,
}

impl CallOutcome {
    /// Labels of all outcomes, so that every series exists from the start.
    pub const LABELS: [&str; 9] = [
        Self::Ok.label(),
        Self::Absent.label(),
        Self::Refused.label(),
        Self::Limited.label(),
        Self::Rejected.label(),
        Self::Failing { temporary: false }.label(),
        Self::Unreachable.label(),
        Self::Timeout.label(),
        Self::Faulty.label(),
    ];

    pub(super) fn of<A: Answered>(end: Result<&A, &Error>) -> Self {
        match end.map(|answer| (answer.status().as_u16(), answer)) {
            Ok((404 | 410, _)) => Self::Absent,
            Ok((401 | 403, _)) => Self::Refused,
            Ok((429, _)) => Self::Limited,
            Ok((400..500, _)) => Self::Rejected,
            Ok((502..=504, answer)) => {
                Self::Failing { temporary: told_to_wait(answer.headers()).is_none() }
            }
            Ok((500.., _)) => Self::Failing { temporary: false },
            Ok(_) => Self::Ok,
            Err(error) => match error.kind() {
                ErrorKind::BackendTimeout => Self::Timeout,
                ErrorKind::BackendUnavailable { .. } => Self::Unreachable,
                _ => Self::Faulty,
            },
        }
    }

    /// Returns the label in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Rejected => "rejected",
            Self::Failing { .. } => "failing",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Faulty => "faulty",
        }
    }

    /// Returns true for failures of the backend as a whole. Not for refused credentials, which cost
    /// no time and are common for unknown names, nor for an invalid response of one repository.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failing { .. } | Self::Unreachable | Self::Timeout)
    }

    /// A 500 recurs, a timeout leaves no time, and a `Retry-After` is obeyed: not worth a retry.
    #[must_use]
    pub const fn may_retry(self) -> bool {
        matches!(self, Self::Failing { temporary: true } | Self::Unreachable)
    }
}

pub(super) fn cause_of<A: Answered>(end: Result<&A, &Error>) -> String {
    match end {
        Ok(answer) => format!("status {}", answer.status().as_u16()),
        Err(error) => error.report(),
    }
}

/// Returns the breaker's failure, if any. A rate limit is one only if it stops all requests.
pub(super) fn failure_of<A: Answered>(
    end: Result<&A, &Error>,
    course: Course,
    request: &Request,
) -> Option<Failure> {
    let outcome = CallOutcome::of(end);
    // A wait for a permit of ours shows nothing about the backend.
    if end.err().is_some_and(|error| !error.was_asked()) {
        return None;
    }
    let limit = match course {
        Course::Alone(wait) => Some(wait),
        Course::On | Course::Again => None,
    };
    if limit.is_none() && (!outcome.is_failure() || is_of_target(end, request)) {
        return None;
    }
    let told = end.ok().and_then(|answer| told_to_wait(answer.headers()));
    // One timeout is enough for a probe. A refused or reset connection may concern one socket.
    let certain = limit.is_some() || request.probe && outcome == CallOutcome::Timeout;
    Some(Failure { cause: cause_of(end), wait: limit.or(told), certain })
}

/// Returns true if the failure may lie in the target that a caller chose.
fn is_of_target<A: Answered>(end: Result<&A, &Error>, request: &Request) -> bool {
    request.guessed && end.is_ok_and(|answer| answer.status() == StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use hyper::header::{HeaderMap, RETRY_AFTER};
    use registry_core::models::backend_id::BackendId;

    use super::*;
    use crate::http::answer::UpstreamResponse;
    use crate::http::json::JsonSize;

    fn answered(status: u16, headers: HeaderMap) -> CallOutcome {
        CallOutcome::of(Ok(&answer(status, headers)))
    }

    fn answer(status: u16, headers: HeaderMap) -> UpstreamResponse {
        UpstreamResponse {
            peer: BackendId::GITEA.into(),
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::new(),
            url: "https://git.example/".parse().unwrap(),
            moved: None,
            left_home: false,
            memory: None,
            json_size: JsonSize::default(),
        }
    }

    #[test]
    fn statuses_are_classified_once() {
        for (status, label, failure, retry) in [
            (200, "ok", false, false),
            (206, "ok", false, false),
            (401, "refused", false, false),
            (403, "refused", false, false),
            (404, "absent", false, false),
            (410, "absent", false, false),
            (418, "rejected", false, false),
            (429, "limited", false, false),
            (500, "failing", true, false),
            (502, "failing", true, true),
            (503, "failing", true, true),
            (504, "failing", true, true),
            (505, "failing", true, false),
        ] {
            let outcome = answered(status, HeaderMap::new());
            assert_eq!(outcome.label(), label, "{status}");
            assert_eq!((outcome.is_failure(), outcome.may_retry()), (failure, retry), "{status}");
        }
        let told = HeaderMap::from_iter([(RETRY_AFTER, "7".parse().unwrap())]);
        assert!(!answered(503, told).may_retry(), "`Retry-After` is obeyed");
    }

    #[test]
    fn an_internal_error_for_a_guessed_target_is_no_failure_of_the_backend() {
        let request = Request::get("x", "https://git.example/".parse().unwrap());
        for (status, failure) in [(500, false), (502, true), (503, true)] {
            let answer = answer(status, HeaderMap::new());
            let found = failure_of(Ok(&answer), Course::On, &request.clone().guessed());
            assert_eq!(found.is_some(), failure, "{status}");
            assert!(failure_of(Ok(&answer), Course::On, &request).is_some(), "{status}");
        }
    }

    #[test]
    fn errors_are_classified_by_their_kind() {
        for (error, label, failure, retry) in [
            (Error::unavailable("reset", Duration::ZERO), "unreachable", true, true),
            (Error::new(ErrorKind::BackendTimeout, "late"), "timeout", true, false),
            (Error::faulty("nonsense"), "faulty", false, false),
        ] {
            let outcome = CallOutcome::of::<UpstreamResponse>(Err(&error));
            assert_eq!(outcome.label(), label);
            assert_eq!((outcome.is_failure(), outcome.may_retry()), (failure, retry), "{label}");
        }
    }
}
