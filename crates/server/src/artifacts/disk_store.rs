//! The store of blobs on a disk, whose threads may hang.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use registry_core::backend::download::read_at;
use registry_core::files::lane::Lane;
use registry_core::files::unfinished::Unfinished;
use registry_core::models::digest::Digest;
use tracing::warn;

use crate::artifacts::LOG_TARGET;
use crate::artifacts::blobs::{
    BlobCheck, BlobEntry, BlobReader, BlobStamp, BlobStore, NewBlob, OpenBlob, ReadBuffer,
};
use crate::artifacts::disk::{Disk, DiskFile, digest_of};

/// Maximum number of stored files that are opened concurrently.
const LOOKS_MAX: usize = 64;
/// Timeout for opening a stored file. After that the artifact is streamed from its backend.
const PATIENCE: Duration = Duration::from_secs(10);

/// Blobs in a directory.
pub(super) struct DiskStore {
    disk: Disk,
    /// Bounds the concurrency and the duration of short disk operations.
    lane: Lane,
}

impl DiskStore {
    pub(super) fn new(dir: impl Into<PathBuf>) -> Self {
        Self { disk: Disk::new(dir), lane: Lane::new(LOOKS_MAX, PATIENCE) }
    }
}

#[async_trait]
impl BlobStore for DiskStore {
    async fn open(&self) -> io::Result<Vec<BlobEntry>> {
        let disk = self.disk.clone();
        // Listing a large store takes seconds on a slow disk, so it must not block the runtime.
        let (found, foreign) = blocking(move || disk.open()).await?;
        for entry in &foreign {
            warn!(target: LOG_TARGET, "artifact store: {entry}");
        }
        Ok(found)
    }

    async fn renewed(&self) -> io::Result<Option<Vec<BlobEntry>>> {
        let disk = self.disk.clone();
        self.lane.run(move || disk.renewed()).await.flatten()
    }

    async fn get(&self, digest: &Digest) -> io::Result<Option<OpenBlob>> {
        let (disk, digest) = (self.disk.clone(), digest.clone());
        let opened = self.lane.run(move || disk.stored(&digest)).await.flatten()?;
        Ok(opened.map(|DiskFile { file, found, noted }| OpenBlob {
            reader: Arc::new(FileReader(Arc::new(file))),
            found,
            noted,
        }))
    }

    async fn put(&self) -> io::Result<Arc<dyn NewBlob>> {
        let disk = self.disk.clone();
        let (file, unfinished) = self.lane.run(move || disk.begin()).await.flatten()?;
        let (disk, unfinished) = (self.disk.clone(), Mutex::new(Some(unfinished)));
        Ok(Arc::new(NewFile { disk, file: Arc::new(file), unfinished }))
    }

    async fn check(&self, digest: &Digest) -> io::Result<BlobCheck> {
        let (disk, digest) = (self.disk.clone(), digest.clone());
        blocking(move || {
            let Some(DiskFile { file, noted, .. }) = disk.stored(&digest)? else {
                return Ok(BlobCheck::Absent);
            };
            if digest_of(&file, digest.algorithm())? == digest {
                return Ok(BlobCheck::Good(noted));
            }
            Ok(BlobCheck::Damaged(disk.set_aside(&digest)?.display().to_string()))
        })
        .await
    }

    async fn delete(&self, digest: &Digest) -> io::Result<()> {
        let (disk, digest) = (self.disk.clone(), digest.clone());
        blocking(move || disk.remove(&digest)).await
    }
}

/// A file that is read at once from the page cache, else on a blocking thread.
pub(super) struct FileReader(pub(super) Arc<File>);

#[async_trait]
impl BlobReader for FileReader {
    async fn read(&self, buffer: ReadBuffer, at: u64) -> io::Result<(ReadBuffer, usize)> {
        read_at(&self.0, buffer, at).await
    }
}

struct NewFile {
    disk: Disk,
    file: Arc<File>,
    /// Taken when the file gets its name.
    unfinished: Mutex<Option<Unfinished>>,
}

#[async_trait]
impl NewBlob for NewFile {
    fn reader(&self) -> Arc<dyn BlobReader> {
        Arc::new(FileReader(Arc::clone(&self.file)))
    }

    async fn write(&self, at: u64, pieces: Vec<Bytes>) -> io::Result<u64> {
        let file = Arc::clone(&self.file);
        blocking(move || write_all(&file, at, &pieces)).await
    }

    async fn keep(&self, digest: &Digest) -> io::Result<BlobStamp> {
        let unfinished = self.unfinished.lock().take();
        let unfinished =
            unfinished.ok_or_else(|| io::Error::other("the blob is stored already"))?;
        let (disk, file, digest) = (self.disk.clone(), Arc::clone(&self.file), digest.clone());
        blocking(move || disk.keep(&file, unfinished, &digest)).await
    }
}

fn write_all(file: &File, mut at: u64, pieces: &[Bytes]) -> io::Result<u64> {
    let begun = at;
    for piece in pieces {
        file.write_all_at(piece, at)?;
        at += piece.len() as u64;
    }
    Ok(at - begun)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A new blob in a file that is never stored.
    pub(in crate::artifacts) fn plain_file(file: File) -> Arc<dyn NewBlob> {
        let (disk, unfinished) = (Disk::new("/nonexistent"), Mutex::new(None));
        Arc::new(NewFile { disk, file: Arc::new(file), unfinished })
    }

    #[tokio::test]
    async fn a_blob_is_absent_until_it_is_kept_and_damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = DiskStore::new(dir.path());
        let digest = Digest::sha256(b"bytes");
        assert_eq!(store.open().await.unwrap(), []);
        let blob = store.put().await.unwrap();
        assert_eq!(blob.write(0, vec![Bytes::from_static(b"by")]).await.unwrap(), 2);
        assert_eq!(blob.write(2, vec![Bytes::from_static(b"tes")]).await.unwrap(), 3);
        assert!(store.get(&digest).await.unwrap().is_none(), "it is not complete");
        assert_eq!(store.check(&digest).await.unwrap(), BlobCheck::Absent);
        let kept = blob.keep(&digest).await.unwrap();
        assert!(blob.keep(&digest).await.is_err(), "only once");
        assert_eq!(store.renewed().await.unwrap(), None, "the directory is the one listed");
        let OpenBlob { reader, found, .. } = store.get(&digest).await.unwrap().unwrap();
        assert_eq!((found, found.size), (kept, 5));
        assert_eq!(store.check(&digest).await.unwrap(), BlobCheck::Good(kept));
        let listed = DiskStore::new(dir.path()).open().await.unwrap();
        assert_eq!(listed, [BlobEntry { digest: digest.clone(), size: 5 }]);
        let hex = digest.hex();
        std::fs::write(dir.path().join("sha256").join(&hex[..2]).join(hex), "other").unwrap();
        assert!(matches!(store.check(&digest).await.unwrap(), BlobCheck::Damaged(_)));
        assert!(store.get(&digest).await.unwrap().is_none(), "it is not served");
        let buffer = ReadBuffer { bytes: vec![0; 8], length: 8 };
        assert_eq!(reader.read(buffer, 2).await.unwrap().1, 3, "open readers go on");
    }
}
