//! What clients and proxies may keep: a value on the response, written as a header in one place,
//! so that an error can never be kept by accident.

use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;

/// How long an answer may be kept. Absent: not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachePolicy {
    /// Kept, and checked by its `ETag` before each use.
    Revalidate,
    /// Kept for an hour: the bytes of a version whose digest is known.
    Hour,
}

impl CachePolicy {
    /// Whether a cache may give an answer to others without a word to us.
    #[must_use]
    pub fn is_kept_unasked(response: &Response) -> bool {
        let status = response.status();
        let failed = status.is_client_error() || status.is_server_error();
        !failed && response.extensions().get::<Self>() == Some(&Self::Hour)
    }
}

/// Who may keep answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody, shared caches included.
    Anyone,
    /// The client that asked, since others may not ask.
    TheClient,
}

/// Writes `Cache-Control` on an answer.
pub fn apply_cache_policy(audience: Audience, response: &mut Response) {
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    let policy = response.extensions().get::<CachePolicy>().filter(|_| !failed);
    let value = match (policy, audience) {
        (Some(CachePolicy::Revalidate), Audience::Anyone) => "public, no-cache",
        (Some(CachePolicy::Revalidate), Audience::TheClient) => "private, no-cache",
        (Some(CachePolicy::Hour), Audience::Anyone) => "public, max-age=3600",
        (Some(CachePolicy::Hour), Audience::TheClient) => "private, max-age=3600",
        (None, _) => "no-store",
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(value));
}
