//! Cache of responses with single flight: concurrent misses share one computation, in a task that
//! outlives them.

use std::sync::Arc;
use std::time::Duration;

use registry_catalog::Catalog;
use registry_catalog::index::view::View;
use registry_core::caching::bounded_lru::LruBounds;
use registry_core::caching::single_flight::SingleFlight;
use registry_core::error::Result;
use tokio::time::Instant;

use crate::answers::entry::{AnswerContent, CachedAnswer, Computed, Generation};
use crate::answers::expiring_lru::{ExpiringLru, Hit};
use crate::metrics::caches::CacheCounters;

/// Cached responses by the keys of their queries, and the computations in flight.
pub struct ResponseCache {
    entries: Arc<ExpiringLru<CachedAnswer>>,
    fills: SingleFlight<(String, Generation), Computed>,
}

impl ResponseCache {
    /// Creates an empty cache with these bounds and time to live.
    #[must_use]
    pub fn new(bounds: LruBounds, ttl: Duration, counters: CacheCounters) -> Self {
        Self { entries: ExpiringLru::new(bounds, ttl, counters), fills: SingleFlight::default() }
    }

    /// Returns an entry that is valid `now`, and counts a hit or a miss.
    #[must_use]
    pub fn get(&self, key: &str, view: &View, now: Instant) -> Option<Hit<AnswerContent>> {
        self.entries.get(key, now, |answer| answer.is_current(view).then(|| answer.content.clone()))
    }

    /// Returns a valid entry like [`ResponseCache::get`], without counting.
    #[must_use]
    pub fn peek(&self, key: &str, view: &View, now: Instant) -> Option<Hit<AnswerContent>> {
        self.entries
            .look_up(key, now, |answer| answer.is_current(view).then(|| answer.content.clone()))
    }

    /// Computes a missing response, or joins a computation in flight, and caches the result. Each
    /// caller gets a failure; the next caller tries again.
    pub async fn fill<F>(
        &self,
        catalog: &Arc<Catalog>,
        key: String,
        generation: Generation,
        make: impl FnOnce() -> F,
    ) -> Result<Computed>
    where
        F: Future<Output = Result<Computed>> + Send + 'static,
    {
        let mut shared = true;
        let flight = (key.clone(), generation);
        let answer = self.fills.ask(&flight, || {
            shared = false;
            self.store(Arc::clone(catalog), key, make())
        });
        let answer = answer.await;
        if shared {
            self.entries.counters().coalesced();
        }
        answer
    }

    fn store(
        &self,
        catalog: Arc<Catalog>,
        key: String,
        made: impl Future<Output = Result<Computed>> + Send + 'static,
    ) -> impl Future<Output = Result<Computed>> + Send + 'static {
        let entries = Arc::clone(&self.entries);
        async move {
            // A caller that missed just before the previous computation completed arrives here just
            // afterwards.
            let view = catalog.store.view();
            let found = entries.look_up(&key, Instant::now(), |answer| {
                answer.is_current(&view).then(|| answer.clone())
            });
            if let Some(hit) = found {
                return Ok(Computed { answer: hit.value, missing: Vec::new(), is_complete: true });
            }
            let computed = made.await?;
            if computed.is_complete {
                put(&entries, &catalog, key, computed.answer.clone());
            }
            Ok(computed)
        }
    }

    /// Caches a response that is quickly made, and needs no flight.
    pub fn put(&self, catalog: &Catalog, key: String, answer: CachedAnswer) {
        put(&self.entries, catalog, key, answer);
    }

    /// Returns the number of valid entries whose keys are different after `group`.
    #[must_use]
    pub fn count<'a, G: Eq + std::hash::Hash>(
        &'a self,
        view: &View,
        group: impl Fn(&str) -> G + 'a,
    ) -> usize {
        self.entries.count(|answer| answer.is_current(view), group)
    }

    /// Returns the counters of the cache.
    #[must_use]
    pub fn counters(&self) -> &CacheCounters {
        self.entries.counters()
    }
}

fn put(entries: &ExpiringLru<CachedAnswer>, catalog: &Catalog, key: String, answer: CachedAnswer) {
    let weight = answer.weight();
    entries.put(key, weight, answer, |answer| answer.is_current(&catalog.store.view()));
}
