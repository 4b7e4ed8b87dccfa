//! The task that posts requests of this replica to the writer.

use std::sync::Arc;
use std::time::Duration;

use registry_fleet::epoch::LogPosition;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::LOG_TARGET;
use crate::replication::Fleet;
use crate::replication::request_payload::encode;
use crate::replication::shared_backend::SharedBackend;
use crate::share::requests::{RequestId, RequestSubject};
use crate::share::role::ReplicaRole;

/// Pause between two looks at requests that wait.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Time after which own content that the log lacks becomes a request.
const DIFFERS_FOR: Duration = Duration::from_millis(1500);
/// Number of names that the log lacks, from which on a snapshot replaces the content.
const REQUESTS_MAX: usize = 1000;

pub(super) async fn post_requests(fleet: Fleet, backend: Arc<SharedBackend>) {
    loop {
        tokio::select! {
            biased;
            () = backend.share.requests.changed() => {}
            () = sleep(LOOK_EVERY) => {}
        }
        if backend.share.role() == ReplicaRole::Follower {
            request_differences(&backend);
        }
        for (id, subject) in backend.share.requests.due() {
            post(&backend, &fleet, id, subject).await;
        }
    }
}

/// Asks the writer to read names of which this replica has other content than the log.
fn request_differences(backend: &SharedBackend) {
    let outbox = &backend.share.outbox;
    if outbox.len() > REQUESTS_MAX {
        // The content of the other replicas replaces that of this one.
        outbox.clear();
        backend.share.recent.clear();
        backend.share.log.change(|now| {
            now.position = LogPosition::START;
            now.has_gap = true;
        });
        return;
    }
    if let Some(before) = Instant::now().checked_sub(DIFFERS_FOR) {
        outbox.unrequested(before, |id| backend.share.requests.notice(id.clone()));
    }
}

async fn post(backend: &SharedBackend, fleet: &Fleet, id: RequestId, subject: RequestSubject) {
    let is_alone = matches!(backend.share.role(), ReplicaRole::Alone { .. });
    let payload = match encode(id, &subject) {
        Ok(payload) => payload,
        Err(error) => {
            warn!(target: LOG_TARGET, backend = %backend.handle.id(), "shared: a request {}", error.report());
            return;
        }
    };
    if !is_alone {
        backend.share.requests.sent(id);
        if fleet.log.post(backend.topic(), &payload).await.is_ok() {
            return backend.share.requests.posted(id);
        }
    }
    backend.share.requests.not_posted(id);
    // A follower gives such a read to the writer, so it has to wait until it knows that it is alone.
    if backend.share.role() == ReplicaRole::Follower {
        return;
    }
    // Otherwise this replica reads it at once for itself. The request waits for the engine.
    if let RequestSubject::Notice(extension) = subject
        && backend.share.requests.is_first_failure(id)
    {
        let now = Instant::now();
        backend.handle.refreshes.change(|queue| queue.enqueue_notice(extension, now));
    }
}
