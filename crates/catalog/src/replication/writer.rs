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
use crate::pins::learned_digest::LearnedDigest;
use crate::replication::Fleet;
use crate::replication::request_payload::decode;
use crate::replication::shared_backend::SharedBackend;
use crate::replication::snapshot::write_snapshot;
use crate::share::inbox::{Received, RequestState};
use crate::share::outbox::AnsweredRequest;
use crate::share::requests::{RequestAnswer, RequestSubject};
use crate::share::role::ReplicaRole;
use crate::sync::lookups::look_up_for_caller;
use crate::sync::tasks::sync_in_task;

/// Maximum wait for the end of the log.
const READ_MAX: Duration = Duration::from_secs(3);
/// Age of a request whose caller no longer waits, in milliseconds.
const OUTDATED: u64 = 5000;
/// Names that the log lacks, from which on a snapshot is cheaper than entries.
const ENTRIES_MAX: usize = 1000;

/// What became of an attempt to be the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takeover {
    /// This replica is the writer.
    Done,
    /// This replica lacks entries that others may have.
    Yielded,
    /// The own state could not be published.
    Failed,
}

/// Becomes the writer in an epoch. Publishes the own state unless this replica has applied the log
/// to its end. If it `yields`, it does not publish a state that lacks entries.
pub(super) async fn take_over(
    backend: &SharedBackend,
    fleet: &Fleet,
    epoch: Epoch,
    tail: LogPosition,
    yields: bool,
) -> Takeover {
    if !backend.share.log.progress().has_gap {
        let _ = timeout(READ_MAX, backend.share.log.reached(tail)).await;
    }
    let progress = backend.share.log.progress();
    let connects = progress.position == tail
        && tail != LogPosition::START
        && !progress.has_gap
        && backend.share.outbox.len() <= ENTRIES_MAX;
    if !connects && yields && progress.position < tail {
        return Takeover::Yielded;
    }
    if !connects {
        let begin = LogPosition::first_of(epoch);
        match write_snapshot(backend, fleet, begin, SegmentPlace::Bucket).await {
            Ok(true) => backend.share.log.change(|now| {
                now.position = begin;
                now.has_gap = false;
            }),
            Ok(false) | Err(WriteFailure::Away(_) | WriteFailure::Fenced) => {
                return Takeover::Failed;
            }
        }
    }
    let now = Instant::now();
    // The own cycles continue after the reads that found these gone.
    let unsettled =
        backend.share.outbox.contested().into_iter().chain(backend.share.take_doubted());
    backend.handle.refreshes.change(|queue| unsettled.for_each(|id| queue.enqueue_notice(id, now)));
    backend.share.count(|counts| counts.takeovers += 1);
    let found = if connects { "followed the log to its end" } else { "published its state" };
    info!(target: LOG_TARGET, backend = %backend.handle.id(), %epoch,
        "shared: this replica {found}, and reads the backend for all replicas from now on");
    backend.share.log.change(|now| now.written = Some(epoch));
    backend.share.set_role(ReplicaRole::Writer { epoch });
    Takeover::Done
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
        RequestSubject::Notice(id) => match backend.share.inbox.receive(&id, received) {
            // A second read is scheduled, which makes a removal certain.
            RequestState::Open if is_doubted(backend, &id) => {}
            RequestState::New | RequestState::Open => {
                backend.handle.refreshes.change(|queue| queue.enqueue_notice(id, now));
            }
            // Posted again: its replica may have a snapshot instead of the entry with the content.
            RequestState::Answered => answer(backend, received, Some(&id), RequestAnswer::Read),
        },
        RequestSubject::Stale(id)
            if !is_fresh(backend, &id)
                && backend.share.inbox.receive(&id, received) != RequestState::Answered =>
        {
            backend.handle.refreshes.change(|queue| queue.enqueue_stale(id, now));
        }
        RequestSubject::Stale(id) => answer(backend, received, Some(&id), RequestAnswer::Read),
        RequestSubject::Lookup(_, true) if !backend.handle.takes_lookup() => {
            answer(backend, received, None, RequestAnswer::OverBudget);
        }
        RequestSubject::Lookup(id, _) => {
            if backend.share.inbox.receive(&id, received) == RequestState::Answered {
                return answer(backend, received, Some(&id), RequestAnswer::Read);
            }
            let handle = Arc::clone(&backend.handle);
            tokio::spawn(async move { look_up_for_caller(&handle, id).await });
        }
        RequestSubject::Learned(id, learned) => {
            let is_known = take_learned(backend, &id, &learned);
            // An extension that is not known yet brings its digests when it is read.
            answer(backend, received, is_known.then_some(&id), RequestAnswer::Read);
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
    }
}

/// Shows a learned digest. Returns false if the extension is not known.
fn take_learned(backend: &SharedBackend, id: &ExtensionId, learned: &LearnedDigest) -> bool {
    let (of, store) = (backend.handle.id(), backend.handle.store());
    store.pins().take_learned(of, learned, &store.view());
    store.change(|change| {
        change.show_learned(of, id);
        change.backend(of).is_some_and(|known| known.get(id).is_some())
    })
}

fn answer(
    backend: &SharedBackend,
    (place, request): Received,
    id: Option<&ExtensionId>,
    answer: RequestAnswer,
) {
    // Its content has to be read first. The request is posted again, unless its caller has left.
    if id.is_some_and(|id| backend.share.outbox.is_contested(id)) {
        return;
    }
    backend.share.outbox.answer(id, vec![AnsweredRequest { place, request, answer }]);
}

/// Returns true for an extension that one read has reported as gone.
fn is_doubted(backend: &SharedBackend, id: &ExtensionId) -> bool {
    let doubted =
        backend.handle.store().read_backend(backend.handle.id(), |known| known.is_doubted(id));
    doubted.unwrap_or_default()
}

/// Returns true for an extension that was read within the time to live.
fn is_fresh(backend: &SharedBackend, id: &ExtensionId) -> bool {
    let read = backend.handle.store().read_backend(backend.handle.id(), |known| {
        known.get(id).map(|copy| copy.read_at().elapsed())
    });
    read.flatten().is_some_and(|age| age < backend.handle.ttl())
}

#[cfg(test)]
mod tests;
