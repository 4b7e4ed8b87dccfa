//! Cache with single flight: concurrent misses share one computation, in a task that outlives them.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::answers::lru_cache::{Hit, Memo};
use crate::caching::bounded_lru::Bounds;
use crate::caching::single_flight::{Same, SingleFlight};
use crate::catalog::Catalog;
use crate::catalog::index::{Entry, View};
use crate::error::Result;
use crate::metrics::caches::CacheCounters;
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

/// A cached value that becomes invalid when its source changes.
pub trait Validate: Clone + Send + Sync + 'static {
    /// Returns true if the catalog's data is unchanged.
    fn is_current(&self, view: &View) -> bool;

    /// Returns the maximum memory use, in bytes.
    fn weight(&self) -> usize;
}

/// Result of a computation.
#[derive(Clone, Debug)]
pub struct Computed<V> {
    /// The value.
    pub value: V,
    /// True if the backends reported everything. An incomplete value is returned but not cached.
    pub whole: bool,
    /// Backends whose part is missing.
    pub lacking: Vec<BackendId>,
}

/// State of an extension when a computation began; `None` if the extension was unknown.
pub type Generation = Option<Same<Entry>>;

/// Returns the current state of an extension.
#[must_use]
pub fn generation(view: &View, id: &ExtensionId, scope: Scope) -> Generation {
    view.get(id, scope).cloned().map(Same)
}

/// A cache with its computations in flight; `G` separates those before a change from later ones.
pub struct ResponseCache<V, G> {
    memo: Arc<Memo<V>>,
    fills: SingleFlight<(String, G), Computed<V>>,
}

impl<V: Validate, G: Clone + Eq + Hash + Send + 'static> ResponseCache<V, G> {
    /// Creates an empty cache with these limits and time to live.
    #[must_use]
    pub fn new(bounds: Bounds, ttl: Duration, counters: CacheCounters) -> Self {
        Self { memo: Memo::new(bounds, ttl, counters), fills: SingleFlight::default() }
    }

    /// Returns a valid entry and counts a hit or a miss.
    pub fn get(&self, key: &str, view: &View) -> Option<Hit<V>> {
        self.memo.get(key, |value| value.is_current(view))
    }

    /// Like [`ResponseCache::get`], without counting.
    pub fn peek(&self, key: &str, view: &View) -> Option<Hit<V>> {
        self.memo.look_up(key, |value| value.is_current(view))
    }

    /// Computes a missing value, or joins a computation in flight, and caches the result. Each
    /// caller gets a failure; the next caller tries again.
    pub async fn fill<F>(
        &self,
        catalog: &Arc<Catalog>,
        key: String,
        generation: G,
        make: impl FnOnce() -> F,
    ) -> Result<Computed<V>>
    where
        F: Future<Output = Result<Computed<V>>> + Send + 'static,
    {
        let mut shared = true;
        let subject = (key.clone(), generation);
        let answer = self.fills.ask(&subject, || {
            shared = false;
            self.made_and_kept(Arc::clone(catalog), key, make())
        });
        let answer = answer.await;
        if shared {
            self.memo.counters().coalesced();
        }
        answer
    }

    fn made_and_kept(
        &self,
        catalog: Arc<Catalog>,
        key: String,
        made: impl Future<Output = Result<Computed<V>>> + Send + 'static,
    ) -> impl Future<Output = Result<Computed<V>>> + Send + 'static {
        let memo = Arc::clone(&self.memo);
        async move {
            let is_current = |value: &V| value.is_current(&catalog.view());
            // A caller that missed just before the previous computation completed arrives here just
            // afterwards.
            if let Some(hit) = memo.look_up(&key, is_current) {
                return Ok(Computed { value: hit.value, whole: true, lacking: Vec::new() });
            }
            let filled = made.await?;
            if filled.whole {
                memo.put(key, filled.value.weight(), filled.value.clone(), is_current);
            }
            Ok(filled)
        }
    }

    /// Returns the number of valid entries.
    #[must_use]
    pub fn len(&self, view: &View) -> usize {
        self.memo.len(|value| value.is_current(view))
    }

    /// Returns the counters of the cache.
    #[must_use]
    pub fn counters(&self) -> &CacheCounters {
        self.memo.counters()
    }
}
