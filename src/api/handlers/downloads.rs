//! Downloads of archives: complete, in ranges, or headers only.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::api::artifact_headers::{describe, etag_of};
use crate::api::download::RequestedFile;
use crate::api::extract::{QueryString, ReleasePath};
use crate::api::openapi::ReadResponses;
use crate::api::params::{AssetParam, IdParams, ScopeParams, TagParam, VersionPathParam};
use crate::api::state::ApiState;
use crate::edge::conditional::client_has;
use crate::edge::problem::Problem;
use crate::edge::ranges::wanted;
use crate::error::Error;

/// Download a version
///
/// The archive of one version; `latest` selects the latest version. Byte ranges are supported, so
/// that an interrupted download can be resumed.
#[utoipa::path(
    get,
    path = "/extensions/{type}/{name}/{version}",
    tag = "extensions",
    params(IdParams, VersionPathParam, TagParam, AssetParam, ScopeParams),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>, headers(
            ("ETag" = String, description = "Strong"),
            ("Repr-Digest" = String, description = "The digest of the whole archive (RFC 9530)"),
            ("Content-Disposition" = String, description = "File name of the archive"),
        )),
        (status = 206, description = "The requested range"),
        ReadResponses,
        (status = 416, description = "A range outside the archive"),
        (status = 502, description = "The bytes do not match their digest, or the backend refused the credentials"),
    ),
)]
pub async fn download(
    State(api): State<Arc<ApiState>>,
    method: Method,
    path: ReleasePath,
    query: QueryString,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let scope = query.params::<ScopeParams>()?.scope(&api.catalog)?;
    let found = RequestedFile::find(&api, &path, scope).await?;
    if method == Method::HEAD {
        let found = found.sized(&api, path.asset.as_deref()).await?;
        return Ok(head(&path, &found, &headers));
    }
    // A replaced file gets a new identifier at its backend, so the cached one is unknown there.
    match send(&api, &path, found.clone(), &headers).await {
        Err(error) if error.is_not_found() => {
            let again = found.read_again(&api, path.asset.as_deref()).await?;
            Ok(send(&api, &path, again, &headers).await?)
        }
        sent => Ok(sent?),
    }
}

async fn send(
    api: &ApiState,
    path: &ReleasePath,
    found: RequestedFile,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let found = found.sized(api, path.asset.as_deref()).await?.verified(api).await?;
    let RequestedFile { artifact, release, .. } = &found;
    let etag = etag_of(artifact);
    let mut response = match wanted(headers, artifact.size, &etag) {
        // The entity tag decides first: `If-None-Match` takes precedence over `Range` (RFC 9110
        // §13.2.2).
        _ if client_has(headers, &etag) => StatusCode::NOT_MODIFIED.into_response(),
        wanted => found.send(api, wanted).await?,
    };
    describe(&mut response, release, artifact, &etag, &path.version);
    Ok(response)
}

fn head(path: &ReleasePath, found: &RequestedFile, headers: &HeaderMap) -> Response {
    let RequestedFile { artifact, release, .. } = found;
    let etag = etag_of(artifact);
    let mut response = match client_has(headers, &etag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => length_of(artifact.size),
    };
    describe(&mut response, release, artifact, &etag, &path.version);
    response
}

fn length_of(size: u64) -> Response {
    ([(CONTENT_LENGTH, HeaderValue::from(size))], ()).into_response()
}
