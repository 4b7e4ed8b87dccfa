//! Which request this is: the id it goes by here, and the trace it is a part of elsewhere.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::trace::{TRACEPARENT, TRACESTATE, Trace};

/// The id of a request, taken from the caller when sane, else made.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken from a caller, in bytes.
const REQUEST_ID_MAX: usize = 128;

/// The id of a request with these headers.
#[must_use]
pub fn of(headers: &HeaderMap) -> HeaderValue {
    let sane = |id: &&HeaderValue| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        (1..=REQUEST_ID_MAX).contains(&id.len()) && id.as_bytes().iter().all(plain)
    };
    headers.get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(made_id)
}

/// The trace of a request of this id.
#[must_use]
pub fn trace(id: &HeaderValue, headers: &HeaderMap) -> Trace {
    let parent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let state = headers.get_all(TRACESTATE).iter().filter_map(|line| line.to_str().ok());
    Trace::new(id.to_str().unwrap_or("-"), parent, state)
}

/// An id that no other request has: random for the process, counted within it, since random bytes
/// for each request are a call of the system for each.
fn made_id() -> HeaderValue {
    static PROCESS: LazyLock<(u64, u64)> = LazyLock::new(|| Uuid::new_v4().as_u64_pair());
    static MADE: AtomicU64 = AtomicU64::new(0);
    let (process, first) = *PROCESS;
    let id = Uuid::from_u64_pair(process, first.wrapping_add(MADE.fetch_add(1, Ordering::Relaxed)));
    let mut text = Uuid::encode_buffer();
    let text = id.simple().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}
