//! Error responses: status, code, message and headers. Each face renders their bodies.

use std::time::Duration;

use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use registry_core::error::{Error, ErrorKind};
use serde_json::Value;

use crate::edge::own_address::OwnAddress;

/// Renders errors for the clients of one face of the service.
pub trait ProblemRenderer: Send + Sync + 'static {
    /// Returns the body of an error with the headers that describe it, for a client that sent this
    /// request.
    fn render(&self, problem: &Problem, request: &FailedRequest) -> (HeaderMap, Bytes);
}

/// Parts of a request that the form of its error depends on.
#[derive(Clone, Debug)]
pub struct FailedRequest {
    /// All media ranges of `Accept`, separated by commas.
    pub accept: String,
    /// Path and query.
    pub target: Uri,
    /// Address of the service as the client sees it.
    pub own: OwnAddress,
    /// Identifier of the request.
    pub id: HeaderValue,
}

/// An error response: status, message, headers, and a report for the log only.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    error: &'static str,
    message: String,
    beside: Beside,
    closes: bool,
    /// Details for faces whose errors have them.
    detail: Option<Box<Value>>,
    /// Full report for the request log.
    pub report: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Beside {
    Nothing,
    /// Seconds after which a retry may succeed.
    RetryAfter(u64),
    /// Length in bytes of the artifact, for a range outside.
    Length(u64),
}

impl Problem {
    /// Creates an error response with this status and message.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let (error, message) = (code(status), message.into());
        Self {
            status,
            error,
            message,
            beside: Beside::Nothing,
            closes: false,
            detail: None,
            report: None,
        }
    }

    /// Creates the response to a client over its limit; the next request passes after this time.
    #[must_use]
    pub fn rate_limited(retry_after: Duration) -> Self {
        let beside = Beside::RetryAfter(whole_seconds(retry_after));
        let message = "Rate limit exceeded; retry after the seconds in Retry-After";
        Self { beside, ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    /// Creates the response to a client with too many concurrent requests.
    #[must_use]
    pub fn crowding() -> Self {
        let message =
            "Too many concurrent requests from this client; retry when one of them has finished";
        Self { beside: Beside::RetryAfter(1), ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    /// Creates the response of a service at its request limit, independent of the backends.
    #[must_use]
    pub fn overloaded() -> Self {
        let message = "The server is at its request limit; retry later";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
        Self { error: "overloaded", beside: Beside::RetryAfter(1), ..problem }
    }

    /// Creates the response of a service that finishes its last requests before it stops.
    #[must_use]
    pub fn shutting_down() -> Self {
        let message = "The service is shutting down";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, message);
        Self { error: "shutting_down", ..problem }
    }

    /// Replaces the code by one that only one face has.
    #[must_use]
    pub fn coded(self, code: &'static str) -> Self {
        Self { error: code, ..self }
    }

    /// Adds details for faces whose errors have them.
    #[must_use]
    pub fn detailed(self, detail: Value) -> Self {
        Self { detail: Some(Box::new(detail)), ..self }
    }

    /// Closes the connection after the response, without reading further requests.
    #[must_use]
    pub fn closing(self) -> Self {
        Self { closes: true, ..self }
    }

    /// Creates a 400 response with this message.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Creates the response for a status without a message.
    #[must_use]
    pub fn bare(status: StatusCode) -> Self {
        let message = match status {
            StatusCode::NOT_FOUND => "No resource at this path",
            StatusCode::METHOD_NOT_ALLOWED => "Method not allowed; see the Allow header",
            StatusCode::INTERNAL_SERVER_ERROR => "Internal error; the log has the cause",
            StatusCode::PAYLOAD_TOO_LARGE => "The body is larger than 1 MiB",
            other => other.canonical_reason().unwrap_or("The request failed"),
        };
        Self::new(status, message)
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the machine-readable error code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.error
    }

    /// Returns the human-readable message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns details for faces whose errors have them.
    #[must_use]
    pub fn detail(&self) -> Option<&Value> {
        self.detail.as_deref()
    }

    /// Returns the time after which a retry may succeed, if known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.beside {
            Beside::RetryAfter(seconds) => Some(Duration::from_secs(seconds)),
            _ => None,
        }
    }

    fn respond(&self, headers: HeaderMap, body: Bytes) -> Response {
        let mut response = body.into_response();
        response.headers_mut().extend(headers);
        *response.status_mut() = self.status;
        let header = match self.beside {
            Beside::Nothing => None,
            Beside::RetryAfter(seconds) => Some((RETRY_AFTER, seconds.to_string())),
            Beside::Length(size) => Some((CONTENT_RANGE, format!("bytes */{size}"))),
        };
        if let Some((name, value)) = header
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            response.headers_mut().insert(name, value);
        }
        if self.closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if error.kind() == ErrorKind::Overloaded {
            return Self { message: error.message().to_owned(), ..Self::overloaded() };
        }
        let status = match error.kind() {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::NotFound | ErrorKind::NotStored => StatusCode::NOT_FOUND,
            ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorKind::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            ErrorKind::BackendRefused | ErrorKind::BackendFaulty => StatusCode::BAD_GATEWAY,
            ErrorKind::BackendUnavailable { .. } | ErrorKind::Overloaded => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ErrorKind::BackendTimeout => StatusCode::GATEWAY_TIMEOUT,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let beside = match error.kind() {
            ErrorKind::RangeNotSatisfiable { size } => Beside::Length(size),
            ErrorKind::BackendUnavailable { retry_after } => {
                Beside::RetryAfter(whole_seconds(retry_after))
            }
            _ => Beside::Nothing,
        };
        // The message of an internal error may contain details that are for the log only.
        let message = match status {
            StatusCode::INTERNAL_SERVER_ERROR => Self::bare(status).message,
            _ => error.message().to_owned(),
        };
        let report = status.is_server_error().then(|| error.report());
        Self { beside, report, ..Self::new(status, message) }
    }
}

