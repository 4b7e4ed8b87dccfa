//! Snapshot of the catalog, which survives a restart: export, and restore at startup.

pub(super) mod damage;
pub(super) mod file;
pub mod keeper;
pub(super) mod stored;
mod stored_evidence;
mod stored_release;
mod text;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::backend::Fault;
use crate::backend::changes::ChangeCursor;
use crate::catalog::Catalog;
use crate::catalog::backend_handle::BackendHandle;
use crate::catalog::index::Index;
use crate::catalog::persistent_instant::PersistentInstant;
use crate::catalog::sync_cycle::CyclePosition;
use crate::models::backend_id::BackendId;
use crate::models::coverage::Coverage;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;

/// State of all backends, with wall clock times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Each backend that was ever listed, in order.
    pub backends: Vec<Kept>,
    /// The last certain owner of each name, including names that the owner lost.
    pub owners: Vec<(ExtensionId, BackendId)>,
}

/// State of one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name and kind.
    pub backend: BackendId,
    /// Fingerprint of the configuration. A different fingerprint means a different upstream.
    pub fingerprint: String,
    /// Start of the last successful round.
    pub current_as_of: Timestamp,
    /// Time up to which the absence of unlisted names is proven.
    pub complete_as_of: Option<Timestamp>,
    /// Time of the last successful response.
    pub last_success: Option<Timestamp>,
    /// Cursor for the next request for changes.
    pub cursor: Option<ChangeCursor>,
    /// Start of the last full sweep.
    pub swept: Option<Timestamp>,
    /// Stable identity of the upstream, so that another one under its name is refused.
    pub identity: Option<String>,
    /// Reason why the last list of repositories was incomplete.
    pub listing_gap: Option<String>,
    /// Faults of the backend.
    pub faults: Vec<Fault>,
    /// Extensions, each with the time when it was last read.
    pub extensions: Vec<(Arc<Extension>, Timestamp)>,
    /// Open ends: doubted, scheduled, refused and incomplete extensions.
    pub unsettled: Unsettled,
}

/// Extensions of a backend that need another read. Without times, since those only count within one
/// process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Extensions that were reported as gone once.
    pub doubted: Vec<ExtensionId>,
    /// Extensions in the refresh queue.
    pub dirty: Vec<ExtensionId>,
    /// Extensions that were refused for lack of room.
    pub refused: Vec<ExtensionId>,
    /// Extensions whose last read failed or was incomplete.
    pub incomplete: Vec<ExtensionId>,
}

/// Fingerprints of the configuration of each backend: equal text means the same upstream.
pub type Fingerprints = Vec<(BackendId, String)>;

impl Catalog {
    /// Exports the state of the catalog, given the wall clock `now`.
    #[must_use]
    pub fn snapshot(&self, fingerprints: &[(BackendId, String)], now: Timestamp) -> Snapshot {
        // Cursors are taken before the shelves: an old cursor only repeats a read, a new one would
        // skip changes.
        let places: Vec<CyclePosition> = self.handles.iter().map(|m| m.round.place()).collect();
        let index = self.index.lock();
        let shelves: Vec<_> = self.handles.iter().map(|m| index.shelved(m.id())).collect();
        let unsettled = self.handles.iter().map(|handle| unsettled(handle, &index));
        // Under the lock of the index, so that doubts and shelves are of one moment.
        let unsettled: Vec<Unsettled> = unsettled.collect();
        let owners = index.owners();
        drop(index);
        let handles = self.handles.iter().zip(places).zip(shelves).zip(unsettled);
        let backends = handles.filter_map(|(((handle, place), shelf), unsettled)| {
            let (_, fingerprint) = fingerprints.iter().find(|(of, _)| *of == handle.id())?;
            let known = kept(handle, fingerprint.clone(), place, shelf?, now)?;
            Some(Kept { unsettled, ..known })
        });
        Snapshot { backends: backends.collect(), owners }
    }

    /// Restores the state from before a restart, given the wall clock `now`. Returns the backends
    /// that were restored. State acquired since the start takes precedence.
    ///
    /// A backend that is not configured, or has a different fingerprint, is left out. The owners of
    /// names are restored nevertheless: a change of address must not hand a removed name to another
    /// backend.
    pub fn restore(
        self: &Arc<Self>,
        snapshot: Snapshot,
        fingerprints: &[(BackendId, String)],
        now: Timestamp,
    ) -> Vec<BackendId> {
        let Snapshot { backends, owners } = snapshot;
        let same = |kept: &Kept| {
            fingerprints.iter().any(|(of, print)| *of == kept.backend && *print == kept.fingerprint)
        };
        let usable = backends.into_iter().filter(same);
        let usable: Vec<(&BackendHandle, Kept)> =
            usable.filter_map(|kept| Some((self.handle(kept.backend)?, kept))).collect();
        let restored = usable.iter().map(|(handle, _)| handle.id()).collect();
        self.change(|index| {
            index.restore_owners(owners);
            for (handle, kept) in usable {
                let (mut extensions, unsettled) = give_back(handle, kept, now);
                for (extension, _) in &mut extensions {
                    // Pins are stored apart from the snapshot and may be newer.
                    if let Some(amended) = self.pins.amended(extension) {
                        *extension = Arc::new(amended);
                    }
                }
                index.restore(handle.id(), extensions, &unsettled, Instant::now());
            }
        });
        restored
    }

