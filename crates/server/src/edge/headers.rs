//! Headers of this service, and maps with slots for those of every response from the catalog.

use axum::http::header::{AGE, CONTENT_TYPE, ETAG, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::edge::request_id::REQUEST_ID;

/// Header that reports cache hits and misses (RFC 9211).
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// Header that lists backends whose part of the response is stale or missing.
pub const DEGRADED: HeaderName = HeaderName::from_static("extension-registry-degraded");
/// Header with the number of rows over all pages.
pub const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Response headers with slots for those that vary, so that later inserts move no entries.
#[derive(Clone, Debug)]
pub struct Heads {
    /// True if only headers of the answer are missing, so that the rest can be kept with it.
    pub are_final: bool,
    /// For responses in one form.
    pub plain: HeaderMap,
    /// For responses whose form depends on `Accept`.
    pub negotiated: HeaderMap,
}

impl Default for Heads {
    fn default() -> Self {
        let [plain, negotiated] = ["accept-encoding", "accept-encoding, accept"].map(head);
        Self { are_final: false, plain, negotiated }
    }
}

fn head(vary: &'static str) -> HeaderMap {
    // Large enough for the headers of handlers and layers without a reallocation.
    let mut headers = HeaderMap::with_capacity(24);
    for name in [AGE, CACHE_STATUS, ETAG, CONTENT_TYPE, REQUEST_ID] {
        headers.insert(name, HeaderValue::from_static(""));
    }
    headers.insert(VARY, HeaderValue::from_static(vary));
    headers
}
