//! Segments of a snapshot. A change of the catalog changes few segments, so that the engine has
//! most parts of the next snapshot already.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use registry_core::error::Result;
use registry_core::models::backend_id::BackendId;
use registry_core::models::extension::Extension;
use registry_core::models::naming::ExtensionId;
use tokio::task::yield_now;

use crate::index::delta::{BackendDelta, Delta, OwnerChange};
use crate::persistent_instant::PersistentInstant;
use crate::pins::learned_digest::LearnedDigest;
use crate::replication::payload::{Payload, SharedState};
use crate::share::requests::{RequestAnswer, RequestId};

/// Mean number of extensions in a bucket, at most.
const BUCKET: usize = 500;
/// Memory of extensions after which a segment ends, in bytes.
const BYTES: usize = 4 * 1024 * 1024;
/// Age in place of that of a read. Half a second, so that it is rounded to the same second each time.
const NO_AGE: Duration = Duration::from_millis(500);

/// The content of a backend at one moment.
#[derive(Default)]
pub(super) struct SnapshotContent {
    pub(super) state: SharedState,
    /// Requests answered in the last minute.
    pub(super) answered: Vec<(RequestId, RequestAnswer)>,
    /// In the order of the index.
    pub(super) extensions: Vec<Arc<Extension>>,
    pub(super) owners: Vec<(ExtensionId, BackendId)>,
    pub(super) learned: Vec<LearnedDigest>,
}

/// What names of one hash have.
#[derive(Default)]
struct Bucket {
    extensions: Vec<Arc<Extension>>,
    owners: Vec<OwnerChange>,
}

/// Divides content into segments. The first one has the state. Times of reads are left out: they would
/// make every segment a new one.
pub(super) async fn segments(of: BackendId, content: SnapshotContent) -> Result<Vec<Bytes>> {
    let (state, answered) = (Some(content.state), content.answered);
    let state = Payload { state, answered, ..Payload::default() };
    let mut segments = vec![state.encode()?];
    segments.extend(learned_segments(content.learned)?);
    for bucket in buckets(content.extensions, content.owners) {
        if !bucket.owners.is_empty() {
            segments.push(segment(Delta::Owners(bucket.owners))?);
        }
        let (mut part, mut bytes) = (Vec::new(), 0);
        let mut extensions = bucket.extensions.into_iter().peekable();
        while let Some(extension) = extensions.next() {
            bytes += extension.weight();
            part.push((extension, PersistentInstant::ago(NO_AGE)));
            if bytes >= BYTES || extensions.peek().is_none() {
                let put = BackendDelta::Put(std::mem::take(&mut part));
                segments.push(segment(Delta::Backend(of, put))?);
                bytes = 0;
            }
        }
        // Requests are answered by the same threads.
        yield_now().await;
    }
    Ok(segments)
}

/// Divides learned digests by a hash of the file, like names.
fn learned_segments(learned: Vec<LearnedDigest>) -> Result<Vec<Bytes>> {
    let count = learned.len().div_ceil(BUCKET).next_power_of_two();
    let mut buckets = vec![Vec::new(); count];
    for one in learned {
        if let Some(bucket) = buckets.get_mut(place(&one.file, count)) {
            bucket.push(one);
        }
    }
    let full = buckets.into_iter().filter(|bucket| !bucket.is_empty());
    let segments = full.map(|mut learned| {
        learned.sort_unstable();
        Payload { learned, ..Payload::default() }.encode()
    });
    segments.collect()
}

/// Joins the segments of a snapshot of this backend, in whatever order they come.
pub(super) fn joined(of: BackendId, segments: Vec<Payload>) -> SnapshotContent {
    let mut content = SnapshotContent::default();
    for Payload { deltas, learned, state, answered } in segments {
        content.state = state.unwrap_or(content.state);
        content.answered.extend(answered);
        content.learned.extend(learned);
        for delta in deltas {
            match delta {
                Delta::Backend(from, BackendDelta::Put(part)) if from == of => {
                    content.extensions.extend(part.into_iter().map(|(extension, _)| extension));
                }
                Delta::Owners(part) => content.owners.extend(part.into_iter().filter_map(owned)),
                // No snapshot has another one.
                Delta::Backend(..) => {}
            }
        }
    }
    content.extensions.sort_by(|one, other| one.id().cmp(other.id()));
    content
}

fn owned(change: OwnerChange) -> Option<(ExtensionId, BackendId)> {
    match change {
        OwnerChange::Owned(id, owner) => Some((id, owner)),
        OwnerChange::Lost(_) => None,
    }
}

/// Divides names by a hash. The number of buckets is a power of two, so that it seldom changes.
fn buckets(
    extensions: Vec<Arc<Extension>>,
    owners: Vec<(ExtensionId, BackendId)>,
) -> impl Iterator<Item = Bucket> {
    let count = extensions.len().max(owners.len()).div_ceil(BUCKET).next_power_of_two();
    let mut buckets: Vec<Bucket> = (0..count).map(|_| Bucket::default()).collect();
    for extension in extensions {
        if let Some(bucket) = buckets.get_mut(place(extension.id(), count)) {
            bucket.extensions.push(extension);
        }
    }
    for (id, owner) in owners {
        if let Some(bucket) = buckets.get_mut(place(&id, count)) {
            bucket.owners.push(OwnerChange::Owned(id, owner));
        }
    }
    buckets.into_iter()
}

fn place(id: &impl Hash, count: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    usize::try_from(hasher.finish() % count as u64).unwrap_or_default()
}

fn segment(delta: Delta) -> Result<Bytes> {
    Payload { deltas: vec![delta], ..Payload::default() }.encode()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn content(count: usize, changed: Option<usize>) -> SnapshotContent {
        let of = BackendId::GITEA;
        let id = |number: usize| format!("provider/e{number:05}").parse::<ExtensionId>().unwrap();
        let extensions = (0..count).map(|number| {
            let extension = Extension::new(id(number), Vec::new());
            Arc::new(extension.awaiting_archive(changed == Some(number)))
        });
        let owners = (0..count).map(|number| (id(number), of));
        SnapshotContent {
            state: SharedState::default(),
            answered: Vec::new(),
            extensions: extensions.collect(),
            owners: owners.collect(),
            learned: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_change_among_many_extensions_changes_one_segment() {
        let of = BackendId::GITEA;
        let before = segments(of, content(5000, None)).await.unwrap();
        tokio::time::advance(Duration::from_mins(1)).await;
        let after = segments(of, content(5000, Some(1234))).await.unwrap();
        assert_eq!(before.len(), after.len());
        assert!(before.len() > 16, "{}", before.len());
        let known: BTreeSet<&Bytes> = before.iter().collect();
        assert_eq!(after.iter().filter(|segment| !known.contains(segment)).count(), 1);
        let grown = segments(of, content(5001, None)).await.unwrap();
        let new = grown.iter().filter(|segment| !known.contains(segment)).count();
        assert_eq!(new, 2, "the extensions and the owners of one bucket");
        let names = after.iter().flat_map(|segment| Payload::decode(segment).unwrap().deltas);
        let names = names.map(|delta| match delta {
            Delta::Backend(_, BackendDelta::Put(extensions)) => extensions.len(),
            _ => 0,
        });
        assert_eq!(names.sum::<usize>(), 5000);
    }
}
