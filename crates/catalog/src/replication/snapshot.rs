//! Snapshots: written by the writer, loaded by replicas that cannot apply the log.

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
use crate::replication::shared_backend::SharedBackend;
use crate::stored::damaged;

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
    let Some(content) = content(backend, begins) else { return Ok(false) };
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
        Some(SnapshotContent { state, extensions, owners: owners.collect() })
    })
}

/// Loads the snapshot in the engine if it is newer than what this replica has applied. Returns true
/// if it was loaded.
///
/// # Errors
///
/// As [`registry_fleet::snapshots::Snapshots::read`].
pub(super) async fn load_snapshot(backend: &SharedBackend, fleet: &Fleet) -> Result<bool, Away> {
    let (known, begun) = (backend.share.progress().position, Instant::now());
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
    let (count, parsed) = (segments.len(), begun.elapsed());
    replace(backend, joined(backend.handle.id(), segments));
    let applied = begun.elapsed().saturating_sub(parsed);
    debug!(target: LOG_TARGET, backend = %backend.handle.id(), segments = count, ?parsed, ?applied,
        "shared: a snapshot was loaded");
    backend.share.change_progress(|progress| {
        progress.position = progress.position.max(position);
        progress.seen = progress.seen.max(position.epoch);
        progress.has_gap = false;
    });
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
        // Beside the threads that answer requests.
        let parsed = spawn_blocking(move || Payload::decode(&segment)).await;
        parsed.unwrap_or_else(|error| Err(damaged("reading it panicked").because(error)))
    });
    // In any order: a long segment must not hold up those behind it.
    payloads.buffer_unordered(threads).try_collect().await
}
