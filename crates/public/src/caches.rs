//! Public JSON of the cache statistics.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Contents and counters of the caches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheStats {
    /// Number of cached lists.
    pub list_entries: usize,
    /// Number of cached extensions.
    pub metadata_entries: usize,
    /// Number of cached version lists.
    pub version_entries: usize,
    /// Sum of the three.
    pub total_entries: usize,
    /// Number of cached responses about one release: `/metadata` and `/resolve`.
    pub release_entries: usize,
    /// Number of cached READMEs.
    pub readme_entries: usize,
    /// Number of cached pages of searches.
    pub search_entries: usize,
    /// Number of cached pages for browsers.
    pub page_entries: usize,
    /// Counters of each cache since the start.
    pub list: CacheCounts,
    /// Counters of the cache of extensions.
    pub metadata: CacheCounts,
    /// Counters of the cache of version lists.
    pub versions: CacheCounts,
    /// Counters of the cache of responses about one release.
    pub releases: CacheCounts,
    /// Counters of the cache of READMEs.
    pub readmes: CacheCounts,
    /// Counters of the cache of searches.
    pub searches: CacheCounts,
    /// Counters of the cache of pages for browsers.
    pub pages: CacheCounts,
}

/// Counters of one cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacheCounts {
    /// Requests served from the cache.
    pub hits: u64,
    /// Requests not served from the cache.
    pub misses: u64,
    /// Entries evicted to make room.
    pub evictions: u64,
}
