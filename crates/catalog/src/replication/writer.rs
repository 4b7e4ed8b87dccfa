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
    let state = |id| backend.share.inbox.receive(id, received);
    let is_outdated = posted.place.millis + OUTDATED < latest;
    match subject {
        // Its caller has asked the backend by itself.
        RequestSubject::Stale(_) | RequestSubject::Lookup(..) | RequestSubject::Cycle
            if is_outdated =>
        {
            answer(backend, received, None, RequestAnswer::Read);
        }
        RequestSubject::Notice(id) => match state(&id) {
            // A second read is scheduled, which makes a removal certain.
            RequestState::Open if is_doubted(backend, &id) => {}
            RequestState::New | RequestState::Open => {
                backend.handle.refreshes.change(|queue| queue.enqueue_notice(id, now));
            }
            // Posted again: its replica may have a snapshot instead of the entry with the content.
            RequestState::Answered => answer(backend, received, Some(&id), RequestAnswer::Read),
        },
        RequestSubject::Stale(id)
            if !is_fresh(backend, &id) && state(&id) != RequestState::Answered =>
        {
            backend.handle.refreshes.change(|queue| queue.enqueue_stale(id, now));
        }
        RequestSubject::Stale(id) => answer(backend, received, Some(&id), RequestAnswer::Read),
        RequestSubject::Lookup(_, true) if !backend.handle.takes_lookup() => {
            answer(backend, received, None, RequestAnswer::OverBudget);
        }
        RequestSubject::Lookup(id, _) => {
            if state(&id) == RequestState::Answered {
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
mod tests {
    use registry_core::backend::Backend;
    use registry_core::models::backend_id::BackendId;
    use registry_core::models::extension::About;
    use registry_core::models::scope::Scope;
    use registry_fleet::leases::{LeaseState, Leases as _};
    use registry_fleet::log::{Cursor, SharedLog as _, StreamPlace};
    use registry_fleet::state::EngineState;
    use registry_testing::fleet::engine::{EngineConnection, MemoryEngine};
    use registry_testing::memory::MemoryBackend;
    use tokio::time::sleep;

    use super::*;
    use crate::index::delta::{BackendDelta, Delta};
    use crate::replication::payload::Payload;
    use crate::replication::publisher::publish;
    use crate::replication::request_payload::encode;
    use crate::share::requests::RequestId;
    use crate::{Catalog, Rules};

    /// A catalog that is the writer of its backend.
    struct Writer {
        connection: Arc<EngineConnection>,
        catalog: Arc<Catalog>,
        shared: Arc<SharedBackend>,
        cursor: Cursor,
    }

    impl Writer {
        async fn over(backend: &Arc<MemoryBackend>) -> Self {
            let connection = MemoryEngine::new().connect();
            let fleet = Fleet {
                leases: Arc::clone(&connection) as _,
                log: Arc::clone(&connection) as _,
                snapshots: Arc::clone(&connection) as _,
                replica: "one".parse().unwrap(),
                engine: EngineState::default(),
            };
            let fingerprints = vec![(backend.id(), String::new())];
            let backends = vec![Arc::clone(backend) as Arc<dyn Backend>];
            let shared = Some((fleet.clone(), fingerprints));
            let catalog = Catalog::replicated(backends, Rules::for_tests(), None, shared);
            catalog.syncer.sync(Scope::All).await.unwrap();
            let shared = Arc::clone(&catalog.replicator.as_ref().unwrap().backends[0]);
            let held = connection.take(shared.topic(), &fleet.replica, Epoch::default(), 7).await;
            let Ok(LeaseState::Held { epoch, tail }) = held else { panic!("{held:?}") };
            let takeover = take_over(&shared, &fleet, epoch, tail, false).await;
            assert_eq!(takeover, Takeover::Done);
            tokio::spawn(publish(fleet.clone(), Arc::clone(&shared)));
            let topic = shared.topic().clone();
            tokio::spawn(async move {
                loop {
                    let _ = fleet.leases.take(&topic, &fleet.replica, epoch, 7).await;
                    sleep(Duration::from_secs(3)).await;
                }
            });
            Self { connection, catalog, shared, cursor: Cursor::default() }
        }

        /// Takes a webhook, and reads what is due.
        async fn receives(&self, place: u64, request: u64, id: &ExtensionId) {
            let payload = encode(RequestId(request), &RequestSubject::Notice(id.clone())).unwrap();
            let place = StreamPlace { millis: place, number: 0 };
            let topic = self.shared.topic().clone();
            receive(&self.shared, &PostedRequest { place, topic, payload }, 0);
            look_up_for_caller(&self.shared.handle, id.clone()).await;
        }

        /// Returns what comes next in the log about extensions.
        async fn published(&mut self) -> Payload {
            for _ in 0..100 {
                let heard = self.connection.follow(&mut self.cursor).await.unwrap();
                let payloads = heard.entries.iter().map(|it| Payload::decode(&it.payload).unwrap());
                if let Some(payload) = payloads.into_iter().find(|it| !it.deltas.is_empty()) {
                    return payload;
                }
            }
            panic!("nothing is published")
        }
    }

    fn id() -> ExtensionId {
        "provider/one".parse().unwrap()
    }

    fn published() -> Arc<MemoryBackend> {
        let backend = Arc::new(MemoryBackend::new(BackendId::GITEA));
        let other = "provider/other".parse().unwrap();
        for id in [id(), other] {
            backend.publish(&id, "1.0.0".parse().unwrap(), About::default(), "archive");
        }
        backend
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_posted_again_is_answered_with_the_content() {
        let backend = published();
        let mut writer = Writer::over(&backend).await;
        backend.publish(&id(), "1.1.0".parse().unwrap(), About::default(), "another");
        writer.receives(1, 7, &id()).await;
        let first = writer.published().await;
        // Not read again: the replica may have a snapshot instead of the entry.
        writer.receives(2, 7, &id()).await;
        let again = writer.published().await;
        for payload in [&first, &again] {
            assert_eq!(payload.answered, [(RequestId(7), RequestAnswer::Read)]);
            let put = matches!(&payload.deltas[..],
                [Delta::Backend(_, BackendDelta::Put(all))] if *all[0].0.id() == id());
            assert!(put, "{payload:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_about_a_removal_is_answered_with_the_removal() {
        let backend = published();
        let mut writer = Writer::over(&backend).await;
        backend.remove(&id());
        let _tasks = writer.catalog.syncer.start();
        writer.receives(1, 7, &id()).await;
        assert_eq!(writer.shared.share.inbox.begin_read(&id()).len(), 1, "one read may be wrong");
        let removed = Delta::Backend(BackendId::GITEA, BackendDelta::Removed(id()));
        let payload = writer.published().await;
        assert_eq!(payload.answered, [(RequestId(7), RequestAnswer::Read)]);
        assert!(payload.deltas.contains(&removed), "{payload:?}");
    }
}
