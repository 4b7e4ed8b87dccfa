//! Artifact store: blobs by digest, fetched once for concurrent requests, verified, and bounded in
//! size, perhaps before a bucket that other instances share. Without a usable store, artifacts are
//! streamed from their backends.

pub mod blobs;
mod bucket;
mod bucket_failures;
pub mod buffers;
mod disk;
mod disk_store;
mod eviction;
mod fetch;
mod fetch_turn;
mod fill;
mod filling;
mod reader;
mod request;
mod state;
mod stored;
pub mod uploads;

use std::path::PathBuf;
use std::sync::Arc;

use crate::artifacts::blobs::{BlobReader, BlobStore};
use crate::artifacts::bucket::SharedBucket;
use crate::artifacts::buffers::{Allowance, Buffers};
use crate::artifacts::disk_store::DiskStore;
use crate::artifacts::filling::Fetches;
pub use crate::artifacts::request::{ArtifactRequest, DownloadOrigin, Opened, Upstream, Witness};
pub use crate::artifacts::state::{BucketState, StoreState};
use registry_core::backend::download::Download;
use registry_core::bucket::Bucket;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::artifact::Artifact;
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::digest::Digest;
use registry_fleet::fetch_locks::FetchLocks;

use crate::artifacts::stored::StoredArtifacts;
use crate::artifacts::uploads::Uploads;
use crate::metrics::artifacts::ArtifactCounters;
use crate::metrics::bucket::BucketMetrics;
use crate::metrics::caches::CacheCounters;

/// Target of the log lines of the artifact store: filters name it (`docs/operations.md`).
pub(crate) const LOG_TARGET: &str = "extension_registry::artifacts";

/// A bucket that instances of the service share.
pub struct SharedStore {
    /// The bucket.
    pub bucket: Arc<dyn Bucket>,
    /// Locks, so that one instance fetches an archive; `None` without an engine for them.
    pub locks: Option<Arc<dyn FetchLocks>>,
    /// Metrics of the bucket.
    pub metrics: BucketMetrics,
}

/// The artifact store of one process.
pub struct Artifacts {
    stored: Option<Arc<StoredArtifacts>>,
    fetches: Arc<Fetches>,
    /// The shared bucket and the uploads into it; `None` without one.
    uploads: Option<Arc<Uploads>>,
    buffers: Buffers,
    hits: CacheCounters,
    counters: ArtifactCounters,
}

impl Artifacts {
    /// Creates a store without blobs, which streams every artifact.
    #[must_use]
    pub fn passing(hits: CacheCounters, counters: ArtifactCounters) -> Arc<Self> {
        Arc::new(Self::of(None, None, hits, counters))
    }

    /// Opens the store in a directory, with a limit in bytes.
    ///
    /// If the directory cannot be used, this is logged, and artifacts are streamed.
    pub async fn stored_in(
        dir: impl Into<PathBuf>,
        max_bytes: u64,
        hits: CacheCounters,
        counters: ArtifactCounters,
    ) -> Arc<Self> {
        Self::over(Arc::new(DiskStore::new(dir)), max_bytes, None, (hits, counters)).await
    }

    /// Opens the store in a directory like [`Self::stored_in`], before a bucket that other instances
    /// of the service share.
    pub async fn stored_before(
        shared: SharedStore,
        dir: impl Into<PathBuf>,
        max_bytes: u64,
        counters: (CacheCounters, ArtifactCounters),
    ) -> Arc<Self> {
        Self::over(Arc::new(DiskStore::new(dir)), max_bytes, Some(shared), counters).await
    }

    /// Opens the store over these blobs, with a limit in bytes, and perhaps before a shared bucket. A
    /// failure is logged.
    pub async fn over(
        blobs: Arc<dyn BlobStore>,
        max_bytes: u64,
        shared: Option<SharedStore>,
        (hits, counters): (CacheCounters, ArtifactCounters),
    ) -> Arc<Self> {
        let stored = StoredArtifacts::open(blobs, max_bytes, counters.clone()).await;
        Arc::new(Self::of(Some(stored), shared, hits, counters))
    }

    fn of(
        stored: Option<Arc<StoredArtifacts>>,
        shared: Option<SharedStore>,
        hits: CacheCounters,
        counters: ArtifactCounters,
    ) -> Self {
        let buffers = Buffers::default();
        let uploads = stored.as_ref().zip(shared).map(|(stored, shared)| {
            let bucket = SharedBucket::new(shared.bucket, shared.metrics);
            Uploads::new((bucket, shared.locks), Arc::clone(stored), buffers.clone())
        });
        let fetches = Arc::new(Fetches::new(counters.clone(), uploads.clone()));
        Self { stored, fetches, uploads, buffers, hits, counters }
    }

