//! One memo and how it is filled: any number of callers who miss the same answer share one fill,
//! which runs in a task of its own and goes on when they leave.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::coalesce::{Coalesced, Same};
use crate::backend::weighted::Bounds;
use crate::cache::lru_cache::{Hit, Memo};
use crate::catalog::Catalog;
use crate::catalog::index::{Entry, View};
use crate::error::Result;
use crate::metrics::caches::CacheCounters;
use crate::models::backend_id::BackendId;
use crate::models::naming::ExtensionId;
use crate::models::scope::Scope;

/// An answer that ends when what it was made from changes.
pub trait Perishable: Clone + Send + Sync + 'static {
    /// Whether the catalog still says the same.
    fn holds(&self, view: &View) -> bool;

    /// The most that it can take up, in bytes.
    fn weight(&self) -> usize;
}

/// What a fill made.
#[derive(Clone, Debug)]
pub struct Filled<V> {
    /// The answer.
    pub value: V,
    /// Whether the backends told all of it. What is not whole is answered and not kept: the rest
    /// may be there in a moment.
    pub whole: bool,
    /// The backends whose part is missing.
    pub lacking: Vec<BackendId>,
}

/// What one extension was when a fill of it began; `None`: it was not known.
pub type Generation = Option<Same<Entry>>;

/// What this view has under a name.
#[must_use]
pub fn generation(view: &View, id: &ExtensionId, scope: Scope) -> Generation {
    view.get(id, scope).cloned().map(Same)
}

/// A memo with its fills; `G` tells apart fills that began before and after a change.
pub struct Kept<V, G> {
    memo: Arc<Memo<V>>,
    fills: Coalesced<(String, G), Filled<V>>,
}

impl<V: Perishable, G: Clone + Eq + Hash + Send + 'static> Kept<V, G> {
    /// Nothing yet, and never more than these bounds; each answer lives for `ttl`.
    #[must_use]
    pub fn new(bounds: Bounds, ttl: Duration, counters: CacheCounters) -> Self {
        Self { memo: Memo::new(bounds, ttl, counters), fills: Coalesced::default() }
    }

    /// The answer under this key that still holds; counts a hit or a miss.
    pub fn get(&self, key: &str, view: &View) -> Option<Hit<V>> {
        self.memo.get(key, |value| value.holds(view))
    }

    /// The same, uncounted.
    pub fn peek(&self, key: &str, view: &View) -> Option<Hit<V>> {
        self.memo.look_up(key, |value| value.holds(view))
    }

    /// Makes an answer that [`Kept::get`] did not have, or shares what is being made, and keeps it.
    ///
    /// # Errors
    /// The fill's own failure, for each of its callers; the next one tries again.
    pub async fn fill<F>(
        &self,
        catalog: &Arc<Catalog>,
        key: String,
        generation: G,
        make: impl FnOnce() -> F,
    ) -> Result<Filled<V>>
    where
        F: Future<Output = Result<Filled<V>>> + Send + 'static,
    {
        let mut shared = true;
        let question = || {
            shared = false;
            self.made_and_kept(Arc::clone(catalog), key.clone(), make())
        };
        let answer = self.fills.ask(&(key.clone(), generation), question).await;
        if shared {
            self.memo.counters().coalesced();
        }
        answer
    }

    fn made_and_kept(
        &self,
        catalog: Arc<Catalog>,
        key: String,
        made: impl Future<Output = Result<Filled<V>>> + Send + 'static,
    ) -> impl Future<Output = Result<Filled<V>>> + Send + 'static {
        let memo = Arc::clone(&self.memo);
        async move {
            let holds = |value: &V| value.holds(&catalog.view());
            // Who missed just before the last fill ended comes here just after it.
            if let Some(hit) = memo.look_up(&key, holds) {
                return Ok(Filled { value: hit.value, whole: true, lacking: Vec::new() });
            }
            let filled = made.await?;
            if filled.whole {
                memo.put(key, filled.value.weight(), filled.value.clone(), holds);
            }
            Ok(filled)
        }
    }

    /// How many answers it holds that would still be given.
    #[must_use]
    pub fn len(&self, view: &View) -> usize {
        self.memo.len(|value| value.holds(view))
    }

    /// What is counted of it.
    #[must_use]
    pub fn counters(&self) -> &CacheCounters {
        self.memo.counters()
    }
}
