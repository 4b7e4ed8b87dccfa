//! The bytes of an archive: whole, in parts, or only their headers.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::TryStreamExt as _;
use tracing::warn;

use crate::api::artifact_headers::{describe, etag_of, set};
use crate::api::conditional::client_has;
use crate::api::extract::{ReleasePath, SourceParam};
use crate::api::params::{AssetParam, IdParams, SourceQueryParam, TagParam, VersionPathParam};
use crate::api::problem::{ErrorBody, Problem};
use crate::api::ranges::{Wanted, wanted};
use crate::api::state::ApiState;
use crate::backend::Fault;
use crate::catalog::reads::file_of;
use crate::error::{Error, ErrorKind};
use crate::models::artifact::Artifact;
use crate::models::extension::Release;
use crate::models::naming::ExtensionId;

/// Download a version
///
/// The archive of one version; `latest` is the latest. Ranges of bytes are answered, so that an
/// interrupted download can go on.
#[utoipa::path(
    get,
    path = "/extensions/{type}/{name}/{version}",
    tag = "extensions",
    params(IdParams, VersionPathParam, TagParam, AssetParam, SourceQueryParam),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>, headers(
            ("ETag" = String, description = "Strong"),
            ("Repr-Digest" = String, description = "The digest of the whole archive (RFC 9530)"),
            ("Content-Disposition" = String, description = "A name to store it under"),
        )),
        (status = 206, description = "The part asked for"),
        (status = 304, description = "The client has it already"),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 416, body = ErrorBody, description = "A range outside the archive"),
        (status = 502, body = ErrorBody, description = "The backend's bytes fail their digest, or it refused us"),
        (status = 503, body = ErrorBody),
        (status = 504, body = ErrorBody),
    ),
)]
pub async fn download(
    State(api): State<ApiState>,
    method: Method,
    ReleasePath { id, version, asset }: ReleasePath,
    SourceParam(source): SourceParam,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (entry, release) = api.catalogue.find_release(&id, &version, source).await?;
    let artifact = file_of(&id, &release, asset.as_deref())?;
    let etag = etag_of(artifact);
    let mut response = match wanted(&headers, artifact.size, &etag) {
        _ if client_has(&headers, &etag) => StatusCode::NOT_MODIFIED.into_response(),
        _ if method == Method::HEAD => length_of(artifact.size),
        wanted => send(&api, entry.id(), &release, artifact, wanted).await?,
    };
    describe(&mut response, &release, artifact, &etag, &version);
    Ok(response)
}

/// An answer to HEAD: the artifact is not opened.
fn length_of(size: u64) -> Response {
    ([(CONTENT_LENGTH, HeaderValue::from(size))], ()).into_response()
}

async fn send(
    api: &ApiState,
    id: &ExtensionId,
    release: &Release,
    artifact: &Artifact,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, None),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, Some(range)),
        Wanted::Outside => {
            let kind = ErrorKind::RangeNotSatisfiable { size: artifact.size };
            return Err(Error::new(kind, "The range lies outside the artifact").into());
        }
    };
    let download = api.catalogue.open(id, release, artifact, range.clone()).await?;
    api.metrics.extensions_served(1);
    let (catalogue, id, tag) = (Arc::clone(&api.catalogue), id.to_string(), release.tag.clone());
    let backend = release.source;
    let bytes = download.bytes.inspect_err(move |error| {
        let reason = format!("{tag}: {}", error.report());
        warn!(%backend, repository = id, "download cut: {reason}");
        catalogue.report(backend, Fault { repository: id.clone(), reason });
    });
    let length = [(CONTENT_LENGTH, HeaderValue::from(download.length))];
    let mut response = (status, length, Body::from_stream(bytes)).into_response();
    if let Some(range) = range {
        let part = format!("bytes {}-{}/{}", range.start, range.end - 1, artifact.size);
        set(&mut response, CONTENT_RANGE, &part);
    }
    Ok(response)
}
