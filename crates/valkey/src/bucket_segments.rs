//! Segments of snapshots in the bucket of a fleet, under their topic and digest.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use parking_lot::Mutex;
use registry_core::backend::download::Download;
use registry_core::bucket::{Bucket, ObjectKey};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::digest::Digest;
use registry_fleet::snapshots::SEGMENT_MAX;
use registry_fleet::topic::Topic;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::LOG_TARGET;
use crate::fleet_name::FleetName;

/// Maximum time for the segments of one snapshot. The log of the writer waits as long.
const STORE_MAX: Duration = Duration::from_secs(10);
/// Concurrent segments of one snapshot that are stored.
const STORES_MAX: usize = 16;
/// Time for which nothing is stored after a failure.
const STORE_PAUSE: Duration = Duration::from_mins(5);
/// Maximum time for one segment that is read.
const GET_MAX: Duration = Duration::from_secs(5);
/// Maximum number of objects that are listed at once.
const LISTED_MAX: usize = 20_000;
/// Concurrent deletions.
const DELETES_MAX: usize = 4;

/// The segments of one fleet.
pub(crate) struct BucketSegments {
    bucket: Arc<dyn Bucket>,
    fleet: FleetName,
    /// Time until which nothing is stored.
    paused_until: Mutex<Option<Instant>>,
    /// True after a segment could not be read.
    reads_fail: AtomicBool,
}

impl BucketSegments {
    pub(crate) fn new(bucket: Arc<dyn Bucket>, fleet: FleetName) -> Self {
        Self { bucket, fleet, paused_until: Mutex::default(), reads_fail: AtomicBool::default() }
    }

    /// Stores segments that are not there yet. Returns those that are there now: not all after a
    /// failure, and none during the pause after it.
    pub(crate) async fn store(
        &self,
        topic: &Topic,
        segments: Vec<(Digest, Bytes)>,
    ) -> HashSet<Digest> {
        let stored = Mutex::new(HashSet::new());
        let paused_until = *self.paused_until.lock();
        if paused_until.is_some_and(|until| Instant::now() < until) {
            return stored.into_inner();
        }
        let segments = stream::iter(segments).map(Ok::<_, Error>);
        let all = segments.try_for_each_concurrent(STORES_MAX, async |(digest, segment)| {
            self.put(topic, &digest, segment).await?;
            stored.lock().insert(digest);
            Ok(())
        });
        let late = Error::new(ErrorKind::BackendTimeout, "The bucket takes segments too slowly");
        let result = timeout(STORE_MAX, all).await.unwrap_or(Err(late));
        *self.paused_until.lock() = result.is_err().then(|| Instant::now() + STORE_PAUSE);
        match result {
            Err(error) => warn!(target: LOG_TARGET,
                "shared: segments of a snapshot go to the engine for {} minutes, since the bucket of [artifacts] does not take them: {}",
                STORE_PAUSE.as_secs() / 60, error.report()
            ),
            Ok(()) if paused_until.is_some() => {
                info!(target: LOG_TARGET, "shared: the bucket of [artifacts] takes segments again");
            }
            Ok(()) => {}
        }
        stored.into_inner()
    }

    /// Returns a segment; `None` if it is missing or wrong, or if the bucket cannot be read.
    pub(crate) async fn get(&self, topic: &Topic, digest: &Digest) -> Option<Bytes> {
        let late = Error::new(ErrorKind::BackendTimeout, "The bucket sends a segment too slowly");
        let found = timeout(GET_MAX, self.read(topic, digest)).await.unwrap_or(Err(late));
        let fails = found.as_ref().is_err_and(|error| !error.is_not_found());
        let failed = self.reads_fail.swap(fails, Ordering::Relaxed);
        match found {
            Ok(segment) => return Some(segment),
            Err(error) if fails && !failed => warn!(target: LOG_TARGET,
                "shared: a snapshot cannot be loaded, since a segment in the bucket of [artifacts] cannot be read: {}; this replica goes on with what it has, and asks for a snapshot in the engine",
                error.report()
            ),
            Err(_) => {}
        }
        None
    }

    /// Deletes the objects of a topic that are not among these.
    pub(crate) async fn keep_only(&self, topic: &Topic, named: HashSet<Digest>) -> Result<()> {
        let named =
            named.iter().map(|digest| self.key(topic, digest)).collect::<Result<Vec<_>>>()?;
        let named: HashSet<ObjectKey> = named.into_iter().collect();
        let listed = self.bucket.list(&self.place(topic)?, LISTED_MAX).await?;
        let old = listed.into_iter().filter(|key| !named.contains(key)).map(Ok);
        let deleted = stream::iter(old)
            .try_for_each_concurrent(DELETES_MAX, async |key| self.bucket.delete(&key).await);
        deleted.await
    }

    async fn put(&self, topic: &Topic, digest: &Digest, segment: Bytes) -> Result<()> {
        let key = self.key(topic, digest)?;
        match self.bucket.size(&key).await {
            Ok(size) if size == segment.len() as u64 => Ok(()),
            Err(error) if !error.is_not_found() => Err(error),
            _ => self.bucket.put(&key, Download::from_bytes(segment)).await,
        }
    }

