//! Several instances over one bucket: what one fetched no other fetches, and whatever the bucket does,
//! the backend is asked instead.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use registry_core::backend::download::Download;
use registry_core::bucket::ObjectKey;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use registry_server::artifacts::{ArtifactRequest, Artifacts, DownloadOrigin, Upstream};
use registry_server::metrics::Metrics;
use registry_testing::ids::{about, id, tag};
use registry_testing::memory::MemoryBackend;
use registry_testing::memory_bucket::{BucketCalls, BucketFault, MemoryBucket};
use tempfile::TempDir;

use crate::support::served::{Served, Setup};

use super::{ROOM, artifact, having, nobody, read, wanted};

/// Above this size bytes are passed on before all are verified.
const LARGE: usize = 17 << 20;

/// One instance of the service, with a disk of its own.
struct Instance {
    store: Arc<Artifacts>,
    metrics: Metrics,
    _dir: TempDir,
}

impl Instance {
    async fn new(bucket: &Arc<MemoryBucket>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, metrics) = opened(bucket, dir.path(), ROOM).await;
        Self { store, metrics, _dir: dir }
    }

    /// Downloads a whole artifact. Returns the source of its bytes.
    async fn get(&self, artifact: &Artifact, upstream: Upstream) -> (DownloadOrigin, Vec<u8>) {
        let opened = self.store.open(wanted(artifact, upstream)).await.unwrap();
        (opened.origin, read(opened.download).await.unwrap())
    }

    fn count(&self, series: &str) -> String {
        let text = String::from_utf8(self.metrics.render().unwrap()).unwrap();
        let lines: HashMap<_, _> = text.lines().filter_map(|line| line.rsplit_once(' ')).collect();
        lines[series].to_owned()
    }

    fn failure(&self) -> Option<String> {
        self.store.state().bucket.unwrap().failure
    }
}

async fn opened(
    bucket: &Arc<MemoryBucket>,
    dir: &Path,
    max_bytes: u64,
) -> (Arc<Artifacts>, Metrics) {
    let metrics = Metrics::new(&["artifact"], &[]).unwrap();
    metrics.bucket.prepare(&["get"], &["ok"]);
    let shared = (Arc::clone(bucket) as _, metrics.bucket.clone());
    let counters = (metrics.cache("artifact"), metrics.artifacts().clone());
    (Artifacts::stored_before(shared, dir, max_bytes, counters).await, metrics)
}

fn content(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|at| u8::try_from((at * 31 + at / 251 + seed) % 256).unwrap()).collect()
}

/// A backend that has these bytes, and counts what it is asked.
fn counting(bytes: &[u8]) -> (Upstream, Arc<AtomicUsize>) {
    let (asked, inner) = (Arc::new(AtomicUsize::new(0)), having(bytes));
    let counted = Arc::clone(&asked);
    let upstream: Upstream = Arc::new(move |range| {
        counted.fetch_add(1, Ordering::SeqCst);
        inner(range)
    });
    (upstream, asked)
}

#[tokio::test]
async fn what_one_instance_fetched_no_other_fetches() {
    for (instances, size) in [(2, 1), (2, 70_000), (30, 70_000), (2, LARGE)] {
        let bucket = MemoryBucket::new();
        let bytes = content(size, instances);
        let artifact = artifact(&bytes);
        let (upstream, asked) = counting(&bytes);
        let first = Instance::new(&bucket).await;
        let (origin, got) = first.get(&artifact, Arc::clone(&upstream)).await;
        assert_eq!((origin, got == bytes), (DownloadOrigin::Backend, true));
        first.store.settle().await;
        assert_eq!(first.count("extension_registry_uploads_total{outcome=\"ok\"}"), "1");
        let others = (1..instances).map(|_| async {
            let instance = Instance::new(&bucket).await;
            let (origin, got) = instance.get(&artifact, Arc::clone(&upstream)).await;
            assert_eq!((origin, got == bytes), (DownloadOrigin::Bucket, true));
            instance.store.settle().await;
            let (origin, _) = instance.get(&artifact, nobody()).await;
            assert_eq!(origin, DownloadOrigin::Store, "its own disk comes first");
        });
        join_all(others).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{instances} instances, {size} bytes");
        let calls = BucketCalls { gets: instances, sizes: 1, puts: 1, ..BucketCalls::default() };
        assert_eq!(bucket.calls(), calls, "who reads from it uploads nothing");
    }
}

