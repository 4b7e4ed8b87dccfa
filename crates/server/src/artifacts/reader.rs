//! Readers: a part of a fetch in progress, or of a stored blob.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use registry_core::backend::download::{Download, PIECE};
use registry_core::error::{Error, ErrorKind, Result};
use tokio::sync::watch;

use crate::artifacts::blobs::BlobReader;
use crate::artifacts::buffers::Allowance;
use crate::artifacts::fill::{Fill, FillEnd, FillProgress};

/// A reader of a part of a fetch. Leaves the fetch when dropped.
pub(super) struct FillReader {
    fill: Arc<Fill>,
    number: u64,
    at: u64,
    end: u64,
    news: watch::Receiver<()>,
    allowance: Arc<Allowance>,
}

impl FillReader {
    /// Joins a fetch; `None` if bytes of the part are gone.
    pub(super) fn join(
        fill: &Arc<Fill>,
        part: Range<u64>,
        allowance: &Arc<Allowance>,
    ) -> Option<Self> {
        let (number, news) = fill.join(&part)?;
        let (fill, allowance) = (Arc::clone(fill), Arc::clone(allowance));
        Some(Self { fill, number, at: part.start, end: part.end, news, allowance })
    }

    /// Returns the fetch.
    pub(super) fn fill(&self) -> Arc<Fill> {
        Arc::clone(&self.fill)
    }

    /// Waits for the first bytes; `None` if the store cannot take the artifact.
    pub(super) async fn begun(mut self) -> Result<Option<Download>> {
        let length = self.end - self.at;
        let first = match self.next().await {
            Ok(Ok(first)) => first,
            Ok(Err(Unstorable)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let first = stream::iter(first.map(Ok));
        Ok(Some(Download { length, bytes: first.chain(self.rest()).boxed() }))
    }

    fn rest(self) -> BoxStream<'static, Result<Bytes>> {
        let pieces = stream::try_unfold(self, |mut reader| async move {
            match reader.next().await? {
                Ok(piece) => Ok(piece.map(|piece| (piece, reader))),
                Err(Unstorable) => Err(Error::new(ErrorKind::Internal, "A fetch was aborted")),
            }
        });
        pieces.boxed()
    }

    async fn next(&mut self) -> Result<Result<Option<Bytes>, Unstorable>> {
        while self.at < self.end {
            // Marked as seen before the look, so that a change right after it ends the wait below.
            self.news.borrow_and_update();
            let piece = match self.fill.look(self.at, self.end) {
                FillProgress::Here(length) => match self.copy(length).await {
                    Some(piece) => piece,
                    // The bytes left memory during the wait; the next look finds them in the file.
                    None => continue,
                },
                FillProgress::OnDisk(end) => self.read_stored(end).await?,
                FillProgress::Wait => {
                    // Never an error: the fetch holds the sender, and this reader holds the fetch.
                    let _ = self.news.changed().await;
                    continue;
                }
                FillProgress::Ended(FillEnd::Unstorable) => return Ok(Err(Unstorable)),
                FillProgress::Ended(FillEnd::Failed(error)) => return Err(error),
                FillProgress::Ended(FillEnd::Verified) => return Ok(Ok(None)),
            };
            self.at += piece.len() as u64;
            self.fill.advance(self.number, &(self.at..self.end));
            return Ok(Ok(Some(piece)));
        }
        Ok(Ok(None))
    }

    async fn copy(&self, length: usize) -> Option<Bytes> {
        // The permission first: a piece held during the wait would stay in memory beyond the limit.
        let space = self.allowance.space(length).await;
        let piece = self.fill.piece(self.at, self.end)?;
        Some(self.allowance.copy(space, &piece))
    }

    async fn read_stored(&self, end: u64) -> Result<Bytes> {
        let stored = self.fill.blob().ok_or_else(|| unreadable("It is not there"))?;
        self.allowance.read(&*stored, self.at, end).await.map_err(unreadable)
    }
}

impl Drop for FillReader {
    fn drop(&mut self) {
        self.fill.leave(self.number);
    }
}

struct Unstorable;

pub(super) fn stored(
    blob: Arc<dyn BlobReader>,
    part: Range<u64>,
    allowance: Arc<Allowance>,
) -> Download {
    let length = part.end - part.start;
    let bytes = stream::try_unfold(part.start, move |at| {
        let (blob, allowance) = (Arc::clone(&blob), Arc::clone(&allowance));
        async move {
            if at >= part.end {
                return Ok(None);
            }
            let piece = allowance.read(&*blob, at, part.end).await.map_err(unreadable)?;
            let next = at + piece.len() as u64;
            Ok(Some((piece, next)))
        }
    });
    Download { length, bytes: bytes.boxed() }
}

pub(super) fn allowed(download: Download, allowance: Arc<Allowance>) -> Download {
    let bytes = stream::try_unfold((download.bytes, allowance), |(mut bytes, allowance)| async {
        // Two pieces if the budget allows: the next one is read while the client takes the first.
        let space = allowance.space(2 * PIECE).await;
        let piece = bytes.next().await.transpose()?;
        Ok(piece.map(|piece| (space.around(piece), (bytes, allowance))))
    });
    Download { length: download.length, bytes: bytes.boxed() }
}

fn unreadable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Internal, "A stored artifact cannot be read").because(cause)
}
