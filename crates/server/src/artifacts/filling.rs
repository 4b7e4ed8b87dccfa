//! Fetches into the store, from the first reader to the stored artifact.

use std::collections::HashMap;
use std::future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use registry_core::backend::download::Download;
use registry_core::error::{Error, Result};
use registry_core::models::artifact::{Artifact, ArtifactKey};
use registry_core::models::backend_id::BackendId;
use registry_core::models::digest::Digest;
use tokio::sync::watch;

use crate::artifacts::blobs::{BlobStamp, NewBlob};
use crate::artifacts::buffers::Allowance;
use crate::artifacts::fetch::{Fetched, Filed, Space, Writer, fetch};
use crate::artifacts::fetch_turn::{FetchLock, release};
use crate::artifacts::fill::{Fill, FillEnd};
use crate::artifacts::reader::FillReader;
use crate::artifacts::request::{ArtifactRequest, DownloadOrigin};
use crate::artifacts::stored::StoredArtifacts;
use crate::artifacts::uploads::Uploads;
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
    /// The shared bucket and the uploads into it; `None` without one.
    uploads: Option<Arc<Uploads>>,
    counters: ArtifactCounters,
}

/// One reading of an artifact from one source.
struct FetchAttempt {
    blob: Arc<dyn NewBlob>,
    fetched: Result<Fetched>,
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

impl Reserved {
    /// Returns all space, because another source begins anew.
    fn give_back(&self) {
        self.stored.release(self.bytes.swap(0, Ordering::Relaxed), 0, None);
    }
}

impl Fetches {
    pub(super) fn new(counters: ArtifactCounters, uploads: Option<Arc<Uploads>>) -> Self {
        Self { by_content: Mutex::default(), busy: watch::Sender::new(0), uploads, counters }
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
            let (found, lock) = this.look(&wanted, fill.size).await;
            let kept = this.run(&stored, &fill, &wanted, (&space, found)).await;
            let digest = kept.as_ref().map(|(digest, _)| digest.clone());
            stored.release(space.bytes.into_inner(), fill.size, kept);
            if let Some((uploads, digest)) = this.uploads.as_ref().zip(digest)
                && !fill.is_from_bucket()
            {
                uploads.offer(digest, fill.size, lock).await;
            } else {
                release(lock).await;
            }
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

    /// Looks for the artifact in the shared bucket. Returns it, or perhaps the lock of a fetch.
    async fn look(
        &self,
        wanted: &ArtifactRequest,
        size: u64,
    ) -> (Option<Download>, Option<FetchLock>) {
        match self.uploads.as_ref().zip(wanted.artifact.digest.as_ref()) {
            Some((uploads, digest)) => uploads.look(digest, size).await,
            None => (None, None),
        }
    }

    /// Reads the artifact as the shared bucket has it, or else from its backend.
    async fn run(
        &self,
        stored: &Arc<StoredArtifacts>,
        fill: &Arc<Fill>,
        wanted: &ArtifactRequest,
        (space, found): (&Reserved, Option<Download>),
    ) -> Option<(Digest, BlobStamp)> {
        if let Some((uploads, digest)) = self.uploads.as_ref().zip(wanted.artifact.digest.as_ref())
            && let Some(download) = found
        {
            let first = future::ready(Ok(download));
            let FetchAttempt { blob, fetched } =
                attempt(stored, fill, wanted, space, (first, true)).await?;
            let error = match fetched {
                Ok(fetched) if fetched.digest == *digest => {
                    uploads.bucket.right();
                    return self.complete(stored, fill, wanted, (&*blob, fetched)).await;
                }
                Ok(Fetched { digest: found, .. }) => {
                    uploads.bucket.wrong(digest);
                    Error::faulty(format!("The bucket has the digest {found}, not {digest}"))
                }
                Err(error) => error,
            };
            if !fill.restart() {
                fill.finish(FillEnd::Failed(error));
                return None;
            }
            space.give_back();
        }
        let first = (wanted.upstream)(None);
        let FetchAttempt { blob, fetched } =
            attempt(stored, fill, wanted, space, (first, false)).await?;
        match fetched {
            Ok(fetched) => self.complete(stored, fill, wanted, (&*blob, fetched)).await,
            Err(error) => {
                fill.finish(FillEnd::Failed(error));
                None
            }
        }
    }

    /// Judges an artifact whose bytes are all there, and stores it.
    async fn complete(
        &self,
        stored: &StoredArtifacts,
        fill: &Fill,
        wanted: &ArtifactRequest,
        (blob, fetched): (&dyn NewBlob, Fetched),
    ) -> Option<(Digest, BlobStamp)> {
        if let Err(error) = wanted.judge(fetched.digest.clone(), &self.counters).await {
            fill.refuse(error);
            return None;
        }
        // Before the blob is stored durably: readers need not wait for that.
        fill.finish(FillEnd::Verified);
        keep(stored, blob, fetched).await
    }

    /// Waits until the fetch of an artifact has ended, so that its blob is listed.
    pub(super) async fn ended(&self, wanted: &ArtifactRequest) {
        let identity = ContentIdentity::of(wanted);
        let is_over = |_: &usize| !self.by_content.lock().contains_key(&identity);
        // Never an error: `self` holds the sender, which tells of the end of each fetch.
        let _ = self.busy.subscribe().wait_for(is_over).await;
    }

    /// Waits until every fetch has ended, so that complete artifacts are stored at shutdown.
    pub(super) async fn settle(&self) {
        // Never an error: `self` holds the sender, so the wait ends with the last fetch.
        let _ = self.busy.subscribe().wait_for(|busy| *busy == 0).await;
    }
}

/// Reads an artifact from one source, which is the bucket or not; `None` if the store fails or the
/// last reader leaves.
async fn attempt(
    stored: &Arc<StoredArtifacts>,
    fill: &Arc<Fill>,
    wanted: &ArtifactRequest,
    space: &Reserved,
    (first, from_bucket): (impl Future<Output = Result<Download>>, bool),
) -> Option<FetchAttempt> {
    let Some(blob) = stored.begin().await else {
        fill.finish(FillEnd::Unstorable);
        return None;
    };
    fill.begin(blob.reader(), from_bucket);
    let writer = Writer::new(fill, Arc::clone(&blob), wanted.algorithm(), space);
    let fetching = async { fetch(writer, first.await?, &wanted.upstream).await };
    tokio::select! {
        fetched = fetching => Some(FetchAttempt { blob, fetched }),
        () = fill.deserted() => None,
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
