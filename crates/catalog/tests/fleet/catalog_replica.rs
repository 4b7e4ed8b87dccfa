//! One replica: a catalog, and its tasks.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use registry_catalog::index::view::View;
use registry_catalog::replication::{Fleet, ReplicaRole};
use registry_catalog::state::catalog_state::CatalogState;
use registry_catalog::state::{Fingerprints, Snapshot};
use registry_catalog::{Catalog, Merge, Rules};
use registry_core::backend::Backend;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_core::models::scope::Scope;
use registry_fleet::log::SharedLog;
use registry_fleet::replica::ReplicaId;
use registry_fleet::state::{EnginePresence, EngineState};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::applied_order::ObservedConnection;

/// Time to live of a backend's data, and so the time between two cycles.
pub const TTL: Duration = Duration::from_mins(5);

/// Fingerprint of every backend's configuration.
pub const FINGERPRINT: &str = "configuration";

pub const RULES: Rules = Rules {
    merge: Merge::Owner,
    allow_takeover: false,
    ttl: TTL,
    stale_while_revalidate: TTL,
    stale_if_error: Duration::from_hours(24),
    full_sweep: Duration::from_hours(1),
    negative_ttl: Duration::from_mins(1),
    accept_changes: false,
    max_bytes: usize::MAX,
};

/// A replica's place in a fleet.
pub struct Membership {
    pub connection: Arc<ObservedConnection>,
    pub replica: ReplicaId,
    /// Number of replicas.
    pub replicas: usize,
}

/// A running catalog. It ends with this value.
pub struct CatalogReplica {
    catalog: Arc<Catalog>,
    state: CatalogState,
    tasks: JoinSet<()>,
}

impl Membership {
    fn fleet(self) -> Fleet {
        let Self { connection, replica, replicas } = self;
        let engine = EngineState::default();
        engine.present(EnginePresence { replicas, ..EnginePresence::default() });
        let log: Arc<dyn SharedLog> = Arc::clone(&connection) as _;
        Fleet { leases: connection.leases(), log, snapshots: connection, replica, engine }
    }
}

impl CatalogReplica {
    /// Starts a catalog, without others unless it is a member of a fleet. It has the state that another
    /// one kept until this time, if any.
    pub fn start(
        backends: Vec<Arc<dyn Backend>>,
        membership: Option<Membership>,
        kept: Option<(Snapshot, Timestamp)>,
    ) -> Self {
        let fingerprints: Fingerprints =
            backends.iter().map(|one| (one.id(), FINGERPRINT.to_owned())).collect();
        let of_state = fingerprints.clone();
        let connection = membership.as_ref().map(|membership| Arc::clone(&membership.connection));
        let fleet = membership.map(|membership| (membership.fleet(), fingerprints));
        let catalog = Catalog::replicated(backends, RULES, None, fleet);
        let state = CatalogState::new(Arc::clone(&catalog), of_state);
        if let Some((kept, now)) = kept {
            let _ = state.restore(kept, now);
        }
        if let Some(connection) = connection {
            connection.observe(&catalog);
        }
        let tasks = catalog.start();
        Self { catalog, state, tasks }
    }

    /// Returns what a state directory has.
    pub fn state(&self, now: Timestamp) -> Snapshot {
        self.state.snapshot(now)
    }

    /// Takes in a webhook.
    pub fn notice(&self, backend: BackendId, id: ExtensionId) {
        self.catalog.syncer.notice(backend, vec![id]);
    }

    /// Reads an extension as a client does.
    pub fn read(&mut self, id: ExtensionId) {
        while self.tasks.try_join_next().is_some() {}
        let catalog = Arc::clone(&self.catalog);
        self.tasks.spawn(async move {
            // Unknown names are part of it, and backends that cannot be reached.
            let _ = catalog.reader.find(&id, Scope::All).await;
        });
    }

    /// Returns its role about the first backend; `None` without an engine.
    pub fn role(&self) -> Option<ReplicaRole> {
        let reports = self.catalog.replicator.as_ref()?.reports();
        reports.first().map(|(_, report)| report.role)
    }

    /// Returns true if it reads the first backend for all.
    pub fn is_writer(&self) -> bool {
        self.role().is_some_and(ReplicaRole::is_writer)
    }

    pub fn view(&self) -> Arc<View> {
        self.catalog.store.view()
    }

    pub fn views(&self) -> watch::Receiver<Arc<View>> {
        self.catalog.store.subscribe()
    }

    /// Runs a task until the replica ends.
    pub fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }
}
