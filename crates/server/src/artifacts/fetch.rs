//! Fetch of an artifact: reads the backend's bytes into memory, store and digest, until all bytes
//! are there or the last reader leaves.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use registry_core::backend::download::Download;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::digest::{Algorithm, Digest, DigestHasher};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use crate::artifacts::blobs::NewBlob;
use crate::artifacts::fill::Fill;
use crate::artifacts::request::Upstream;

/// Number of bytes that are hashed and written at once.
const BATCH: u64 = 128 * 1024;
const RESUMES: u32 = 2;

#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) digest: Digest,
    pub(super) filed: Filed,
}

#[derive(Debug)]
pub(super) enum Filed {
    Whole,
    NoRoom,
    Failed(io::Error),
}

pub(super) trait Space: Send + Sync {
    /// Returns false if there is no room for `bytes` more.
    fn take(&self, bytes: u64) -> bool;
}

/// Reads `first`, and resumes at the backend if it breaks off. Fails if more or fewer bytes come than
/// announced. No write is in progress when it returns.
pub(super) async fn fetch(
    mut writer: Writer<'_>,
    first: Download,
    upstream: &Upstream,
) -> Result<Fetched> {
    match read(&mut writer, first, upstream).await {
        Ok(()) => writer.finish().await,
        Err(error) => {
            // The failure that ended the fetch says more.
            let _ = writer.settle().await;
            Err(error)
        }
    }
}

async fn read(writer: &mut Writer<'_>, first: Download, upstream: &Upstream) -> Result<()> {
    let fill = writer.fill;
    let mut resumes = 0;
    let mut bytes = first.bytes;
    while let Some(piece) = bytes.next().await {
        match piece {
            Ok(piece) => writer.push(piece).await?,
            // A range request may bring the rest.
            Err(error) if resumes < RESUMES && error.kind().is_unreachable() => {
                resumes += 1;
                let rest = rest_of(fill, upstream).await;
                // The reason of the break says more than the reason why it could not be resumed.
                bytes = rest.map_err(|_| error)?.bytes;
            }
            Err(error) => return Err(error),
        }
    }
    // A body without `Content-Length` that is cut short ends without an error.
    if fill.received() < fill.size {
        return Err(Error::faulty("The artifact is shorter than announced"));
    }
    Ok(())
}

async fn rest_of(fill: &Fill, upstream: &Upstream) -> Result<Download> {
    let received = fill.received();
    let rest = received..fill.size;
    // All bytes came before the break, and an empty range is not a valid request.
    if rest.is_empty() {
        return Ok(Download::from_bytes(Bytes::new()));
    }
    // `None` when nothing came: a plain request works with servers that lack ranges.
    upstream((received > 0).then_some(rest)).await
}

/// Hashes and writes in batches, while the next bytes arrive.
pub(super) struct Writer<'a> {
    fill: &'a Arc<Fill>,
    blob: Arc<dyn NewBlob>,
    space: &'a dyn Space,
    batch: Vec<Bytes>,
    batch_bytes: u64,
    hasher: DigestHasher,
    at_work: Option<JoinHandle<Worked>>,
    filed: Filed,
}

type Worked = std::result::Result<(DigestHasher, io::Result<u64>), JoinError>;

impl<'a> Writer<'a> {
    pub(super) fn new(
        fill: &'a Arc<Fill>,
        blob: Arc<dyn NewBlob>,
        algorithm: Algorithm,
        space: &'a dyn Space,
    ) -> Self {
        let hasher = DigestHasher::new(algorithm);
        let (batch, batch_bytes, at_work, filed) = (Vec::new(), 0, None, Filed::Whole);
        Self { fill, blob, space, batch, batch_bytes, hasher, at_work, filed }
    }

    async fn push(&mut self, piece: Bytes) -> Result<()> {
        if !self.fill.append(piece.clone()) {
            return Err(Error::faulty("The artifact is longer than announced"));
        }
        self.batch_bytes += piece.len() as u64;
        self.batch.push(piece);
        if self.batch_bytes >= BATCH {
            self.work().await?;
        }
        // Backpressure: with a file, memory is freed by writing; without one, by the readers.
        while self.fill.is_ahead() {
            self.work().await?;
            self.settle().await?;
            if self.fill.rest() {
                self.fill.progress().await;
            }
        }
        Ok(())
    }

    /// Begins with a batch, after the previous one is done.
    async fn work(&mut self) -> Result<()> {
        self.settle().await?;
        let (batch, length) = (std::mem::take(&mut self.batch), self.batch_bytes);
        self.batch_bytes = 0;
        if matches!(self.filed, Filed::Whole) && !self.space.take(length) {
            // Not a failure of the fetch: its readers still get everything from memory.
            self.filed_no_more(Filed::NoRoom);
        }
        let whole = matches!(self.filed, Filed::Whole);
        let at = whole.then(|| self.fill.received() - length);
        // Hashing goes on without a blob, because readers wait for the digest.
        let hashed = spawn_blocking(hash(self.hasher.clone(), batch.clone()));
        let blob = Arc::clone(&self.blob);
        self.at_work = Some(tokio::spawn(async move {
            let written = async {
                match at {
                    Some(at) => blob.write(at, batch).await,
                    None => Ok(0),
                }
            };
            let (hasher, written) = tokio::join!(hashed, written);
            Ok((hasher?, written))
        }));
        Ok(())
    }

    async fn settle(&mut self) -> Result<()> {
        let Some(job) = self.at_work.take() else { return Ok(()) };
        let worked = job
            .await
            .flatten()
            .map_err(|error| Error::new(ErrorKind::Internal, "A fetch was aborted").because(error));
        let (hasher, written) = worked?;
        self.hasher = hasher;
        match written {
            Ok(bytes) => self.fill.written(bytes),
            Err(error) => self.filed_no_more(Filed::Failed(error)),
        }
        Ok(())
    }

