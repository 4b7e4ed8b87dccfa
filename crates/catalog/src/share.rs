//! What this replica shares with others about one backend: its role, the changes that the log lacks,
//! and the requests to the writer.

pub(crate) mod followed_log;
pub(crate) mod inbox;
pub(crate) mod outbox;
pub(crate) mod pending_webhooks;
pub(crate) mod recent_names;
pub(crate) mod requests;
pub(crate) mod role;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use registry_core::models::backend_id::BackendId;
use registry_core::models::naming::ExtensionId;
use registry_fleet::epoch::LogPosition;
use registry_fleet::state::EngineState;
use registry_fleet::topic::Topic;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::share::followed_log::FollowedLog;
use crate::share::inbox::Inbox;
use crate::share::outbox::Outbox;
use crate::share::recent_names::RecentNames;
use crate::share::requests::RequestBook;
use crate::share::role::ReplicaRole;

/// Wait of a replica without any state for the engine, before it reads a backend for itself.
const EMPTY_PATIENCE: Duration = Duration::from_secs(3);
/// A replica that is alone waits for a third of the time to live for each replica, within these bounds.
const REPLICAS_A_TTL: u32 = 3;
const TTLS_MAX: u32 = 6;

/// The backends that replicas share.
pub(crate) type Shares = Vec<(BackendId, Arc<BackendShare>)>;

/// One backend as a replica shares it.
pub(crate) struct BackendShare {
    pub(crate) topic: Topic,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) requests: RequestBook,
    pub(crate) inbox: Inbox,
    pub(crate) recent: RecentNames,
    /// Extensions that the writer has found gone once. The next writer reads them again.
    doubted: Mutex<Vec<ExtensionId>>,
    engine: EngineState,
    role: watch::Sender<ReplicaRole>,
    pub(crate) log: FollowedLog,
    counts: Mutex<ShareCounts>,
    snapshot_wanted: AtomicBool,
}

/// Events since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShareCounts {
    /// Times at which entries were missing.
    pub gaps: u64,
    /// Times at which this replica became the writer.
    pub takeovers: u64,
    /// Writes that the engine refused because of another writer.
    pub fenced: u64,
}

impl BackendShare {
    pub(crate) fn new(topic: Topic, engine: EngineState) -> Self {
        let now = Instant::now();
        Self {
            topic,
            outbox: Arc::default(),
            requests: RequestBook::default(),
            inbox: Inbox::default(),
            recent: RecentNames::default(),
            doubted: Mutex::default(),
            engine,
            role: watch::Sender::new(ReplicaRole::Alone { since: now }),
            log: FollowedLog::new(),
            counts: Mutex::default(),
            snapshot_wanted: AtomicBool::default(),
        }
    }

    pub(crate) fn role(&self) -> ReplicaRole {
        *self.role.borrow()
    }

    pub(crate) fn roles(&self) -> watch::Receiver<ReplicaRole> {
        self.role.subscribe()
    }

    /// Changes the role. Work of the role before that may not continue ends.
    pub(crate) fn set_role(&self, role: ReplicaRole) {
        self.outbox.publishes(role.is_writer());
        self.role.send_if_modified(|now| std::mem::replace(now, role) != role);
    }

    /// Returns the position whose content this replica has; `None` before the first entry, and while it
    /// has content that the log lacks.
    pub(crate) fn complete_position(&self) -> Option<LogPosition> {
        // In this order: content that the log lacks is noted before it is applied.
        let position = self.log.progress().position;
        (position != LogPosition::START && self.outbox.is_empty()).then_some(position)
    }

    /// Notes extensions that the writer has found gone once. The log tells nothing else about a first look.
    pub(crate) fn set_doubted(&self, doubted: Vec<ExtensionId>) {
        *self.doubted.lock() = doubted;
    }

    pub(crate) fn take_doubted(&self) -> Vec<ExtensionId> {
        std::mem::take(&mut self.doubted.lock())
    }

    /// Notes that a replica needs a snapshot.
    pub(crate) fn want_snapshot(&self) {
        self.snapshot_wanted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_snapshot_wanted(&self) -> bool {
        self.snapshot_wanted.load(Ordering::Relaxed)
    }

    pub(crate) fn snapshot_written(&self) {
        self.snapshot_wanted.store(false, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> ShareCounts {
        *self.counts.lock()
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut ShareCounts)) {
        change(&mut self.counts.lock());
    }

    /// Waits until this replica may make cycles over the backend: at once as the writer, otherwise a time
    /// after the last entry of the log that grows with the number of replicas, so that they do not all
    /// ask the backend in a short outage of the engine. Also as a follower: one that cannot read what
    /// the writer publishes hears nothing.
    pub(crate) async fn may_cycle(&self, is_listed: bool, ttl: Duration) {
        let mut roles = self.roles();
        loop {
            let role = *roles.borrow_and_update();
            let from = match role {
                ReplicaRole::Writer { .. } => return,
                ReplicaRole::Alone { since } if !is_listed => since + EMPTY_PATIENCE,
                ReplicaRole::Alone { .. } | ReplicaRole::Follower => {
                    self.log.progress().heard + self.patience(ttl)
                }
            };
            if from <= Instant::now() {
                return;
            }
            tokio::select! {
                biased;
                // An error cannot come: the sender lives as long as `self`.
                _ = roles.changed() => {}
                () = sleep_until(from) => {}
            }
        }
    }

    fn patience(&self, ttl: Duration) -> Duration {
        let replicas = u32::try_from(self.replicas()).unwrap_or(u32::MAX);
        ttl * replicas.clamp(REPLICAS_A_TTL, REPLICAS_A_TTL * TTLS_MAX) / REPLICAS_A_TTL
    }

    /// Returns the number of replicas at the last report; 0 before the first one.
    pub(crate) fn replicas(&self) -> usize {
        self.engine.report().presence.replicas
    }

    /// Waits until this replica may no longer read the backend on its own account.
    pub(crate) async fn is_revoked(&self) {
        let before = self.role();
        let ends = |now: &ReplicaRole| match before {
            ReplicaRole::Writer { .. } => *now != before,
            // It becomes the writer with what it read.
            ReplicaRole::Alone { .. } => *now == ReplicaRole::Follower,
            // Its caller waited for the writer in vain.
            ReplicaRole::Follower => false,
        };
        let _ = self.roles().wait_for(ends).await;
    }

    /// Waits until this replica becomes the writer in another epoch.
    pub(crate) async fn takes_over(&self) {
        let before = self.role();
        let _ = self.roles().wait_for(|now| now.is_writer() && *now != before).await;
    }
}
