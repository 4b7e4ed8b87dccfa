//! The task that publishes what the writer found.

use std::sync::Arc;
use std::time::Duration;

use registry_fleet::epoch::{Epoch, LogPosition};
use registry_fleet::log::{LogEntry, PAYLOAD_MAX, StreamPlace, WriteFailure};
use registry_fleet::snapshots::SegmentPlace;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::LOG_TARGET;
use crate::index::delta::{BackendDelta, Delta, OwnerChange};
use crate::pins::learned_digest::LearnedDigest;
use crate::replication::Fleet;
use crate::replication::payload::{Payload, SharedState};
use crate::replication::settle::settle_requests;
use crate::replication::shared_backend::{SharedBackend, StateSummary};
use crate::replication::snapshot::write_snapshot;
use crate::replication::writer::step_down;
use crate::share::outbox::OutboxBatch;
use crate::share::role::ReplicaRole;

/// Maximum number of names in an entry.
const BATCH: usize = 100;
/// Minimum time between two reports of the state.
const STATE_EVERY: Duration = Duration::from_secs(1);
/// Time after which a writer reports although nothing changed: a follower counts on it.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Time between snapshots of content that changes.
const SNAPSHOT_EVERY: Duration = Duration::from_mins(1);
/// Time between snapshots that replicas ask for.
const WANTED_EVERY: Duration = Duration::from_secs(2);
/// Entries after which a snapshot is written in any case.
const ENTRIES_MAX: usize = 5000;
/// Share of the time that goes into snapshots at most.
const SNAPSHOT_SHARE: u32 = 10;

/// What was published in an epoch.
struct EpochProgress {
    epoch: Epoch,
    state: Option<StateSummary>,
    state_at: Option<Instant>,
    /// Entries since the last snapshot, and whether one has content.
    entries: usize,
    has_content: bool,
    snapshot_from: Instant,
    /// Time from which a snapshot is written that a replica asks for.
    wanted_from: Instant,
}

impl EpochProgress {
    fn nothing(epoch: Epoch) -> Self {
        let now = Instant::now();
        Self {
            epoch,
            state: None,
            state_at: None,
            entries: 0,
            has_content: false,
            snapshot_from: now + SNAPSHOT_EVERY,
            wanted_from: now,
        }
    }

    fn is_state_due(&self, summary: &StateSummary) -> bool {
        let Some(at) = self.state_at else { return true };
        at.elapsed() >= SILENCE_MAX
            // At once: a follower may be about to ask the backend by itself.
            || summary.demanded_until > self.demanded_until()
            || at.elapsed() >= STATE_EVERY && self.state.as_ref() != Some(summary)
    }

    /// Returns the end of the pause of the backend that followers know.
    fn demanded_until(&self) -> Option<Instant> {
        self.state.as_ref().and_then(|state| state.demanded_until)
    }

    fn is_snapshot_due(&self, wanted: bool) -> bool {
        let now = Instant::now();
        let is_wanted = wanted && self.wanted_from <= now;
        let is_time = self.snapshot_from <= now;
        is_wanted && self.entries > 0 || is_time && self.has_content || self.entries > ENTRIES_MAX
    }
}

pub(super) async fn publish(fleet: Fleet, backend: Arc<SharedBackend>) {
    let mut published = EpochProgress::nothing(Epoch::default());
    let mut roles = backend.share.roles();
    loop {
        let ReplicaRole::Writer { epoch } = *roles.borrow_and_update() else {
            // An error cannot come: the share lives as long as the backend.
            let _ = roles.changed().await;
            continue;
        };
        if published.epoch != epoch {
            published = EpochProgress::nothing(epoch);
        }
        match publish_all(&backend, &fleet, &mut published).await {
            Ok(()) => {
                tokio::select! {
                    biased;
                    () = backend.share.outbox.changed() => {}
                    () = sleep(STATE_EVERY) => {}
                    () = backend.handle.health.demands_more_than(published.demanded_until()) => {}
                    _ = roles.changed() => {}
                }
            }
            Err(failure) => {
                // Not repeated: it may be carried out later. A new epoch makes sure that it is not.
                if failure == WriteFailure::Fenced {
                    backend.share.count(|counts| counts.fenced += 1);
                }
                step_down(&backend);
            }
        }
    }
}

