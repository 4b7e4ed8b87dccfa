//! Metrics of the caches. Only those that the specification names use its metric names.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec};

use crate::metrics::counters;

#[derive(Clone)]
pub(super) struct CacheFamilies {
    hits: IntCounterVec,
    misses: IntCounterVec,
    our_hits: IntCounterVec,
    our_misses: IntCounterVec,
    evictions: IntCounterVec,
    coalesced: IntCounterVec,
}

/// The counters of one cache.
#[derive(Clone, Debug)]
pub struct CacheCounters {
    hits: IntCounter,
    misses: IntCounter,
    evictions: IntCounter,
    coalesced: IntCounter,
}

impl CacheFamilies {
    pub(super) fn new() -> prometheus::Result<Self> {
        let of_cache = |name, help| counters(name, help, &["cache"]);
        Ok(Self {
            hits: of_cache("cache_hits_total", "Total cache hits")?,
            misses: of_cache("cache_misses_total", "Total cache misses")?,
            our_hits: of_cache(
                "extension_registry_cache_hits_total",
                "Hits of caches that cache_hits_total does not count",
            )?,
            our_misses: of_cache(
                "extension_registry_cache_misses_total",
                "Misses of caches that cache_misses_total does not count",
            )?,
            evictions: of_cache(
                "extension_registry_cache_evictions_total",
                "Entries evicted from a cache for lack of space",
            )?,
            coalesced: of_cache(
                "extension_registry_cache_coalesced_total",
                "Misses coalesced into another request's fill",
            )?,
        })
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 6] {
        [
            Box::new(self.hits.clone()),
            Box::new(self.misses.clone()),
            Box::new(self.our_hits.clone()),
            Box::new(self.our_misses.clone()),
            Box::new(self.evictions.clone()),
            Box::new(self.coalesced.clone()),
        ]
    }

    pub(super) fn specified(&self, name: &str) -> CacheCounters {
        self.counters(&self.hits, &self.misses, name)
    }

    pub(super) fn ours(&self, name: &str) -> CacheCounters {
        self.counters(&self.our_hits, &self.our_misses, name)
    }

    fn counters(&self, hits: &IntCounterVec, misses: &IntCounterVec, name: &str) -> CacheCounters {
        CacheCounters {
            hits: hits.with_label_values(&[name]),
            misses: misses.with_label_values(&[name]),
            evictions: self.evictions.with_label_values(&[name]),
            coalesced: self.coalesced.with_label_values(&[name]),
        }
    }
}

impl CacheCounters {
    /// Counts a response from the cache.
    pub fn hit(&self) {
        self.hits.inc();
    }

    /// Counts a request that the cache could not serve.
    pub fn miss(&self) {
        self.misses.inc();
    }

    /// Counts entries that were evicted for lack of room.
    pub fn evicted(&self, count: usize) {
        self.evictions.inc_by(count as u64);
    }

    /// Counts a miss that shared another request's work.
    pub fn coalesced(&self) {
        self.coalesced.inc();
    }

    /// Returns the number of hits.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.get()
    }

    /// Returns the number of misses.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses.get()
    }

    /// Returns the number of evictions.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.evictions.get()
    }
}
