//! Settings of the response caches.

use std::num::NonZeroUsize;
use std::time::Duration;

use registry_core::caching::bounded_lru::LruBounds;

const MIB: usize = 1024 * 1024;
/// Maximum total size of the responses in each cache about extensions, in bytes.
pub const BYTES_MAX: usize = 16 * MIB;
/// Maximum total size of the cached pages of lists, in bytes.
pub const LISTS_BYTES_MAX: usize = 32 * MIB;
/// Maximum total size of the cached pages of searches, in bytes.
pub const SEARCHES_BYTES_MAX: usize = 64 * MIB;
/// Maximum total size of the cached pages for browsers, in bytes.
pub const PAGES_BYTES_MAX: usize = 32 * MIB;
/// Maximum total size of the cached manifests and lists of the OCI pull API, in bytes.
pub const MANIFESTS_BYTES_MAX: usize = 16 * MIB;

/// Settings of the response caches.
#[derive(Clone, Copy, Debug)]
pub struct ResponseCacheRules {
    /// Maximum number of entries per cache.
    pub capacity: NonZeroUsize,
    /// Time to live of an entry.
    pub ttl: Duration,
    /// Time for which a stale README may be served while its backend fails.
    pub stale_if_error: Duration,
    /// Time for which the absence of a README is cached.
    pub negative_ttl: Duration,
    /// Enables the caches of lists and searches.
    pub lists: bool,
    /// Enables the caches about single extensions.
    pub metadata: bool,
}

impl ResponseCacheRules {
    /// Returns the limits of a cache of at most this many bytes.
    #[must_use]
    pub const fn bounds(&self, bytes_max: usize) -> LruBounds {
        LruBounds::new(self.capacity.get(), bytes_max)
    }
}
