//! Limits on the size of request heads and on concurrent requests.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::edge::client_concurrency::ClientPermit;
use crate::edge::problem::Problem;

// Maximum length of a request target (path and query), in bytes.
const TARGET_MAX: usize = 8 * 1024;
const HEADERS_MAX: usize = 64;
// Maximum total size of header names and values, in bytes.
const HEADERS_SIZE_MAX: usize = 16 * 1024;

/// Refuses long heads with 414 or 431. The listener refuses those over 28 KiB without a body.
pub fn bound_head(head: &Parts) -> Result<(), Problem> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_MAX {
        let message = format!("The request target is longer than {TARGET_MAX} bytes");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, message));
    }
    let headers = &head.headers;
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > HEADERS_MAX || size > HEADERS_SIZE_MAX {
        let message = format!(
            "More than {HEADERS_MAX} headers, or headers of more than {HEADERS_SIZE_MAX} bytes"
        );
        return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message));
    }
    Ok(())
}

// Maximum size of a response that needs only its request's permit, in bytes.
const SMALL: u64 = 16 * 1024;
/// Memory for large responses, in KiB; beyond it they are refused, small ones and archives not.
pub const LARGE_KIB: usize = 64 * 1024;

/// Permits for concurrent requests, and memory for their responses.
#[derive(Clone, Debug)]
pub struct RequestLimit {
    places: Arc<Semaphore>,
    large_kib: Arc<Semaphore>,
}

impl RequestLimit {
    /// Creates permits for this number of requests.
    #[must_use]
    pub fn of(requests: usize) -> Self {
        let places = requests.min(Semaphore::MAX_PERMITS);
        let [places, large_kib] = [places, LARGE_KIB].map(|room| Arc::new(Semaphore::new(room)));
        Self { places, large_kib }
    }

    /// Returns true if a permit is free.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.places.available_permits() > 0
    }

    /// Acquires a permit; `None` if all are taken.
    #[must_use]
    pub fn enter(&self) -> Option<RequestPermit> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(RequestPermit {
            _place: place,
            _permits: [None, None],
            large_kib: Arc::clone(&self.large_kib),
        })
    }
}

/// The permit of one request.
#[derive(Debug)]
pub struct RequestPermit {
    _place: OwnedSemaphorePermit,
    _permits: [Option<ClientPermit>; 2],
    large_kib: Arc<Semaphore>,
}

/// Returns true for a large body in memory. Archives are streamed, with a size unknown here.
#[must_use]
pub fn is_large(response: &Response) -> bool {
    response.body().size_hint().exact().is_some_and(|bytes| bytes > SMALL)
}

impl RequestPermit {
    /// Attaches the client's permits, which are released together with this one.
    #[must_use]
    pub fn with(self, concurrency: [Option<ClientPermit>; 2]) -> Self {
        Self { _permits: concurrency, ..self }
    }

    /// Holds the permit until the body ends. `None` if the budget for large responses is used up.
    #[must_use]
    pub fn keep_for(self, response: Response) -> Option<Response> {
        let large = is_large(&response).then_some(response.body().size_hint().lower());
        let weight = large.map(|bytes| {
            let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
            Arc::clone(&self.large_kib).try_acquire_many_owned(kib).ok()
        });
        if matches!(weight, Some(None)) {
            return None;
        }
        // Moved into the body, so that both are released when the body is dropped.
        Some(response.map(|body| {
            Body::new(body.map_err(move |error| {
                let _held = (&self, &weight);
                error
            }))
        }))
    }
}
