//! What is counted of every request, and its one line in the log.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, Version};
use axum::response::Response;
use tracing::{Level, info, warn};

use crate::api::admission::{Admission, ClientName};
use crate::api::answers::DEGRADED;
use crate::api::problem::Problem;
use crate::api::request_id;
use crate::metrics::Metrics;
use crate::trace::Trace;

/// What one request was, for its metrics and its line in the log.
pub struct Seen {
    method: Method,
    target: Uri,
    version: Version,
    address: IpAddr,
    trace: Trace,
}

impl Seen {
    /// Remembers a request before it is handed on.
    #[must_use]
    pub fn of(request: &Request, admission: &Admission, id: &HeaderValue) -> Self {
        Self {
            method: request.method().clone(),
            target: request.uri().clone(),
            version: request.version(),
            address: admission.address(request),
            trace: request_id::trace(id, request.headers()),
        }
    }

    /// For whom backends are asked.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.trace.clone()
    }

    /// The path that was asked for.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// Counts the request under the template of its path and writes its line, now that its answer
    /// has a head.
    pub fn observe(&self, route: &str, took: Duration, response: &Response, metrics: &Metrics) {
        let (status, seconds) = (response.status().as_u16(), took.as_secs_f64());
        metrics.request(self.method.as_str(), route, status, seconds);
        count_stale(response, metrics);
        if is_told(response) {
            self.log(route, took, response);
        }
    }

    /// Writes the line of a request whose answer [is told](is_told).
    pub fn log(&self, route: &str, took: Duration, response: &Response) {
        let (status, said) = (response.status().as_u16(), response.extensions());
        let Self { method, target, version, address, trace, .. } = self;
        let path: String =
            target.path_and_query().map_or("/", |t| t.as_str()).chars().take(512).collect();
        let client = said.get::<ClientName>().map_or("-", |name| &*name.0);
        let (id, trace) = (trace.request(), trace.id());
        let ms = took.as_micros() as f64 / 1000.0;
        let bytes = if method == Method::HEAD { Some(0) } else { length(response) };
        match failure(response) {
            Some(error) => {
                warn!(%method, path, route, ?version, status, ms, bytes, id, trace, client, %address, error, "request failed");
            }
            None => {
                info!(%method, path, route, ?version, status, ms, bytes, id, trace, client, %address, "request")
            }
        }
    }
}

/// Whether a line is written about an answer: a failure always has one.
#[must_use]
pub fn is_told(response: &Response) -> bool {
    tracing::enabled!(Level::INFO) || failure(response).is_some()
}

/// Counts the backends whose part of an answer is stale or missing.
pub fn count_stale(response: &Response, metrics: &Metrics) {
    stale_parts(response.headers()).for_each(|backend| metrics.backends.stale_answer(backend));
}

fn failure(response: &Response) -> Option<&str> {
    response.extensions().get::<Problem>().and_then(|problem| problem.report.as_deref())
}

/// Bytes of an answer's body, as far as they are known before they are made.
fn length(response: &Response) -> Option<u64> {
    let said = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    said.and_then(|text| text.parse().ok()).or_else(|| response.body().size_hint().exact())
}

/// Backends whose part of an answer is stale or missing.
fn stale_parts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let named = headers.get(DEGRADED).and_then(|value| value.to_str().ok());
    named.into_iter().flat_map(|names| names.split(", "))
}
