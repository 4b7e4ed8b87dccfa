//! Headers of the OCI pull API.

use axum::http::{HeaderName, HeaderValue};
use registry_core::models::digest::Digest;

/// Header of every response, which old clients look for.
pub const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// Value of [`API_VERSION`].
pub const REGISTRY_2: HeaderValue = HeaderValue::from_static("registry/2.0");
/// Header with the digest of a manifest or blob.
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Header that names the filters that were applied to a list of referrers.
pub const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// Returns the value of [`CONTENT_DIGEST`].
#[must_use]
pub fn digest_value(digest: &Digest) -> HeaderValue {
    // Letters, digits and a colon are valid in headers.
    HeaderValue::from_str(&digest.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}