async fn publish_all(
    backend: &SharedBackend,
    fleet: &Fleet,
    published: &mut EpochProgress,
) -> Result<(), WriteFailure> {
    loop {
        let summary = backend.summary();
        // Only with the last batch. Made before it: what the state counts as read is then in the batch
        // or before it.
        let is_state_due = backend.share.outbox.fits(BATCH) && published.is_state_due(&summary);
        let state = is_state_due.then(|| backend.state());
        let batch = backend.share.outbox.batch(BATCH);
        // Names may have come in between.
        let state = state.filter(|_| batch.is_all);
        if batch.is_empty() && state.is_none() {
            break;
        }
        let has_state = state.is_some();
        append(backend, fleet, published.epoch, &batch, state).await?;
        published.entries += 1;
        published.has_content |= batch.extensions().next().is_some();
        if has_state {
            published.state = Some(summary);
            published.state_at = Some(Instant::now());
        }
        if batch.is_all {
            break;
        }
    }
    let is_wanted = backend.share.is_snapshot_wanted();
    if published.is_snapshot_due(is_wanted) {
        let begun = Instant::now();
        let position = backend.share.log.progress().position;
        // Who asks may have failed to read the one in the bucket.
        let place = if is_wanted { SegmentPlace::Engine } else { SegmentPlace::Bucket };
        if write_snapshot(backend, fleet, position, place).await? {
            backend.share.snapshot_written();
            let (now, pause) = (Instant::now(), begun.elapsed() * SNAPSHOT_SHARE);
            published.snapshot_from = now + pause.max(SNAPSHOT_EVERY);
            // A replica that cannot use snapshots must not cause one after the other.
            published.wanted_from = now + pause.max(WANTED_EVERY);
            published.entries = 0;
            published.has_content = false;
        }
    }
    Ok(())
}

async fn append(
    backend: &SharedBackend,
    fleet: &Fleet,
    epoch: Epoch,
    batch: &OutboxBatch,
    state: Option<SharedState>,
) -> Result<(), WriteFailure> {
    let (deltas, answered) = (deltas(backend, batch), batch.answers());
    let payload = Payload { learned: learned(backend, &deltas), deltas, state, answered };
    let Some(bytes) = encoded(backend, &payload) else {
        // It would fail again, and hold up everything behind it.
        backend.share.outbox.confirm(batch);
        return Ok(());
    };
    let previous = backend.share.log.progress().position;
    let position =
        if previous.epoch == epoch { previous.next() } else { LogPosition::first_of(epoch).next() };
    let topic = backend.topic().clone();
    let entry = LogEntry { topic, position, previous, payload: bytes };
    let places: Vec<StreamPlace> = batch.answered.iter().map(|one| one.place).collect();
    fleet.log.append(&fleet.replica, &entry, &places).await?;
    backend.share.outbox.confirm(batch);
    backend.share.recent.add(batch.extensions());
    backend.share.log.has_entry(position);
    settle_requests(backend, &payload.answered);
    Ok(())
}

/// Returns the learned digests of the extensions in deltas.
fn learned(backend: &SharedBackend, deltas: &[Delta]) -> Vec<LearnedDigest> {
    let put = deltas.iter().flat_map(|delta| match delta {
        Delta::Backend(_, BackendDelta::Put(extensions)) => extensions.as_slice(),
        _ => &[],
    });
    let pins = backend.handle.store().pins();
    pins.learned_of(backend.handle.id(), put.map(|(extension, _)| extension))
}

fn encoded(backend: &SharedBackend, payload: &Payload) -> Option<bytes::Bytes> {
    let backend = backend.handle.id();
    match payload.encode() {
        Ok(bytes) if bytes.len() <= PAYLOAD_MAX => Some(bytes),
        Ok(bytes) => {
            let length = bytes.len();
            warn!(target: LOG_TARGET, %backend, length, "shared: a change is too large for the log; other replicas read the backend for it");
            None
        }
        Err(error) => {
            warn!(target: LOG_TARGET, %backend, "shared: a change {}", error.report());
            None
        }
    }
}

/// Returns the present content of the names of a batch.
fn deltas(backend: &SharedBackend, batch: &OutboxBatch) -> Vec<Delta> {
    let of = backend.handle.id();
    backend.handle.store().read(|index| {
        let Some(known) = index.backend(of) else { return Vec::new() };
        let (mut read, mut deltas) = (Vec::new(), Vec::new());
        for id in batch.extensions() {
            match known.get(id) {
                Some(copy) => read.push((Arc::clone(&copy.reported), copy.read_at())),
                None => deltas.push(Delta::Backend(of, BackendDelta::Removed(id.clone()))),
            }
        }
        if !read.is_empty() {
            deltas.push(Delta::Backend(of, BackendDelta::Put(read)));
        }
        let owners = batch.owners().map(|id| match index.owner_of(id) {
            Some(owner) => OwnerChange::Owned(id.clone(), owner),
            None => OwnerChange::Lost(id.clone()),
        });
        let owners: Vec<OwnerChange> = owners.collect();
        deltas.extend((!owners.is_empty()).then_some(Delta::Owners(owners)));
        deltas
    })
}
