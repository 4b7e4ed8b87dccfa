//! Instances of the service over one bucket of a real server: one fetch from the backend for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use registry_core::backend::download::Download;
use registry_core::models::artifact::{Artifact, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_server::artifacts::{
    ArtifactRequest, Artifacts, DownloadOrigin, SharedStore, Upstream,
};
use registry_server::metrics::Metrics;
use registry_testing::versity::Versity;
use tempfile::TempDir;

use super::bucket_at;

async fn instance(server: &Versity) -> (Arc<Artifacts>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Metrics::new(&["artifact"], &[]).unwrap();
    let bucket = bucket_at(&server.url()).0;
    let shared = SharedStore { bucket, locks: None, metrics: metrics.bucket.clone() };
    let counters = (metrics.cache("artifact"), metrics.artifacts().clone());
    (Artifacts::stored_before(shared, dir.path(), 1 << 30, counters).await, dir)
}

fn request(bytes: &Bytes, asked: &Arc<AtomicUsize>) -> ArtifactRequest {
    let digest = Digest::sha256(bytes);
    let (bytes, asked) = (bytes.clone(), Arc::clone(asked));
    let size = bytes.len() as u64;
    let upstream: Upstream = Arc::new(move |_| {
        asked.fetch_add(1, Ordering::SeqCst);
        let bytes = bytes.clone();
        async move { Ok(Download::from_bytes(bytes)) }.boxed()
    });
    let key = ArtifactKey::new(digest.to_string());
    let artifact =
        Artifact { key, file_name: "x.tar.gz".into(), size, digest: Some(digest), url: None };
    ArtifactRequest {
        backend: BackendId::OCI,
        artifact: Arc::new(artifact),
        range: None,
        upstream,
        witness: Arc::new(|_| async { Ok(()) }.boxed()),
    }
}

#[tokio::test]
async fn thirty_instances_fetch_an_archive_once() {
    let Some(server) = Versity::start().await else { return };
    for (instances, size) in [(2, 17 << 20), (30, 300_000)] {
        let bytes: Bytes = (0..size).map(|at| u8::try_from(at % 241).unwrap()).collect();
        let asked = Arc::new(AtomicUsize::new(0));
        let (first, _dir) = instance(&server).await;
        let opened = first.open(request(&bytes, &asked)).await.unwrap();
        assert_eq!(opened.origin, DownloadOrigin::Backend);
        assert!(opened.download.collect().await.unwrap() == bytes);
        first.settle().await;
        assert_eq!(first.state().bucket.unwrap().failure, None);
        let others = (1..instances).map(|_| async {
            let (other, _dir) = instance(&server).await;
            let opened = other.open(request(&bytes, &asked)).await.unwrap();
            assert_eq!(opened.origin, DownloadOrigin::Bucket);
            assert!(opened.download.collect().await.unwrap() == bytes);
            other.settle().await;
        });
        join_all(others).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{instances} instances, {size} bytes");
    }
}
