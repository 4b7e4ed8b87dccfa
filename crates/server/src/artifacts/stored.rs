//! The stored artifacts: lookup, verification, eviction, and the state of the store.
//!
//! A blob is verified once per process, and again after it changed.

use std::fmt::Display;
use std::sync::Arc;

use parking_lot::Mutex;
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::{Error, ErrorKind};
use registry_core::models::digest::Digest;
use tracing::{info, warn};

use crate::artifacts::LOG_TARGET;
use crate::artifacts::blobs::{BlobCheck, BlobEntry, BlobReader, BlobStamp, BlobStore, NewBlob};
use crate::artifacts::eviction::EvictionQueue;
use crate::artifacts::state::StoreState;
use crate::metrics::artifacts::ArtifactCounters;

/// The stored artifacts of one process.
pub(super) struct StoredArtifacts {
    blobs: Arc<dyn BlobStore>,
    queue: Mutex<EvictionQueue>,
    verifying: SingleFlight<Digest, bool>,
    /// The current failure; `None` while the store works.
    failure: Mutex<Option<String>>,
    counters: ArtifactCounters,
}

impl StoredArtifacts {
    pub(super) async fn open(
        blobs: Arc<dyn BlobStore>,
        max_bytes: u64,
        counters: ArtifactCounters,
    ) -> Arc<Self> {
        let this = Arc::new(Self {
            blobs,
            queue: Mutex::new(EvictionQueue::new(max_bytes)),
            verifying: SingleFlight::default(),
            failure: Mutex::default(),
            counters,
        });
        match this.blobs.open().await {
            Ok(found) => this.restock(found),
            Err(error) => this.failed(&error),
        }
        this
    }

    fn restock(self: &Arc<Self>, found: Vec<BlobEntry>) {
        self.queue.lock().clear();
        for BlobEntry { digest, size } in found {
            // `None`: a blob from an earlier run is verified at its first use.
            let evicted = self.queue.lock().put(digest, size, None);
            self.delete(evicted);
        }
        self.count();
    }

    /// Returns true if the artifact is listed. Does not access the store.
    pub(super) fn holds(&self, digest: &Digest) -> bool {
        self.queue.lock().get(digest).is_some()
    }

    /// Returns true if the store takes an artifact of this announced size.
    pub(super) fn takes(&self, size: u64) -> bool {
        self.queue.lock().takes(size)
    }

    /// Opens a verified artifact, if it has this size.
    pub(super) async fn find(
        self: &Arc<Self>,
        digest: &Digest,
        size: u64,
    ) -> Option<Arc<dyn BlobReader>> {
        let verified = self.queue.lock().get(digest)?;
        let opened = match self.blobs.get(digest).await {
            Ok(Some(opened)) => opened,
            Ok(None) => {
                // Removed by an operator, for example; the next request fetches it again.
                self.forget(digest);
                return None;
            }
            Err(error) => {
                self.failed(&error);
                return None;
            }
        };
        let known = verified == Some(opened.found);
        // Only this service's note of the use changed the stamp.
        if known && opened.noted != opened.found {
            self.queue.lock().verified(digest, opened.noted);
        }
        let good = known || self.verify(digest).await;
        // The size comes from the backend's metadata and may be wrong even if the digest is right.
        (good && opened.found.size == size).then_some(opened.reader)
    }

    async fn verify(self: &Arc<Self>, digest: &Digest) -> bool {
        let (this, wanted) = (Arc::clone(self), digest.clone());
        let verified = self.verifying.ask(digest, || async move {
            // Opened again: a shared verification may outlive the request whose blob it would use.
            let check = this.blobs.check(&wanted).await.map_err(|error| {
                Error::new(ErrorKind::Internal, "A stored artifact cannot be read").because(error)
            })?;
            match check {
                BlobCheck::Good(stamp) => {
                    this.queue.lock().verified(&wanted, stamp);
                    Ok(true)
                }
                BlobCheck::Damaged(aside) => {
                    warn!(target: LOG_TARGET, digest = %wanted, aside, "a stored artifact is damaged and moved aside");
                    this.counters.failed();
                    this.forget(&wanted);
                    Ok(false)
                }
                BlobCheck::Absent => Ok(false),
            }
        });
        verified.await.unwrap_or_else(|error| {
            self.failed(&error.report());
            false
        })
    }

    fn forget(&self, digest: &Digest) {
        self.queue.lock().remove(digest);
        self.count();
    }

    /// Begins a new artifact; `None` if the store fails.
    pub(super) async fn begin(self: &Arc<Self>) -> Option<Arc<dyn NewBlob>> {
        let begun = async {
            // The store was replaced or remounted, so the queue lists blobs that are not there.
            self.blobs.renewed().await?.into_iter().for_each(|found| self.restock(found));
            self.blobs.put().await
        };
        begun.await.inspect_err(|error| self.failed(error)).ok()
    }

    /// Reserves space for arrived bytes. Returns false without room.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64) -> bool {
        let Some(evicted) = self.queue.lock().arrive(bytes) else { return false };
        self.delete(evicted);
        true
    }

    /// Stores an artifact durably; `None` if the store fails. [`Self::release`] lists it.
    pub(super) async fn keep(&self, blob: &dyn NewBlob, digest: &Digest) -> Option<BlobStamp> {
        let kept = blob.keep(digest).await;
        match &kept {
            Ok(_) => self.recovered(),
            Err(error) => self.failed(error),
        }
        kept.ok()
    }

    /// Returns reserved space, and lists what was kept, under one lock.
    pub(super) fn release(
        self: &Arc<Self>,
        reserved: u64,
        size: u64,
        kept: Option<(Digest, BlobStamp)>,
    ) {
        let mut queue = self.queue.lock();
        queue.ended(reserved);
        let evicted = kept.map(|(digest, stamp)| queue.put(digest, size, Some(stamp)));
        drop(queue);
        self.delete(evicted.unwrap_or_default());
        self.count();
    }

    fn delete(self: &Arc<Self>, evicted: Vec<Digest>) {
        if evicted.is_empty() {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            for digest in evicted {
                if let Err(error) = this.blobs.delete(&digest).await {
                    warn!(target: LOG_TARGET, %digest, "cannot remove a stored artifact: {error}");
                }
            }
        });
    }

    pub(super) fn state(&self) -> StoreState {
        let queue = self.queue.lock();
        StoreState {
            enabled: true,
            failure: self.failure.lock().clone(),
            artifacts: queue.len(),
            bytes: queue.bytes(),
            max_bytes: queue.max_bytes(),
            bucket: None,
        }
    }

    fn count(&self) {
        let queue = self.queue.lock();
        self.counters.stored(queue.len(), queue.bytes());
    }

    /// Records a failure of the store. Only the first in a row is logged.
    pub(super) fn failed(&self, failure: &impl Display) {
        self.counters.failed();
        // Counted every time, so that a metric shows how often requests miss the store.
        let before = self.failure.lock().replace(failure.to_string());
        if before.is_none() {
            warn!(target: LOG_TARGET, "artifacts cannot be stored and are streamed from their backends: {failure}");
        }
    }

    fn recovered(&self) {
        if self.failure.lock().take().is_some() {
            info!(target: LOG_TARGET, "artifacts are stored again");
        }
    }
}
