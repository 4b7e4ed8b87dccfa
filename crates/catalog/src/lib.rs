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
pub mod replication;
mod retagged;
mod rules;
pub mod search;
mod share;
pub mod state;
pub mod store;
mod stored;
pub mod sync;
mod unsaved;

use std::sync::Arc;

use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::backend_kind::BackendKind;
use registry_fleet::topic::Topic;
use tokio::task::JoinSet;

use crate::backend_order::BackendOrder;
use crate::explanation::Explainer;
use crate::health::Health;
use crate::health::backend_health::BackendHealth;
use crate::health::recorded_backend::RecordedBackend;
use crate::lookup::Lookup;
use crate::pins::Pins;
use crate::pins::policy::PinSharing;
use crate::read::Reader;
use crate::replication::{Fleet, Replicator};
use crate::share::BackendShare;
use crate::state::Fingerprints;
use crate::store::CatalogStore;
use crate::sync::{SyncedBackend, Syncer};

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
    /// Replication; `None` if this replica shares no catalog with others.
    pub replicator: Option<Arc<Replicator>>,
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
        Self::replicated(backends, rules, None, None)
    }

    /// Creates a catalog like [`Catalog::new`]. With `sharing`, its pins are those of all replicas. With a
    /// fleet, it equals those of the other replicas, but for directories, of which each replica has its
    /// own.
    #[must_use]
    pub fn replicated(
        backends: Vec<Arc<dyn Backend>>,
        rules: Rules,
        sharing: Option<PinSharing>,
        fleet: Option<(Fleet, Fingerprints)>,
    ) -> Arc<Self> {
        let ids: Vec<BackendId> = backends.iter().map(|backend| backend.id()).collect();
        let order = BackendOrder::new(ids.iter().copied());
        let (fleet, fingerprints) = fleet.unzip();
        let shared = shared(&ids, fleet.as_ref(), &fingerprints.unwrap_or_default());
        let outboxes = shared.iter().map(|(of, _, share)| (*of, Arc::clone(&share.outbox)));
        let store = CatalogStore::sharing(&ids, &rules, outboxes.collect());
        let shares = shared.iter().map(|(of, _, share)| (*of, Arc::clone(share)));
        let pins = Arc::new(Pins::new(Arc::clone(&store), sharing, shares.collect()));
        let healths: Vec<_> = backends
            .iter()
            .map(|backend| Arc::new(BackendHealth::new(backend.id(), backend.contact())))
            .collect();
        let health = Arc::new(Health::new(healths.clone(), Arc::clone(&store), rules));
        let synced = backends.into_iter().zip(healths).map(|(backend, health)| {
            let share = shared.iter().find(|(of, ..)| *of == backend.id());
            let share = share.map(|(.., share)| Arc::clone(share));
            let recorded = RecordedBackend::new(backend, Arc::clone(&health));
            SyncedBackend { backend: Arc::new(recorded), health, share }
        });
        let syncer = Arc::new(Syncer::new(synced.collect(), &store, &pins, rules));
        let replicator = fleet.map(|fleet| {
            let handles = syncer.handles().iter();
            let of_handle = handles.filter_map(|handle| {
                let (_, fingerprint, share) = shared.iter().find(|(of, ..)| *of == handle.id())?;
                Some((Arc::clone(handle), fingerprint.clone(), Arc::clone(share)))
            });
            Replicator::new(fleet, of_handle)
        });
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
        let backends = order;
        Arc::new(Self {
            backends,
            store,
            syncer,
            replicator,
            reader,
            explainer,
            pins,
            health,
            rules,
        })
    }

    /// Starts the tasks that keep the catalog current until the set is dropped.
    #[must_use]
    pub fn start(&self) -> JoinSet<()> {
        let mut tasks = self.syncer.start();
        if let Some(replicator) = &self.replicator {
            replicator.start(&mut tasks);
        }
        tasks
    }
}

/// Returns the backends that replicas share, each with its fingerprint.
fn shared(
    backends: &[BackendId],
    fleet: Option<&Fleet>,
    fingerprints: &Fingerprints,
) -> Vec<(BackendId, String, Arc<BackendShare>)> {
    let Some(fleet) = fleet else { return Vec::new() };
    let shared = backends.iter().filter(|of| of.kind() != BackendKind::Local).map(|of| {
        let fingerprint = fingerprints.iter().find(|(one, _)| one == of);
        let fingerprint = fingerprint.map(|(_, text)| text.clone()).unwrap_or_default();
        let topic = Topic::of(*of, &fingerprint);
        (*of, fingerprint, Arc::new(BackendShare::new(topic, fleet.engine.clone())))
    });
    shared.collect()
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