    fn filed_no_more(&mut self, why: Filed) {
        self.fill.goes_on_in_memory();
        self.filed = why;
    }

    async fn finish(mut self) -> Result<Fetched> {
        self.work().await?;
        self.settle().await?;
        Ok(Fetched { digest: self.hasher.finish(), filed: self.filed })
    }
}

fn hash(mut hasher: DigestHasher, batch: Vec<Bytes>) -> impl FnOnce() -> DigestHasher {
    move || {
        for piece in &batch {
            hasher.update(piece);
        }
        hasher
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures_util::future::join_all;
    use futures_util::{FutureExt as _, stream};

    use super::*;
    use crate::artifacts::buffers::Buffers;
    use crate::artifacts::disk_store::tests::plain_file;
    use crate::artifacts::fill::FillEnd;
    use crate::artifacts::reader::FillReader;

    struct Left(AtomicU64);

    impl Space for Left {
        fn take(&self, bytes: u64) -> bool {
            let (order, left) = (Ordering::SeqCst, &self.0);
            left.fetch_update(order, order, |left| left.checked_sub(bytes)).is_ok()
        }
    }

    #[tokio::test]
    async fn a_full_disk_costs_the_store_and_no_reader() {
        for withheld in [false, true] {
            let full = File::options().write(true).open("/dev/full").unwrap();
            let filed = read_by_three(full, u64::MAX, withheld).await;
            let Filed::Failed(error) = filed else { panic!() };
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
    }

    #[tokio::test]
    async fn a_full_store_costs_no_reader_either() {
        let rooms = [(0, false), (1 << 20, false), (4 << 20, true)];
        for (room, whole, withheld) in
            rooms.into_iter().flat_map(|(room, whole)| [(room, whole, false), (room, whole, true)])
        {
            let filed = read_by_three(tempfile::tempfile().unwrap(), room, withheld).await;
            assert_eq!(matches!(filed, Filed::Whole), whole, "{filed:?}");
            assert_eq!(matches!(filed, Filed::NoRoom), !whole, "{filed:?}");
        }
    }

    /// Withheld bytes are passed on once they are verified, or once they stay in memory alone.
    async fn read_by_three(file: File, room: u64, withheld: bool) -> Filed {
        let bytes: Bytes = b"0123456789abcdef".repeat(256 * 1024).into();
        let size = bytes.len() as u64;
        let upstream: Upstream = Arc::new(move |_| {
            let bytes = bytes.clone();
            let pieces =
                (0..bytes.len()).step_by(16_384).map(move |at| Ok(bytes.slice(at..at + 16_384)));
            let bytes = stream::iter(pieces).boxed();
            async move { Ok(Download { length: size, bytes }) }.boxed()
        });
        let buffers = Buffers::default();
        let fill = Fill::new(size);
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let reader =
                    FillReader::join(&fill, 0..size, &Arc::new(buffers.allow().unwrap())).unwrap();
                tokio::spawn(async move { reader.begun().await?.unwrap().collect().await })
            })
            .collect();
        let space = Left(AtomicU64::new(room));
        let blob = plain_file(file);
        fill.begin(blob.reader(), withheld);
        let writer = Writer::new(&fill, blob, Algorithm::Sha256, &space);
        let first = upstream(None).await.unwrap();
        let fetched = fetch(writer, first, &upstream).await.unwrap();
        let joins = fill.join(&(0..size)).is_some();
        assert_eq!(joins, matches!(fetched.filed, Filed::Whole), "nobody joins what is not there");
        fill.finish(FillEnd::Verified);
        for read in join_all(readers).await {
            let read = read.unwrap().unwrap();
            assert_eq!((read.len() as u64, Digest::sha256(&read)), (size, fetched.digest.clone()));
        }
        fetched.filed
    }

    #[tokio::test]
    async fn without_a_file_a_fetch_stays_close_to_its_slowest_reader() {
        let size = 4 << 20;
        let taken = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&taken);
        let upstream: Upstream = Arc::new(move |_| {
            let counted = Arc::clone(&counted);
            let pieces = stream::iter(0..256).map(move |_| {
                counted.fetch_add(16_384, Ordering::SeqCst);
                Ok(Bytes::from_static(&[7; 16_384]))
            });
            async move { Ok(Download { length: size, bytes: pieces.boxed() }) }.boxed()
        });
        let (fill, buffers) = (Fill::new(size), Buffers::default());
        let reader = FillReader::join(&fill, 0..size, &Arc::new(buffers.allow().unwrap())).unwrap();
        let blob = plain_file(tempfile::tempfile().unwrap());
        fill.begin(blob.reader(), false);
        let space = Left(AtomicU64::new(0));
        let reading = async {
            let mut bytes = reader.begun().await.unwrap().unwrap().bytes;
            let (mut read, mut ahead) = (0, 0);
            while read < size / 2 {
                read += bytes.next().await.unwrap().unwrap().len() as u64;
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                ahead = ahead.max(taken.load(Ordering::SeqCst).saturating_sub(read));
            }
            ahead
        };
        let writer = Writer::new(&fill, blob, Algorithm::Sha256, &space);
        let first = upstream(None).await.unwrap();
        let ahead = tokio::select! {
            fetched = fetch(writer, first, &upstream) => panic!("{fetched:?}"),
            ahead = reading => ahead,
        };
        assert!((1..=1 << 20).contains(&ahead), "it was {ahead} bytes ahead");
    }
}
