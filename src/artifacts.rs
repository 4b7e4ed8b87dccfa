//! Artifact store: files by digest, fetched once for concurrent requests, verified, and bounded in
//! size. Without a usable directory, artifacts are streamed from their backends.

pub mod buffers;
mod disk;
mod eviction;
mod fetch;
mod fill;
mod filling;
mod finding;
mod reader;
mod state;

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::warn;

use crate::artifacts::buffers::{Allowance, Buffers};
use crate::artifacts::disk::{Disk, DiskHit};
use crate::artifacts::eviction::EvictionQueue;
use crate::artifacts::fill::Fill;
pub use crate::artifacts::state::StoreState;
use crate::artifacts::state::Trouble;
use crate::backend::download::Download;
use crate::caching::single_flight::SingleFlight;
use crate::error::{Error, ErrorKind, Result};
use crate::files::lane::Lane;
use crate::metrics::artifacts::ArtifactCounters;
use crate::metrics::caches::CacheCounters;
use crate::models::artifact::{Artifact, ArtifactKey};
use crate::models::backend_id::BackendId;
use crate::models::backend_kind::BackendKind;
use crate::models::digest::{Algorithm, Digest};

/// Maximum number of stored files that are opened concurrently.
const LOOKS_MAX: usize = 64;
/// Timeout for opening a stored file. After that the artifact is streamed from its backend.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the artifact at its backend, or the given byte range.
pub type Upstream =
    Arc<dyn Fn(Option<Range<u64>>) -> BoxFuture<'static, Result<Download>> + Send + Sync>;

/// Called with the digest of an artifact each time it was verified as a whole.
pub type Witness = Arc<dyn Fn(&Digest) + Send + Sync>;

/// A request for an artifact, and access to its backend.
#[derive(Clone)]
pub struct ArtifactRequest {
    /// The backend that has it.
    pub backend: BackendId,
    /// The artifact, with its expected digest if that is known.
    pub artifact: Arc<Artifact>,
    /// The requested byte range; `None` for the whole artifact.
    pub range: Option<Range<u64>>,
    /// Opens the artifact at the backend.
    pub upstream: Upstream,
    /// Receives the digest after a verification.
    pub witness: Witness,
}

/// An artifact on its way to a caller.
#[derive(Debug)]
pub struct Opened {
    /// The requested bytes.
    pub download: Download,
    /// Source of the bytes.
    pub origin: DownloadOrigin,
}

/// Source of the bytes of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownloadOrigin {
    /// A file in the store.
    Store,
    /// A backend; this request started the fetch.
    Backend,
    /// A fetch that another request started.
    Shared,
}

/// The artifact store of one process.
pub struct Artifacts {
    disk: Option<Disk>,
    /// Bounds the concurrency and the duration of short disk operations.
    lane: Lane,
    shelf: Mutex<EvictionQueue>,
    fills: Mutex<HashMap<ContentIdentity, Arc<Fill>>>,
    verifying: SingleFlight<Digest, bool>,
    buffers: Buffers,
    trouble: Trouble,
    hits: CacheCounters,
    counters: ArtifactCounters,
    /// Number of fetches in progress, awaited at shutdown.
    busy: watch::Sender<usize>,
}

/// Key of a fetch. Has the backend, which may claim another backend's digest for its own file.
#[derive(Clone, PartialEq, Eq, Hash)]
struct ContentIdentity {
    backend: BackendId,
    key: ArtifactKey,
    digest: Option<Digest>,
}

impl ContentIdentity {
    fn of(wanted: &ArtifactRequest) -> Self {
        let Artifact { key, digest, .. } = &*wanted.artifact;
        Self { backend: wanted.backend, key: key.clone(), digest: digest.clone() }
    }
}

