//! Replication: the replicas of a fleet read each backend once, and apply the same log.
//!
//! One replica holds the lease of a backend: the writer. It reads the backend and appends what changed
//! to the log. The others apply the log, and send requests to the writer. While the engine is away,
//! each replica goes on with what it has, and reads for itself.

mod apply;
mod follower;
mod lease_keeper;
mod payload;
mod poster;
mod publisher;
mod request_payload;
mod segments;
mod settle;
mod shared_backend;
mod snapshot;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use registry_core::models::backend_id::BackendId;
use registry_fleet::epoch::LogPosition;
use registry_fleet::leases::Leases;
use registry_fleet::log::SharedLog;
use registry_fleet::replica::ReplicaId;
use registry_fleet::snapshots::Snapshots;
use registry_fleet::state::EngineState;
use tokio::task::JoinSet;

use crate::replication::shared_backend::SharedBackend;
use crate::share::BackendShare;
pub use crate::share::ShareCounts;
pub use crate::share::role::ReplicaRole;
use crate::sync::backend_handle::BackendHandle;

/// The engine of a fleet, and the name of this replica in it.
#[derive(Clone)]
pub struct Fleet {
    /// Leases of the backends.
    pub leases: Arc<dyn Leases>,
    /// The log.
    pub log: Arc<dyn SharedLog>,
    /// Snapshots of the backends.
    pub snapshots: Arc<dyn Snapshots>,
    /// This replica.
    pub replica: ReplicaId,
    /// Condition of the engine; it knows the number of replicas.
    pub engine: EngineState,
}

/// What a replica does about one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicationReport {
    /// Role of the replica.
    pub role: ReplicaRole,
    /// Position of the last entry that it has applied or written.
    pub position: LogPosition,
    /// Time since the last entry of the log.
    pub heard: Duration,
    /// True while entries are missing.
    pub has_gap: bool,
    /// Events since the start.
    pub counts: ShareCounts,
}

/// Keeps the catalogs of all replicas equal.
pub struct Replicator {
    fleet: Fleet,
    backends: Vec<Arc<SharedBackend>>,
    /// True if requests have to be read from the beginning.
    reread_requests: AtomicBool,
    /// Number of leases of this replica.
    leases: AtomicUsize,
}

impl Replicator {
    /// Creates a replicator for backends with their fingerprints, in the order in which they own names.
    pub(super) fn new(
        fleet: Fleet,
        backends: impl Iterator<Item = (Arc<BackendHandle>, String, Arc<BackendShare>)>,
    ) -> Arc<Self> {
        let backends = backends.enumerate().map(|(place, (handle, fingerprint, share))| {
            Arc::new(SharedBackend::new(handle, share, fingerprint, place == 0))
        });
        let backends = backends.collect();
        let (reread_requests, leases) = (AtomicBool::default(), AtomicUsize::default());
        Arc::new(Self { fleet, backends, reread_requests, leases })
    }

    /// Starts the tasks that read and write the log, until the set is dropped.
    pub(super) fn start(self: &Arc<Self>, tasks: &mut JoinSet<()>) {
        tasks.spawn(follower::follow(Arc::clone(self)));
        for backend in &self.backends {
            // Apart from each other: a renewal must not wait for a snapshot, nor a request for a round.
            tasks.spawn(lease_keeper::keep_lease(Arc::clone(self), Arc::clone(backend)));
            tasks.spawn(publisher::publish(self.fleet.clone(), Arc::clone(backend)));
            tasks.spawn(poster::post_requests(self.fleet.clone(), Arc::clone(backend)));
        }
    }

    /// Gives the leases back, so that another replica takes over at once. Called after the tasks ended.
    pub async fn release(&self) {
        let releases = self.backends.iter().map(|backend| async move {
            if let ReplicaRole::Writer { epoch } = backend.share.role() {
                let (leases, replica) = (&self.fleet.leases, &self.fleet.replica);
                // Otherwise it ends by itself.
                let _ = leases.release(&backend.share.topic, replica, epoch).await;
            }
        });
        join_all(releases).await;
    }

    /// Returns what this replica does about each shared backend, in order.
    #[must_use]
    pub fn reports(&self) -> Vec<(BackendId, ReplicationReport)> {
        let reports = self.backends.iter().map(|backend| {
            let progress = backend.share.log.progress();
            let report = ReplicationReport {
                role: backend.share.role(),
                position: progress.position,
                heard: progress.heard.elapsed(),
                has_gap: progress.has_gap,
                counts: backend.share.counts(),
            };
            (backend.handle.id(), report)
        });
        reports.collect()
    }

    fn holds_a_lease(&self) -> bool {
        self.leases.load(Ordering::Relaxed) > 0
    }

    /// Has requests read from the beginning.
    fn reread_requests(&self) {
        self.reread_requests.store(true, Ordering::Relaxed);
    }

    fn takes_reread(&self) -> bool {
        self.reread_requests.swap(false, Ordering::Relaxed)
    }
}
