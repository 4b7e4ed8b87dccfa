//! What the writer of a backend does: it takes over, answers requests, and steps down.

use std::sync::Arc;
use std::time::Duration;

use registry_core::models::naming::ExtensionId;
use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::log::{PostedRequest, WriteFailure};
use registry_fleet::snapshots::SegmentPlace;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::LOG_TARGET;
use crate::replication::Fleet;
use crate::replication::request_payload::decode;
use crate::replication::shared_backend::SharedBackend;
use crate::replication::snapshot::write_snapshot;
use crate::share::inbox::Received;
use crate::share::outbox::AnsweredRequest;
use crate::share::requests::{RequestAnswer, RequestId, RequestSubject};
use crate::share::role::ReplicaRole;
use crate::sync::lookups::look_up_for_caller;
use crate::sync::tasks::sync_in_task;

/// Maximum wait for the end of the log.
const READ_MAX: Duration = Duration::from_secs(3);
/// Age of a request whose caller no longer waits, in milliseconds.
const OUTDATED: u64 = 5000;
/// Names that the log lacks, from which on a snapshot is cheaper than entries.
const ENTRIES_MAX: usize = 1000;

/// Becomes the writer in an epoch. Publishes the own state unless this replica has applied the log
/// to its end. Returns false if that fails.
pub(super) async fn take_over(
    backend: &SharedBackend,
    fleet: &Fleet,
    epoch: Epoch,
    tail: LogPosition,
) -> bool {
    let _ = timeout(READ_MAX, backend.share.reached(tail)).await;
    let progress = backend.share.progress();
    let connects = progress.position == tail
        && tail != LogPosition::START
        && !progress.has_gap
        && backend.share.outbox.len() <= ENTRIES_MAX;
    if !connects {
        let begin = LogPosition::first_of(epoch);
        match write_snapshot(backend, fleet, begin, SegmentPlace::Bucket).await {
            Ok(true) => backend.share.change_progress(|now| {
                now.position = begin;
                now.has_gap = false;
            }),
            Ok(false) | Err(WriteFailure::Away(_) | WriteFailure::Fenced) => return false,
        }
    }
    backend.share.count(|counts| counts.takeovers += 1);
    let found = if connects { "followed the log to its end" } else { "published its state" };
    info!(target: LOG_TARGET, backend = %backend.handle.id(), %epoch,
        "shared: this replica {found}, and reads the backend for all replicas from now on");
    backend.share.set_role(ReplicaRole::Writer { epoch });
    true
}

/// Ends the role of the writer. What is not published yet becomes requests to the next one.
pub(super) fn step_down(backend: &SharedBackend) {
    if backend.share.role().is_writer() {
        info!(target: LOG_TARGET, backend = %backend.handle.id(), "shared: this replica no longer reads the backend for all replicas");
        backend.share.inbox.clear();
        backend.share.set_role(ReplicaRole::Follower);
    }
}

/// Takes a request of any replica, given the time of the latest one in milliseconds.
pub(super) fn receive(backend: &Arc<SharedBackend>, posted: &PostedRequest, latest: u64) {
    if !backend.share.role().is_writer() {
        return;
    }
    let (request, subject) = match decode(&posted.payload) {
        Ok(decoded) => decoded,
        Err(error) => {
            let backend = backend.handle.id();
            warn!(target: LOG_TARGET, %backend, "shared: a request cannot be used: {}", error.report());
            return;
        }
    };
    let received = (posted.place, request);
    let now = Instant::now();
    let is_outdated = posted.place.millis + OUTDATED < latest;
    match subject {
        // Its caller has asked the backend by itself.
        RequestSubject::Stale(_) | RequestSubject::Lookup(..) | RequestSubject::Cycle
            if is_outdated =>
        {
            answer(backend, received, None, RequestAnswer::Read);
        }
        RequestSubject::Notice(id) if backend.share.inbox.receive(&id, received) => {
            backend.handle.refreshes.change(|queue| queue.enqueue_notice(id, now));
        }
        RequestSubject::Stale(id)
            if !is_fresh(backend, &id) && backend.share.inbox.receive(&id, received) =>
        {
            backend.handle.refreshes.change(|queue| queue.enqueue_stale(id, now));
        }
        RequestSubject::Stale(id) => answer(backend, received, Some(&id), RequestAnswer::Read),
        RequestSubject::Lookup(_, true) if !backend.handle.takes_lookup() => {
            answer(backend, received, None, RequestAnswer::OverBudget);
        }
        RequestSubject::Lookup(id, _) if backend.share.inbox.receive(&id, received) => {
            let handle = Arc::clone(&backend.handle);
            tokio::spawn(async move { look_up_for_caller(&handle, id).await });
        }
        RequestSubject::Cycle => {
            let this = Arc::clone(backend);
            tokio::spawn(async move {
                // A failure is part of the state, which is published too.
                let _ = sync_in_task(&this.handle).await;
                answer(&this, received, None, RequestAnswer::Read);
            });
        }
        RequestSubject::Snapshot => {
            backend.share.want_snapshot();
            answer(backend, received, None, RequestAnswer::Read);
        }
        // Answered before, and posted again: the replica may have loaded a snapshot instead of the
        // entry with the content.
        RequestSubject::Notice(id) | RequestSubject::Lookup(id, _) => {
            answer(backend, received, Some(&id), RequestAnswer::Read);
        }
    }
}

fn answer(
    backend: &SharedBackend,
    (place, request): Received,
    id: Option<&ExtensionId>,
    answer: RequestAnswer,
) {
    backend.share.outbox.answer(id, vec![AnsweredRequest { place, request, answer }]);
}

/// Returns true for an extension that was read within the time to live.
fn is_fresh(backend: &SharedBackend, id: &ExtensionId) -> bool {
    let read = backend.handle.store().read_backend(backend.handle.id(), |known| {
        known.get(id).map(|copy| copy.read_at().elapsed())
    });
    read.flatten().is_some_and(|age| age < backend.handle.ttl())
}

/// Ends own requests that the log answers.
pub(super) fn settle_requests(backend: &SharedBackend, answered: &[(RequestId, RequestAnswer)]) {
    for (request, answer) in answered {
        backend.share.outbox.answered(*request);
        backend.share.requests.answered(*request, *answer);
    }
}
