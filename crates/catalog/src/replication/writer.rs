//! What the writer of a backend does: it takes over, answers requests, and steps down.

use std::sync::Arc;
use std::time::Duration;

use registry_core::models::naming::ExtensionId;
use registry_fleet::epoch::{Epoch, Position};
use registry_fleet::log::{PostedRequest, WriteFailure};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::LOG_TARGET;
use crate::replication::Fleet;
use crate::replication::request_payload::decode;
use crate::replication::shared_backend::SharedBackend;
use crate::share::inbox::Received;
use crate::share::outbox::Answered;
use crate::share::requests::{Answer, RequestId, Subject};
use crate::share::role::Role;
use crate::sync::lookups::look_up_for_caller;
use crate::sync::tasks::sync_in_task;

/// Maximum wait for the end of the log.
const READ_MAX: Duration = Duration::from_secs(3);
/// Age of a request whose caller no longer waits, in milliseconds.
const OUTDATED: u64 = 5000;
/// Names that the log lacks, from which on a snapshot is cheaper than entries.
const ENTRIES_MAX: usize = 1000;

impl SharedBackend {
    /// Becomes the writer in an epoch. Publishes the own state unless this replica has applied the log
    /// to its end. Returns false if that fails.
    pub(super) async fn take_over(&self, fleet: &Fleet, epoch: Epoch, tail: Position) -> bool {
        let _ = timeout(READ_MAX, self.share.reached(tail)).await;
        let progress = self.share.progress();
        let connects = progress.position == tail
            && tail != Position::START
            && !progress.has_gap
            && self.share.outbox.len() <= ENTRIES_MAX;
        if !connects {
            let begin = Position::first_of(epoch);
            match self.write_snapshot(fleet, begin).await {
                Ok(true) => self.share.change_progress(|now| {
                    now.position = begin;
                    now.has_gap = false;
                }),
                Ok(false) | Err(WriteFailure::Away(_) | WriteFailure::Fenced) => return false,
            }
        }
        self.share.count(|counts| counts.takeovers += 1);
        let found = if connects { "followed the log to its end" } else { "published its state" };
        info!(target: LOG_TARGET, backend = %self.handle.id(), %epoch,
            "shared: this replica {found}, and reads the backend for all replicas from now on");
        self.share.set_role(Role::Writer { epoch });
        true
    }

    /// Ends the role of the writer. What is not published yet becomes requests to the next one.
    pub(super) fn step_down(&self) {
        if self.share.role().is_writer() {
            info!(target: LOG_TARGET, backend = %self.handle.id(), "shared: this replica no longer reads the backend for all replicas");
            self.share.inbox.clear();
            self.share.set_role(Role::Follower);
        }
    }

    /// Takes a request of any replica, given the time of the latest one in milliseconds.
    pub(super) fn receive(self: &Arc<Self>, posted: &PostedRequest, latest: u64) {
        if !self.share.role().is_writer() {
            return;
        }
        let (request, subject) = match decode(&posted.payload) {
            Ok(decoded) => decoded,
            Err(error) => {
                let backend = self.handle.id();
                warn!(target: LOG_TARGET, %backend, "shared: a request cannot be used: {}", error.report());
                return;
            }
        };
        let received = (posted.place, request);
        let now = Instant::now();
        let is_outdated = posted.place.millis + OUTDATED < latest;
        match subject {
            // Its caller has asked the backend by itself.
            Subject::Stale(_) | Subject::Lookup(..) | Subject::Cycle if is_outdated => {
                self.answer(received, None, Answer::Read);
            }
            Subject::Notice(id) if self.share.inbox.receive(&id, received) => {
                self.handle.refreshes.change(|queue| queue.enqueue_notice(id, now));
            }
            Subject::Stale(id)
                if !self.is_fresh(&id) && self.share.inbox.receive(&id, received) =>
            {
                self.handle.refreshes.change(|queue| queue.enqueue_stale(id, now));
            }
            Subject::Stale(id) => self.answer(received, Some(&id), Answer::Read),
            Subject::Lookup(_, true) if !self.handle.takes_lookup() => {
                self.answer(received, None, Answer::OverBudget);
            }
            Subject::Lookup(id, _) if self.share.inbox.receive(&id, received) => {
                let handle = Arc::clone(&self.handle);
                tokio::spawn(async move { look_up_for_caller(&handle, id).await });
            }
            Subject::Cycle => {
                let this = Arc::clone(self);
                tokio::spawn(async move {
                    // A failure is part of the state, which is published too.
                    let _ = sync_in_task(&this.handle).await;
                    this.answer(received, None, Answer::Read);
                });
            }
            Subject::Snapshot => {
                self.share.want_snapshot();
                self.answer(received, None, Answer::Read);
            }
            // Answered before, and posted again.
            Subject::Notice(_) | Subject::Lookup(..) => self.answer(received, None, Answer::Read),
        }
    }

    fn answer(&self, (place, request): Received, id: Option<&ExtensionId>, answer: Answer) {
        self.share.outbox.answer(id, vec![Answered { place, request, answer }]);
    }

    /// Returns true for an extension that was read within the time to live.
    fn is_fresh(&self, id: &ExtensionId) -> bool {
        let read = self.handle.store().read_backend(self.handle.id(), |known| {
            known.get(id).map(|copy| copy.read_at().elapsed())
        });
        read.flatten().is_some_and(|age| age < self.handle.ttl())
    }

    /// Ends own requests that the log answers.
    pub(super) fn settle_requests(&self, answered: &[(RequestId, Answer)]) {
        for (request, answer) in answered {
            self.share.outbox.answered(*request);
            self.share.requests.answered(*request, *answer);
        }
    }
}
