//! A backend together with what replicas share about it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use registry_core::backend::Fault;
use registry_core::models::coverage::Coverage;
use registry_core::models::naming::ExtensionId;
use registry_fleet::topic::Topic;
use tokio::time::Instant;

use crate::health::status::SharedFailure;
use crate::index::backend_extensions::BackendExtensions;
use crate::index::stored_delta::REFERENCE;
use crate::persistent_instant::PersistentInstant;
use crate::replication::payload::SharedState;
use crate::share::BackendShare;
use crate::state::catalog_state::backend_state;
use crate::sync::backend_handle::BackendHandle;
use crate::sync::cycle_state::CyclePosition;

/// A backend that replicas share.
pub(crate) struct SharedBackend {
    pub(super) handle: Arc<BackendHandle>,
    pub(super) share: Arc<BackendShare>,
    fingerprint: String,
    /// True for the backend whose writer decides the owners of names.
    pub(super) decides_owners: bool,
    /// True while the engine answers, and refuses the lease.
    pub(super) lease_is_refused: AtomicBool,
}

/// What decides about publishing a backend's state again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StateSummary {
    current_as_of: Option<PersistentInstant>,
    complete_as_of: Option<PersistentInstant>,
    position: CyclePosition,
    listing: Coverage,
    faults: Vec<Fault>,
    incomplete: Vec<ExtensionId>,
    doubted: BTreeSet<ExtensionId>,
    refused: usize,
    failure: Option<SharedFailure>,
    /// End of the pause that the backend demanded last.
    pub(super) demanded_until: Option<Instant>,
}

impl SharedBackend {
    pub(super) fn new(
        handle: Arc<BackendHandle>,
        share: Arc<BackendShare>,
        fingerprint: String,
        decides_owners: bool,
    ) -> Self {
        let lease_is_refused = AtomicBool::default();
        Self { handle, share, fingerprint, decides_owners, lease_is_refused }
    }

    pub(super) fn topic(&self) -> &Topic {
        &self.share.topic
    }

    pub(super) fn summary(&self) -> StateSummary {
        let health = &self.handle.health;
        let status = health.status.get();
        let doubted =
            self.handle.store().read_backend(self.handle.id(), BackendExtensions::doubted);
        StateSummary {
            current_as_of: status.current_as_of,
            complete_as_of: status.complete_as_of,
            position: self.handle.cycle.position(),
            listing: health.evidence.listing(),
            faults: health.evidence.faults().0,
            incomplete: health.evidence.incomplete(),
            doubted: doubted.unwrap_or_default(),
            refused: self.handle.store().capacity_use(self.handle.id()).refused,
            failure: health.status.shared_failure(),
            demanded_until: health.demanded_until(),
        }
    }

    pub(super) fn state(&self) -> SharedState {
        // Before the extensions: an old cursor only repeats a read, a new one would skip changes.
        let position = self.handle.cycle.position();
        let backend = self.handle.store().read_backend(self.handle.id(), |known| {
            let listed = known.is_listed();
            listed
                .then(|| backend_state(&self.handle, position, known, &self.fingerprint, REFERENCE))
        });
        SharedState {
            backend: backend.flatten().flatten(),
            failure: self.handle.health.status.shared_failure(),
            hold: self.handle.health.demanded_pause(),
        }
    }
}
