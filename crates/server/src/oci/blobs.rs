//! Blobs of a repository, by digest: archives by the download path of the API.

use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use registry_catalog::index::entry::Entry;
use registry_core::models::digest::Digest;
use registry_core::models::oci_manifest::EMPTY_CONFIG;

use crate::answers::downloads::Downloads;
use crate::api::handlers::downloads::{Address, respond};
use crate::edge::cache_policy::CachePolicy;
use crate::edge::conditional::client_has;
use crate::edge::problem::Problem;
use crate::oci::code::OciCode;

/// Responds with a blob of an extension's repository.
///
/// # Errors
///
/// 404 if the repository does not have it, even if another one does; the errors of downloads.
pub async fn blob(
    downloads: &Downloads,
    entry: &Entry,
    digest: &Digest,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    if digest.matches(EMPTY_CONFIG) {
        return Ok(empty_config(digest, headers));
    }
    let found = Downloads::of_entry_by_digest(entry, digest).ok_or_else(|| {
        let message = format!("The repository of {} has no blob {digest}", entry.id());
        OciCode::BlobUnknown.missing(message)
    })?;
    let address = Address::Digest(digest);
    respond(downloads, method, found, address, headers)
        .await
        .map_err(|error| OciCode::BlobUnknown.of_missing(error))
}

/// The configuration of every made manifest, known beforehand.
fn empty_config(digest: &Digest, headers: &HeaderMap) -> Response {
    let etag = format!("\"{digest}\"");
    let mut response = if client_has(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let length = HeaderValue::from(EMPTY_CONFIG.len());
        ([(CONTENT_LENGTH, length)], EMPTY_CONFIG).into_response()
    };
    let content_type = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    response.extensions_mut().insert(CachePolicy::Immutable);
    response
}
