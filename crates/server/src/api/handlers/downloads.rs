//! Downloads of archives: complete, in ranges, or headers only.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use registry_core::error::{Error, ErrorKind};
use registry_core::models::digest::Digest;
use registry_core::models::tag::Tag;

use crate::answers::downloads::{DownloadQuery, Downloads, RequestedFile};
use crate::api::artifact_headers::{describe, etag_of, policy_of, set};
use crate::api::extract::{PathParams, QueryString};
use crate::api::openapi::ReadResponses;
use crate::api::params::{AssetParam, IdParams, ScopeParams, TagParam, VersionPathParam};
use crate::api::state::ApiState;
use crate::artifacts::{DownloadOrigin, Opened};
use crate::edge::cache_policy::CachePolicy;
use crate::edge::conditional::client_has;
use crate::edge::headers::CACHE_STATUS;
use crate::edge::problem::Problem;
use crate::edge::ranges::{WantedRange, wanted};

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
    path: PathParams,
    query: QueryString,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, version) = (path.id()?, path.version(&query)?);
    let AssetParam { asset } = query.params()?;
    let scope = query.scope(api.answers.catalog())?;
    let query = DownloadQuery { id, version, asset, scope };
    let found = api.downloads.find(&query).await?;
    let address = Address::Version(&query.version);
    Ok(respond(&api.downloads, &method, found, address, &headers).await?)
}

/// What the address of a download names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Address<'a> {
    /// A version, a tag or `latest`.
    Version(&'a Tag),
    /// A digest, which other bytes never have.
    Digest(&'a Digest),
}

/// Responds with a file, a part, or headers only.
pub(crate) async fn respond(
    downloads: &Downloads,
    method: &Method,
    found: RequestedFile,
    address: Address<'_>,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    if method == Method::HEAD {
        let found = downloads.sized(found).await?;
        address.check(&found)?;
        return Ok(head(&found, address, headers));
    }
    // A replaced file gets a new identifier at its backend, so the cached one is unknown there.
    match send(downloads, found.clone(), address, headers).await {
        Err(error) if error.is_not_found() => {
            let again = downloads.find_again(found).await?;
            send(downloads, again, address, headers).await
        }
        sent => sent,
    }
}

impl Address<'_> {
    /// Fails if the backend has other bytes than the address names.
    fn check(self, found: &RequestedFile) -> Result<(), Error> {
        match self {
            Self::Digest(digest) if found.artifact.digest.as_ref() != Some(digest) => {
                let (id, version) = (&found.id, found.release.version.as_str());
                let message = format!("The archive of {id} {version} has another digest now");
                Err(Error::faulty(message))
            }
            _ => Ok(()),
        }
    }

    fn describe(self, response: &mut Response, found: &RequestedFile, etag: &str) {
        let RequestedFile { artifact, release, .. } = found;
        describe(response, artifact, etag);
        let policy = match self {
            Self::Version(version) => policy_of(release, artifact, version),
            Self::Digest(_) => Some(CachePolicy::Immutable),
        };
        if let Some(policy) = policy {
            response.extensions_mut().insert(policy);
        }
    }
}

async fn send(
    downloads: &Downloads,
    found: RequestedFile,
    address: Address<'_>,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let found = downloads.verified(downloads.sized(found).await?).await?;
    address.check(&found)?;
    let artifact = &found.artifact;
    let etag = etag_of(artifact);
    let mut response = match wanted(headers, artifact.size, &etag) {
        // The entity tag decides first: `If-None-Match` takes precedence over `Range` (RFC 9110
        // §13.2.2).
        _ if client_has(headers, &etag) => StatusCode::NOT_MODIFIED.into_response(),
        WantedRange::Whole => body(downloads.open(&found, None).await?),
        WantedRange::Part(part) => {
            let opened = downloads.open(&found, Some(part.clone())).await?;
            partial(body(opened), &part, artifact.size)
        }
        WantedRange::Outside => {
            let kind = ErrorKind::RangeNotSatisfiable { size: artifact.size };
            return Err(Error::new(kind, "The range lies outside the artifact"));
        }
    };
    address.describe(&mut response, &found, &etag);
    Ok(response)
}

fn head(found: &RequestedFile, address: Address<'_>, headers: &HeaderMap) -> Response {
    let etag = etag_of(&found.artifact);
    let mut response = if client_has(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        length_of(found.artifact.size)
    };
    address.describe(&mut response, found, &etag);
    response
}

fn length_of(size: u64) -> Response {
    ([(CONTENT_LENGTH, HeaderValue::from(size))], ()).into_response()
}

/// A failure within the body aborts the connection.
fn body(Opened { download, origin }: Opened) -> Response {
    let length = [(CONTENT_LENGTH, HeaderValue::from(download.length))];
    let mut response = (length, Body::from_stream(download.bytes)).into_response();
    let status = match origin {
        DownloadOrigin::Store => "extension-registry; hit",
        DownloadOrigin::Backend => "extension-registry; fwd=miss",
        DownloadOrigin::Shared => "extension-registry; fwd=miss; collapsed",
        DownloadOrigin::Bucket => "extension-registry; fwd=miss; detail=bucket",
    };
    response.headers_mut().insert(CACHE_STATUS, HeaderValue::from_static(status));
    response
}

fn partial(mut response: Response, part: &Range<u64>, size: u64) -> Response {
    let Range { start, end } = part;
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    set(&mut response, CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1));
    response
}
