//! Request ids, and the trace context that a request belongs to.

use std::cell::Cell;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use registry_core::trace::{self, TRACEPARENT, TRACESTATE, Trace};
use uuid::Uuid;

/// Header with the id of a request: the client's if valid, otherwise a new one.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_MAX: usize = 128;

/// Returns the id of a request with these headers.
#[must_use]
pub fn of(headers: &HeaderMap) -> HeaderValue {
    // The id is written to the log and echoed in a header, so it must not contain separators or
    // controls.
    let given = headers.get(REQUEST_ID).filter(|id| {
        let mut bytes = id.as_bytes().iter();
        (1..=REQUEST_ID_MAX).contains(&id.len())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
    });
    given.cloned().unwrap_or_else(made_id)
}

/// Returns the id of the client's trace, if it sent a valid one.
#[must_use]
pub fn trace_id(headers: &HeaderMap) -> Option<&str> {
    parent(headers).and_then(trace::given_id)
}

/// Returns the trace of a request with this id.
#[must_use]
pub fn trace(id: &HeaderValue, headers: &HeaderMap) -> Trace {
    let state = headers.get_all(TRACESTATE).iter().filter_map(|line| line.to_str().ok());
    Trace::new(id.to_str().unwrap_or("-"), parent(headers), state)
}

fn parent(headers: &HeaderMap) -> Option<&str> {
    headers.get(TRACEPARENT).and_then(|value| value.to_str().ok())
}

fn made_id() -> HeaderValue {
    // Random bytes would need a system call each: a thread draws some once, and counts on.
    thread_local! {
        static NEXT: Cell<Uuid> = Cell::new(Uuid::new_v4());
    }
    let id = NEXT.get();
    let (prefix, number) = id.as_u64_pair();
    NEXT.set(Uuid::from_u64_pair(prefix, number.wrapping_add(1)));
    let mut text = Uuid::encode_buffer();
    let text = id.simple().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}
