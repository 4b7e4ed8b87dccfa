//! How large the head of a request may be, and how many are answered at once.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::problem::Problem;
use crate::api::seats::Seat;

/// Longest target of a request (path and query), in bytes.
const TARGET_MAX: usize = 8 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// Largest sum of the names and values of a request's headers, in bytes.
const HEADERS_SIZE_MAX: usize = 16 * 1024;

/// Refuses heads beyond the bounds. The listener reads heads of up to 28 KiB, so that these get a
/// body that says why; what is larger still it refuses itself, without one.
///
/// # Errors
/// 414 or 431.
pub fn bound_head(request: &Request) -> Result<(), Problem> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_MAX {
        let message = format!("The request target is longer than {TARGET_MAX} bytes");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, message));
    }
    let headers = request.headers();
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() > HEADERS_MAX || size > HEADERS_SIZE_MAX {
        let message = format!(
            "More than {HEADERS_MAX} headers, or headers of more than {HEADERS_SIZE_MAX} bytes"
        );
        return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message));
    }
    Ok(())
}

/// Marks a request of a connection beyond those that are served: only what needs no room is
/// answered there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowded;

/// Answers up to this size need nothing but their place, in bytes.
const SMALL: u64 = 16 * 1024;
/// What larger answers that lie in memory may weigh together, in KiB: those on their way to clients
/// that take them slowly. Beyond it they are refused, and small ones and archives are not.
pub const LARGE_KIB: usize = 64 * 1024;

/// Room for a number of requests at once, and for what they are answered.
#[derive(Clone, Debug)]
pub struct Room {
    places: Arc<Semaphore>,
    large_kib: Arc<Semaphore>,
}

impl Room {
    /// Room for so many.
    #[must_use]
    pub fn of(requests: usize) -> Self {
        let places = requests.min(Semaphore::MAX_PERMITS);
        let [places, large_kib] = [places, LARGE_KIB].map(|room| Arc::new(Semaphore::new(room)));
        Self { places, large_kib }
    }

    /// A place, until it is dropped; `None`: all are taken.
    #[must_use]
    pub fn enter(&self) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { _place: place, _seats: [None, None], large_kib: Arc::clone(&self.large_kib) })
    }
}

/// One request's place.
#[derive(Debug)]
pub struct Place {
    _place: OwnedSemaphorePermit,
    _seats: [Option<Seat>; 2],
    /// Where room for a large answer is to be had.
    large_kib: Arc<Semaphore>,
}

/// Whether an answer lies in memory and is large. Archives pass, and their size is not known here.
#[must_use]
pub fn is_large(response: &Response) -> bool {
    response.body().size_hint().exact().is_some_and(|bytes| bytes > SMALL)
}

impl Place {
    /// The same with its client's seats.
    #[must_use]
    pub fn with(self, seats: [Option<Seat>; 2]) -> Self {
        Self { _seats: seats, ..self }
    }

    /// Keeps the place until the answer's last byte was given or nobody wants it any more. `None`:
    /// the answer is large, and those before it leave no room for it.
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
        // It is the body's for as long as the body is.
        let held = move |error| {
            let _held = (&self, &weight);
            error
        };
        Some(response.map(|body| Body::new(body.map_err(held))))
    }
}
