//! Snapshots: written by the writer, loaded by replicas that cannot apply the log.

use registry_fleet::epoch::LogPosition;
use registry_fleet::failure::Away;
use registry_fleet::log::WriteFailure;
use registry_fleet::snapshots::TopicSnapshot;
use tokio::task::yield_now;
use tracing::warn;

use crate::LOG_TARGET;
use crate::replication::Fleet;
use crate::replication::apply::replace;
use crate::replication::payload::Payload;
use crate::replication::segments::{SnapshotContent, segments};
use crate::replication::shared_backend::SharedBackend;

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
) -> Result<bool, WriteFailure> {
    // A snapshot that begins an epoch may have what the log lacks.
    let begins = position.sequence == 0;
    let all = backend.share.outbox.batch(usize::MAX);
    let Some(content) = content(backend, begins) else { return Ok(false) };
    let segments = match segments(backend.handle.id(), content).await {
        Ok(segments) => segments,
        Err(error) => {
            warn!(target: LOG_TARGET, backend = %backend.handle.id(), "shared: a snapshot {}", error.report());
            return Ok(false);
        }
    };
    let snapshot = TopicSnapshot { position, segments };
    fleet.snapshots.write(&fleet.replica, backend.topic(), &snapshot).await?;
    if begins {
        backend.share.outbox.confirm(&all);
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
    let known = backend.share.progress().position;
    let Some(snapshot) = fleet.snapshots.read(backend.topic(), known).await? else {
        return Ok(false);
    };
    let mut segments = Vec::with_capacity(snapshot.segments.len());
    for segment in &snapshot.segments {
        match Payload::decode(segment) {
            Ok(payload) => segments.push(payload),
            Err(error) => {
                warn!(target: LOG_TARGET, backend = %backend.handle.id(),
                    "shared: the snapshot cannot be used: {}", error.report());
                return Ok(false);
            }
        }
        yield_now().await;
    }
    if backend.share.role().is_writer() {
        return Ok(false);
    }
    replace(backend, segments);
    backend.share.change_progress(|progress| {
        progress.position = progress.position.max(snapshot.position);
        progress.seen = progress.seen.max(snapshot.position.epoch);
        progress.has_gap = false;
    });
    Ok(true)
}
