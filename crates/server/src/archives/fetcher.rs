//! Gets hold of archives: stored ones, else a copy in memory, which concurrent callers share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use registry_archives::ByteCount;
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::artifact::ArtifactKey;
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_core::models::digest::Digest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::answers::downloads::{Downloads, RequestedFile};
use crate::archives::Fetch;
use crate::archives::places::ArchivePlaces;
use crate::archives::readings::busy;
use crate::archives::source::{ArchiveBytes, ArchiveSource};

/// Time that a caller waits for an archive (contract, §3).
const PATIENCE: Duration = Duration::from_secs(30);
/// Time after which a fetch that callers have left ends.
const FETCH_MAX: Duration = Duration::from_mins(5);
/// Maximum number of archives in memory.
const IN_MEMORY_MAX: usize = 2;
/// Maximum size of the archives in memory: two of 64 MiB.
pub(super) const BYTES_MAX: usize = IN_MEMORY_MAX * (64 << 20);

/// Identifies the file at its backend, which may claim another backend's digest for it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct FetchKey {
    backend: BackendId,
    key: ArtifactKey,
    digest: Option<Digest>,
}

/// Opens archives, and shares fetches.
pub(super) struct ArchiveFetcher {
    downloads: Arc<Downloads>,
    fetches: SingleFlight<FetchKey, ArchiveSource>,
    in_memory: Arc<Semaphore>,
    places: ArchivePlaces,
    size_max: u64,
}

/// Bytes in memory with their permit.
struct HeldFetch {
    bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for HeldFetch {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

pub(super) fn is_local(file: &RequestedFile) -> bool {
    file.release.backend.kind() == BackendKind::Local
}

impl ArchiveFetcher {
    /// Creates a fetcher that takes archives of at most `size_max` bytes.
    pub(super) fn new(downloads: Arc<Downloads>, size_max: u64, places: ArchivePlaces) -> Self {
        let in_memory = Arc::new(Semaphore::new(IN_MEMORY_MAX));
        Self { downloads, fetches: SingleFlight::default(), in_memory, places, size_max }
    }

    pub(super) async fn open(&self, file: &RequestedFile, fetch: Fetch) -> Result<ArchiveSource> {
        check_size(file, self.size_max)?;
        if let Some(blob) = self.downloads.stored(file).await?
            && let Some(digest) = file.artifact.digest.clone()
        {
            let bytes = ArchiveBytes::Stored { blob, size: file.artifact.size };
            return Ok(ArchiveSource { digest, bytes });
        }
        if fetch == Fetch::Never && !is_local(file) {
            return Err(not_stored(file));
        }
        let key = FetchKey {
            backend: file.release.backend,
            key: file.artifact.key.clone(),
            digest: file.artifact.digest.clone(),
        };
        // The fetch goes on for later callers when this one gives up.
        let fetched = self.fetches.ask(&key, || {
            let (downloads, file) = (Arc::clone(&self.downloads), file.clone());
            let (in_memory, size_max) = (Arc::clone(&self.in_memory), self.size_max);
            let places = self.places.clone();
            async move {
                // A local file is read, not fetched.
                let place = (!is_local(&file)).then(|| places.take()).transpose()?;
                let permit = in_memory.try_acquire_owned().map_err(|_| busy())?;
                let fetched = timeout(FETCH_MAX, fetched(&downloads, file.clone(), size_max));
                let (digest, bytes) = fetched.await.unwrap_or_else(|_| Err(late(&file)))?;
                drop(place);
                let bytes = Bytes::from_owner(HeldFetch { bytes, _permit: permit });
                Ok(ArchiveSource { digest, bytes: ArchiveBytes::Memory(bytes) })
            }
        });
        timeout(PATIENCE, fetched).await.unwrap_or_else(|_| Err(late(file)))
    }
}

async fn fetched(
    downloads: &Downloads,
    file: RequestedFile,
    size_max: u64,
) -> Result<(Digest, Bytes)> {
    let file = downloads.verified(downloads.sized(file).await?).await?;
    check_size(&file, size_max)?;
    let (file, bytes) = match downloads.whole(&file).await {
        // A replaced file gets a new identifier at its backend, so the cached one is unknown there.
        Err(error) if error.is_not_found() => {
            let again = downloads.find_again(file).await?;
            check_size(&again, size_max)?;
            let bytes = downloads.whole(&again).await?;
            (again, bytes)
        }
        whole => (file, whole?),
    };
    if let Some(digest) = file.artifact.digest.clone() {
        return Ok((digest, bytes));
    }
    let hashed = spawn_blocking(move || (Digest::sha256(&bytes), bytes)).await;
    hashed.map_err(|error| Error::new(ErrorKind::Internal, "A reading was aborted").because(error))
}

fn check_size(file: &RequestedFile, size_max: u64) -> Result<()> {
    if file.artifact.known_size().is_none_or(|size| size <= size_max) {
        return Ok(());
    }
    let message = format!(
        "The archive is too large to look into: more than {} packed; download it instead",
        ByteCount(size_max)
    );
    Err(Error::new(ErrorKind::TooLarge, message))
}

fn not_stored(file: &RequestedFile) -> Error {
    let (id, version) = (&file.id, file.release.version.as_str());
    let message = format!("The archive of {id} {version} is not stored here");
    Error::new(ErrorKind::NotStored, message)
}

fn late(file: &RequestedFile) -> Error {
    let (id, version, backend) = (&file.id, file.release.version.as_str(), file.release.backend);
    let message = format!(
        "The {backend} backend did not send the archive of {id} {version} within {} seconds; retry \
         later",
        PATIENCE.as_secs()
    );
    Error::new(ErrorKind::BackendTimeout, message)
}
