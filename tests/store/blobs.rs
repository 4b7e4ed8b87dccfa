//! The artifact store over blobs that lie in no directory.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use registry_core::models::digest::Digest;
use registry_server::artifacts::blobs::{
    BlobCheck, BlobEntry, BlobReader, BlobStamp, BlobStore, NewBlob, OpenBlob, ReadBuffer,
};
use registry_server::artifacts::{Artifacts, DownloadOrigin};
use registry_server::metrics::Metrics;

use super::{artifact, having, nobody, read, wanted};

type Held = Arc<Mutex<HashMap<String, Bytes>>>;

/// Blobs in memory.
#[derive(Default)]
struct Memory(Held);

struct Reader(Arc<Mutex<Vec<u8>>>);

struct Fresh {
    bytes: Arc<Mutex<Vec<u8>>>,
    held: Held,
}

fn stamp(bytes: &[u8]) -> BlobStamp {
    BlobStamp { size: bytes.len() as u64, version: [0; 5] }
}

#[async_trait]
impl BlobReader for Reader {
    async fn read(&self, mut buffer: ReadBuffer, at: u64) -> io::Result<(ReadBuffer, usize)> {
        let bytes = self.0.lock();
        let rest = &bytes[usize::try_from(at).unwrap().min(bytes.len())..];
        let length = rest.len().min(buffer.length);
        buffer.bytes[..length].copy_from_slice(&rest[..length]);
        drop(bytes);
        Ok((buffer, length))
    }
}

#[async_trait]
impl NewBlob for Fresh {
    fn reader(&self) -> Arc<dyn BlobReader> {
        Arc::new(Reader(Arc::clone(&self.bytes)))
    }

    async fn write(&self, at: u64, pieces: Vec<Bytes>) -> io::Result<u64> {
        let mut bytes = self.bytes.lock();
        assert_eq!(bytes.len() as u64, at, "pieces come in order");
        for piece in &pieces {
            bytes.extend_from_slice(piece);
        }
        Ok(bytes.len() as u64 - at)
    }

    async fn keep(&self, digest: &Digest) -> io::Result<BlobStamp> {
        let bytes = Bytes::from(self.bytes.lock().clone());
        self.held.lock().insert(digest.to_string(), bytes.clone());
        Ok(stamp(&bytes))
    }
}

#[async_trait]
impl BlobStore for Memory {
    async fn open(&self) -> io::Result<Vec<BlobEntry>> {
        let held = self.0.lock();
        let entries = held.iter().map(|(digest, bytes)| BlobEntry {
            digest: digest.parse().unwrap(),
            size: bytes.len() as u64,
        });
        Ok(entries.collect())
    }

    async fn renewed(&self) -> io::Result<Option<Vec<BlobEntry>>> {
        Ok(None)
    }

    async fn get(&self, digest: &Digest) -> io::Result<Option<OpenBlob>> {
        let found = self.0.lock().get(&digest.to_string()).cloned();
        Ok(found.map(|bytes| {
            let (found, noted) = (stamp(&bytes), stamp(&bytes));
            let reader = Arc::new(Reader(Arc::new(Mutex::new(bytes.to_vec()))));
            OpenBlob { reader, found, noted }
        }))
    }

    async fn put(&self) -> io::Result<Arc<dyn NewBlob>> {
        Ok(Arc::new(Fresh { bytes: Arc::default(), held: Arc::clone(&self.0) }))
    }

    async fn check(&self, digest: &Digest) -> io::Result<BlobCheck> {
        let mut held = self.0.lock();
        let Some(bytes) = held.get(&digest.to_string()) else { return Ok(BlobCheck::Absent) };
        if Digest::sha256(bytes) == *digest {
            return Ok(BlobCheck::Good(stamp(bytes)));
        }
        held.remove(&digest.to_string());
        Ok(BlobCheck::Damaged("nowhere".to_owned()))
    }

    async fn delete(&self, digest: &Digest) -> io::Result<()> {
        self.0.lock().remove(&digest.to_string());
        Ok(())
    }
}

async fn over(held: &Held, max_bytes: u64) -> Arc<Artifacts> {
    let metrics = Metrics::new(&["artifact"], &[]).unwrap();
    let (hits, counters) = (metrics.cache("artifact"), metrics.artifacts().clone());
    Artifacts::over(Arc::new(Memory(Arc::clone(held))), max_bytes, None, (hits, counters)).await
}

#[tokio::test]
async fn any_store_of_blobs_keeps_what_was_fetched_and_gives_parts() {
    let (held, bytes) = (Held::default(), vec![7; 300_000]);
    let file = artifact(&bytes);
    let first = over(&held, 1 << 30).await;
    let opened = first.open(wanted(&file, having(&bytes))).await.unwrap();
    assert_eq!(opened.origin, DownloadOrigin::Backend);
    assert_eq!(read(opened.download).await.unwrap(), bytes);
    first.settle().await;
    assert_eq!(first.state().artifacts, 1);
    // The next process finds it, verifies it once and asks no backend.
    let second = over(&held, 1 << 30).await;
    let mut part = wanted(&file, nobody());
    part.range = Some(100..200_100);
    let opened = second.open(part).await.unwrap();
    assert_eq!(opened.origin, DownloadOrigin::Store);
    assert_eq!(read(opened.download).await.unwrap().len(), 200_000);
}

#[tokio::test]
async fn a_damaged_blob_is_fetched_again_and_a_full_store_drops_the_oldest() {
    let (held, bytes) = (Held::default(), vec![7; 1000]);
    let file = artifact(&bytes);
    let digest = file.digest.as_ref().unwrap().to_string();
    held.lock().insert(digest.clone(), Bytes::from(vec![8; 1000]));
    let store = over(&held, 4000).await;
    let opened = store.open(wanted(&file, having(&bytes))).await.unwrap();
    assert_eq!(opened.origin, DownloadOrigin::Backend);
    assert_eq!(read(opened.download).await.unwrap(), bytes);
    store.settle().await;
    assert_eq!(held.lock()[&digest], bytes);
    for number in 0..4 {
        let bytes = vec![number; 1000];
        let opened = store.open(wanted(&artifact(&bytes), having(&bytes))).await.unwrap();
        assert_eq!(read(opened.download).await.unwrap(), bytes);
        store.settle().await;
    }
    while held.lock().contains_key(&digest) {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.state().artifacts, 4);
}
