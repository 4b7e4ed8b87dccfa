//! Snapshots: written by the writer, loaded by replicas that cannot apply the log.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use bytes::Bytes;
use futures_util::future::join;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use registry_fleet::epoch::LogPosition;
use registry_fleet::failure::Away;
use registry_fleet::log::WriteFailure;
use registry_fleet::snapshots::{SegmentPlace, TopicSnapshot};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::LOG_TARGET;
use crate::replication::Fleet;
use crate::replication::apply::replace;
use crate::replication::payload::Payload;
use crate::replication::segments::{SnapshotContent, joined, segments};
use crate::replication::settle::{settle_names, settle_requests};
use crate::replication::shared_backend::SharedBackend;
use crate::share::outbox::OutboxBatch;
use crate::stored::damaged;

/// Length up to which a segment is parsed in place, in bytes: that takes less than a millisecond.
const SMALL: usize = 8 * 1024;

/// Writes the content as a snapshot at a position. Returns false if the log lacks a part of the
/// content, or the content cannot be written.
///
/// # Errors
///
/// As [`registry_fleet::snapshots::Snapshots::write`].
pub(super) async fn write_snapshot(
    backend: &SharedBackend,
    fleet: &Fleet,
    position: LogPosition,
    place: SegmentPlace,
) -> Result<bool, WriteFailure> {
    // A snapshot that begins an epoch may have what the log lacks.
    let begins = position.sequence == 0;
    let unpublished = begins.then(|| backend.share.outbox.batch(usize::MAX));
    let Some(mut content) = content(backend, begins) else { return Ok(false) };
    let answered = unpublished.as_ref().map(OutboxBatch::answers).unwrap_or_default();
    content.answered.extend_from_slice(&answered);
    let segments = match segments(backend.handle.id(), content).await {
        Ok(segments) => segments,
        Err(error) => {
            warn!(target: LOG_TARGET, backend = %backend.handle.id(), "shared: a snapshot {}", error.report());
            return Ok(false);
        }
    };
    let snapshot = TopicSnapshot { position, segments };
    fleet.snapshots.write(&fleet.replica, backend.topic(), &snapshot, place).await?;
    if let Some(unpublished) = unpublished {
        backend.share.outbox.confirm(&unpublished);
        backend.share.recent.add(unpublished.extensions());
        settle_requests(backend, &answered);
    }
    Ok(true)
}

fn content(backend: &SharedBackend, begins: bool) -> Option<SnapshotContent> {
    let state = backend.state();
    backend.handle.store().read(|index| {
        // Under the lock of the index, so that no change comes in between.
        if !begins && !backend.share.outbox.is_empty() {
            return None;
        }
        let known = index.backend(backend.handle.id())?;
        let extensions = known.all().map(|copy| copy.reported.clone()).collect();
        let owners = backend.decides_owners.then(|| index.owners()).into_iter().flatten();
        let answered = backend.share.inbox.answered();
        let learned = backend.handle.store().pins().learned(backend.handle.id());
        let owners = owners.collect();
        Some(SnapshotContent { state, answered, extensions, owners, learned })
    })
}

/// Loads the snapshot in the engine if it is newer than what this replica has applied. Returns true
/// if it was loaded.
///
/// # Errors
///
/// As [`registry_fleet::snapshots::Snapshots::read`].
pub(super) async fn load_snapshot(backend: &SharedBackend, fleet: &Fleet) -> Result<bool, Away> {
    let (known, begun) = (backend.share.log.progress().position, Instant::now());
    let (sender, segments) = mpsc::unbounded_channel();
    let read = async move {
        let mut pass = |segment| {
            // Without a receiver, a segment before it could not be parsed.
            let _ = sender.send(segment);
        };
        fleet.snapshots.read(backend.topic(), known, &mut pass).await
    };
    let (read, decoded) = join(read, decoded(segments)).await;
    let Some(position) = read? else { return Ok(false) };
    let segments = match decoded {
        Ok(segments) => segments,
        Err(error) => {
            warn!(target: LOG_TARGET, backend = %backend.handle.id(),
                "shared: the snapshot cannot be used: {}", error.report());
            return Ok(false);
        }
    };
    if backend.share.role().is_writer() {
        return Ok(false);
    }
    let answered: Vec<_> = segments.iter().flat_map(|one| &one.answered).copied().collect();
    // An epoch that this replica has followed includes all that it has applied.
    let recent = backend.share.recent.all();
    let recent = if position.epoch == known.epoch { BTreeSet::new() } else { recent };
    settle_names(backend, &answered);
    let (count, parsed) = (segments.len(), begun.elapsed());
    replace(backend, joined(backend.handle.id(), segments), &recent);
    let applied = begun.elapsed().saturating_sub(parsed);
    debug!(target: LOG_TARGET, backend = %backend.handle.id(), segments = count, ?parsed, ?applied,
        "shared: a snapshot was loaded");
    settle_requests(backend, &answered);
    backend.share.log.change(|progress| {
        progress.position = progress.position.max(position);
        progress.seen = progress.seen.max(position.epoch);
        progress.has_gap = false;
    });
    backend.share.requests.after_snapshot(&answered);
    Ok(true)
}

/// Parses segments as they arrive, as many at a time as there are processors: this takes most of the
/// start of a replica.
async fn decoded(
    mut segments: UnboundedReceiver<Bytes>,
) -> registry_core::error::Result<Vec<Payload>> {
    let threads = available_parallelism().map_or(1, NonZeroUsize::get);
    let segments = stream::poll_fn(|context| segments.poll_recv(context));
    let payloads = segments.map(|segment| async move {
        if segment.len() < SMALL {
            return Payload::decode(&segment);
        }
        // Beside the threads that answer requests.
        let parsed = spawn_blocking(move || Payload::decode(&segment)).await;
        parsed.unwrap_or_else(|error| Err(damaged("reading it panicked").because(error)))
    });
    // In any order: a long segment must not hold up those behind it.
    payloads.buffer_unordered(threads).try_collect().await
}
