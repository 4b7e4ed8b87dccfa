//! Bodies of errors: `{"error", "message"}`, or RFC 9457 problem details on request.

use axum::http::HeaderValue;
use bytes::Bytes;
use serde::Serialize;

use crate::edge::problem::Problem;
use registry_public::errors::{ErrorBody, ProblemDetails};

const DETAILS: &str = "application/problem+json";

/// Returns media type and body of an error, for a client that sent this `Accept`.
#[must_use]
pub fn render(problem: &Problem, accept: &str) -> (HeaderValue, Bytes) {
    if accept.contains(DETAILS) {
        let status = problem.status();
        let details = ProblemDetails {
            r#type: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: problem.message().to_owned(),
            error: problem.code().to_owned(),
        };
        return (HeaderValue::from_static(DETAILS), json(&details));
    }
    let (error, message) = (problem.code().to_owned(), problem.message().to_owned());
    (HeaderValue::from_static("application/json"), json(&ErrorBody { error, message }))
}

fn json(body: &impl Serialize) -> Bytes {
    // Texts and numbers are always serializable; without a body the status still tells the error.
    serde_json::to_vec(body).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn a_panic_says_nothing_of_its_cause() {
        let mut problem = Problem::bare(StatusCode::INTERNAL_SERVER_ERROR);
        problem.report = Some("panic: secret".to_owned());
        let (kind, body) = render(&problem, "*/*");
        assert_eq!(kind, "application/json");
        assert_eq!(
            body,
            r#"{"error":"internal_error","message":"Internal error; the log has the cause"}"#
        );
        let (kind, body) = render(&problem, "application/problem+json");
        assert_eq!(kind, DETAILS);
        let details: ProblemDetails = serde_json::from_slice(&body).unwrap();
        assert_eq!((details.status, details.error.as_str()), (500, "internal_error"));
        assert_eq!(details.detail, "Internal error; the log has the cause");
    }
}
