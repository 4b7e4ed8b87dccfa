//! The shared bucket as a source of archives: reads with a deadline, distrust of objects with wrong
//! bytes, and its state for `/health`. Nothing records that an object is there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use parking_lot::Mutex;
use registry_core::backend::download::Download;
use registry_core::bucket::{Bucket, ObjectKey};
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::error::{Error, Result};
use registry_core::models::digest::Digest;
use tokio::time::{Instant, sleep, timeout_at};

use crate::artifacts::bucket_failures::{BucketFailures, BucketUse};
use crate::artifacts::state::BucketState;
use crate::metrics::bucket::BucketMetrics;

/// Time for any archive, in addition to that for its size.
const PATIENCE: Duration = Duration::from_secs(2);
/// Slowest rate in bytes per second; below it the backend sends the rest.
const RATE_MIN: u64 = 4 * 1024 * 1024;
/// Pause between two looks at a bucket that could not be read.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Consecutive reads that break off, after which the bucket is not read for a while.
const BROKEN_MAX: u32 = 3;
/// Time for which it is not read then. The first one after it decides again.
const BROKEN_PAUSE: Duration = Duration::from_secs(30);
/// Maximum number of distrusted objects that are remembered.
const DISTRUSTED_MAX: usize = 10_000;

/// The bucket that the instances of the service share.
pub(super) struct SharedBucket {
    bucket: Arc<dyn Bucket>,
    distrusted: Mutex<BoundedLru<Digest, Distrust>>,
    failures: BucketFailures,
    broken: Mutex<BrokenReads>,
    metrics: BucketMetrics,
}

/// Reads that broke off after their heads, which no circuit breaker of requests sees.
#[derive(Default)]
struct BrokenReads {
    consecutive: u32,
    paused_until: Option<Instant>,
}

/// What is known of an object that had wrong bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Distrust {
    /// It waits to be overwritten.
    Wrong,
    /// It was overwritten, and is read again.
    Repaired,
    /// It was wrong again after that, so that it is left alone.
    GivenUp,
}

impl SharedBucket {
    pub(super) fn new(bucket: Arc<dyn Bucket>, metrics: BucketMetrics) -> Arc<Self> {
        let bounds = LruBounds { entries: DISTRUSTED_MAX, bytes: u64::MAX };
        let distrusted = Mutex::new(BoundedLru::new(bounds));
        let (failures, broken) = (BucketFailures::new(metrics.clone()), Mutex::default());
        Arc::new(Self { bucket, distrusted, failures, broken, metrics })
    }

    /// Opens an archive of this size; `None` for every reason to ask the backend instead.
    pub(super) async fn open(self: &Arc<Self>, digest: &Digest, size: u64) -> Option<Download> {
        let is_distrusted =
            matches!(self.distrust(digest), Some(Distrust::Wrong | Distrust::GivenUp));
        if is_distrusted || self.broken.lock().is_paused() {
            return None;
        }
        let opened = self.bucket.get(&ObjectKey::of_archive(digest)).await;
        self.read(&opened);
        let download = opened.ok()?;
        if download.length != size {
            self.wrong(digest);
            return None;
        }
        Some(self.watched(download))
    }

    /// Returns false while reads fail.
    pub(super) fn is_readable(&self) -> bool {
        !self.failures.has(BucketUse::Read) && !self.broken.lock().is_paused()
    }

    /// Records that an object has other bytes than its digest. It is not read until it is overwritten.
    pub(super) fn wrong(&self, digest: &Digest) {
        self.metrics.mismatch();
        let next = match self.distrust(digest) {
            Some(Distrust::Repaired | Distrust::GivenUp) => Distrust::GivenUp,
            Some(Distrust::Wrong) | None => Distrust::Wrong,
        };
        self.distrusted.lock().put(digest.clone(), 1, next);
        let key = ObjectKey::of_archive(digest);
        let next = if next == Distrust::Wrong { "is overwritten" } else { "is not used" };
        let cause = format!("the object {key} has other bytes than its digest and {next}");
        self.failures.failed(BucketUse::Content, &cause);
    }

    /// Records that an archive from the bucket had the right bytes.
    pub(super) fn right(&self) {
        self.failures.worked(BucketUse::Content);
    }

