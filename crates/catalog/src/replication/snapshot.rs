//! Snapshots: written by the writer, loaded by replicas that cannot apply the log.

use bytes::Bytes;
use registry_core::error::Result;
use registry_core::models::backend_id::BackendId;
use registry_fleet::epoch::Position;
use registry_fleet::failure::Away;
use registry_fleet::log::WriteFailure;
use registry_fleet::snapshots::Snapshot;
use tokio::task::yield_now;
use tracing::warn;

use crate::LOG_TARGET;
use crate::index::backend_extensions::ReadCopy;
use crate::index::delta::{BackendDelta, Delta, OwnerChange};
use crate::replication::Fleet;
use crate::replication::apply::replace;
use crate::replication::payload::{Payload, SharedState};
use crate::replication::shared_backend::SharedBackend;

/// Maximum numbers of extensions and of owners in a segment.
const EXTENSIONS: usize = 1000;
const OWNERS: usize = 10_000;
/// Memory of extensions after which a segment ends, in bytes.
const BYTES: usize = 4 * 1024 * 1024;

/// The content of a backend at one moment.
struct Content {
    state: SharedState,
    extensions: Vec<ReadCopy>,
    owners: Vec<OwnerChange>,
}

/// Writes the content as a snapshot at a position. Returns false if the log lacks a part of the
/// content, or the content cannot be written.
///
/// # Errors
///
/// As [`registry_fleet::snapshots::Snapshots::write`].
pub(super) async fn write_snapshot(
    backend: &SharedBackend,
    fleet: &Fleet,
    position: Position,
) -> std::result::Result<bool, WriteFailure> {
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
    let snapshot = Snapshot { position, segments };
    fleet.snapshots.write(&fleet.replica, backend.topic(), &snapshot).await?;
    if begins {
        backend.share.outbox.confirm(&all);
    }
    Ok(true)
}

fn content(backend: &SharedBackend, begins: bool) -> Option<Content> {
    let state = backend.state();
    backend.handle.store().read(|index| {
        // Under the lock of the index, so that no change comes in between.
        if !begins && !backend.share.outbox.is_empty() {
            return None;
        }
        let known = index.backend(backend.handle.id())?;
        let copies = known.all();
        let extensions = copies.map(|copy| (copy.reported.clone(), copy.read_at())).collect();
        let owners = backend.decides_owners.then(|| index.owners()).into_iter().flatten();
        let owners = owners.map(|(id, owner)| OwnerChange::Owned(id, owner));
        Some(Content { state, extensions, owners: owners.collect() })
    })
}

/// Loads the snapshot in the engine if it is newer than what this replica has applied. Returns true
/// if it was loaded.
///
/// # Errors
///
/// As [`registry_fleet::snapshots::Snapshots::read`].
pub(super) async fn load_snapshot(
    backend: &SharedBackend,
    fleet: &Fleet,
) -> std::result::Result<bool, Away> {
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

/// Divides content into segments. The first one has the state.
async fn segments(of: BackendId, content: Content) -> Result<Vec<Bytes>> {
    let state = Payload { state: Some(content.state), ..Payload::default() };
    let mut segments = vec![state.encode()?];
    for part in content.owners.chunks(OWNERS) {
        segments.push(segment(Delta::Owners(part.to_vec()))?);
        // Requests are answered by the same threads.
        yield_now().await;
    }
    let (mut part, mut bytes) = (Vec::new(), 0);
    let mut extensions = content.extensions.into_iter().peekable();
    while let Some(copy) = extensions.next() {
        bytes += copy.0.weight();
        part.push(copy);
        if part.len() >= EXTENSIONS || bytes >= BYTES || extensions.peek().is_none() {
            let put = BackendDelta::Put(std::mem::take(&mut part));
            segments.push(segment(Delta::Backend(of, put))?);
            bytes = 0;
            yield_now().await;
        }
    }
    Ok(segments)
}

fn segment(delta: Delta) -> Result<Bytes> {
    Payload { deltas: vec![delta], ..Payload::default() }.encode()
}
