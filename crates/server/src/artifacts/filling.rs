//! Fetches into the store, from the first reader to the stored artifact.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use registry_core::models::artifact::{Artifact, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use tokio::sync::watch;

use crate::artifacts::blobs::{BlobStamp, NewBlob};
use crate::artifacts::buffers::Allowance;
use crate::artifacts::fetch::{Fetched, Filed, Space, Writer, fetch};
use crate::artifacts::fill::{Fill, FillEnd};
use crate::artifacts::reader::FillReader;
use crate::artifacts::request::{ArtifactRequest, DownloadOrigin};
use crate::artifacts::stored::StoredArtifacts;
use crate::metrics::artifacts::ArtifactCounters;

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

/// The fetches in progress, shared by their readers.
pub(super) struct Fetches {
    by_content: Mutex<HashMap<ContentIdentity, Arc<Fill>>>,
    /// Number of fetches in progress, awaited at shutdown.
    busy: watch::Sender<usize>,
    counters: ArtifactCounters,
}

struct Reserved {
    stored: Arc<StoredArtifacts>,
    bytes: AtomicU64,
}

impl Space for Reserved {
    fn take(&self, bytes: u64) -> bool {
        let taken = self.stored.reserve(bytes);
        if taken {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        taken
    }
}

impl Fetches {
    pub(super) fn new(counters: ArtifactCounters) -> Self {
        Self { by_content: Mutex::default(), busy: watch::Sender::new(0), counters }
    }

    /// Joins the fetch in progress, or starts one; `None` if the store does not take the artifact.
    pub(super) fn join(
        self: &Arc<Self>,
        stored: &Arc<StoredArtifacts>,
        wanted: &ArtifactRequest,
        part: Range<u64>,
        allowance: &Arc<Allowance>,
    ) -> Option<(FillReader, DownloadOrigin)> {
        let size = wanted.artifact.size;
        // An unknown size is `u64::MAX`, so an artifact without one is always streamed.
        if !stored.takes(size) {
            return None;
        }
        let identity = ContentIdentity::of(wanted);
        let mut fills = self.by_content.lock();
        // The announced sizes differ if the file was replaced in between.
        let under_way = fills.get(&identity).filter(|fill| fill.size == size);
        if let Some(fill) = under_way
            && let Some(reader) = FillReader::join(fill, part.clone(), allowance)
        {
            return Some((reader, DownloadOrigin::Shared));
        }
        let fill = Fill::new(size);
        // Registered before the lock is released, or two requests would start two fetches.
        let reader = FillReader::join(&fill, part, allowance)?;
        fills.insert(identity.clone(), Arc::clone(&fill));
        drop(fills);
        self.begin(Arc::clone(stored), fill, identity, wanted.clone());
        Some((reader, DownloadOrigin::Backend))
    }

    /// Fetches in a separate task, which continues when the first reader leaves.
    fn begin(
        self: &Arc<Self>,
        stored: Arc<StoredArtifacts>,
        fill: Arc<Fill>,
        identity: ContentIdentity,
        wanted: ArtifactRequest,
    ) {
        self.busy.send_modify(|busy| *busy += 1);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let space = Reserved { stored: Arc::clone(&stored), bytes: AtomicU64::new(0) };
            let kept = this.run(&stored, &fill, &wanted, &space).await;
            stored.release(space.bytes.into_inner(), fill.size, kept);
            // Removed only after it is listed: a request in between finds the fetch or the blob.
            let mut fills = this.by_content.lock();
            // A later fetch may have taken the place, if this one was closed to new readers.
            if fills.get(&identity).is_some_and(|now| Arc::ptr_eq(now, &fill)) {
                fills.remove(&identity);
            }
            drop(fills);
            this.busy.send_modify(|busy| *busy -= 1);
        });
    }

    async fn run(
        &self,
        stored: &Arc<StoredArtifacts>,
        fill: &Arc<Fill>,
        wanted: &ArtifactRequest,
        space: &Reserved,
    ) -> Option<(Digest, BlobStamp)> {
        let Some(blob) = stored.begin().await else {
            fill.finish(FillEnd::Unstorable);
            return None;
        };
        fill.stored.get_or_init(|| blob.reader());
        let writer = Writer::new(fill, Arc::clone(&blob), wanted.algorithm(), space);
        let fetched = tokio::select! {
            fetched = fetch(writer, &wanted.upstream) => fetched,
            () = fill.deserted() => return None,
        };
        let judged = match fetched {
            Ok(all) => wanted.judge(all.digest.clone(), &self.counters).await.map(|()| all),
            Err(error) => Err(error),
        };
        match judged {
            Ok(fetched) => {
                // Before the blob is stored durably: readers need not wait for that.
                fill.finish(FillEnd::Verified);
                keep(stored, &*blob, fetched).await
            }
            Err(error) => {
                fill.finish(FillEnd::Failed(error));
                None
            }
        }
    }

    /// Waits until every fetch has ended, so that complete artifacts are stored at shutdown.
    pub(super) async fn settle(&self) {
        // Never an error: `self` holds the sender, so the wait ends with the last fetch.
        let _ = self.busy.subscribe().wait_for(|busy| *busy == 0).await;
    }
}

async fn keep(
    stored: &StoredArtifacts,
    blob: &dyn NewBlob,
    Fetched { digest, filed }: Fetched,
) -> Option<(Digest, BlobStamp)> {
    match filed {
        Filed::Whole => {}
        // Other fetches have the room. This is not a failure, and the next request tries again.
        Filed::NoRoom => return None,
        Filed::Failed(error) => {
            stored.failed(&error);
            return None;
        }
    }
    let stamp = stored.keep(blob, &digest).await?;
    Some((digest, stamp))
}