    /// Returns true if the store lists the artifact. Does not access the blobs.
    #[must_use]
    pub fn holds(&self, digest: &Digest) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.holds(digest))
    }

    /// Returns the state of the store.
    #[must_use]
    pub fn state(&self) -> StoreState {
        let state = self.stored.as_ref().map(|stored| stored.state()).unwrap_or_default();
        StoreState { bucket: self.uploads.as_ref().map(|uploads| uploads.bucket.state()), ..state }
    }

    /// Waits until every fetch has ended, so that complete artifacts are stored at shutdown, and for
    /// uploads a little longer.
    pub async fn settle(&self) {
        self.fetches.settle().await;
        if let Some(uploads) = &self.uploads {
            uploads.settle().await;
        }
    }

    /// Waits until a fetch of this artifact that is under way has ended. Then the artifact is stored, if
    /// the store takes it.
    pub async fn fetched(&self, wanted: &ArtifactRequest) {
        self.fetches.ended(wanted).await;
    }

    /// Looks at the shared bucket while it fails, so that its recovery shows. Never returns with one.
    pub async fn watch_bucket(self: Arc<Self>) {
        if let Some(uploads) = &self.uploads {
            uploads.bucket.watch().await;
        }
    }

    /// Opens a stored artifact, whose digest and size were verified; `None` if it is not stored. Sends
    /// no request to a backend.
    ///
    /// # Errors
    ///
    /// The witness refuses the artifact.
    pub async fn stored(&self, wanted: &ArtifactRequest) -> Result<Option<Arc<dyn BlobReader>>> {
        let Some(stored) = &self.stored else { return Ok(None) };
        let Artifact { digest: Some(digest), size, .. } = &*wanted.artifact else {
            return Ok(None);
        };
        let Some(blob) = stored.find(digest, *size).await else { return Ok(None) };
        self.hits.hit();
        // Serving a stored file pins a version like a download: its digest was verified.
        if let Some(digest) = wanted.artifact.digest.clone() {
            (wanted.witness)(digest).await?;
        }
        Ok(Some(blob))
    }

    /// Opens an artifact: from the store, from a fetch in progress, or from a new fetch. A caller
    /// never receives all of an artifact before its size and digest are verified.
    ///
    /// # Errors
    ///
    /// The backend's errors before the first byte; `Overloaded` at the limit of concurrent
    /// downloads.
    pub async fn open(&self, wanted: ArtifactRequest) -> Result<Opened> {
        // Taken first: a download beyond the limit must not cost a request to the backend.
        let allowance = self.buffers.allow().ok_or_else(|| {
            Error::new(ErrorKind::Overloaded, "Too many concurrent downloads; retry later")
        })?;
        let allowance = Arc::new(allowance);
        let part = wanted.range.clone().unwrap_or(0..wanted.artifact.size);
        if let Some(blob) = self.stored(&wanted).await? {
            let download = reader::stored(blob, part, allowance);
            return Ok(Opened { download, origin: DownloadOrigin::Store });
        }
        self.hits.miss();
        // A local artifact is a file already, and a copy would only take space.
        let worth = wanted.backend.kind() != BackendKind::Local && !part.is_empty();
        // The first bytes are awaited here: a failure becomes an HTTP status, not a broken body.
        if worth
            && let Some(stored) = &self.stored
            && let Some((reader, origin)) = self.fetches.join(stored, &wanted, part, &allowance)
        {
            let fill = reader.fill();
            match reader.begun().await {
                Ok(Some(download))
                    if fill.is_from_bucket() && origin == DownloadOrigin::Backend =>
                {
                    return Ok(Opened { download, origin: DownloadOrigin::Bucket });
                }
                Ok(Some(download)) => return Ok(Opened { download, origin }),
                // A failure of the bucket is not one of the backend.
                Err(error) if !fill.is_from_bucket() => return Err(error),
                Ok(None) | Err(_) => {}
            }
        }
        let download = self.pass(wanted, allowance).await?;
        Ok(Opened { download, origin: DownloadOrigin::Backend })
    }

    /// Streams an artifact from its backend. Only a whole one can be verified.
    async fn pass(&self, wanted: ArtifactRequest, allowance: Arc<Allowance>) -> Result<Download> {
        let opened = (wanted.upstream)(wanted.range.clone()).await?;
        let opened = reader::allowed(opened, allowance);
        if wanted.range.is_some() {
            return opened.begun().await;
        }
        // Judged before the last byte is passed on, so that a client never gets all of a bad file.
        let (size, algorithm) = (wanted.artifact.size, wanted.algorithm());
        let counters = self.counters.clone();
        let judge = move |found| async move { wanted.judge(found, &counters).await };
        let opened = opened.verified(size, algorithm, judge);
        opened.begun().await
    }
}
