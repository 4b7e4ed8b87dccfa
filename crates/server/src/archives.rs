//! Readings of archives: the entries of a version, its files, and the differences of two versions.
//!
//! An archive that is stored or local is read at once. Another one is fetched first, if the caller
//! allows that.

pub mod bodies;
pub mod difference;
mod failure;
mod fetcher;
mod file_cache;
mod index_cache;
pub mod open_archive;
pub mod places;
mod readings;
mod source;

use std::sync::Arc;

use bytes::Bytes;
use registry_archives::{ArchiveIndex, Bounds, index};
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::Result;
use registry_core::models::digest::Digest;

use crate::answers::downloads::{Downloads, RequestedFile};
use crate::archives::difference::{ArchiveDifference, FileChange};
use crate::archives::failure::failed;
use crate::archives::fetcher::ArchiveFetcher;
use crate::archives::file_cache::FileCache;
use crate::archives::index_cache::IndexCache;
use crate::archives::open_archive::OpenArchive;
use crate::archives::places::ArchivePlaces;
use crate::archives::readings::Readings;
use crate::archives::source::ArchiveSource;
use crate::metrics::caches::CacheCounters;

const MIB: usize = 1024 * 1024;
/// Window of a zstd frame, as a power of two: 32 MiB.
const ZSTD_WINDOW_LOG: u32 = 25;
/// Memory of one reading: the zstd window, an index, and the files that are compared or sent.
const READING_BYTES: usize = (32 + 16 + 24) * MIB;

/// Maximum memory for readings, indexes and cached files, in bytes.
pub const BYTES_MAX: usize = index_cache::BYTES_MAX
    + file_cache::BYTES_MAX
    + fetcher::BYTES_MAX
    + readings::READINGS_MAX * READING_BYTES;

/// Permission to fetch an archive that is neither stored nor local.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// Such an archive is the error `NotStored`.
    Never,
    /// Such an archive is fetched, within 30 seconds.
    IfNeeded,
}

/// The entries of an archive.
#[derive(Clone, Debug)]
pub struct IndexedArchive {
    /// Digest of the archive.
    pub digest: Digest,
    /// Its entries.
    pub index: Arc<ArchiveIndex>,
}

/// Reads archives. Indexes are cached by digest.
pub struct Archives {
    downloads: Arc<Downloads>,
    fetcher: ArchiveFetcher,
    indexes: Arc<IndexCache>,
    files: FileCache,
    indexing: SingleFlight<Digest, IndexedArchive>,
    readings: Readings,
    bounds: Bounds,
}

impl Archives {
    /// Creates the service. `counters` are those of the cache of indexes; fetches of
    /// archives share `places`.
    #[must_use]
    pub fn new(downloads: Arc<Downloads>, counters: CacheCounters, places: ArchivePlaces) -> Self {
        let bounds = Bounds { zstd_window_log: ZSTD_WINDOW_LOG, ..Bounds::default() };
        Self {
            fetcher: ArchiveFetcher::new(Arc::clone(&downloads), bounds.packed, places),
            downloads,
            indexes: Arc::new(IndexCache::new(counters)),
            files: FileCache::default(),
            indexing: SingleFlight::default(),
            readings: Readings::default(),
            bounds,
        }
    }

    /// Returns true if the archive is stored or local, so that reading it sends no request to a
    /// backend. Does not wait.
    #[must_use]
    pub fn is_at_hand(&self, file: &RequestedFile) -> bool {
        fetcher::is_local(file) || self.downloads.holds(file)
    }

    /// Returns the entries of an archive if they are cached. Does not wait.
    #[must_use]
    pub fn cached(&self, file: &RequestedFile) -> Option<IndexedArchive> {
        self.indexed_as(file.artifact.digest.as_ref()?)
    }

    /// Returns the entries of the archive with this digest if they are cached. Does not wait.
    #[must_use]
    pub fn indexed_as(&self, digest: &Digest) -> Option<IndexedArchive> {
        self.indexes.get(digest)
    }

    /// Returns the bytes of a file if they are cached. Does not wait.
    #[must_use]
    pub fn cached_file(&self, archive: &IndexedArchive, path: &str) -> Option<Bytes> {
        self.files.get(&archive.digest, path)
    }

    /// Returns the entries of an archive.
    ///
    /// # Errors
    ///
    /// Those of [`Archives::open`].
    pub async fn index(&self, file: &RequestedFile, fetch: Fetch) -> Result<IndexedArchive> {
        if let Some(cached) = self.cached(file) {
            self.indexes.counters().hit();
            return Ok(cached);
        }
        self.open(file, fetch).await.map(|archive| archive.indexed)
    }

    /// Opens an archive, to read its files.
    ///
    /// # Errors
    ///
    /// `NotStored` with [`Fetch::Never`]; `TooLarge` beyond a bound; `Unsupported` if it is not an
    /// archive that can be read; `Overloaded` while others are read; `BackendTimeout` if it does not
    /// arrive in time; the errors of downloads.
    pub async fn open(&self, file: &RequestedFile, fetch: Fetch) -> Result<OpenArchive<'_>> {
        let source = self.fetcher.open(file, fetch).await?;
        let indexed = self.indexed(&source).await?;
        let (readings, files) = (&self.readings, &self.files);
        Ok(OpenArchive { readings, files, bounds: self.bounds, source, indexed })
    }

    /// Compares two archives, and the texts that changed.
    ///
    /// # Errors
    ///
    /// Those of reading files of an open archive.
    pub async fn compare(
        &self,
        from: &OpenArchive<'_>,
        to: &OpenArchive<'_>,
    ) -> Result<ArchiveDifference> {
        let (bounds, sides) = (self.bounds, [from, to].map(OpenArchive::side));
        self.readings.run(move || difference::of_archives(&sides, &bounds).map_err(failed)).await
    }

    /// Compares one file of two archives, by its path in either.
    ///
    /// # Errors
    ///
    /// `NotFound` if neither has the path; those of reading files of an open archive.
    pub async fn compare_file(
        &self,
        from: &OpenArchive<'_>,
        to: &OpenArchive<'_>,
        path: &str,
    ) -> Result<FileChange> {
        let (bounds, sides) = (self.bounds, [from, to].map(OpenArchive::side));
        let path = path.to_owned();
        self.readings.run(move || difference::of_file(&sides, &path, &bounds)).await
    }

    async fn indexed(&self, source: &ArchiveSource) -> Result<IndexedArchive> {
        if let Some(cached) = self.indexes.get(&source.digest) {
            self.indexes.counters().hit();
            return Ok(cached);
        }
        self.indexes.counters().miss();
        let mut shared = true;
        let indexed = self.indexing.ask(&source.digest, || {
            shared = false;
            let (source, bounds) = (source.clone(), self.bounds);
            let (readings, indexes) = (self.readings.clone(), Arc::clone(&self.indexes));
            async move {
                // A caller that missed just before the previous reading ended arrives here just
                // afterwards.
                if let Some(cached) = indexes.get(&source.digest) {
                    return Ok(cached);
                }
                let ArchiveSource { digest, bytes } = source;
                let read = move || index(bytes.reader(), &bounds).map_err(failed);
                let index = Arc::new(readings.run(read).await?);
                let indexed = IndexedArchive { digest, index };
                indexes.put(&indexed);
                Ok(indexed)
            }
        });
        let indexed = indexed.await;
        if shared {
            self.indexes.counters().coalesced();
        }
        indexed
    }
}
