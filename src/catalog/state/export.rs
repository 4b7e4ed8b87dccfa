//! Export of the catalog's state as records, and restore at startup.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::backend::Fault;
use crate::catalog::Catalog;
use crate::catalog::backend_handle::BackendHandle;
use crate::catalog::index::Index;
use crate::catalog::persistent_instant::PersistentInstant;
use crate::catalog::state::ReadExtension;
use crate::catalog::state::record::Record;
use crate::catalog::state::{BackendState, Snapshot, Unsettled};
use crate::catalog::sync_cycle::CyclePosition;
use crate::catalog::unsaved::{RecordKey, Unsaved};
use crate::models::backend_id::BackendId;
use crate::models::extension::Extension;
use crate::models::naming::ExtensionId;

/// State that decides about another write of a backend's record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Known {
    as_of: PersistentInstant,
    unsettled: Unsettled,
    faults: Vec<Fault>,
}

impl Known {
    /// Returns true if more than the age of the data differs.
    pub(super) fn is_news_to(&self, written: Option<&Self>) -> bool {
        written.is_none_or(|it| self.unsettled != it.unsettled || self.faults != it.faults)
    }
}

impl Catalog {
    /// Exports all records but those of backends that were not listed, given the wall clock `now`.
    #[must_use]
    pub fn snapshot(&self, fingerprints: &[(BackendId, String)], now: Timestamp) -> Snapshot {
        let places = self.places();
        let index = self.index.lock();
        let mut snapshot =
            Snapshot { owners: index.owners(), pins: self.pins.all(), ..Snapshot::default() };
        let mut shelves = Vec::new();
        for (handle, place) in places {
            let of = handle.id();
            let state = state_of(handle, place, fingerprints, &index, now);
            if let (Some(state), Some(shelf)) = (state, index.shelved(of)) {
                snapshot.backends.insert(of, state);
                shelves.push((of, shelf));
            }
        }
        drop(index);
        for (of, shelf) in shelves {
            let extensions = shelf.into_iter();
            let extensions = extensions
                .map(|(all, read)| (all.id().clone(), (all, read.to_wall_clock(now))))
                .collect();
            snapshot.extensions.insert(of, extensions);
        }
        snapshot
    }

    /// Leaves out extensions of backends that have no fingerprint or were not listed.
    pub(super) fn records(
        &self,
        keys: &BTreeSet<RecordKey>,
        backends: &BTreeSet<BackendId>,
        fingerprints: &[(BackendId, String)],
        now: Timestamp,
    ) -> Vec<Record> {
        let places = self.places();
        let index = self.index.lock();
        let mut records = Vec::new();
        for (handle, place) in places.filter(|(handle, _)| backends.contains(&handle.id())) {
            let state = state_of(handle, place, fingerprints, &index, now);
            records.extend(state.map(|state| Record::Backend(handle.id(), Box::new(state))));
        }
        for key in keys {
            records.extend(match key {
                RecordKey::Extension(of, id) => (index.is_listed(*of)
                    && fingerprint_of(*of, fingerprints).is_some())
                .then(|| {
                    let found = index.part(*of, id);
                    let value = found.map(|(all, read)| (all, read.to_wall_clock(now)));
                    Record::Extension(*of, id.clone(), value)
                }),
                RecordKey::Owner(id) => Some(Record::Owner(id.clone(), index.owner_of(id))),
                RecordKey::Pins(of, id, name) => {
                    let pins = self.pins.pins_of(*of, id, name);
                    Some(Record::Pins(*of, id.clone(), name.clone(), pins))
                }
                RecordKey::Digest(of, key) => {
                    Some(Record::Digest(*of, key.clone(), self.pins.digest_of(*of, key)))
                }
            });
        }
        records
    }

    /// Restores the state from before a restart, given the wall clock `now`. Returns the backends
    /// that were restored. State acquired since the start takes precedence.
    ///
    /// A backend that is not configured, or has a different fingerprint, is left out. Its owners and
    /// pins are restored nevertheless: a change of address must not hand a removed name to another
    /// backend, or let an archive change.
    pub fn restore(
        self: &Arc<Self>,
        mut snapshot: Snapshot,
        fingerprints: &[(BackendId, String)],
        now: Timestamp,
    ) -> Vec<BackendId> {
        let mut restored = Vec::new();
        for handle in &self.handles {
            let of = handle.id();
            if let Some(seen) = snapshot.pins.remove(&of) {
                self.pins.restore(of, seen);
            }
            if let Some(state) = snapshot.backends.remove(&of)
                && fingerprint_of(of, fingerprints) == Some(&state.fingerprint)
            {
                let extensions = snapshot.extensions.remove(&of).unwrap_or_default();
                restored.push((of, give_back(handle, state, extensions, now)));
            }
        }
        let names = restored.iter().map(|(of, _)| *of).collect();
        self.change(|index| {
            index.restore_owners(snapshot.owners);
            for (of, (mut extensions, unsettled)) in restored {
                for (extension, _) in &mut extensions {
                    if let Some(amended) = self.pins.amended(extension) {
                        *extension = Arc::new(amended);
                    }
                }
                // Extensions that do not fit now are not restored by the next start either.
                for id in index.restore(of, extensions, &unsettled, Instant::now()) {
                    self.unsaved().note(RecordKey::Extension(of, id));
                }
            }
        });
        names
    }