impl Artifacts {
    /// Creates a store without a directory, which streams every artifact.
    #[must_use]
    pub fn passing(hits: CacheCounters, counters: ArtifactCounters) -> Arc<Self> {
        Arc::new(Self::of(None, 0, hits, counters))
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
        let disk = Disk::new(dir);
        let this = Arc::new(Self::of(Some(disk.clone()), max_bytes, hits, counters));
        // Listing a large store takes seconds on a slow disk, so it must not block the runtime.
        let found = tokio::task::spawn_blocking(move || disk.open()).await;
        match found.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok((found, told)) => {
                this.restock(found);
                told.iter().for_each(|what| warn!("artifact store: {what}"));
            }
            Err(error) => this.failed(&error),
        }
        this
    }

    fn of(
        disk: Option<Disk>,
        max_bytes: u64,
        hits: CacheCounters,
        counters: ArtifactCounters,
    ) -> Self {
        Self {
            disk,
            lane: Lane::new(LOOKS_MAX, PATIENCE),
            shelf: Mutex::new(EvictionQueue::new(max_bytes)),
            fills: Mutex::default(),
            verifying: SingleFlight::default(),
            buffers: Buffers::default(),
            trouble: Trouble::default(),
            hits,
            counters,
            busy: watch::Sender::new(0),
        }
    }

    fn restock(&self, found: Vec<DiskHit>) {
        self.shelf.lock().clear();
        for file in found {
            // `None`: a file from an earlier run is verified at its first use.
            let left = self.shelf.lock().put(file.digest, file.size, None);
            self.remove(left);
        }
        self.count();
    }

    /// Opens an artifact: from the store, from a fetch in progress, or from a new fetch. A caller
    /// never receives all of an artifact before its size and digest are verified.
    ///
    /// # Errors
    ///
    /// The backend's errors before the first byte; `Overloaded` at the limit of concurrent
    /// downloads.
    pub async fn open(self: &Arc<Self>, wanted: ArtifactRequest) -> Result<Opened> {
        // Taken first: a download beyond the limit must not cost a request to the backend.
        let allowance = self.buffers.allow().ok_or_else(|| {
            Error::new(ErrorKind::Overloaded, "Too many concurrent downloads; retry later")
        })?;
        let allowance = Arc::new(allowance);
        let part = wanted.range.clone().unwrap_or(0..wanted.artifact.size);
        if let Some((file, part)) = self.find(&wanted.artifact, part.clone()).await {
            let download = reader::stored(file, part, allowance);
            self.hits.hit();
            // Serving a stored file pins a version like a download: its digest was verified.
            wanted.artifact.digest.iter().for_each(|digest| (wanted.witness)(digest));
            return Ok(Opened { download, origin: DownloadOrigin::Store });
        }
        self.hits.miss();
        // A local artifact is a file already, and a copy would only take space.
        let worth = wanted.backend.kind() != BackendKind::Local && !part.is_empty();
        // The first bytes are awaited here: a failure becomes an HTTP status, not a broken body.
        if worth
            && let Some((reader, origin)) = self.join(&wanted, part, &allowance)
            && let Some(download) = reader.begun().await?
        {
            return Ok(Opened { download, origin });
        }
        let download = self.pass(wanted, allowance).await?;
        Ok(Opened { download, origin: DownloadOrigin::Backend })
    }

    /// Streams an artifact from its backend. Only a whole one can be verified.
    async fn pass(
        self: &Arc<Self>,
        wanted: ArtifactRequest,
        allowance: Arc<Allowance>,
    ) -> Result<Download> {
        let opened = (wanted.upstream)(wanted.range.clone()).await?;
        let opened = reader::allowed(opened, allowance);
        if wanted.range.is_some() {
            return opened.begun().await;
        }
        // Judged before the last byte is passed on, so that a client never gets all of a bad file.
        let (size, algorithm) = (wanted.artifact.size, algorithm_of(&wanted.artifact));
        let this = Arc::clone(self);
        let opened = opened.verified(size, algorithm, move |found: Digest| {
            this.judge(&wanted, &found)?;
            (wanted.witness)(&found);
            Ok(())
        });
        opened.begun().await
    }

    fn judge(&self, wanted: &ArtifactRequest, found: &Digest) -> Result<()> {
        match &wanted.artifact.digest {
            Some(expected) if expected != found => {
                self.counters.mismatch(wanted.backend.as_str());
                let message = format!("The artifact's digest is {found}, not {expected}");
                Err(Error::faulty(message))
            }
            // Without an expected digest, the first download establishes it.
            _ => Ok(()),
        }
    }
}

fn algorithm_of(artifact: &Artifact) -> Algorithm {
    artifact.digest.as_ref().map_or(Algorithm::Sha256, Digest::algorithm)
}
