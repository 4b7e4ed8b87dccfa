//! The catalog: the cached state of every backend, merged into one view for reads.

pub mod backend_order;
pub mod deadline;
mod errors;
pub mod explanation;
pub mod health;
pub mod index;
mod known_rows;
pub mod listing;
mod lookup;
pub mod ownership;
pub mod persistent_instant;
pub mod pins;
pub mod read;
mod retagged;
mod rules;
pub mod search;
pub mod state;
pub mod store;
mod stored;
pub mod sync;
mod unsaved;

use std::sync::Arc;

use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;

use crate::backend_order::BackendOrder;
use crate::explanation::Explainer;
use crate::health::Health;
use crate::health::backend_health::BackendHealth;
use crate::health::recorded_backend::RecordedBackend;
use crate::lookup::Lookup;
use crate::pins::Pins;
use crate::pins::policy::PinSharing;
use crate::read::Reader;
use crate::store::CatalogStore;
use crate::sync::Syncer;

pub use crate::rules::{Merge, Rules};

/// Target of the log lines of the catalog: filters name it (`docs/operations.md`).
pub(crate) const LOG_TARGET: &str = "extension_registry::catalog";

/// Cached state of all backends.
pub struct Catalog {
    /// The configured backends, in the order in which they own names.
    pub backends: BackendOrder,
    /// The index and its published view.
    pub store: Arc<CatalogStore>,
    /// Synchronization with the backends.
    pub syncer: Arc<Syncer>,
    /// Reads, which may look something up at a backend.
    pub reader: Reader,
    /// Explanations of names.
    pub explainer: Explainer,
    /// Digests of first downloads.
    pub pins: Arc<Pins>,
    /// Health of the backends.
    pub health: Arc<Health>,
    /// Rules of shared names, and lifetimes of data.
    pub rules: Rules,
}

impl Catalog {
    /// Creates a catalog over these backends, in the order in which they own names. It is empty
    /// until [`Syncer::start`] is called.
    #[must_use]
    pub fn new(backends: Vec<Arc<dyn Backend>>, rules: Rules) -> Arc<Self> {
        Self::sharing_pins(backends, rules, None)
    }

    /// Creates a catalog like [`Catalog::new`]. With `sharing`, its pins are those of all replicas.
    #[must_use]
    pub fn sharing_pins(
        backends: Vec<Arc<dyn Backend>>,
        rules: Rules,
        sharing: Option<PinSharing>,
    ) -> Arc<Self> {
        let ids: Vec<BackendId> = backends.iter().map(|backend| backend.id()).collect();
        let order = BackendOrder::new(ids.iter().copied());
        let store = CatalogStore::new(&ids, &rules);
        let pins = Arc::new(Pins::new(Arc::clone(&store), sharing));
        let healths: Vec<_> = backends
            .iter()
            .map(|backend| Arc::new(BackendHealth::new(backend.id(), backend.contact())))
            .collect();
        let health = Arc::new(Health::new(healths.clone(), Arc::clone(&store), rules));
        let decorated = backends.into_iter().zip(healths).map(|(backend, health)| {
            let recorded = RecordedBackend::new(backend, Arc::clone(&health));
            (Arc::new(recorded) as Arc<dyn Backend>, health)
        });
        let syncer = Arc::new(Syncer::new(decorated.collect(), &store, &pins, rules));
        let reader = Reader::new(
            Arc::clone(&store),
            Arc::clone(&health),
            order.clone(),
            Arc::clone(&syncer) as Arc<dyn Lookup>,
            Arc::clone(&pins),
            rules,
        );
        let explainer = Explainer::new(
            Arc::clone(&store),
            Arc::clone(&health),
            Arc::clone(&pins),
            order.clone(),
            rules,
        );
        Arc::new(Self { backends: order, store, syncer, reader, explainer, pins, health, rules })
    }
}

#[cfg(test)]
impl Rules {
    /// Rules of unit tests.
    pub(crate) fn for_tests() -> Self {
        let minutes = |count: u64| std::time::Duration::from_secs(60 * count);
        Self {
            merge: Merge::Owner,
            allow_takeover: false,
            ttl: minutes(5),
            stale_while_revalidate: minutes(5),
            stale_if_error: minutes(24 * 60),
            full_sweep: minutes(60),
            negative_ttl: minutes(1),
            accept_changes: false,
            max_bytes: usize::MAX,
        }
    }
}
