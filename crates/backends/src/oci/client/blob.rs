//! Blobs: small ones in memory, large ones as a stream, whole or in part.

use std::ops::Range;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use hyper::StatusCode;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderValue};
use registry_core::backend::download::Download;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::digest::Digest;

use crate::http::answer::{Answered as _, Streamed};
use crate::oci::client::{Client, RegistryRequest, elsewhere, is_no};
use crate::oci::repository::OciRepository;
use crate::oci::{client, labels};

/// Reader of blobs.
pub struct LayerReader<'a> {
    client: &'a Client,
}

impl<'a> LayerReader<'a> {
    pub(super) const fn new(client: &'a Client) -> Self {
        Self { client }
    }

    /// Reads a small blob and verifies its digest.
    ///
    /// # Errors
    /// `NotFound`, `BackendRefused`, `BackendFaulty` if the blob is longer than `max_bytes` or does
    /// not match the digest, and the errors of sending.
    pub async fn read(
        &self,
        repository: &OciRepository,
        digest: &Digest,
        max_bytes: usize,
    ) -> Result<Bytes> {
        let answer = self.client.fetch(&self.question(repository, digest), max_bytes).await?;
        if answer.status != StatusCode::OK {
            return Err(client::failure(&answer, format!("{repository} has no blob {digest}")));
        }
        if digest.matches(&answer.body) {
            Ok(answer.body)
        } else {
            Err(Error::faulty(format!("The registry sent another blob than {digest}")))
        }
    }

    /// Opens a blob of known size, or a byte range within the blob. The bytes are not verified: a
    /// part cannot be, and the whole is verified by [`Download::verified`].
    ///
    /// # Errors
    /// `NotFound`, `BackendRefused`, `RangeNotSatisfiable`, `BackendFaulty` if the length differs
    /// from the request, and the errors of sending.
    pub async fn open(
        &self,
        repository: &OciRepository,
        digest: &Digest,
        size: u64,
        range: Option<Range<u64>>,
    ) -> Result<Download> {
        let part = range.unwrap_or(0..size);
        let whole = part == (0..size);
        if !whole && (part.start >= part.end || part.end > size) {
            let kind = ErrorKind::RangeNotSatisfiable { size };
            return Err(Error::new(kind, "Range outside the artifact"));
        }
        let mut question = self.question(repository, digest);
        if !whole {
            let range = format!("bytes={}-{}", part.start, part.end.saturating_sub(1));
            question.range = HeaderValue::try_from(range).ok();
        }
        let answer = self.client.stream(&question).await?;
        match answer.status {
            StatusCode::OK => {
                check_length(&answer.headers, size)?;
                if whole {
                    return Ok(Download { length: size, bytes: answer.bytes });
                }
                // Registries may ignore a range (RFC 9110, 14.2), so that the part is cut out here.
                Ok(cut(answer.bytes, 0, part))
            }
            StatusCode::PARTIAL_CONTENT if !whole => {
                check_range(&answer.headers, &part)?;
                Ok(cut(answer.bytes, part.start, part))
            }
            status if answer.left_home && is_no(status) => Err(elsewhere(status)),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Err(Error::not_found(format!("{repository} has no blob {digest}")))
            }
            _ => Err(failure(&answer)),
        }
    }

    pub(super) fn question<'r>(
        &self,
        repository: &'r OciRepository,
        digest: &Digest,
    ) -> RegistryRequest<'r> {
        let url = self.client.in_repository(repository, &format!("blobs/{digest}"));
        RegistryRequest::get(labels::BLOB, repository.as_str(), url, "*/*")
    }
}

pub(super) fn failure(answer: &Streamed) -> Error {
    if answer.is_refusal() {
        return Error::new(ErrorKind::BackendRefused, "The registry denied access to the artifact");
    }
    answer.failure()
}

fn check_length(headers: &HeaderMap, size: u64) -> Result<()> {
    match announced_length(headers) {
        Some(length) if length != size => Err(Error::faulty(format!(
            "The artifact has {length} bytes at the registry instead of {size}"
        ))),
        _ => Ok(()),
    }
}

pub(super) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(super) fn check_range(headers: &HeaderMap, part: &Range<u64>) -> Result<()> {
    let expected = format!("bytes {}-{}/", part.start, part.end.saturating_sub(1));
    let announced = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    match announced {
        Some(range) if range.starts_with(&expected) => Ok(()),
        _ => Err(Error::faulty("The registry returned another range of the artifact")),
    }
}

/// Cuts out the part of bytes that begin at `at`. Some registries (Gitea's) ignore ranges.
pub(super) fn cut(bytes: BoxStream<'static, Result<Bytes>>, at: u64, part: Range<u64>) -> Download {
    let length = part.end.saturating_sub(part.start);
    let bytes = stream::try_unfold((bytes, at), move |(mut bytes, mut at)| {
        let part = part.clone();
        async move {
            while at < part.end {
                let Some(piece) = bytes.next().await.transpose()? else {
                    return Err(Error::faulty("The artifact is shorter than announced"));
                };
                let wanted = overlap(&piece, at, &part);
                at = at.saturating_add(piece.len() as u64);
                if !wanted.is_empty() {
                    return Ok(Some((wanted, (bytes, at))));
                }
            }
            Ok(None)
        }
    });
    Download { length, bytes: bytes.boxed() }
}

fn overlap(piece: &Bytes, at: u64, part: &Range<u64>) -> Bytes {
    let [start, end] = [part.start, part.end].map(|position| {
        usize::try_from(position.saturating_sub(at)).unwrap_or(usize::MAX).min(piece.len())
    });
    piece.slice(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn cut_of(pieces: &[&'static str], at: u64, part: Range<u64>) -> Option<Bytes> {
        let pieces: Vec<_> =
            pieces.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect();
        cut(stream::iter(pieces).boxed(), at, part).collect().await.ok()
    }

    #[tokio::test]
    async fn parts_are_cut_out_of_any_pieces() {
        for (part, expected) in
            [(0..1, "a"), (0..9, "abcdefghi"), (2..4, "cd"), (3..6, "def"), (8..9, "i")]
        {
            let found = cut_of(&["abc", "", "def", "ghi"], 0, part).await;
            assert_eq!(found.unwrap(), expected);
        }
        assert_eq!(cut_of(&["cd", "efgh"], 2, 2..5).await.unwrap(), "cde");
        assert_eq!(cut_of(&["abc"], 0, 2..5).await, None, "too short");
    }
}
