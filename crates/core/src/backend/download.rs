//! Byte streams of known length, and verification that holds back the last piece.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};

use crate::error::{Error, Result};
use crate::models::digest::{Algorithm, Digest, DigestHasher};

/// Read size for local files, in bytes: small enough for thousands of stalled downloads.
pub const PIECE: usize = 4 * 1024;

/// A byte stream from a backend.
pub struct Download {
    /// Number of bytes in the stream.
    pub length: u64,
    /// The bytes. The stream ends after an error.
    pub bytes: BoxStream<'static, Result<Bytes>>,
}

impl Download {
    /// Creates a download of bytes in memory.
    #[must_use]
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self { length: bytes.len() as u64, bytes: stream::iter([Ok(bytes)]).boxed() }
    }

    /// Reads a part of a file in pieces of [`PIECE`] bytes. Ends early if the file is shorter.
    #[must_use]
    pub fn from_file(file: File, part: Range<u64>) -> Self {
        let (file, length) = (Arc::new(file), part.end.saturating_sub(part.start));
        let bytes = stream::try_unfold(part.start, move |at| {
            let (file, left) = (Arc::clone(&file), part.end.saturating_sub(at));
            async move {
                let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                let (mut piece, length) =
                    read_at(&file, vec![0; length], at).await.map_err(unreadable)?;
                piece.truncate(length);
                Ok((length > 0).then(|| (Bytes::from(piece), at + length as u64)))
            }
        });
        Self { length, bytes: bytes.boxed() }
    }

    /// Verifies an artifact while it passes. The last piece is held back until length and `judge`
    /// agree, so that a client never receives a complete but wrong artifact.
    #[must_use]
    pub fn verified<F>(
        self,
        size: u64,
        algorithm: Algorithm,
        judge: impl FnOnce(Digest) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let check = Check {
            source: self.bytes,
            hasher: DigestHasher::new(algorithm),
            judge: Box::new(|found| judge(found).boxed()),
            missing: size,
            held: Bytes::new(),
        };
        let bytes = stream::try_unfold(Some(check), |check| async {
            match check {
                Some(check) => check.next().await,
                None => Ok(None),
            }
        });
        Self { length: self.length, bytes: bytes.boxed() }
    }

    /// Waits for the first piece: a failure before it is an error response, not an abort.
    pub async fn begun(mut self) -> Result<Self> {
        let Some(first) = self.bytes.next().await else {
            return Ok(self);
        };
        let bytes = stream::iter([Ok(first?)]).chain(self.bytes).boxed();
        Ok(Self { length: self.length, bytes })
    }

    /// Collects the whole stream in memory, or returns its first failure.
    pub async fn collect(mut self) -> Result<Bytes> {
        let mut all = Vec::new();
        while let Some(piece) = self.bytes.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all.into())
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::faulty("The artifact cannot be read").because(error)
}

/// Fills a buffer with a single read: at once from the page cache, else on a blocking thread.
pub async fn read_at<B: AsMut<[u8]> + Send + 'static>(
    file: &Arc<File>,
    mut buffer: B,
    at: u64,
) -> io::Result<(B, usize)> {
    if let Some(length) = read_cached(file, buffer.as_mut(), at) {
        return Ok((buffer, length));
    }
    let file = Arc::clone(file);
    let read = tokio::task::spawn_blocking(move || {
        file.read_at(buffer.as_mut(), at).map(|length| (buffer, length))
    });
    read.await.map_err(io::Error::other)?
}

/// Reads from the page cache, without waiting for the disk.
#[cfg(target_os = "linux")]
fn read_cached(file: &File, buffer: &mut [u8], at: u64) -> Option<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};

    // Zero bytes or an error: not in the page cache, `NOWAIT` unsupported by the file system, the
    // end of the file, or a failure that a plain read reports.
    let length =
        preadv2(file, &mut [io::IoSliceMut::new(buffer)], at, ReadWriteFlags::NOWAIT).ok()?;
    (length > 0).then_some(length)
}

/// Only Linux tells what its page cache has.
#[cfg(not(target_os = "linux"))]
const fn read_cached(_: &File, _: &mut [u8], _: u64) -> Option<usize> {
    None
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("length", &self.length).finish_non_exhaustive()
    }
}

struct Check {
    source: BoxStream<'static, Result<Bytes>>,
    hasher: DigestHasher,
    judge: Box<dyn FnOnce(Digest) -> BoxFuture<'static, Result<()>> + Send>,
    missing: u64,
    held: Bytes,
}