#[tokio::test]
async fn concurrent_callers_of_one_instance_read_the_object_once() {
    let bucket = MemoryBucket::new();
    let bytes = content(300_000, 0);
    let artifact = artifact(&bytes);
    bucket.set(&ObjectKey::of_archive(&Digest::sha256(&bytes)), bytes.clone());
    let instance = Instance::new(&bucket).await;
    let all = join_all((0..50).map(|_| instance.get(&artifact, nobody()))).await;
    assert!(all.iter().all(|(_, got)| *got == bytes));
    let first = all.iter().filter(|(origin, _)| *origin == DownloadOrigin::Bucket).count();
    assert_eq!((first, bucket.calls().gets), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn row_47_whatever_the_bucket_does_the_backend_is_asked_once_and_nobody_notices() {
    for size in [1, 2, 70_000, 3 << 20] {
        for (fault, wrong) in [
            (BucketFault::Refuses, "0"),
            (BucketFault::Down, "0"),
            (BucketFault::Forgets, "0"),
            (BucketFault::Cuts, "0"),
            (BucketFault::Hangs, "0"),
            (BucketFault::Dribbles, "0"),
            (BucketFault::WrongByte, "1"),
            (BucketFault::WrongEnd, "1"),
            (BucketFault::Longer, "1"),
            (BucketFault::Shorter, "1"),
            (BucketFault::EndsEarly, "0"),
            (BucketFault::Html, "1"),
        ] {
            let bucket = MemoryBucket::new();
            let bytes = content(size, 7);
            let artifact = artifact(&bytes);
            bucket.set(&ObjectKey::of_archive(&Digest::sha256(&bytes)), bytes.clone());
            bucket.fail(Some(fault));
            let instance = Instance::new(&bucket).await;
            let (upstream, asked) = counting(&bytes);
            let (_, got) = instance.get(&artifact, upstream).await;
            assert!(got == bytes, "{fault:?} of {size} bytes");
            assert_eq!(asked.load(Ordering::SeqCst), 1, "{fault:?} of {size} bytes");
            let counted = instance.count("extension_registry_bucket_mismatches_total");
            assert_eq!(counted, wrong, "{fault:?} of {size} bytes");
            instance.store.settle().await;
            let (origin, got) = instance.get(&artifact, nobody()).await;
            assert_eq!((origin, got == bytes), (DownloadOrigin::Store, true), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn parts_come_from_the_bucket_and_are_right_if_it_is_wrong() {
    let bytes = content(200_000, 3);
    let artifact = artifact(&bytes);
    for (fault, count) in
        [(None, 0), (Some(BucketFault::WrongEnd), 1), (Some(BucketFault::Cuts), 1)]
    {
        let bucket = MemoryBucket::new();
        bucket.set(&ObjectKey::of_archive(&Digest::sha256(&bytes)), bytes.clone());
        bucket.fail(fault);
        let instance = Instance::new(&bucket).await;
        let (upstream, asked) = counting(&bytes);
        let parts = [0..1, 5..100_000, 199_999..200_000, 0..200_000].map(|part| {
            let request = wanted(&artifact, Arc::clone(&upstream));
            let (instance, bytes) = (&instance, &bytes);
            async move {
                let range = Some(part.start as u64..part.end as u64);
                let request = ArtifactRequest { range, ..request };
                let opened = instance.store.open(request).await.unwrap();
                assert!(read(opened.download).await.unwrap() == bytes[part.clone()], "{part:?}");
            }
        });
        join_all(parts).await;
        assert_eq!(asked.load(Ordering::SeqCst), count, "{fault:?}");
    }
}

#[tokio::test]
async fn row_48_an_object_with_wrong_bytes_is_overwritten_once() {
    let bucket = MemoryBucket::new();
    let bytes = content(70_000, 1);
    let artifact = artifact(&bytes);
    let key = ObjectKey::of_archive(&Digest::sha256(&bytes));
    let mismatches = "extension_registry_bucket_mismatches_total";
    bucket.set(&key, content(70_000, 2));
    // Room for nothing else, so that each download asks the bucket again.
    let dir = tempfile::tempdir().unwrap();
    let (store, metrics) = opened(&bucket, dir.path(), 4 * 70_000).await;
    let instance = Instance { store, metrics, _dir: dir };
    let evict = async |seeds: std::ops::Range<usize>| {
        for seed in seeds {
            let bytes = content(70_000, seed);
            instance.get(&super::artifact(&bytes), having(&bytes)).await;
            instance.store.settle().await;
        }
    };
    let (origin, got) = instance.get(&artifact, having(&bytes)).await;
    assert_eq!((origin, got == bytes), (DownloadOrigin::Backend, true));
    instance.store.settle().await;
    assert_eq!(bucket.object(&key).as_deref(), Some(&bytes[..]), "it is repaired");
    assert_eq!(instance.count(mismatches), "1");
    evict(10..15).await;
    assert_eq!(instance.get(&artifact, nobody()).await.0, DownloadOrigin::Bucket);
    assert_eq!(instance.failure(), None, "it works again");
    // Whoever writes wrong bytes does it again.
    bucket.set(&key, content(70_000, 2));
    evict(20..25).await;
    instance.get(&artifact, having(&bytes)).await;
    instance.store.settle().await;
    assert_eq!(instance.count(mismatches), "2");
    assert_eq!(bucket.object(&key).as_deref(), Some(&content(70_000, 2)[..]), "it is left alone");
    let gets = bucket.calls().gets;
    evict(30..35).await;
    let others = bucket.calls().gets - gets;
    instance.get(&artifact, having(&bytes)).await;
    assert_eq!(bucket.calls().gets - gets, others, "it is not read any more");
}

#[tokio::test]
async fn of_a_large_archive_with_wrong_bytes_no_client_has_all() {
    let bucket = MemoryBucket::new();
    let bytes = content(LARGE, 0);
    let artifact = artifact(&bytes);
    let key = ObjectKey::of_archive(&Digest::sha256(&bytes));
    let mut wrong = bytes.clone();
    wrong[LARGE - 1] ^= 1;
    bucket.set(&key, wrong);
    let instance = Instance::new(&bucket).await;
    let opened = instance.store.open(wanted(&artifact, having(&bytes))).await.unwrap();
    assert!(read(opened.download).await.is_err());
    instance.store.settle().await;
    let (origin, got) = instance.get(&artifact, having(&bytes)).await;
    assert_eq!((origin, got == bytes), (DownloadOrigin::Backend, true), "the next has it");
    instance.store.settle().await;
    assert_eq!(bucket.object(&key).unwrap(), bytes, "it is repaired");
}

#[tokio::test]
async fn the_end_of_a_large_archive_with_wrong_bytes_comes_from_the_backend() {
    let bucket = MemoryBucket::new();
    let bytes = content(LARGE, 0);
    let artifact = artifact(&bytes);
    let mut wrong = bytes.clone();
    wrong[0] ^= 1;
    bucket.set(&ObjectKey::of_archive(&Digest::sha256(&bytes)), wrong);
    let instance = Instance::new(&bucket).await;
    let (size, request) = (LARGE as u64, wanted(&artifact, having(&bytes)));
    let request = ArtifactRequest { range: Some(size - 1..size), ..request };
    let opened = instance.store.open(request).await.unwrap();
    assert_eq!(read(opened.download).await.unwrap(), bytes[LARGE - 1..]);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_takes_nothing_is_tried_three_times_and_shown() {
    for (fault, again) in [(BucketFault::Full, 1), (BucketFault::Refuses, 0)] {
        let bucket = MemoryBucket::new();
        bucket.fail(Some(fault));
        let instance = Instance::new(&bucket).await;
        let bytes = content(70_000, 1);
        instance.get(&artifact(&bytes), having(&bytes)).await;
        tokio::time::sleep(Duration::from_mins(2)).await;
        let calls = bucket.calls();
        assert_eq!((calls.sizes, calls.puts), (3, 3 * again), "{fault:?}");
        assert_eq!(instance.count("extension_registry_uploads_total{outcome=\"failed\"}"), "1");
        assert_eq!(instance.count("extension_registry_shared_up{engine=\"s3\"}"), "0");
        assert!(instance.failure().is_some(), "{fault:?}");
        bucket.fail(None);
        let bytes = content(70_000, 2);
        instance.get(&artifact(&bytes), having(&bytes)).await;
        instance.store.settle().await;
        assert_eq!(instance.failure(), None);
        assert_eq!(instance.count("extension_registry_shared_up{engine=\"s3\"}"), "1");
    }
}

#[tokio::test]
async fn two_archives_are_uploaded_at_once_and_so_many_wait() {
    let bucket = MemoryBucket::new();
    bucket.fail(Some(BucketFault::Silent));
    let instance = Instance::new(&bucket).await;
    for seed in 0..300 {
        let bytes = content(100 + seed, seed);
        instance.get(&artifact(&bytes), having(&bytes)).await;
    }
    let given_up = "extension_registry_uploads_total{outcome=\"given_up\"}";
    // What is fetched is offered once it is on the disk, which a caller does not wait for.
    while instance.count(given_up) != "44" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(bucket.calls().sizes, 2);
}

#[tokio::test]
async fn clients_and_health_see_where_an_archive_came_from() {
    let backend = Arc::new(MemoryBackend::new(BackendId::OCI));
    let archive = content(70_000, 5);
    backend.publish(&id("provider/aws"), tag("1.0.0"), about("d", &[]), archive.clone());
    let bucket = MemoryBucket::new();
    bucket.set(&ObjectKey::of_archive(&Digest::sha256(&archive)), archive.clone());
    let path = "/extensions/provider/aws/1.0.0";
    for (fault, source, status) in [
        (None, "extension-registry; fwd=miss; detail=bucket", "healthy"),
        (Some(BucketFault::Refuses), "extension-registry; fwd=miss", "degraded"),
    ] {
        bucket.fail(fault);
        let dir = tempfile::tempdir().unwrap();
        let setup = Setup {
            store: Some((dir.path().to_owned(), ROOM)),
            bucket: Some(Arc::clone(&bucket) as _),
            ..Setup::default()
        };
        let served = Served::with(vec![Arc::clone(&backend) as _], setup).await;
        served.get("/extensions").await;
        let got = served.get(path).await;
        assert_eq!(got.status, 200, "{fault:?}");
        assert!(got.body == archive, "{fault:?}");
        assert_eq!(got.headers["cache-status"], source);
        let health = served.get("/health").await;
        assert_eq!(health.status, 200);
        let health: serde_json::Value = serde_json::from_slice(&health.body).unwrap();
        assert_eq!(health["status"], status);
        let shown = &health["artifact_store"]["bucket"];
        assert_eq!(shown["healthy"], fault.is_none(), "{health}");
        assert_eq!(shown["last_error"].is_null(), fault.is_none(), "{health}");
        let ready = served.get("/health/ready").await;
        assert_eq!(ready.status, 200, "readiness does not look at it");
    }
    let plain = Served::with(vec![backend as _], Setup::default()).await;
    let health: serde_json::Value =
        serde_json::from_slice(&plain.get("/health").await.body).unwrap();
    assert_eq!(health["artifact_store"].get("bucket"), None, "without one nothing is said");
}

#[tokio::test]
async fn what_is_there_is_not_uploaded_again() {
    let bucket = MemoryBucket::new();
    let bytes = content(70_000, 1);
    bucket.set(&ObjectKey::of_archive(&Digest::sha256(&bytes)), bytes.clone());
    let instance = Instance::new(&bucket).await;
    // The digest is learned from the download, so that the bucket cannot be asked before.
    let unknown = Artifact { digest: None, ..artifact(&bytes) };
    instance.get(&unknown, having(&bytes)).await;
    instance.store.settle().await;
    let calls = bucket.calls();
    assert_eq!((calls.gets, calls.sizes, calls.puts), (0, 1, 0));
    assert_eq!(instance.count("extension_registry_uploads_total{outcome=\"there\"}"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_recovery_shows_without_a_download() {
    let bucket = MemoryBucket::new();
    let instance = Instance::new(&bucket).await;
    tokio::spawn(Arc::clone(&instance.store).watch_bucket());
    bucket.fail(Some(BucketFault::Down));
    let bytes = content(70_000, 1);
    let unknown = Artifact { digest: None, ..artifact(&bytes) };
    instance.get(&artifact(&bytes), having(&bytes)).await;
    assert!(instance.failure().is_some());
    tokio::time::sleep(Duration::from_secs(310)).await;
    assert!(instance.failure().is_some(), "it is still down");
    bucket.fail(None);
    // The uploads were given up meanwhile, and the next one shows that they work.
    let bytes = content(70_000, 2);
    instance.get(&Artifact { size: 70_000, ..unknown }, having(&bytes)).await;
    instance.store.settle().await;
    assert!(instance.failure().is_some(), "no archive was read yet");
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(instance.failure(), None);
    assert_eq!(instance.count("extension_registry_shared_up{engine=\"s3\"}"), "1");
    let idle = bucket.calls();
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(bucket.calls(), idle, "a bucket that works is left alone");
}

#[tokio::test]
async fn a_failure_of_the_backend_is_told_as_ever() {
    let bucket = MemoryBucket::new();
    bucket.fail(Some(BucketFault::Down));
    let instance = Instance::new(&bucket).await;
    let down: Upstream = Arc::new(|_| {
        let error =
            Error::unavailable("The gitea backend cannot be reached", Duration::from_secs(1));
        async { Err::<Download, _>(error) }.boxed()
    });
    let error = instance.store.open(wanted(&artifact(b"bytes"), down)).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BackendUnavailable { .. }), "{error}");
    assert_eq!(error.message(), "The gitea backend cannot be reached");
    let wrong = Bytes::from_static(b"other");
    let error = instance.store.open(wanted(&artifact(b"bytes"), having(&wrong))).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::BackendFaulty, "and its bytes are verified");
    assert_eq!(bucket.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_seconds_for_an_upload_that_is_retried() {
    let bucket = MemoryBucket::new();
    bucket.fail(Some(BucketFault::Full));
    let instance = Instance::new(&bucket).await;
    let bytes = content(70_000, 1);
    instance.get(&artifact(&bytes), having(&bytes)).await;
    let begun = tokio::time::Instant::now();
    instance.store.settle().await;
    assert!(begun.elapsed() <= Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(instance.count("extension_registry_uploads_total{outcome=\"given_up\"}"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_whose_objects_break_off_is_left_alone_for_a_while() {
    for fault in [BucketFault::Cuts, BucketFault::Hangs, BucketFault::EndsEarly] {
        let bucket = MemoryBucket::new();
        bucket.fail(Some(fault));
        let instance = Instance::new(&bucket).await;
        let get = async |seed| {
            let bytes = content(70_000, seed);
            bucket.set(&ObjectKey::of_archive(&Digest::sha256(&bytes)), bytes.clone());
            let (_, got) = instance.get(&artifact(&bytes), having(&bytes)).await;
            assert!(got == bytes);
        };
        for seed in 0..20 {
            get(seed).await;
        }
        assert_eq!(bucket.calls().gets, 3, "{fault:?}");
        assert!(instance.failure().is_some(), "{fault:?}");
        tokio::time::sleep(Duration::from_secs(31)).await;
        for seed in 20..30 {
            get(seed).await;
        }
        assert_eq!(bucket.calls().gets, 4, "one trial, {fault:?}");
        bucket.fail(None);
        tokio::time::sleep(Duration::from_secs(31)).await;
        for seed in 30..40 {
            get(seed).await;
        }
        assert_eq!((bucket.calls().gets, instance.failure()), (14, None), "{fault:?}");
    }
}
