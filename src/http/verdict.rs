//! What the end of a question says of the backend, for its breaker and for retries.

use hyper::StatusCode;
use hyper::header::HeaderMap;

use crate::error::{ErrorKind, Result};
use crate::http::Reached;
use crate::http::answer::Answer;
use crate::http::breaker::Verdict;
use crate::http::load::told_to_wait;
use crate::http::request::Request;
use crate::http::retry::End;
use crate::http::throttle::Course;

/// An answer, whole or begun.
pub(super) trait Answered {
    fn status(&self) -> StatusCode;
    fn headers(&self) -> &HeaderMap;
}

impl Answered for Answer {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl Answered for Reached {
    fn status(&self) -> StatusCode {
        self.response.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }
}

/// A 5xx, silence, and whatever keeps an answer from coming are failures of the backend. A limit
/// is one only where the backend is to be left alone for it.
///
/// A refusal of our credentials is not: it costs nobody time, many registries answer so to names
/// that they do not have, and a token that was put right should serve at once. Nor is nonsense,
/// which is that of one repository. To be silent to a probe, the cheapest question there is, is
/// proof by itself. `None`: it says nothing.
pub(super) fn verdict_of<A: Answered>(
    end: &Result<A>,
    course: Course,
    request: &Request,
) -> Option<Verdict> {
    if course == Course::Again {
        return None;
    }
    match verdict(end, course, request.probe) {
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

/// The same for retries.
pub(super) fn end_of<A: Answered, C>(end: &Result<(A, C)>) -> End<'_> {
    match end {
        Ok((answer, _)) => End::Answered(answer.status(), told_to_wait(answer.headers()).is_some()),
        Err(error) => End::Broke(error),
    }
}
