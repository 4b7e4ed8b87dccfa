//! The task that posts requests of this replica to the writer.

use std::sync::Arc;
use std::time::Duration;

use registry_fleet::epoch::Position;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::LOG_TARGET;
use crate::replication::Fleet;
use crate::replication::request_payload::encode;
use crate::replication::shared_backend::SharedBackend;
use crate::share::requests::{RequestId, Subject};
use crate::share::role::Role;

/// Pause between two looks at requests that wait.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Time after which own content that the log lacks becomes a request.
const DIFFERS_FOR: Duration = Duration::from_millis(1500);
/// Names that the log lacks, from which on a snapshot replaces all of them.
const REQUESTS_MAX: usize = 1000;

pub(super) async fn post_requests(fleet: Fleet, backend: Arc<SharedBackend>) {
    loop {
        tokio::select! {
            () = backend.share.requests.changed() => {}
            () = sleep(LOOK_EVERY) => {}
        }
        if backend.share.role() == Role::Follower {
            backend.request_differences();
        }
        for (id, subject) in backend.share.requests.due() {
            backend.post(&fleet, id, subject).await;
        }
    }
}

impl SharedBackend {
    /// Asks the writer to read names of which this replica has other content than the log.
    fn request_differences(&self) {
        let outbox = &self.share.outbox;
        if outbox.len() > REQUESTS_MAX {
            // The content of the other replicas replaces all of it.
            outbox.clear();
            self.share.change_progress(|now| {
                now.position = Position::START;
                now.has_gap = true;
            });
            return;
        }
        if let Some(before) = Instant::now().checked_sub(DIFFERS_FOR) {
            outbox.unrequested(before, |id| self.share.requests.notice(id.clone()));
        }
    }

    async fn post(&self, fleet: &Fleet, id: RequestId, subject: Subject) {
        let is_alone = matches!(self.share.role(), Role::Alone { .. });
        let payload = match encode(id, &subject) {
            Ok(payload) => payload,
            Err(error) => {
                warn!(target: LOG_TARGET, backend = %self.handle.id(), "shared: a request {}", error.report());
                return;
            }
        };
        if !is_alone && fleet.log.post(self.topic(), &payload).await.is_ok() {
            return self.share.requests.posted(id);
        }
        // Alone, this replica reads it at once for itself. The request waits for the engine.
        if let Subject::Notice(extension) = subject
            && self.share.requests.is_first_failure(id)
        {
            let now = Instant::now();
            self.handle.refreshes.change(|queue| queue.enqueue_notice(extension, now));
        }
    }
}
