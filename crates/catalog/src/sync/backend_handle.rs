//! A backend together with its health, the store, and the state of its synchronization.
//!
//! The place of a backend, such as a directory, may not exist. Then the backend is empty, or fails
//! if the catalog holds extensions from there.

use std::sync::Arc;
use std::time::Duration;

use registry_core::backend::{Backend, Listing};
use registry_core::error::{Error, ErrorKind, Result};
use registry_core::models::backend_id::BackendId;
use registry_core::models::coverage::Coverage;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use tokio::time::timeout;

use crate::health::backend_health::BackendHealth;
use crate::health::status::Operation;
use crate::index::backend_extensions::BackendExtensions;
use crate::index::capacity::{CapacityUse, Refusals};
use crate::index::delta::BackendDelta;
use crate::rules::Rules;
use crate::share::BackendShare;
use crate::share::role::ReplicaRole;
use crate::store::CatalogStore;
use crate::sync::cycle_state::CycleState;
use crate::sync::lookup_budget::LookupBudget;
use crate::sync::read_order::ReadOrder;
use crate::sync::refreshes::Refreshes;

/// Timeout of a probe, a second after that of an HTTP client, which informs the circuit breaker.
const PROBE_TIMEOUT: Duration = Duration::from_secs(6);

pub(crate) struct BackendHandle {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) health: Arc<BackendHealth>,
    pub(crate) cycle: CycleState,
    pub(crate) refreshes: Refreshes,
    pub(super) store: Arc<CatalogStore>,
    pub(super) rules: Rules,
    pub(super) budget: LookupBudget,
    pub(super) reads: Arc<ReadOrder>,
    /// `None` for a backend that this replica reads for itself alone.
    pub(crate) share: Option<Arc<BackendShare>>,
    /// True if no backend comes after it that could take over its names.
    is_last: bool,
}

impl BackendHandle {
    pub(super) fn new(
        backend: Arc<dyn Backend>,
        health: Arc<BackendHealth>,
        store: Arc<CatalogStore>,
        rules: Rules,
        share: Option<Arc<BackendShare>>,
        is_last: bool,
    ) -> Self {
        Self {
            backend,
            health,
            cycle: CycleState::default(),
            refreshes: Refreshes::default(),
            store,
            rules,
            budget: LookupBudget::default(),
            reads: Arc::default(),
            share,
            is_last,
        }
    }

    /// Returns true if this replica has the content of the backend, from whatever source.
    pub(crate) fn is_listed(&self) -> bool {
        let listed = self.store.read_backend(self.id(), BackendExtensions::is_listed);
        listed.unwrap_or_default()
    }

    pub(crate) const fn ttl(&self) -> Duration {
        self.rules.ttl
    }

    /// Takes one lookup from the budget. Returns false if it is used up.
    pub(crate) fn takes_lookup(&self) -> bool {
        self.budget.take()
    }

    pub(crate) const fn store(&self) -> &Arc<CatalogStore> {
        &self.store
    }

    pub(crate) fn id(&self) -> BackendId {
        self.backend.id()
    }

    /// Returns what this replica shares about the backend while another one reads it for all.
    pub(super) fn followed(&self) -> Option<&BackendShare> {
        self.share.as_deref().filter(|share| share.role() == ReplicaRole::Follower)
    }

    /// Waits until this replica may make a cycle.
    pub(super) async fn may_cycle(&self) {
        if let Some(share) = &self.share {
            share.may_cycle(self.is_listed(), self.rules.ttl).await;
        }
    }

    /// Waits until another replica reads the backend, which makes a cycle of this one useless.
    pub(super) async fn is_revoked(&self) {
        match &self.share {
            Some(share) => share.is_revoked().await,
            None => std::future::pending().await,
        }
    }

    /// Waits until this replica begins to read the backend for all.
    pub(super) async fn takes_over(&self) {
        match &self.share {
            Some(share) => share.takes_over().await,
            None => std::future::pending().await,
        }
    }

    /// Notes content from the log: reads that run now may be older.
    pub(crate) fn outdate_reads<'a>(&self, ids: impl IntoIterator<Item = &'a ExtensionId>) {
        let read = self.reads.begin();
        ids.into_iter().for_each(|id| read.applied(id));
    }

    /// Returns the backend's listing; a complete and empty one while its place does not exist.
    pub(super) async fn listing(&self) -> Result<Listing> {
        match self.backend.listing().await {
            Err(error) if self.is_empty_place(&error) => {
                self.health.place_is_missing(&error);
                let (ids, faults) = (Vec::new(), Vec::new());
                Ok(Listing { ids, coverage: Coverage::Complete, faults })
            }
            listing => {
                self.health.place_exists(listing.is_ok());
                listing
            }
        }
    }

    pub(super) async fn extension(&self, id: &ExtensionId) -> Result<Extension> {
        self.backend.extension(id).await.map_err(|error| {
            if self.is_empty_place(&error) {
                Error::not_found(format!("Extension {id} not found")).because(error)
            } else {
                error
            }
        })
    }

    /// Changes the count of extensions that do not fit into the memory limit.
    pub(super) fn change_refusals(&self, now: impl FnOnce(Refusals) -> Refusals) {
        self.store.change(|change| {
            if let Some(refusals) = change.backend(self.id()).map(BackendExtensions::refusals) {
                change.apply_to(self.id(), BackendDelta::Refused(now(refusals)));
            }
        });
    }

    /// Sends a request that shows whether the backend can be reached.
    pub(super) async fn probe(&self) {
        match timeout(PROBE_TIMEOUT, self.backend.probe()).await {
            Ok(Err(error)) if !self.is_empty_place(&error) => {
                self.health.failed(Operation::Contact, &error);
            }
            Ok(_) => self.health.succeeded(Operation::Contact),
            Err(_) => {
                let message = format!("no answer within {} s", PROBE_TIMEOUT.as_secs());
                let error = Error::new(ErrorKind::BackendTimeout, message);
                self.health.failed(Operation::Contact, &error);
            }
        }
    }

    /// Returns true if a failure means "nothing there yet" rather than "lost". A backend before
    /// others owns the names that it has, so its absence would give them away.
    fn is_empty_place(&self, error: &Error) -> bool {
        let holds_nothing = self.store.capacity_use(self.id()) == CapacityUse::default();
        error.is_of_missing_place() && self.is_last && holds_nothing
    }
}