    async fn read(&self, topic: &Topic, digest: &Digest) -> Result<Bytes> {
        let key = self.key(topic, digest)?;
        let found = self.bucket.get(&key).await?;
        if found.length <= SEGMENT_MAX as u64 {
            let segment = found.collect().await?;
            if digest.matches(&segment) {
                return Ok(segment);
            }
        }
        // Else the next snapshot would let it stay.
        self.bucket.delete(&key).await?;
        Err(Error::faulty(format!("The object {key} has other bytes than its digest")))
    }

    fn key(&self, topic: &Topic, digest: &Digest) -> Result<ObjectKey> {
        key(&format!(
            "catalog/{}/{topic}/{}/{}",
            self.fleet,
            digest.algorithm().as_str(),
            digest.hex()
        ))
    }

    /// Returns the beginning of the keys of a topic.
    fn place(&self, topic: &Topic) -> Result<ObjectKey> {
        key(&format!("catalog/{}/{topic}", self.fleet))
    }
}

fn key(text: &str) -> Result<ObjectKey> {
    text.parse().map_err(|error| {
        Error::new(ErrorKind::Internal, format!("{text} is no key of an object")).because(error)
    })
}

#[cfg(test)]
mod tests {
    use registry_testing::memory_bucket::{BucketCalls, BucketFault, MemoryBucket};

    use super::*;

    const SEGMENT: &[u8] = b"segment";

    fn segments(bucket: &Arc<MemoryBucket>) -> BucketSegments {
        BucketSegments::new(Arc::clone(bucket) as _, "a".parse().unwrap())
    }

    fn topic(text: &str) -> Topic {
        text.parse().unwrap()
    }

    async fn stored(segments: &BucketSegments, topic: &Topic, segment: &'static [u8]) -> bool {
        let digest = Digest::sha256(segment);
        let given = vec![(digest.clone(), Bytes::from_static(segment))];
        segments.store(topic, given).await.contains(&digest)
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_nothing_is_stored_for_five_minutes() {
        let (bucket, topic) = (MemoryBucket::new(), topic("topic"));
        let segments = segments(&bucket);
        for fault in [BucketFault::Down, BucketFault::Full, BucketFault::Silent] {
            bucket.fail(Some(fault));
            let begun = Instant::now();
            assert!(!stored(&segments, &topic, SEGMENT).await, "{fault:?}");
            assert!(begun.elapsed() <= STORE_MAX, "{fault:?}");
            bucket.fail(None);
            let calls = bucket.calls();
            assert!(!stored(&segments, &topic, SEGMENT).await, "{fault:?}");
            assert_eq!(bucket.calls(), calls, "{fault:?}: no request");
            tokio::time::advance(STORE_PAUSE).await;
        }
        assert!(stored(&segments, &topic, SEGMENT).await);
        let BucketCalls { puts, .. } = bucket.calls();
        assert!(stored(&segments, &topic, SEGMENT).await);
        assert_eq!(bucket.calls().puts, puts, "it is there");
    }

    #[tokio::test(start_paused = true)]
    async fn a_segment_that_comes_too_slowly_is_not_waited_for() {
        let (bucket, topic) = (MemoryBucket::new(), topic("topic"));
        let segments = segments(&bucket);
        assert!(stored(&segments, &topic, SEGMENT).await);
        for fault in [BucketFault::Hangs, BucketFault::Dribbles] {
            bucket.fail(Some(fault));
            let begun = Instant::now();
            assert_eq!(segments.get(&topic, &Digest::sha256(SEGMENT)).await, None, "{fault:?}");
            assert_eq!(begun.elapsed(), GET_MAX, "{fault:?}");
        }
        bucket.fail(None);
        let found = segments.get(&topic, &Digest::sha256(SEGMENT)).await;
        assert_eq!(found.as_deref(), Some(SEGMENT));
    }

    #[tokio::test(start_paused = true)]
    async fn old_segments_of_one_topic_are_deleted_and_nothing_else() {
        let bucket = MemoryBucket::new();
        let segments = segments(&bucket);
        let [one, other] = ["one", "one.more"].map(topic);
        for (topic, segment) in [(&one, SEGMENT), (&one, b"old"), (&other, b"old")] {
            assert!(stored(&segments, topic, segment).await);
        }
        bucket.set(&ObjectKey::of_archive(&Digest::sha256(b"old")), SEGMENT);
        segments.keep_only(&one, [Digest::sha256(SEGMENT)].into()).await.unwrap();
        assert_eq!(segments.get(&one, &Digest::sha256(b"old")).await, None);
        assert!(segments.get(&one, &Digest::sha256(SEGMENT)).await.is_some());
        assert!(segments.get(&other, &Digest::sha256(b"old")).await.is_some());
        assert_eq!(bucket.count(), 3);
    }
}