    /// Stores an archive, unless an object of that size is there already. Returns the outcome, as in
    /// the metric.
    pub(super) async fn store(
        &self,
        digest: &Digest,
        size: u64,
        content: impl FnOnce() -> Result<Download> + Send,
    ) -> Result<&'static str> {
        let key = ObjectKey::of_archive(digest);
        let overwrites = match self.distrust(digest) {
            Some(Distrust::GivenUp) => return Ok("given_up"),
            distrust => distrust == Some(Distrust::Wrong),
        };
        if !overwrites {
            match self.bucket.size(&key).await {
                Ok(found) if found == size => return Ok("there"),
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        self.bucket.put(&key, content()?).await?;
        if overwrites {
            self.distrusted.lock().put(digest.clone(), 1, Distrust::Repaired);
            self.failures.worked(BucketUse::Content);
        }
        self.failures.worked(BucketUse::Write);
        Ok("ok")
    }

    /// Looks at the bucket while it could not be read, so that its recovery shows without a download.
    /// Never returns.
    pub(super) async fn watch(&self) {
        // Of an empty archive, which need not be there: that it is missing is an answer.
        let key = ObjectKey::of_archive(&Digest::sha256(&[]));
        loop {
            sleep(LOOK_EVERY).await;
            // Only an object that comes whole shows that bodies do not break off any more.
            if !self.failures.has(BucketUse::Read) || self.broken.lock().consecutive > 0 {
                continue;
            }
            self.read(&self.bucket.get(&key).await);
        }
    }

    /// Counts the end of an upload, by an outcome of a fixed set.
    pub(super) fn uploaded(&self, outcome: &str) {
        self.metrics.upload(outcome);
    }

    /// Records a failure to store. Only the first in a row is logged.
    pub(super) fn failed_writing(&self, error: &Error) {
        // An open circuit breaker has told its cause before.
        if error.was_asked() {
            self.failures.failed(BucketUse::Write, &error.report());
        }
    }

    pub(super) fn state(&self) -> BucketState {
        BucketState { failure: self.failures.shown() }
    }

    /// Ends a download with an error once it takes longer than its size explains, and records its end.
    fn watched(self: &Arc<Self>, Download { length, bytes }: Download) -> Download {
        let deadline = Instant::now() + PATIENCE + Duration::from_secs(length / RATE_MIN);
        let state = Some((Arc::clone(self), bytes, length));
        let bytes = stream::unfold(state, move |state| async move {
            let (this, mut bytes, left) = state?;
            let piece = timeout_at(deadline, bytes.next()).await.unwrap_or_else(|_| {
                Some(Err(Error::unavailable("The bucket sends too slowly", PATIENCE)))
            });
            let short = || Error::unavailable("The bucket broke off", PATIENCE);
            match piece.unwrap_or_else(|| if left == 0 { Ok(Bytes::new()) } else { Err(short()) }) {
                Ok(piece) if piece.is_empty() && left == 0 => {
                    *this.broken.lock() = BrokenReads::default();
                    None
                }
                Ok(piece) => {
                    let left = left.saturating_sub(piece.len() as u64);
                    Some((Ok(piece), Some((this, bytes, left))))
                }
                Err(error) => {
                    this.broken.lock().broke_off();
                    this.failures.failed(BucketUse::Read, &error.report());
                    Some((Err(error), None))
                }
            }
        });
        Download { length, bytes: bytes.boxed() }
    }

    fn distrust(&self, digest: &Digest) -> Option<Distrust> {
        self.distrusted.lock().get(digest).copied()
    }

    fn read(&self, end: &Result<Download>) {
        match end {
            // An open circuit breaker has told its cause before.
            Err(error) if !error.was_asked() => {}
            Err(error) if !error.is_not_found() => {
                self.failures.failed(BucketUse::Read, &error.report());
            }
            _ => self.failures.worked(BucketUse::Read),
        }
    }
}

impl BrokenReads {
    fn is_paused(&self) -> bool {
        self.paused_until.is_some_and(|until| until > Instant::now())
    }

    fn broke_off(&mut self) {
        self.consecutive += 1;
        if self.consecutive >= BROKEN_MAX {
            self.paused_until = Some(Instant::now() + BROKEN_PAUSE);
        }
    }
}
