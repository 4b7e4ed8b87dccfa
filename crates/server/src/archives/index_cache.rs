//! Cache of the indexes of archives, by digest. They never expire: a digest names the same bytes.

use parking_lot::Mutex;
use registry_core::caching::bounded_lru::{BoundedLru, LruBounds};
use registry_core::models::digest::Digest;

use crate::archives::IndexedArchive;
use crate::metrics::caches::CacheCounters;

/// Maximum total size of the cached indexes, in bytes.
pub(super) const BYTES_MAX: usize = 16 << 20;
/// An index of one entry is a few hundred bytes.
const BOUNDS: LruBounds = LruBounds::new(20_000, BYTES_MAX);

pub(super) struct IndexCache {
    held: Mutex<BoundedLru<Digest, IndexedArchive>>,
    counters: CacheCounters,
}

impl IndexCache {
    pub(super) fn new(counters: CacheCounters) -> Self {
        Self { held: Mutex::new(BoundedLru::new(BOUNDS)), counters }
    }

    /// Returns an index without counting.
    pub(super) fn get(&self, digest: &Digest) -> Option<IndexedArchive> {
        self.held.lock().get(digest).cloned()
    }

    /// An index beyond the bound of the cache is not stored.
    pub(super) fn put(&self, indexed: &IndexedArchive) {
        let IndexedArchive { digest, index } = indexed;
        let weight = index.memory_bytes() + 2 * digest.hex().len() + size_of::<IndexedArchive>();
        let evicted = self.held.lock().put(digest.clone(), weight as u64, indexed.clone());
        self.counters.evicted(evicted.len());
    }

    pub(super) const fn counters(&self) -> &CacheCounters {
        &self.counters
    }
}
