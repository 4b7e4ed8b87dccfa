//! Blobs whose size the caller does not know.

use std::ops::Range;

use bytes::Bytes;
use futures_util::StreamExt as _;
use hyper::header::{CONTENT_RANGE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use registry_core::backend::download::Download;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::digest::Digest;

use crate::oci::client;
use crate::oci::client::blob::{announced_length, check_range, cut, failure};
use crate::oci::client::{Client, RegistryRequest, elsewhere, is_no};
use crate::oci::repository::OciRepository;

/// Opens a blob or a byte range within it. The bytes are not verified.
///
/// # Errors
/// `NotFound`, `BackendRefused`, `RangeNotSatisfiable`, `BackendFaulty` if the registry does not
/// tell the size or sends another range, and the errors of sending.
pub async fn stored_blob(
    client: &Client,
    repository: &OciRepository,
    digest: &Digest,
    range: Option<Range<u64>>,
) -> Result<Download> {
    let mut question = client.blobs().question(repository, digest);
    let size = || size_of(client, repository, digest);
    if let Some(part) = &range {
        // Such a range cannot be written in a request.
        if part.start >= part.end {
            return Err(outside(size().await?));
        }
        let text = format!("bytes={}-{}", part.start, part.end.saturating_sub(1));
        question.range = HeaderValue::try_from(text).ok();
    }
    let answer = client.stream(&question).await?;
    match (answer.status, range) {
        (StatusCode::OK, range) => {
            let size = match announced_length(&answer.headers) {
                Some(size) => size,
                None => size().await?,
            };
            // Registries may ignore a range (RFC 9110, 14.2), so that the part is cut out here.
            let part = range.unwrap_or(0..size);
            if part.end > size {
                return Err(outside(size));
            }
            Ok(cut(answer.bytes, 0, part))
        }
        (StatusCode::PARTIAL_CONTENT, Some(part)) => {
            match total(&answer.headers) {
                Some(size) if part.end > size => return Err(outside(size)),
                _ => check_range(&answer.headers, &part)?,
            }
            Ok(cut(answer.bytes, part.start, part))
        }
        (StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => match total(&answer.headers) {
            Some(size) => Err(outside(size)),
            None => Err(outside(size().await?)),
        },
        (status, _) if answer.left_home && is_no(status) => Err(elsewhere(status)),
        (StatusCode::NOT_FOUND | StatusCode::GONE, _) => Err(missing(repository, digest)),
        _ => Err(failure(&answer)),
    }
}

/// Reads the first piece of a blob, as long as the network makes it.
pub(super) async fn leading_bytes(
    client: &Client,
    repository: &OciRepository,
    digest: &Digest,
) -> Result<Bytes> {
    let mut opened = stored_blob(client, repository, digest, None).await?;
    Ok(opened.bytes.next().await.transpose()?.unwrap_or_default())
}

async fn size_of(client: &Client, repository: &OciRepository, digest: &Digest) -> Result<u64> {
    let question = client.blobs().question(repository, digest);
    let question = RegistryRequest { method: Method::HEAD, ..question };
    let answer = client.fetch(&question, 0).await?;
    match answer.status {
        StatusCode::OK => announced_length(&answer.headers).ok_or_else(|| {
            Error::faulty(format!("The registry does not tell the size of the blob {digest}"))
        }),
        _ => Err(client::failure(&answer, format!("{repository} has no blob {digest}"))),
    }
}

/// Returns the size of the whole in `Content-Range: bytes 0-4/10` or `bytes */10`.
fn total(headers: &HeaderMap) -> Option<u64> {
    let (_, size) = headers.get(CONTENT_RANGE)?.to_str().ok()?.rsplit_once('/')?;
    size.trim().parse().ok()
}

fn outside(size: u64) -> Error {
    Error::new(ErrorKind::RangeNotSatisfiable { size }, "Range outside the blob")
}

fn missing(repository: &OciRepository, digest: &Digest) -> Error {
    Error::not_found(format!("{repository} has no blob {digest}"))
}