impl Check {
    async fn next(mut self) -> Result<Option<(Bytes, Option<Self>)>> {
        while let Some(piece) = self.source.next().await {
            let piece = piece?;
            // An empty piece behind the last one must not replace the piece that is held back.
            if piece.is_empty() {
                continue;
            }
            // Bytes after the announced length are refused as soon as they arrive, before they are
            // passed on.
            self.missing = self
                .missing
                .checked_sub(piece.len() as u64)
                .ok_or_else(|| Error::faulty("The artifact is longer than announced"))?;
            self.hasher.update(&piece);
            if self.missing > 0 {
                return Ok(Some((piece, Some(self))));
            }
            self.held = piece;
        }
        self.finish().await
    }

    async fn finish(self) -> Result<Option<(Bytes, Option<Self>)>> {
        if self.missing > 0 {
            return Err(Error::faulty("The artifact is shorter than announced"));
        }
        (self.judge)(self.hasher.finish()).await?;
        Ok((!self.held.is_empty()).then_some((self.held, None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(download: Download, size: u64) -> Download {
        download.verified(size, Algorithm::Sha256, |found: Digest| async move {
            let good = found == Digest::sha256(b"abcdef") || found == Digest::sha256(b"");
            if good { Ok(()) } else { Err(Error::faulty(format!("its digest is {found}"))) }
        })
    }

    fn download(pieces: &[&'static str]) -> Download {
        let pieces: Vec<_> =
            pieces.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect();
        Download { length: 6, bytes: stream::iter(pieces).boxed() }
    }

    async fn passed(mut download: Download) -> (String, Option<String>) {
        let mut text = String::new();
        while let Some(piece) = download.bytes.next().await {
            match piece {
                Ok(piece) => text.push_str(std::str::from_utf8(&piece).unwrap()),
                Err(error) => return (text, Some(error.to_string())),
            }
        }
        (text, None)
    }

    #[tokio::test]
    async fn good_bytes_pass_whole() {
        let good = checked(download(&["ab", "cd", "ef"]), 6);
        assert_eq!(passed(good).await, ("abcdef".to_owned(), None));
        let empty = checked(Download::from_bytes(Bytes::new()), 0);
        assert_eq!(passed(empty).await, (String::new(), None));
    }

    #[tokio::test]
    async fn wrong_bytes_never_pass_whole() {
        for (pieces, size, message) in [
            (&["ab", "cd", "eX"][..], 6, "digest is"),
            (&["ab", "cd"][..], 6, "shorter"),
            (&["ab", "cd", "efg"][..], 6, "longer"),
            (&["abcdeX"][..], 6, "digest is"),
        ] {
            let (text, error) = passed(checked(download(pieces), size)).await;
            assert!(text.len() < 6, "{text}");
            assert!(error.unwrap().contains(message));
        }
    }

    #[tokio::test]
    async fn a_piece_is_passed_before_the_next_one_comes() {
        let bytes = stream::iter([Ok(Bytes::from_static(b"a"))]).chain(stream::pending()).boxed();
        let mut checked = checked(Download { length: 6, bytes }, 6);
        assert_eq!(checked.bytes.next().await.unwrap().unwrap(), "a");
    }

    #[tokio::test]
    async fn the_last_piece_waits_for_the_judge() {
        let (say, said) = tokio::sync::oneshot::channel::<Result<()>>();
        let judge = |_: Digest| async { said.await.unwrap() };
        let mut judged = download(&["ab", "cd", "ef"]).verified(6, Algorithm::Sha256, judge);
        assert_eq!(judged.bytes.next().await.unwrap().unwrap(), "ab");
        assert_eq!(judged.bytes.next().await.unwrap().unwrap(), "cd");
        let mut last = judged.bytes.next();
        assert!((&mut last).now_or_never().is_none());
        say.send(Ok(())).unwrap();
        assert_eq!(last.await.unwrap().unwrap(), "ef");
    }

    #[tokio::test]
    async fn a_failure_before_the_first_byte_is_an_error() {
        let bad = checked(download(&["abcdeX"]), 6);
        assert!(bad.begun().await.is_err());
        let good = checked(download(&["abc", "def"]), 6);
        assert_eq!(good.begun().await.unwrap().collect().await.unwrap(), "abcdef");
    }
}
