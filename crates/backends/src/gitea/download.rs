//! Downloads of assets, and the checks before and during the transfer.

use std::ops::Range;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use hyper::StatusCode;
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName,
    HeaderValue, RANGE,
};
use registry_core::backend::download::Download;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::artifact::Artifact;

use crate::gitea::client::GiteaClient;
use crate::gitea::labels;
use crate::http::answer::Streamed;
use crate::http::request::Request;

/// `NotFound`, `RangeNotSatisfiable`, or `BackendFaulty` for a login page and the like.
pub(super) async fn open(
    client: &GiteaClient,
    artifact: &Artifact,
    range: Option<Range<u64>>,
) -> Result<Download> {
    let size = artifact.size;
    let part = range.clone().unwrap_or(0..size);
    if range.is_some() && (part.start >= part.end || part.end > size) {
        let kind = ErrorKind::RangeNotSatisfiable { size };
        return Err(Error::new(kind, "Range outside the artifact"));
    }
    let mut request = Request::get(labels::DOWNLOAD, client.urls.attachment(artifact.key.as_str()))
        // Compressed bytes would match neither the length nor the digest.
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if range.is_some() {
        let value = format!("bytes={}-{}", part.start, part.end - 1);
        let value = HeaderValue::try_from(value)
            .map_err(|error| Error::new(ErrorKind::Internal, "A range").because(error))?;
        request = request.header(RANGE, value);
    }
    let answer = client.bytes(request).await?;
    let length = check(&answer, range.is_some(), &part, artifact.known_size())?;
    Ok(Download { length, bytes: exactly(length, answer.bytes) })
}

fn check(answer: &Streamed, partial: bool, part: &Range<u64>, size: Option<u64>) -> Result<u64> {
    match (answer.status, partial) {
        (StatusCode::OK, false) | (StatusCode::PARTIAL_CONTENT, true) => {}
        (StatusCode::NOT_FOUND | StatusCode::GONE, _) => {
            return Err(Error::not_found("The artifact no longer exists"));
        }
        // Callers append the part at its offset, so that the whole file cannot replace it.
        (StatusCode::OK, true) => {
            return Err(Error::faulty("The server of the artifact does not support ranges"));
        }
        _ => return Err(answer.failure()),
    }
    // A login page, a blocked account and a proxy's challenge all come with status 200.
    if text(answer, CONTENT_TYPE)
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
    {
        return Err(Error::faulty("The server returned an HTML page instead of the artifact"));
    }
    if text(answer, CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"))
    {
        return Err(Error::faulty("The server returned an encoded artifact"));
    }
    // Another part would splice wrong bytes into a resumed download.
    let begins = format!("bytes {}-{}/", part.start, part.end.saturating_sub(1));
    if partial && !text(answer, CONTENT_RANGE).is_some_and(|range| range.starts_with(&begins)) {
        return Err(Error::faulty("The server returned another range of the artifact"));
    }
    let length = part.end - part.start;
    match (text(answer, CONTENT_LENGTH).map(str::parse::<u64>), size) {
        (Some(Ok(length)), None) => Ok(length),
        (None, None) => Err(Error::faulty("The server of the external file sends no length")),
        // A chunked response has no length; the stream is checked against the release's size.
        (None, Some(_)) => Ok(length),
        (Some(Ok(told)), Some(_)) if told == length => Ok(length),
        (Some(_), _) => Err(Error::faulty("The artifact's length differs from its release")),
    }
}

fn text(answer: &Streamed, name: HeaderName) -> Option<&str> {
    answer.headers.get(name)?.to_str().ok()
}

/// Fails the stream if it ends before or continues after `length` bytes.
fn exactly(
    length: u64,
    bytes: BoxStream<'static, Result<Bytes>>,
) -> BoxStream<'static, Result<Bytes>> {
    let checked = stream::unfold(Some((bytes, length)), |state| async move {
        let (mut bytes, missing) = state?;
        match (bytes.next().await, missing) {
            (None, 0) => None,
            (None, _) => Some((Err(cut("The artifact is shorter than announced")), None)),
            (Some(Err(error)), _) => Some((Err(error), None)),
            (Some(Ok(piece)), _) => match missing.checked_sub(piece.len() as u64) {
                Some(missing) => Some((Ok(piece), Some((bytes, missing)))),
                None => Some((Err(cut("The artifact is longer than announced")), None)),
            },
        }
    });
    checked.boxed()
}

fn cut(message: &str) -> Error {
    Error::faulty(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_must_be_as_many_as_announced() {
        for (pieces, good) in [
            (&["abc", "def"][..], true),
            (&["abcdef"], true),
            (&["abc"], false),
            (&["abc", "defg"], false),
        ] {
            let bytes = stream::iter(pieces.iter().map(|p| Ok(Bytes::from_static(p.as_bytes()))));
            let download = Download { length: 6, bytes: exactly(6, bytes.boxed()) };
            assert_eq!(download.collect().await.is_ok(), good, "{pieces:?}");
        }
    }
}
