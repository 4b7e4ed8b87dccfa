//! Uploads of fetched archives into the shared bucket, behind the answers: bounded in number, memory,
//! tries and time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use registry_core::backend::download::Download;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::digest::Digest;
use registry_fleet::fetch_locks::FetchLocks;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::artifacts::bucket::SharedBucket;
use crate::artifacts::buffers::Buffers;
use crate::artifacts::fetch_turn::{FetchLock, release, take_turn};
use crate::artifacts::reader;
use crate::artifacts::stored::StoredArtifacts;

/// Maximum number of concurrent uploads. Each holds one part of an archive in memory.
pub const AT_ONCE: usize = 2;
/// Maximum number of archives that wait or are uploaded. The next instance that fetches one of the
/// others uploads it.
const QUEUE_MAX: usize = 256;
/// Pauses before the tries.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(10), Duration::from_secs(40)];
/// Time that uploads have to finish at a shutdown, before they are aborted.
const GRACE: Duration = Duration::from_secs(3);

/// The uploads of one process.
pub(super) struct Uploads {
    pub(super) bucket: Arc<SharedBucket>,
    /// `None` without an engine that replicas share.
    locks: Option<Arc<dyn FetchLocks>>,
    stored: Arc<StoredArtifacts>,
    buffers: Buffers,
    permits: Semaphore,
    /// Archives that wait or are uploaded.
    pending: Mutex<HashSet<Digest>>,
    /// Number of pending archives, awaited at shutdown.
    busy: watch::Sender<usize>,
    stopping: watch::Sender<bool>,
    /// The runtime that no connection waits for: hashing a part takes milliseconds.
    home: Option<Handle>,
}

impl Uploads {
    pub(super) fn new(
        (bucket, locks): (Arc<SharedBucket>, Option<Arc<dyn FetchLocks>>),
        stored: Arc<StoredArtifacts>,
        buffers: Buffers,
    ) -> Arc<Self> {
        Arc::new(Self {
            bucket,
            locks,
            stored,
            buffers,
            permits: Semaphore::new(AT_ONCE),
            pending: Mutex::default(),
            busy: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
            home: Handle::try_current().ok(),
        })
    }

    /// Looks for an archive in the bucket. If it is missing, waits while another replica fetches it.
    /// Returns the archive, or perhaps the lock of a fetch from the backend.
    pub(super) async fn look(
        &self,
        digest: &Digest,
        size: u64,
    ) -> (Option<Download>, Option<FetchLock>) {
        match (self.bucket.open(digest, size).await, &self.locks) {
            (None, Some(locks)) => take_turn(locks, &self.bucket, digest, size).await,
            (found, _) => (found, None),
        }
    }

    /// Uploads a stored archive in the background, unless too many wait. The lock ends after it.
    pub(super) async fn offer(
        self: &Arc<Self>,
        digest: Digest,
        size: u64,
        lock: Option<FetchLock>,
    ) {
        if !self.add(&digest) {
            return release(lock).await;
        }
        self.busy.send_modify(|busy| *busy += 1);
        let this = Arc::clone(self);
        let upload = async move {
            this.bucket.uploaded(this.run(&digest, size).await);
            release(lock).await;
            this.pending.lock().remove(&digest);
            this.busy.send_modify(|busy| *busy -= 1);
        };
        match &self.home {
            Some(home) => drop(home.spawn(upload)),
            None => drop(tokio::spawn(upload)),
        }
    }

    /// Returns false for an archive that waits already, or if too many do.
    fn add(&self, digest: &Digest) -> bool {
        let mut pending = self.pending.lock();
        if pending.contains(digest) {
            return false;
        }
        let has_room = pending.len() < QUEUE_MAX;
        if has_room {
            pending.insert(digest.clone());
        } else {
            self.bucket.uploaded("given_up");
        }
        has_room
    }

    /// Waits until every upload has ended. Those that take longer than [`GRACE`] are aborted.
    pub(super) async fn settle(&self) {
        let mut busy = self.busy.subscribe();
        let idle = busy.wait_for(|busy| *busy == 0);
        if timeout(GRACE, idle).await.is_err() {
            self.stopping.send_replace(true);
            // Never an error: `self` holds the sender.
            let _ = busy.wait_for(|busy| *busy == 0).await;
        }
    }

    /// Returns the outcome, as in the metric.
    async fn run(&self, digest: &Digest, size: u64) -> &'static str {
        let mut stopping = self.stopping.subscribe();
        for pause in PAUSES {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return "given_up",
                () = sleep(pause) => {}
            }
            // Never an error: the semaphore is not closed.
            let _permit = self.permits.acquire().await;
            let Some(blob) = self.stored.find(digest, size).await else { return "given_up" };
            let content = || {
                let allowance = self.buffers.allow().ok_or_else(|| {
                    Error::new(ErrorKind::Overloaded, "Too many concurrent downloads")
                })?;
                let content = reader::stored(blob, 0..size, Arc::new(allowance));
                Ok(self.until_stopped(content))
            };
            match self.bucket.store(digest, size, content).await {
                Ok(outcome) => return outcome,
                Err(_) if *self.stopping.borrow() => return "given_up",
                Err(error) => self.bucket.failed_writing(&error),
            }
        }
        "failed"
    }

    /// Ends a content with an error at the shutdown, upon which the bucket aborts the upload.
    fn until_stopped(&self, content: Download) -> Download {
        let stopping = self.stopping.subscribe();
        let bytes = content.bytes.map(move |piece| {
            if *stopping.borrow() {
                return Err(Error::new(ErrorKind::Internal, "The service stops"));
            }
            piece
        });
        Download { length: content.length, bytes: bytes.boxed() }
    }
}