    pub(super) fn unsaved(&self) -> &Arc<Unsaved> {
        self.pins.unsaved()
    }

    pub(super) fn set_persist_error(&self, reason: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.persist_error.lock(), reason)
    }

    pub(super) fn knowledge(
        &self,
        fingerprints: &[(BackendId, String)],
    ) -> BTreeMap<BackendId, Known> {
        let index = self.index.lock();
        let known = fingerprints.iter().filter_map(|(of, _)| {
            let handle = self.handle(*of).filter(|_| index.is_listed(*of))?;
            let as_of = handle.status.current_as_of()?;
            let (faults, _) = handle.evidence.faults();
            Some((*of, Known { as_of, unsettled: unsettled(handle, &index), faults }))
        });
        known.collect()
    }

    /// Returns each backend with its position. Positions are taken before the extensions: an old
    /// cursor only repeats a read, a new one would skip changes.
    fn places(&self) -> impl Iterator<Item = (&BackendHandle, CyclePosition)> {
        let places: Vec<_> = self.handles.iter().map(|one| (one, one.round.place())).collect();
        places.into_iter()
    }
}

fn fingerprint_of(backend: BackendId, among: &[(BackendId, String)]) -> Option<&String> {
    among.iter().find(|(of, _)| *of == backend).map(|(_, fingerprint)| fingerprint)
}

fn unsettled(handle: &BackendHandle, index: &Index) -> Unsettled {
    let backend = handle.id();
    let (doubted, refused) = (index.doubted(backend), index.held(backend).refused);
    let incomplete = handle.evidence.incomplete();
    Unsettled { doubted, dirty: handle.scheduled(), refused, incomplete }
}

fn state_of(
    handle: &BackendHandle,
    place: CyclePosition,
    fingerprints: &[(BackendId, String)],
    index: &Index,
    now: Timestamp,
) -> Option<BackendState> {
    let fingerprint = fingerprint_of(handle.id(), fingerprints)?;
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
    Some(BackendState {
        fingerprint: fingerprint.clone(),
        current_as_of,
        complete_as_of,
        last_success: status.last_success,
        cursor: place.cursor,
        swept: place.swept.map(|at| at.to_wall_clock(now)),
        identity: handle.backend.identity(),
        listing: handle.evidence.listing(),
        faults,
        unsettled: unsettled(handle, index),
    })
}

type GivenBack = (Vec<(Arc<Extension>, PersistentInstant)>, Unsettled);

/// Restores a backend's status and position. Returns the extensions for its shelf.
fn give_back(
    handle: &BackendHandle,
    state: BackendState,
    extensions: BTreeMap<ExtensionId, ReadExtension>,
    now: Timestamp,
) -> GivenBack {
    let moment = |written| PersistentInstant::of_wall_clock(written, now);
    let current_as_of = moment(state.current_as_of);
    let complete_as_of = state
        .complete_as_of
        .map(|at| if at == state.current_as_of { current_as_of } else { moment(at) });
    // Before the first request, or an upstream under a reused name would be accepted.
    if let Some(identity) = &state.identity {
        handle.backend.resume(identity);
    }
    // An extension that did not change is not written again when it is read. A sweep over a
    // complete list has read each but those that failed.
    let swept = state.swept.filter(|_| state.listing.is_complete());
    let failed: BTreeSet<&ExtensionId> = state.unsettled.incomplete.iter().collect();
    let extensions = extensions.into_iter().map(|(id, (all, read))| {
        let swept = swept.filter(|swept| *swept > read && !failed.contains(&id));
        (all, moment(swept.unwrap_or(read)))
    });
    let extensions: Vec<_> = extensions.collect();
    // A round since the start has newer evidence, which must not be replaced.
    if handle.status.restore(current_as_of, complete_as_of, state.last_success) {
        let incomplete = state.unsettled.incomplete.iter().cloned();
        handle.evidence.restore(state.listing, incomplete, state.faults);
    }
    if handle.round.place() == CyclePosition::default() {
        handle
            .round
            .go_on_from(CyclePosition { cursor: state.cursor, swept: state.swept.map(moment) });
    }
    let mut unsettled = state.unsettled;
    let dirty = std::mem::take(&mut unsettled.dirty);
    // Uploads are not announced, so extensions that lacked an archive are read again.
    let bare = extensions.iter().filter(|(extension, _)| extension.awaits_archive());
    let now = Instant::now();
    handle.mark(|waiting| {
        dirty.into_iter().for_each(|id| waiting.enqueue_notice(id, now));
        bare.for_each(|(all, _)| waiting.enqueue_incomplete(all.id().clone(), now));
    });
    (extensions, unsettled)
}
