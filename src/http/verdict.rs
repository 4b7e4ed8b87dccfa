//! Verdict of a finished request, for the circuit breaker and for retries.

use hyper::StatusCode;
use hyper::header::HeaderMap;

use crate::error::{ErrorKind, Result};
use crate::http::FinalHop;
use crate::http::answer::UpstreamResponse;
use crate::http::breaker::Verdict;
use crate::http::load::told_to_wait;
use crate::http::request::Request;
use crate::http::retry::End;
use crate::http::throttle::Course;

/// A response, whole or with its body still to come.
pub(super) trait Answered {
    fn status(&self) -> StatusCode;
    fn headers(&self) -> &HeaderMap;
}

impl Answered for UpstreamResponse {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl Answered for FinalHop {
    fn status(&self) -> StatusCode {
        self.response.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }
}

/// Returns the verdict on the backend, or `None` if the outcome does not count.
///
/// Failures are a 5xx, a timeout and every transport error. A rate limit is a failure only if the
/// throttle stops all requests for it. Refused credentials (401, 403) are not a failure: they cost
/// no time, many registries respond this way for unknown names, and a corrected token should work
/// at once. An invalid response is not one either, because it concerns one repository. A probe is
/// the cheapest request, so that a single timeout of a probe opens the breaker.
pub(super) fn verdict_of<A: Answered>(
    end: &Result<A>,
    course: Course,
    request: &Request,
) -> Option<Verdict> {
    if course == Course::Again {
        return None;
    }
    match verdict(end, course, request.probe) {
        // A token server that responds shows nothing about the registry; its failures do count.
        Verdict::There if request.aside => None,
        verdict => Some(verdict),
    }
}

fn verdict<A: Answered>(end: &Result<A>, course: Course, probe: bool) -> Verdict {
    match end {
        Ok(answer) => {
            let status = answer.status();
            let cause = || format!("status {}", status.as_u16());
            match course {
                Course::Alone(wait) => {
                    Verdict::Failed { cause: cause(), wait: Some(wait), certain: true }
                }
                _ if status.is_server_error() => {
                    let wait = told_to_wait(answer.headers());
                    Verdict::Failed { cause: cause(), wait, certain: false }
                }
                _ => Verdict::There,
            }
        }
        Err(error) => match error.kind() {
            // A refused or reset connection may concern one socket, so that several in a row are
            // required.
            ErrorKind::BackendUnavailable { .. } => {
                Verdict::Failed { cause: error.report(), wait: None, certain: false }
            }
            ErrorKind::BackendTimeout => {
                Verdict::Failed { cause: error.report(), wait: None, certain: probe }
            }
            _ => Verdict::There,
        },
    }
}

/// Converts an outcome to the form that the retry policy reads.
pub(super) fn end_of<A: Answered, C>(end: &Result<(A, C)>) -> End<'_> {
    match end {
        Ok((answer, _)) => End::Answered(answer.status(), told_to_wait(answer.headers()).is_some()),
        Err(error) => End::Broke(error),
    }
}
