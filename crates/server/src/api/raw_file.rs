//! Responses with the bytes of one file of an archive, which browsers must not trust.

use axum::http::StatusCode;
use axum::http::header::{
    CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use registry_archives::{Entry, raw_content_type};

use crate::api::artifact_headers::{REPR_DIGEST, disposition, set};
use crate::archives::bodies::hex;
use crate::edge::conditional::client_has;

// Browsers neither run nor load anything, even where they show the file.
const RAW_POLICY: &str = "sandbox; default-src 'none'";

/// Returns the response to a client that has the file already; `None` for all others.
#[must_use]
pub fn not_modified(entry: &Entry, request: &HeaderMap) -> Option<Response> {
    if !client_has(request, &etag_of(entry)?) {
        return None;
    }
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    identify(&mut response, entry);
    Some(response)
}

/// Returns the response with the bytes of a file. Other types than plain text and raster images are
/// attachments.
#[must_use]
pub fn raw_file(entry: &Entry, bytes: Bytes) -> Response {
    let raw = raw_content_type(&bytes);
    let mut response = bytes.into_response();
    set(&mut response, CONTENT_TYPE, raw.content_type);
    if raw.is_attachment {
        set(&mut response, CONTENT_DISPOSITION, &disposition(&entry.path));
    }
    identify(&mut response, entry);
    response
}

fn identify(response: &mut Response, entry: &Entry) {
    if let (Some(etag), Some(sha256)) = (etag_of(entry), &entry.sha256) {
        set(response, ETAG, &etag);
        set(response, REPR_DIGEST, &format!("sha-256=:{}:", BASE64_STANDARD.encode(sha256)));
    }
    set(response, CONTENT_SECURITY_POLICY, RAW_POLICY);
}

/// Returns the strong entity tag of a file: its digest. Other entries have none.
fn etag_of(entry: &Entry) -> Option<String> {
    entry.sha256.as_ref().map(|digest| format!("\"sha256:{}\"", hex(digest)))
}