impl IntoResponse for Problem {
    /// Creates a response without a body that carries the problem; [`rendered`] adds the body.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Adds the body to every error, also to bare rejections of axum and panics. No other code does.
#[must_use]
pub fn rendered(
    response: Response,
    renderer: &impl ProblemRenderer,
    request: &FailedRequest,
) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let problem =
        response.extensions().get::<Problem>().cloned().unwrap_or_else(|| Problem::bare(status));
    let (headers, body) = renderer.render(&problem, request);
    let mut rendered = problem.respond(headers, body);
    // Other headers, such as `Allow`, belong to the status and stay valid with the new body.
    for (name, value) in response.headers() {
        if ![CONTENT_TYPE, CONTENT_LENGTH].contains(name) && !rendered.headers().contains_key(name)
        {
            rendered.headers_mut().insert(name, value.clone());
        }
    }
    // Extensions are kept too: outer middleware reads them, for example the client's name.
    rendered.extensions_mut().extend(response.extensions().clone());
    rendered.extensions_mut().insert(problem);
    rendered
}

fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "bad_request",
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::NOT_ACCEPTABLE => "not_acceptable",
        StatusCode::REQUEST_TIMEOUT => "request_timeout",
        StatusCode::PAYLOAD_TOO_LARGE => "payload_too_large",
        StatusCode::URI_TOO_LONG => "uri_too_long",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "headers_too_large",
        StatusCode::RANGE_NOT_SATISFIABLE => "range_not_satisfiable",
        StatusCode::TOO_MANY_REQUESTS => "rate_limited",
        StatusCode::NOT_IMPLEMENTED => "not_implemented",
        StatusCode::BAD_GATEWAY => "backend_error",
        StatusCode::SERVICE_UNAVAILABLE => "backend_unavailable",
        StatusCode::GATEWAY_TIMEOUT => "backend_timeout",
        status if status.is_client_error() => "bad_request",
        _ => "internal_error",
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
