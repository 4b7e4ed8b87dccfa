//! Who reads: a part of a fetch under way, or of a stored file.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::sync::watch;

use crate::backend::download::{Download, PIECE};
use crate::cache::artifacts::buffers::Allowance;
use crate::cache::artifacts::fill::{End, Fill, Look};
use crate::error::{Error, ErrorKind, Result};

/// A part of a fetch, as far as it was read. Leaves the fetch when dropped.
pub(super) struct Reader {
    fill: Arc<Fill>,
    number: u64,
    at: u64,
    end: u64,
    news: watch::Receiver<()>,
    allowance: Arc<Allowance>,
}

impl Reader {
    pub(super) const fn new(
        fill: Arc<Fill>,
        number: u64,
        part: Range<u64>,
        news: watch::Receiver<()>,
        allowance: Arc<Allowance>,
    ) -> Self {
        Self { fill, number, at: part.start, end: part.end, news, allowance }
    }

    /// The part as a stream that has begun; `None` if there is nowhere to keep the artifact.
    ///
    /// # Errors
    /// The fetch failed before there was anything to pass on.
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

    /// The next bytes; `None` at the end of the part.
    async fn next(&mut self) -> Result<Result<Option<Bytes>, Unstorable>> {
        while self.at < self.end {
            self.news.borrow_and_update();
            let piece = match self.fill.look(self.at, self.end) {
                Look::Here(length) => match self.copy(length).await {
                    Some(piece) => piece,
                    None => continue,
                },
                Look::OnDisk(end) => self.read_file(end).await?,
                Look::Wait => {
                    // The sender is part of the fetch, which this reader holds.
                    let _ = self.news.changed().await;
                    continue;
                }
                Look::Ended(End::Unstorable) => return Ok(Err(Unstorable)),
                Look::Ended(End::Failed(error)) => return Err(error),
                Look::Ended(End::Verified) => return Ok(Ok(None)),
            };
            self.at += piece.len() as u64;
            self.fill.advance(self.number, &(self.at..self.end));
            return Ok(Ok(Some(piece)));
        }
        Ok(Ok(None))
    }

    /// A copy of what is in memory here; `None`: it is not any more.
    async fn copy(&self, length: usize) -> Option<Bytes> {
        // First the room, so that nothing is kept in memory for who waits for it.
        let space = self.allowance.space(length).await;
        let piece = self.fill.piece(self.at, self.end)?;
        Some(self.allowance.copy(space, &piece))
    }

    async fn read_file(&self, end: u64) -> Result<Bytes> {
        let file = self.fill.file.get().ok_or_else(|| unreadable("It is not there"))?;
        self.allowance.read(file, self.at, end).await.map_err(unreadable)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.fill.leave(self.number);
    }
}

/// There is nowhere to keep the artifact; no byte of it was passed on.
struct Unstorable;

/// A part of a stored file.
pub(super) fn stored(file: File, part: Range<u64>, allowance: Arc<Allowance>) -> Download {
    let length = part.end - part.start;
    let file = Arc::new(file);
    let bytes = stream::try_unfold(part.start, move |at| {
        let (file, allowance) = (Arc::clone(&file), Arc::clone(&allowance));
        async move {
            if at >= part.end {
                return Ok(None);
            }
            let piece = allowance.read(&file, at, part.end).await.map_err(unreadable)?;
            let next = at + piece.len() as u64;
            Ok(Some((piece, next)))
        }
    });
    Download { length, bytes: bytes.boxed() }
}

/// The same bytes, of which no more is held than the download may.
pub(super) fn allowed(download: Download, allowance: Arc<Allowance>) -> Download {
    let bytes = stream::try_unfold((download.bytes, allowance), |(mut bytes, allowance)| async {
        // A piece more than its own, as long as there is room, keeps it from waiting for the client.
        let space = allowance.space(2 * PIECE).await;
        let piece = bytes.next().await.transpose()?;
        Ok(piece.map(|piece| (space.around(piece), (bytes, allowance))))
    });
    Download { length: download.length, bytes: bytes.boxed() }
}

fn unreadable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Internal, "A stored artifact cannot be read").because(cause)
}
