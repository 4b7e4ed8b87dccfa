//! Cache policy of responses, written as a header in one place: no error is cached by accident.

use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::Response;

/// Cache policy of a response. Without one, the response must not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachePolicy {
    /// May be stored, and must be revalidated by its `ETag` before each use.
    Revalidate,
    /// May be used for an hour without revalidation: the archive of a version with a known digest.
    Hour,
    /// May be used for ever: a file whose address changes with its bytes.
    Immutable,
}

impl CachePolicy {
    /// Returns true if a shared cache may serve the response to others without revalidation.
    #[must_use]
    pub fn is_kept_unasked(response: &Response) -> bool {
        let status = response.status();
        let failed = status.is_client_error() || status.is_server_error();
        let policy = response.extensions().get::<Self>();
        !failed && matches!(policy, Some(Self::Hour | Self::Immutable))
    }
}

/// Caches that may store responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// All caches, including shared ones.
    Anyone,
    /// Only the client's own cache, because access requires a token.
    TheClient,
}

/// Sets the `Cache-Control` header of a response.
pub fn apply_cache_policy(audience: Audience, response: &mut Response) {
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    // An error must not be cached even if the handler had set a policy before it failed.
    let policy = response.extensions().get::<CachePolicy>().filter(|_| !failed);
    let value = match (policy, audience) {
        (Some(CachePolicy::Revalidate), Audience::Anyone) => "public, no-cache",
        (Some(CachePolicy::Revalidate), Audience::TheClient) => "private, no-cache",
        (Some(CachePolicy::Hour), Audience::Anyone) => "public, max-age=3600",
        (Some(CachePolicy::Hour), Audience::TheClient) => "private, max-age=3600",
        (Some(CachePolicy::Immutable), Audience::Anyone) => "public, max-age=31536000, immutable",
        (Some(CachePolicy::Immutable), Audience::TheClient) => {
            "private, max-age=31536000, immutable"
        }
        (None, _) => "no-store",
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(value));
}