    /// Stores the failure to save state, or `None`. Returns the previous value.
    pub(super) fn set_persist_error(&self, reason: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.persist_error.lock(), reason)
    }

    /// Returns a value that changes whenever a snapshot would differ.
    pub(super) fn state_of_knowledge(&self) -> Knowledge {
        let index = self.index.lock();
        Knowledge {
            revision: index.due_revision(),
            rounds: self.handles.iter().map(|handle| handle.status.current_as_of()).collect(),
            unsettled: self.handles.iter().map(|handle| unsettled(handle, &index)).collect(),
        }
    }
}

/// State of the catalog at the time of a snapshot.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Knowledge {
    /// Number of the view that shows the state; it may not have been made yet.
    revision: u64,
    /// Start of each backend's last round.
    rounds: Vec<Option<PersistentInstant>>,
    unsettled: Vec<Unsettled>,
}

impl Knowledge {
    /// Returns true if more than the age of the data differs.
    pub(super) fn is_news_to(&self, written: &Self) -> bool {
        self.revision != written.revision || self.unsettled != written.unsettled
    }
}

fn unsettled(handle: &BackendHandle, index: &Index) -> Unsettled {
    let backend = handle.id();
    let (doubted, refused) = (index.doubted(backend), index.refused(backend));
    let incomplete = handle.evidence.incomplete();
    Unsettled { doubted, dirty: handle.scheduled(), refused, incomplete }
}

fn kept(
    handle: &BackendHandle,
    fingerprint: String,
    place: CyclePosition,
    shelf: Vec<(Arc<Extension>, PersistentInstant)>,
    now: Timestamp,
) -> Option<Kept> {
    let status = handle.status.get();
    let current_as_of = status.current_as_of?.to_wall_clock(now);
    // Equal moments get equal times, because `restore` compares them. With faults beyond the limit,
    // absence is not proven: any name may have one.
    let (faults, faults_beyond) = handle.evidence.faults();
    let complete_as_of =
        status.complete_as_of.filter(|_| faults_beyond == 0).map(|at| match status.current_as_of {
            Some(current) if current == at => current_as_of,
            _ => at.to_wall_clock(now),
        });
    Some(Kept {
        backend: handle.id(),
        fingerprint,
        current_as_of,
        complete_as_of,
        last_success: status.last_success,
        cursor: place.cursor,
        swept: place.swept.map(|at| at.to_wall_clock(now)),
        identity: handle.backend.identity(),
        listing_gap: handle.evidence.listing_gap(),
        faults,
        extensions: shelf.into_iter().map(|(all, read)| (all, read.to_wall_clock(now))).collect(),
        unsettled: Unsettled::default(),
    })
}

/// Extensions for a backend's shelf, and those that need another read.
type GivenBack = (Vec<(Arc<Extension>, PersistentInstant)>, Unsettled);

/// Restores a backend's status and position. Returns the extensions for its shelf.
fn give_back(handle: &BackendHandle, kept: Kept, now: Timestamp) -> GivenBack {
    let moment = |written| PersistentInstant::of_wall_clock(written, now);
    let current_as_of = moment(kept.current_as_of);
    let complete_as_of = kept
        .complete_as_of
        .map(|at| if at == kept.current_as_of { current_as_of } else { moment(at) });
    // Before the first request, or an upstream under a reused name would be accepted.
    if let Some(identity) = &kept.identity {
        handle.backend.resume(identity);
    }
    // A round since the start has newer evidence, which must not be replaced.
    if handle.status.restore(current_as_of, complete_as_of, kept.last_success) {
        let listing =
            kept.listing_gap.map_or(Coverage::Complete, |gap| Coverage::Partial(gap.into()));
        let incomplete = kept.unsettled.incomplete.iter().cloned();
        handle.evidence.restore(listing, incomplete, kept.faults);
    }
    if handle.round.place() == CyclePosition::default() {
        handle
            .round
            .go_on_from(CyclePosition { cursor: kept.cursor, swept: kept.swept.map(moment) });
    }
    let mut unsettled = kept.unsettled;
    let dirty = std::mem::take(&mut unsettled.dirty);
    // Uploads are not announced, so extensions that lacked an archive are read again.
    let bare = kept.extensions.iter().filter(|(extension, _)| extension.awaits_archive());
    let now = Instant::now();
    handle.mark(|waiting| {
        dirty.into_iter().for_each(|id| waiting.enqueue_notice(id, now));
        bare.for_each(|(all, _)| waiting.enqueue_incomplete(all.id().clone(), now));
    });
    let extensions = kept.extensions.into_iter().map(|(extension, read)| (extension, moment(read)));
    (extensions.collect(), unsettled)
}
