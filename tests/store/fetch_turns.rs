//! Several instances that need an archive at the same time: one fetches it, the others wait for it in
//! the bucket, and never for long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use registry_core::error::Error;
use registry_core::models::artifact::Artifact;
use registry_fleet::fetch_locks::{FETCH_LOCK, FetchLocks as _};
use registry_server::artifacts::{Artifacts, SharedStore, Upstream};
use registry_server::metrics::Metrics;
use registry_testing::fleet::fault::Fault;
use registry_testing::fleet::fetch_locks::{FetchLockConnection, MemoryFetchLocks};
use registry_testing::memory_bucket::{BucketFault, MemoryBucket};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{ROOM, artifact, having, read, wanted};

const BYTES: &[u8] = b"an archive that several instances need";

/// Instances with one bucket and one engine, and an archive of their backend.
struct Instances {
    stores: Vec<(Arc<Artifacts>, TempDir)>,
    locks: Arc<MemoryFetchLocks>,
    connections: Vec<Arc<FetchLockConnection>>,
    bucket: Arc<MemoryBucket>,
    artifact: Artifact,
    asked: Arc<AtomicUsize>,
}

impl Instances {
    async fn new(count: usize) -> Self {
        let (bucket, locks) = (MemoryBucket::new(), Arc::<MemoryFetchLocks>::default());
        let connections: Vec<_> = (0..count).map(|number| locks.connect(number)).collect();
        let stores = connections.iter().map(|connection| async {
            let (dir, metrics) =
                (tempfile::tempdir().unwrap(), Metrics::new(&["artifact"], &[]).unwrap());
            let shared = SharedStore {
                bucket: Arc::clone(&bucket) as _,
                locks: Some(Arc::clone(connection) as _),
                metrics: metrics.bucket.clone(),
            };
            let counters = (metrics.cache("artifact"), metrics.artifacts().clone());
            (Artifacts::stored_before(shared, dir.path(), ROOM, counters).await, dir)
        });
        let stores = join_all(stores).await;
        let (artifact, asked) = (artifact(BYTES), Arc::default());
        Self { stores, locks, connections, bucket, artifact, asked }
    }

    /// The backend, which answers after this time.
    fn backend(&self, latency: Duration) -> Upstream {
        let (asked, inner) = (Arc::clone(&self.asked), having(BYTES));
        Arc::new(move |range| {
            asked.fetch_add(1, Ordering::SeqCst);
            let opened = inner(range);
            async move {
                sleep(latency).await;
                opened.await
            }
            .boxed()
        })
    }

    /// Downloads the archive from an instance. Returns the time that it took.
    async fn get(&self, number: usize, upstream: Upstream) -> Duration {
        let begun = Instant::now();
        let opened = self.stores[number].0.open(wanted(&self.artifact, upstream)).await.unwrap();
        assert!(read(opened.download).await.unwrap() == BYTES);
        begun.elapsed()
    }

    /// Downloads the archive from all instances at once. Returns the longest time that it took.
    async fn get_all(&self, latency: Duration) -> Duration {
        let all = (0..self.stores.len()).map(|number| self.get(number, self.backend(latency)));
        join_all(all).await.into_iter().max().unwrap()
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn settle(&self) {
        join_all(self.stores.iter().map(|(store, _)| store.settle())).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_thirty_instances_fetches_and_the_others_read_the_bucket() {
    let instances = Instances::new(30).await;
    let longest = instances.get_all(Duration::from_secs(1)).await;
    assert_eq!(instances.asked(), 1);
    assert!(longest <= Duration::from_millis(1500), "{longest:?}");
    instances.settle().await;
    assert_eq!(instances.locks.held(), 0);
    assert_eq!(instances.bucket.calls().puts, 1);
}

#[tokio::test(start_paused = true)]
async fn an_instance_waits_two_and_a_half_seconds_at_most() {
    let instances = Instances::new(3).await;
    let longest = instances.get_all(Duration::from_secs(5)).await;
    assert_eq!(instances.asked(), 3);
    assert_eq!(longest, Duration::from_millis(7500));
}

#[tokio::test(start_paused = true)]
async fn the_next_instance_fetches_when_the_first_one_failed() {
    let instances = Instances::new(2).await;
    let broken: Upstream = Arc::new(|_| {
        async {
            sleep(Duration::from_secs(1)).await;
            Err(Error::unavailable("The backend is down", Duration::ZERO))
        }
        .boxed()
    });
    let first = instances.stores[0].0.open(wanted(&instances.artifact, broken));
    let second = async {
        sleep(Duration::from_millis(10)).await;
        instances.get(1, instances.backend(Duration::ZERO)).await
    };
    let (first, took) = tokio::join!(first, second);
    first.err().unwrap();
    assert_eq!(instances.asked(), 1);
    assert_eq!(took, Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_lock_of_an_instance_that_was_killed_ends() {
    let instances = Instances::new(2).await;
    let digest = instances.artifact.digest.clone().unwrap();
    assert!(instances.connections[0].take(&digest).await.unwrap());
    sleep(FETCH_LOCK).await;
    assert_eq!(instances.get(1, instances.backend(Duration::ZERO)).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn row_47_without_the_engine_or_the_bucket_no_instance_waits_for_another() {
    let instances = Instances::new(2).await;
    for connection in &instances.connections {
        connection.set_fault(Fault::Refused);
    }
    assert_eq!(instances.get_all(Duration::from_secs(1)).await, Duration::from_secs(1));
    assert_eq!(instances.asked(), 2);
    let instances = Instances::new(2).await;
    instances.bucket.fail(Some(BucketFault::Down));
    assert_eq!(instances.get_all(Duration::from_secs(1)).await, Duration::from_secs(1));
    assert_eq!((instances.asked(), instances.locks.held()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_cannot_be_uploaded_is_fetched_by_each_instance_in_time() {
    let instances = Instances::new(2).await;
    instances.bucket.fail(Some(BucketFault::Full));
    let longest = instances.get_all(Duration::from_millis(100)).await;
    assert!(longest <= Duration::from_millis(2700), "{longest:?}");
    assert_eq!(instances.asked(), 2);
}
