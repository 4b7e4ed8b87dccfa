//! What clients and proxies may keep: a value on the response, written as a header in one place,
//! so that an error can never be kept by accident.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::Next;
use axum::response::Response;

/// How long an answer may be kept. Absent: not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachePolicy {
    /// Kept, and checked by its `ETag` before each use.
    Revalidate,
    /// Kept for an hour: the bytes of a version whose digest is known.
    Hour,
}

/// Writes `Cache-Control` and `X-Content-Type-Options` on every answer.
pub async fn apply_cache_policy(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    let policy = response.extensions().get::<CachePolicy>().filter(|_| !failed);
    let value = match policy {
        Some(CachePolicy::Revalidate) => "public, no-cache",
        Some(CachePolicy::Hour) => "public, max-age=3600",
        None => "no-store",
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
