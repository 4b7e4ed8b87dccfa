//! The task that reads the log and the requests, and applies what other replicas published.

use std::sync::Arc;
use std::time::Duration;

use registry_fleet::failure::Away;
use registry_fleet::log::{Cursor, Heard, LogEntry};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::LOG_TARGET;
use crate::replication::payload::Payload;
use crate::replication::shared_backend::SharedBackend;
use crate::replication::{Fleet, Replicator};
use crate::share::requests::Subject;
use crate::share::role::Role;

/// Pause after a failed call, and between attempts to load a missing snapshot.
const RETRY: Duration = Duration::from_millis(500);

/// Entries of one call from which on there may be more.
const MANY: usize = 50;

pub(super) async fn follow(replicator: Arc<Replicator>) {
    let (mut is_started, mut cursor) = (false, Cursor::default());
    loop {
        // The log may begin after what this replica has.
        is_started = is_started || replicator.load_snapshots().await.is_ok();
        if replicator.takes_reread() {
            cursor.requests = None;
        }
        let Ok(heard) = replicator.fleet.log.follow(&mut cursor).await else {
            replicator.backends.iter().for_each(|backend| backend.lose_engine());
            sleep(RETRY).await;
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
            backend.load_snapshot(&self.fleet).await?;
        }
        Ok(())
    }

    /// Returns true if the log has to be read again.
    async fn hear(&self, heard: Heard, has_more: bool) -> bool {
        let mut again = false;
        for entry in heard.entries {
            if let Some(backend) = self.backends.iter().find(|one| *one.topic() == entry.topic) {
                again |= backend.hear(&self.fleet, entry).await;
            }
        }
        // The engine's clock: that of a replica may differ.
        let now = heard.requests.last().map(|request| request.place.millis).unwrap_or_default();
        for request in heard.requests {
            if let Some(backend) = self.backends.iter().find(|one| *one.topic() == request.topic) {
                backend.receive(&request, now);
            }
        }
        for backend in &self.backends {
            again |= backend.mend_gap(&self.fleet).await;
            if !has_more {
                backend.follows();
            }
        }
        again
    }
}

impl SharedBackend {
    /// Applies an entry. Returns true if the log has to be read again.
    async fn hear(&self, fleet: &Fleet, entry: LogEntry) -> bool {
        let position = entry.position;
        self.share.change_progress(|now| now.seen = now.seen.max(position.epoch));
        let progress = self.share.progress();
        if position <= progress.position {
            return false;
        }
        let role = self.share.role();
        if let Role::Writer { epoch } = role
            && epoch < position.epoch
        {
            self.step_down();
        }
        if progress.has_gap || entry.previous != progress.position {
            return self.note_gap(fleet).await;
        }
        let payload = match Payload::decode(&entry.payload) {
            Ok(payload) => payload,
            Err(error) => {
                warn!(target: LOG_TARGET, backend = %self.handle.id(),
                    "shared: an entry of the log cannot be used: {}", error.report());
                return self.note_gap(fleet).await;
            }
        };
        let answered = payload.answered.clone();
        // What this replica published is here already, and may have changed since.
        if role != (Role::Writer { epoch: position.epoch }) {
            self.apply(payload);
        }
        self.share.change_progress(|now| {
            now.position = now.position.max(position);
            now.heard = Instant::now();
        });
        self.settle_requests(&answered);
        false
    }

    async fn note_gap(&self, fleet: &Fleet) -> bool {
        if !self.share.progress().has_gap {
            self.share.count(|counts| counts.gaps += 1);
            info!(target: LOG_TARGET, backend = %self.handle.id(), "shared: entries of the log are missing; loading a snapshot");
            self.share.change_progress(|now| now.has_gap = true);
            self.share.requests.after_gap();
            return self.mend_gap(fleet).await;
        }
        false
    }

    /// Loads a snapshot if entries are missing. Returns true if the log has to be read again.
    async fn mend_gap(&self, fleet: &Fleet) -> bool {
        if !self.share.progress().has_gap || self.share.role().is_writer() {
            return false;
        }
        // A failure is that of the engine, which its link reports.
        if self.load_snapshot(fleet).await.unwrap_or_default() {
            return true;
        }
        self.share.requests.hint(Subject::Snapshot);
        false
    }

    fn follows(&self) {
        if matches!(self.share.role(), Role::Alone { .. }) {
            self.share.set_role(Role::Follower);
        }
    }

    /// The lease of a writer ends by itself: a short outage need not change the writer.
    fn lose_engine(&self) {
        if self.share.role() == Role::Follower {
            self.share.set_role(Role::Alone { since: Instant::now() });
        }
    }
}
