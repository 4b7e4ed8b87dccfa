//! The task that reads the log and the requests, and applies what other replicas published.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_fleet::failure::Away;
use registry_fleet::log::{Cursor, Heard, LogEntry};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::LOG_TARGET;
use crate::replication::apply::apply;
use crate::replication::payload::Payload;
use crate::replication::settle::{settle_names, settle_requests};
use crate::replication::shared_backend::SharedBackend;
use crate::replication::snapshot::load_snapshot;
use crate::replication::writer::{receive, step_down};
use crate::replication::{Fleet, Replicator};
use crate::share::requests::RequestSubject;
use crate::share::role::ReplicaRole;

/// Pause after a failed call. Short, since a call sends nothing while the engine is known to be away.
const RETRY: Duration = Duration::from_millis(100);
/// Time after the start in which the pause is shorter: readers wait for a replica that starts.
const START: Duration = Duration::from_secs(2);
const START_RETRY: Duration = Duration::from_millis(10);

/// Entries of one call from which on there may be more.
const MANY: usize = 50;

pub(super) async fn follow(replicator: Arc<Replicator>) {
    let begun = Instant::now();
    let (mut is_started, mut cursor) = (false, Cursor::default());
    loop {
        // The log may begin after what this replica has.
        is_started = is_started || replicator.load_snapshots().await.is_ok();
        if replicator.takes_reread() {
            cursor.requests = None;
        }
        let Ok(heard) = replicator.fleet.log.follow(&mut cursor).await else {
            replicator.backends.iter().for_each(|backend| lose_engine(backend));
            let is_new = !is_started && begun.elapsed() < START;
            sleep(if is_new { START_RETRY } else { RETRY }).await;
            continue;
        };
        let has_more = heard.entries.len() >= MANY;
        if replicator.hear(heard, has_more).await {
            // A snapshot was loaded: entries after it were skipped.
            cursor.entries = None;
        }
    }
}

impl Replicator {
    async fn load_snapshots(&self) -> Result<(), Away> {
        for backend in &self.backends {
            load_snapshot(backend, &self.fleet).await?;
        }
        Ok(())
    }

    /// Returns true if the log has to be read again.
    async fn hear(&self, heard: Heard, has_more: bool) -> bool {
        let mut again = false;
        for entry in heard.entries {
            if let Some(backend) = self.backends.iter().find(|one| *one.topic() == entry.topic) {
                again |= hear(backend, &self.fleet, entry).await;
            }
        }
        // The engine's clock: that of a replica may differ.
        let now = heard.requests.last().map(|request| request.place.millis).unwrap_or_default();
        for request in heard.requests {
            if let Some(backend) = self.backends.iter().find(|one| *one.topic() == request.topic) {
                receive(backend, &request, now);
            }
        }
        for backend in &self.backends {
            again |= mend_gap(backend, &self.fleet).await;
            if !has_more {
                follows(backend);
            }
        }
        again
    }
}

/// Applies an entry. Returns true if the log has to be read again.
async fn hear(backend: &SharedBackend, fleet: &Fleet, entry: LogEntry) -> bool {
    let position = entry.position;
    backend.share.log.saw_entry(position.epoch);
    let progress = backend.share.log.progress();
    if position <= progress.position {
        return false;
    }
    if let ReplicaRole::Writer { epoch } = backend.share.role()
        && epoch < position.epoch
    {
        step_down(backend);
    }
    if progress.has_gap || entry.previous != progress.position {
        return note_gap(backend, fleet).await;
    }
    let payload = match Payload::decode(&entry.payload) {
        Ok(payload) => payload,
        Err(error) => {
            warn!(target: LOG_TARGET, backend = %backend.handle.id(),
                "shared: an entry of the log cannot be used: {}", error.report());
            return note_gap(backend, fleet).await;
        }
    };
    let answered = payload.answered.clone();
    // What this replica published is here already, and may have changed since.
    if progress.written != Some(position.epoch) {
        settle_names(backend, &answered);
        apply(backend, payload);
    }
    backend.share.log.has_entry(position);
    settle_requests(backend, &answered);
    false
}

async fn note_gap(backend: &SharedBackend, fleet: &Fleet) -> bool {
    if !backend.share.log.progress().has_gap {
        backend.share.count(|counts| counts.gaps += 1);
        info!(target: LOG_TARGET, backend = %backend.handle.id(), "shared: entries of the log are missing; loading a snapshot");
        backend.share.log.change(|now| now.has_gap = true);
        backend.share.requests.note_gap();
        return mend_gap(backend, fleet).await;
    }
    false
}

/// Loads a snapshot if entries are missing. Returns true if the log has to be read again.
async fn mend_gap(backend: &SharedBackend, fleet: &Fleet) -> bool {
    if !backend.share.log.progress().has_gap || backend.share.role().is_writer() {
        return false;
    }
    // A failure is that of the engine, which its link reports.
    if load_snapshot(backend, fleet).await.unwrap_or_default() {
        return true;
    }
    backend.share.requests.hint(RequestSubject::Snapshot);
    false
}

fn follows(backend: &SharedBackend) {
    let is_alone = matches!(backend.share.role(), ReplicaRole::Alone { .. });
    // An engine that takes no lease, such as a full one, gets no writer to follow.
    if is_alone && !backend.lease_is_refused.load(Ordering::Relaxed) {
        backend.share.set_role(ReplicaRole::Follower);
    }
}

/// The lease of a writer ends by itself: a short outage need not change the writer.
pub(super) fn lose_engine(backend: &SharedBackend) {
    if backend.share.role() == ReplicaRole::Follower {
        backend.share.set_role(ReplicaRole::Alone { since: Instant::now() });
    }
}
