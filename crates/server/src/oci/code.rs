//! Codes of errors (distribution-spec, "Error codes"), and bodies of errors.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;
use registry_core::error::Error;
use serde_json::json;

use crate::edge::problem::Problem;
use crate::oci::headers::{API_VERSION, REGISTRY_2};

/// Code of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OciCode {
    /// No such repository.
    NameUnknown,
    /// Not the grammar of repositories.
    NameInvalid,
    /// No such manifest.
    ManifestUnknown,
    /// No such blob.
    BlobUnknown,
    /// Not a digest.
    DigestInvalid,
    /// `n` is not a number; a code of the reference implementation.
    PaginationNumberInvalid,
    /// A range outside the blob; a code of the reference implementation.
    RangeInvalid,
    /// A token is required.
    Unauthorized,
    /// Beyond a limit of the client.
    TooManyRequests,
    /// A method or an end point that this service does not have.
    Unsupported,
    /// Any other error.
    Unknown,
}

impl OciCode {
    const ALL: [Self; 11] = [
        Self::NameUnknown,
        Self::NameInvalid,
        Self::ManifestUnknown,
        Self::BlobUnknown,
        Self::DigestInvalid,
        Self::PaginationNumberInvalid,
        Self::RangeInvalid,
        Self::Unauthorized,
        Self::TooManyRequests,
        Self::Unsupported,
        Self::Unknown,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Self::RangeInvalid => "RANGE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unsupported => "UNSUPPORTED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Returns the problem with this code.
    #[must_use]
    pub fn problem(self, problem: Problem) -> Problem {
        problem.coded(self.as_str())
    }

    /// Returns the problem of an error; one that says that the object does not exist gets this code.
    #[must_use]
    pub fn of_missing(self, error: Error) -> Problem {
        let is_missing = error.is_not_found();
        let problem = Problem::from(error);
        if is_missing { self.problem(problem) } else { problem }
    }

    /// Returns the problem of a missing object, with this code.
    #[must_use]
    pub fn missing(self, message: impl Into<String>) -> Problem {
        self.problem(Problem::new(StatusCode::NOT_FOUND, message))
    }

    /// Returns the code of a problem, or else of the status.
    fn of(problem: &Problem) -> Self {
        let given = Self::ALL.into_iter().find(|code| code.as_str() == problem.code());
        given.unwrap_or(match problem.status() {
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests,
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND => Self::Unsupported,
            StatusCode::RANGE_NOT_SATISFIABLE => Self::RangeInvalid,
            _ => Self::Unknown,
        })
    }
}

/// Returns headers and body of an error.
#[must_use]
pub fn render(problem: &Problem) -> (HeaderMap, Bytes) {
    let mut error = json!({"code": OciCode::of(problem).as_str(), "message": problem.message()});
    if let (Some(detail), Some(error)) = (problem.detail(), error.as_object_mut()) {
        error.insert("detail".to_owned(), detail.clone());
    }
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (API_VERSION, REGISTRY_2),
    ]);
    (headers, json!({"errors": [error]}).to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_code() {
        for (problem, code) in [
            (Problem::bare(StatusCode::UNAUTHORIZED), "UNAUTHORIZED"),
            (Problem::crowding(), "TOOMANYREQUESTS"),
            (Problem::bare(StatusCode::METHOD_NOT_ALLOWED), "UNSUPPORTED"),
            (Problem::overloaded(), "UNKNOWN"),
            (OciCode::DigestInvalid.problem(Problem::bad_request("x")), "DIGEST_INVALID"),
            (OciCode::BlobUnknown.of_missing(Error::not_found("x")), "BLOB_UNKNOWN"),
            (OciCode::BlobUnknown.of_missing(Error::faulty("x")), "UNKNOWN"),
        ] {
            let (headers, body) = render(&problem);
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["errors"][0]["code"], code);
            assert_eq!(body["errors"][0]["message"], problem.message());
            assert_eq!(headers["docker-distribution-api-version"], "registry/2.0");
        }
    }
}
