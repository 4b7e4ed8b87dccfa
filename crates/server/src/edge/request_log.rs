//! Metrics and log line of a request.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, Version};
use axum::response::Response;
use registry_core::trace::Trace;
use tracing::field::Empty;
use tracing::{Level, Span, info, info_span, warn};

use crate::edge::admission::ClientName;
use crate::edge::headers::DEGRADED;
use crate::edge::problem::Problem;
use crate::edge::request_id;
use crate::metrics::Metrics;

// Log filters name these targets (docs/operations.md), so they outlive the former module name.
const LOG_TARGET: &str = "extension_registry::api::request_log";
const SPAN_TARGET: &str = "extension_registry::api";
/// Maximum length of a target in a log line, in characters.
const PATH_MAX: usize = 512;

/// Fields of the log line of a request.
pub struct LoggedRequest<'a> {
    method: &'a Method,
    target: &'a Uri,
    version: Version,
    address: IpAddr,
    id: &'a str,
    trace: Option<&'a str>,
}

impl<'a> LoggedRequest<'a> {
    /// Takes the data of a request of the client at this address, which no backend sees.
    #[must_use]
    pub fn of(head: &'a Parts, address: IpAddr, id: &'a HeaderValue) -> Self {
        let Parts { method, uri, version, headers, .. } = head;
        let (id, trace) = (id.to_str().unwrap_or("-"), request_id::trace_id(headers));
        Self { method, target: uri, version: *version, address, id, trace }
    }

    /// Writes the log line, if the response [is logged](is_logged).
    pub fn log(&self, route: &str, took: Duration, response: &Response) {
        let (status, said) = (response.status().as_u16(), response.extensions());
        let Self { method, target, version, address, id, trace } = self;
        let path = beginning(target.path_and_query().map_or("/", |target| target.as_str()));
        let client = said.get::<ClientName>().map_or("-", |name| &*name.0);
        let ms = took.as_micros() as f64 / 1000.0;
        // A response to HEAD states the length of a body that is not sent.
        let bytes = if **method == Method::HEAD { Some(0) } else { length(response) };
        match failure(response) {
            Some(error) => {
                warn!(target: LOG_TARGET, %method, path, route, ?version, status, ms, bytes, id, trace, client, %address, error, "request failed");
            }
            None => {
                info!(target: LOG_TARGET, %method, path, route, ?version, status, ms, bytes, id, trace, client, %address, "request");
            }
        }
    }
}

/// Data of a request for metrics, spans and the log, until it is answered.
pub struct RequestRecord {
    method: Method,
    target: Uri,
    version: Version,
    address: IpAddr,
    trace: Trace,
}

impl RequestRecord {
    /// Captures a request of the client at this address before it is passed on.
    #[must_use]
    pub fn of(head: &Parts, address: IpAddr, id: &HeaderValue) -> Self {
        Self {
            method: head.method.clone(),
            target: head.uri.clone(),
            version: head.version,
            address,
            trace: request_id::trace(id, &head.headers),
        }
    }

    /// Returns the trace under which backends are called.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.trace.clone()
    }

    /// Returns a span for everything that is done for the request, on the way to its response.
    #[must_use]
    pub fn span(&self, route: &str) -> Span {
        let (method, id) = (&self.method, self.trace.request());
        info_span!(target: SPAN_TARGET, "http.server.request", %method, route, id, status = Empty)
    }

    /// Returns the requested path.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// Records metrics under the route template, and writes the log line.
    pub fn observe(&self, route: &str, took: Duration, response: &Response, metrics: &Metrics) {
        let (status, seconds) = (response.status().as_u16(), took.as_secs_f64());
        metrics.request(self.method.as_str(), route, status, seconds);
        count_stale(response, metrics);
        if is_logged(response) {
            let Self { method, target, version, address, trace } = self;
            let (id, trace) = (trace.request(), trace.id());
            LoggedRequest { method, target, version: *version, address: *address, id, trace }
                .log(route, took, response);
        }
    }
}

/// Returns true if the response is logged: at level `info`, and always for a failure.
#[must_use]
pub fn is_logged(response: &Response) -> bool {
    tracing::enabled!(target: LOG_TARGET, Level::INFO) || failure(response).is_some()
}

/// Counts the backends whose part of a response is stale or missing.
fn count_stale(response: &Response, metrics: &Metrics) {
    stale_parts(response.headers()).for_each(|backend| metrics.backends.stale_answer(backend));
}

/// Cuts a target, which may be 8 KiB long, so that a log line stays readable.
fn beginning(target: &str) -> &str {
    if target.len() <= PATH_MAX {
        return target;
    }
    let end = target.char_indices().nth(PATH_MAX).map_or(target.len(), |(end, _)| end);
    target.get(..end).unwrap_or(target)
}

fn failure(response: &Response) -> Option<&str> {
    response.extensions().get::<Problem>().and_then(|problem| problem.report.as_deref())
}

fn length(response: &Response) -> Option<u64> {
    let said = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    said.and_then(|text| text.parse().ok()).or_else(|| response.body().size_hint().exact())
}

fn stale_parts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let named = headers.get(DEGRADED).and_then(|value| value.to_str().ok());
    named.into_iter().flat_map(|names| names.split(", "))
}
